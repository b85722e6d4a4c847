//! A headless Chromium over the WebDriver protocol, <https://www.w3.org/TR/webdriver2/>.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use ureq::Agent;

/// The key under which the protocol keeps an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. It closes when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    agent: Agent,
    session: String,
}

impl Browser {
    /// None where there is no Chromium or no chromedriver.
    pub(crate) fn start() -> Option<Self> {
        let chromium =
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find)?;
        let mut driver = Command::new(find("chromedriver")?)
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.contains("started successfully").then_some(())?;
            line.trim_end_matches('.').rsplit(' ').next()?.parse::<u16>().ok()
        });
        thread::spawn(move || lines.for_each(drop));
        let base = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let agent = Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let mut browser = Self { driver, agent: agent.new_agent(), session: base.clone() };
        let session = browser.post("session", &capabilities(&chromium));
        let id = session["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("{base}/session/{id}");
        browser.screen(1100, 800);
        Some(browser)
    }

    fn call(&self, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
        let mut response = response.expect("chromedriver answers");
        let text = response.body_mut().read_to_string().expect("chromedriver answers in full");
        let answer: Value = serde_json::from_str(&text).expect("chromedriver answers in JSON");
        assert!(response.status().is_success(), "{answer}");
        answer["value"].clone()
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let url = format!("{}/{command}", self.session);
        let request = self.agent.post(&url).content_type("application/json");
        self.call(request.send(body.to_string()))
    }

    fn get(&self, command: &str) -> Value {
        self.call(self.agent.get(format!("{}/{command}", self.session)).call())
    }

    pub(crate) fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Runs the body of a function in the page.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&self, expression: &str, bound: Duration) {
        let began = Instant::now();
        while self.script(&format!("return Boolean({expression})")) != true {
            let page = || self.script("return document.body.innerText");
            assert!(began.elapsed() < bound, "never: {expression}\n{}", page());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The ids of all elements that fit a selector.
    pub(crate) fn all(&self, selector: &str) -> Vec<String> {
        let found = self.post("elements", &json!({ "using": "css selector", "value": selector }));
        let ids = found.as_array().into_iter().flatten();
        ids.filter_map(|it| it[ELEMENT].as_str().map(str::to_owned)).collect()
    }

    fn one(&self, selector: &str) -> String {
        self.all(selector).into_iter().next().unwrap_or_else(|| panic!("no `{selector}`"))
    }

    pub(crate) fn click(&self, selector: &str) {
        let id = self.one(selector);
        self.post(&format!("element/{id}/click"), &json!({}));
    }

    /// Types into an element.
    pub(crate) fn keys(&self, selector: &str, text: &str) {
        let id = self.one(selector);
        self.post(&format!("element/{id}/value"), &json!({ "text": text }));
    }

    /// What of an element is to be read.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.get(&format!("element/{}/text", self.one(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The name that a screen reader speaks.
    pub(crate) fn label(&self, element: &str) -> String {
        let label = self.get(&format!("element/{element}/computedlabel"));
        label.as_str().unwrap_or_default().to_owned()
    }

    /// Makes the page as large as a device's screen; windows have a least width.
    pub(crate) fn screen(&self, width: u32, height: u32) {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
                             "mobile": width < 600 });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": params });
        self.post("goog/cdp/execute", &command);
    }

    /// A PNG of the page.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let picture = self.get("screenshot");
        let picture = BASE64_STANDARD.decode(picture.as_str().unwrap_or_default());
        picture.expect("a picture is base64")
    }

    /// Errors of the page's console, refusals by the security policy among them. Answers of
    /// the server that are errors are there too, and are no fault of the page.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().into_iter().flatten();
        let severe = entries.filter(|it| it["level"] == "SEVERE" && it["source"] != "network");
        severe.map(|it| it["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.agent.delete(&self.session).call().ok();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|it| it.join(program)).find(|it| it.is_file())
}

fn capabilities(chromium: &std::path::Path) -> Value {
    let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page").join("profile");
    fs::remove_dir_all(&profile).ok();
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-proxy-server",
        &format!("--user-data-dir={}", profile.display()),
    ];
    let options = json!({ "binary": chromium, "args": arguments });
    json!({ "capabilities": { "alwaysMatch": {
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
    } } })
}
