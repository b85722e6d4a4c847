//! Streams cut at every place.

use super::*;
use crate::tokenizer::TokenizerSource;

/// A vocabulary of all bytes, then a control token `<end>` and one that spells `<tool>`.
fn tokenizer() -> Arc<Tokenizer> {
    let mut tokens: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    let mut types = vec![6; 256];
    tokens.extend(["<end>".to_owned(), "<tool>".to_owned()]);
    types.extend([3, 4]);
    let (kind, pre, merges) = ("llama".to_owned(), String::new(), Vec::new());
    let scores = vec![0.0; tokens.len()];
    let (bos, eos, add_bos) = (None, None, false);
    let source =
        TokenizerSource::Gguf { kind, pre, tokens, types, merges, scores, bos, eos, add_bos };
    Arc::new(Tokenizer::new(source).unwrap())
}

const END: u32 = 256;
const TOOL: u32 = 257;

fn streamer(stop: &[&str]) -> Streamer {
    Streamer::new(tokenizer(), stop.iter().map(|&it| it.to_owned()).collect())
}

/// Feeds the pieces; checks after each that what was sent is a prefix of `want`.
fn run(stop: &[&str], pieces: &[&[u8]], want: &str) -> (String, bool) {
    let mut streamer = streamer(stop);
    let (mut sent, mut stopped) = (String::new(), false);
    for piece in pieces {
        if stopped {
            break;
        }
        let step = streamer.feed(piece);
        sent += &step.text;
        stopped = step.stopped;
        assert!(want.starts_with(&sent), "sent {sent:?} of {want:?}");
    }
    sent += &streamer.finish();
    assert_eq!(streamer.finish(), "", "a second end adds nothing");
    (sent, stopped || streamer.stopped)
}

/// Every cut of `text` into one, two and three pieces, and into single bytes.
fn all_cuts(text: &[u8], check: impl Fn(&[&[u8]])) {
    check(&[text]);
    for i in 0..=text.len() {
        for j in i..=text.len() {
            check(&[&text[..i], &text[i..j], &text[j..]]);
        }
    }
    check(&text.chunks(1).collect::<Vec<_>>());
}

#[test]
fn text_is_the_same_wherever_it_is_cut() {
    for (stop, text, want, stops) in [
        (&[][..], "plain", "plain", false),
        (&[], "é日😀 👨‍👩‍👧", "é日😀 👨‍👩‍👧", false),
        (&["STOP"], "go STOP here", "go ", true),
        (&["STOP"], "STOSTOP", "STO", true),
        (&["STOP"], "go STO", "go STO", false),
        (&["aab"], "aaab", "a", true),
        (&["日本"], "日日本語", "日", true),
        (&["😀"], "😁😀", "😁", true),
        (&["\n\n", "END"], "a\nb\n\nc END", "a\nb", true),
        (&["abc", "b"], "xabc", "xa", true),
        (&["bc", "abc"], "xabc", "x", true),
        (&["a", ""], "ba", "b", true),
        (&[""], "text", "text", false),
        (&["x"], "", "", false),
        (&["</s>"], "a < b </ s </s>", "a < b </ s ", true),
    ] {
        all_cuts(text.as_bytes(), |pieces| {
            assert_eq!(run(stop, pieces, want), (want.to_owned(), stops), "{stop:?} {pieces:?}");
        });
    }
}

#[test]
fn broken_bytes_become_replacement_characters() {
    for bytes in [
        &b"a\xffb"[..],
        b"\xe6\x97",
        b"\xf0\x9f\x98",
        b"\xe6\x97x",
        b"\xc3\xc3\xa9",
        b"\xed\xa0\x80",
        b"\x80\x80",
        b"\xf0\x9f\x98\x80\xf0",
        b"\xf4\x90\x80\x80",
    ] {
        let want = String::from_utf8_lossy(bytes).into_owned();
        all_cuts(bytes, |pieces| {
            assert_eq!(run(&["zz"], pieces, &want).0, want, "{pieces:?}");
        });
    }
}

#[test]
fn a_stop_of_broken_text_is_found_at_the_end() {
    assert_eq!(run(&["\u{fffd}"], &[b"a", b"\xe6"], "a"), ("a".to_owned(), true));
}

#[test]
fn text_comes_as_soon_as_it_is_certain() {
    let mut streamer = streamer(&["STOP"]);
    let mut texts = Vec::new();
    for piece in ["a", "S", "T", "x", "\u{e9}"] {
        texts.push(streamer.feed(piece.as_bytes()).text);
    }
    assert_eq!(texts, ["a", "", "", "STx", "é"]);
}

#[test]
fn special_tokens_are_silent_unless_they_are_a_stop() {
    let mut silent = streamer(&["<en"]);
    assert_eq!(silent.push(u32::from(b'a')), Step { text: "a".into(), stopped: false });
    assert_eq!(silent.push(END), Step::default());
    assert_eq!(silent.push(TOOL), Step { text: "<tool>".into(), stopped: false });
    assert_eq!(silent.push(9999), Step::default(), "padding of the vocabulary has no text");
    let mut stops = streamer(&["<end>"]);
    assert_eq!(stops.push(u32::from(b'<')), Step::default());
    assert_eq!(stops.push(END), Step { text: "<".into(), stopped: true });
    assert_eq!(stops.push(u32::from(b'a')), Step { text: String::new(), stopped: true });
    assert_eq!(stops.finish(), "");
}

/// Sorts the pieces; what was sent of either part is never taken back.
fn split(opened: bool, pieces: &[&str]) -> (String, String) {
    let mut sorter = Reasoning::new(opened);
    let (mut reasoning, mut content) = (String::new(), String::new());
    let mut add = |parts: Parts| {
        reasoning += &parts.reasoning;
        content += &parts.content;
    };
    pieces.iter().for_each(|piece| add(sorter.push(piece)));
    add(sorter.finish());
    (reasoning, content)
}

#[test]
fn reasoning_is_the_same_wherever_it_is_cut() {
    for (opened, text, reasoning, content) in [
        (false, "<think>\nwhy é not\n</think>\n\nanswer", "why é not", "answer"),
        (false, " \n<think>a b</think>c", "a b", "c"),
        (false, "<think>\n\n</think>\n\nplain", "", "plain"),
        (false, "no thought\n", "", "no thought\n"),
        (false, "  <thin ice", "", "  <thin ice"),
        (false, "<think", "", "<think"),
        (false, " ", "", " "),
        (false, "a <think>b</think>", "", "a <think>b</think>"),
        (false, "<think>a </thi b \n c", "a </thi b \n c", ""),
        (false, "<think>cut off </th", "cut off </th", ""),
        (false, "<think> cut off \n", "cut off", ""),
        (false, "<think>a</think>  b </think> c ", "a", "b </think> c "),
        (false, "<think><think>a</think>b", "<think>a", "b"),
        (true, "\nwhy\n</think>\n\nanswer\n", "why", "answer\n"),
        (true, "</think>answer", "", "answer"),
        (true, "<</think>answer", "<", "answer"),
        (true, "never closed", "never closed", ""),
    ] {
        let want = (reasoning.to_owned(), content.to_owned());
        assert_eq!(split(opened, &[text]), want, "{text:?}");
        all_cuts(text.as_bytes(), |pieces| {
            // Cuts inside a character do not reach this stage.
            let pieces: Result<Vec<&str>, _> =
                pieces.iter().map(|it| std::str::from_utf8(it)).collect();
            if let Ok(pieces) = pieces {
                assert_eq!(split(opened, &pieces), want, "{pieces:?}");
            }
        });
    }
}

#[test]
fn reasoning_streams() {
    let mut sorter = Reasoning::new(false);
    let reasoning: Vec<String> =
        ["<think>", "\n", "one", " ", "two"].map(|it| sorter.push(it).reasoning).to_vec();
    assert_eq!(reasoning, ["", "", "one", "", " two"]);
}

#[test]
fn prompts_that_open_a_block_are_known() {
    assert!(Reasoning::opens("<|im_start|>assistant\n<think>\n"));
    assert!(!Reasoning::opens("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
    assert!(!Reasoning::opens(""));
}
