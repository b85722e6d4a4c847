//! Chat templates are programs that come with a model: whatever they are, rendering them ends,
//! with a text or an error, and the same one each time.
//!
//! The input is a template, or a template, a zero byte and the JSON of the messages.

use firesteel_llm::template::Template;
use serde_json::{Map, Value, json};

/// One run.
pub(crate) fn template(input: &[u8]) {
    let mut parts = input.splitn(2, |it| *it == 0);
    let source = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let messages = parts.next().and_then(|it| serde_json::from_slice(it).ok());
    let messages: Value = messages.unwrap_or_else(|| {
        json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello" }])
    });
    let token = |text: &str| Some(text.to_owned());
    let Ok(template) = Template::new(&source, token("<s>"), token("</s>")) else { return };
    let tools = json!([{ "type": "function", "function": { "name": "f", "parameters": {} } }]);
    let render = || {
        let text = template.render(&messages, Some(&tools), true, &Map::new());
        text.map_err(|error| error.to_string())
    };
    let text = render();
    // The date may change in between.
    if !source.contains("strftime_now") {
        assert_eq!(render(), text);
    }
}
