//! The chat page in a real browser: the server with the model in the box, a headless Chromium,
//! and chromedriver between the test and the browser. Where there is no Chromium the test says
//! so and passes.

mod browser;
#[path = "../support/server.rs"]
mod server;

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};

use self::{browser::Browser, server::Server};

const PROMPT: &str = "Tell me a story about a dog.";

/// Longer than any answer of the model in the box takes.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_chat_page() {
    let Some(browser) = Browser::start() else {
        eprintln!("skipped: want `chromium` and `chromedriver` in PATH");
        return;
    };
    let server = Server::start();
    browser.go(&server.url);
    browser.wait("document.getElementById('model').textContent !== ''", LONG);
    picture(&browser, "welcome");
    every_control_has_a_name(&browser);
    answers_stream(&browser);
    the_conversation_is_kept(&browser, &server);
    settings_reach_the_server(&browser);
    an_answer_can_be_stopped(&browser);
    refusals_are_shown_in_words(&browser);
    markdown_is_shown_and_harmless(&browser, &server);
    themes_change(&browser);
    a_phone_scrolls_down_only(&browser);
    a_new_chat_is_empty(&browser);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(server);
    send(&browser, "Are you there?");
    browser
        .wait("document.querySelector('.error')?.textContent.includes('cannot be reached')", LONG);
}

/// Leaves a picture for whoever wants to look at the page.
fn picture(browser: &Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    std::fs::write(folder.join(format!("{name}.png")), browser.picture())
        .expect("the target folder can be written");
}

fn send(browser: &Browser, text: &str) {
    browser.keys("#prompt", &format!("{text}\u{e007}"));
}

fn wait_for_answer(browser: &Browser) {
    browser.wait("document.getElementById('stop').hidden", LONG);
}

/// Controls that are shown; hidden ones have no name.
fn every_control_has_a_name(browser: &Browser) {
    // The keyboard starts where one types.
    assert_eq!(browser.script("return document.activeElement.id"), "prompt");
    let check = |controls: &str, want: usize| {
        let controls = browser.all(controls);
        assert_eq!(controls.len(), want);
        for control in controls {
            assert!(!browser.label(&control).is_empty(), "a control without a name: {control}");
        }
    };
    check("header button, #ideas button, #prompt, #send", 8);
    browser.click("#open");
    check("dialog button, dialog input, dialog textarea", 8);
    browser.click("#settings .main");
}

/// Text grows in many steps, not at once.
fn answers_stream(browser: &Browser) {
    browser.script("localStorage.setItem('firesteel.settings', '{\"max_tokens\": 40}')");
    browser.script(
        "window.lengths = new Set();
         new MutationObserver(() => {
           const text = document.querySelector('.assistant .text');
           if (text) window.lengths.add(text.textContent.length);
         }).observe(document.getElementById('log'), { childList: true, subtree: true });",
    );
    send(browser, PROMPT);
    browser.wait("document.querySelector('.assistant .text')?.textContent.length > 40", LONG);
    wait_for_answer(browser);
    let steps = browser.script("return window.lengths.size");
    assert!(steps.as_u64() > Some(3), "{steps} steps");
    assert_eq!(browser.script("return document.querySelector('.user .text').textContent"), PROMPT);
    let note = browser.text(".foot");
    assert!(note.contains(" tokens"), "{note}");
    picture(browser, "answer");
}

fn the_conversation_is_kept(browser: &Browser, server: &Server) {
    let told = browser.text(".assistant .text");
    browser.go(&server.url);
    assert_eq!(browser.text(".assistant .text"), told);
}

/// The parameters of the dialog are those of the request, and empty ones are not sent.
fn settings_reach_the_server(browser: &Browser) {
    browser.script(
        "const original = window.fetch;
         window.fetch = (url, options) => {
           if (options?.body) window.sent = JSON.parse(options.body);
           return original(url, options);
         };",
    );
    browser.click("#open");
    browser.click("#defaults");
    picture(browser, "settings");
    browser.keys("[name=system]", "You tell stories.");
    browser.keys("[name=temperature]", "0");
    browser.keys("[name=max_tokens]", "7");
    browser.keys("[name=seed]", "3");
    browser.click("#settings .main");
    send(browser, PROMPT);
    browser.wait("document.querySelectorAll('.foot').length === 2", LONG);
    let sent = browser.script("return window.sent");
    assert_eq!(sent["messages"][0], json!({ "role": "system", "content": "You tell stories." }));
    assert_eq!(
        (&sent["temperature"], &sent["max_tokens"], &sent["seed"]),
        (&json!(0), &json!(7), &json!(3))
    );
    assert_eq!(sent.get("top_p"), None);
    let note = browser.script("return [...document.querySelectorAll('.foot')].at(-1).textContent");
    assert!(note.as_str().is_some_and(|it| it.contains("7 tokens")), "{note}");
    browser.click("#open");
    browser.click("#defaults");
    browser.click("#settings .main");
}

/// The browser presses the button as soon as there is text: a small model answers faster than
/// chromedriver clicks.
fn an_answer_can_be_stopped(browser: &Browser) {
    for (how, act) in [
        ("button", "document.getElementById('stop').click()"),
        ("key", "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))"),
    ] {
        browser.click("#new");
        browser.script(&format!(
            "const seen = new MutationObserver(() => {{
               if (!document.querySelector('.assistant .text')?.textContent) return;
               seen.disconnect();
               {act};
             }});
             seen.observe(document.getElementById('log'), {{ childList: true, subtree: true }});"
        ));
        send(browser, PROMPT);
        browser.wait("document.querySelector('.foot')?.textContent.includes('stopped')", LONG);
        assert_eq!(browser.script("return document.querySelector('.error')"), Value::Null, "{how}");
    }
}

fn refusals_are_shown_in_words(browser: &Browser) {
    browser.click("#new");
    send(browser, &"word ".repeat(2000));
    browser.wait("document.querySelector('.error')?.textContent.includes('context')", LONG);
    browser.click("#new");
}

/// Every construct becomes its element, and nothing else becomes one.
fn markdown_is_shown_and_harmless(browser: &Browser, server: &Server) {
    let text = include_str!("rich.md");
    let chat = json!([{ "role": "user", "content": "<b>Show</b> me everything." },
                      { "role": "assistant", "content": text, "reasoning": "Hm. <i>Let me see.</i>" }]);
    browser.script(&format!("localStorage.setItem('firesteel.chat', JSON.stringify({chat}))"));
    browser.go(&server.url);
    let counts = [
        ("h1", 1),
        ("h2", 1),
        ("strong", 2),
        ("em", 2),
        ("del", 1),
        ("ul > li", 4),
        ("ol > li", 2),
        ("li ul li", 1),
        ("table", 1),
        ("td", 4),
        ("td.right", 2),
        (".code pre", 2),
        ("blockquote", 1),
        ("hr", 1),
        ("a", 3),
        ("img, script, iframe, i, b", 0),
        ("a[href^=javascript]", 0),
    ];
    for (selector, want) in counts {
        let script = format!(
            "return document.querySelectorAll('#log article.assistant .text {selector}').length"
        );
        // A list of selectors is of the whole document otherwise.
        let script = script.replace(", ", ", #log .text ");
        assert_eq!(browser.script(&script), want, "{selector}");
    }
    assert_eq!(browser.script("return window.stolen ?? null"), Value::Null);
    let code = browser.script("return document.querySelector('.code code').textContent");
    assert_eq!(code, "fn main() {\n    println!(\"<b>&amp;</b> **not bold**\");\n}");
    browser.script("document.querySelector('.code button').click()");
    browser.wait("document.querySelector('.code button').textContent === 'Copied'", LONG);
    picture(browser, "markdown");
}

fn themes_change(browser: &Browser) {
    let back = "return getComputedStyle(document.body).backgroundColor";
    let first = browser.script(back);
    browser.click("#theme");
    let second = browser.script(back);
    assert_ne!(first, second);
    picture(browser, "dark");
    let url = browser.script("return location.href");
    browser.go(url.as_str().expect("an address"));
    assert_eq!(browser.script(back), second, "the choice is kept");
    browser.click("#theme");
    assert_eq!(browser.script(back), first);
}

/// With code and tables wider than the screen.
fn a_phone_scrolls_down_only(browser: &Browser) {
    for width in [320, 390] {
        browser.screen(width, 740);
        let widths = "return [document.documentElement.scrollWidth, innerWidth, \
                      document.querySelector('main').scrollWidth, \
                      document.querySelector('main').clientWidth]";
        let widths = browser.script(widths);
        assert_eq!((&widths[0], &widths[2]), (&widths[1], &widths[3]), "{width}: {widths}");
        assert_eq!(widths[1], width);
        picture(browser, &format!("phone-{width}"));
    }
    browser.script("document.querySelector('main').scrollTop = 0");
    browser.click("#open");
    picture(browser, "phone-settings");
    browser.click("#settings .main");
    browser.screen(1100, 800);
}

fn a_new_chat_is_empty(browser: &Browser) {
    browser.click("#new");
    assert_eq!(browser.script("return document.querySelectorAll('article').length"), 0);
    assert_eq!(browser.script("return localStorage.getItem('firesteel.chat')"), "[]");
    assert_eq!(browser.script("return document.getElementById('welcome').hidden"), false);
}
