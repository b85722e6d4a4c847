//! The messages of a chat, checked and made plain for the template.

use serde_json::{Map, Value};

use super::{
    error::ApiError,
    params::{Fields, unknown, unsupported, wrong},
};

const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool"];
const KEYS: &[&str] =
    &["role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content", "refusal"];
/// What OpenAI's clients send back with an assistant's message, which no template reads.
const EMPTY_KEYS: &[&str] = &["annotations", "audio", "function_call"];

/// Takes `messages`, each with plain text for content.
pub(super) fn take(fields: &mut Fields) -> Result<Value, ApiError> {
    let value = fields.take("messages").ok_or_else(|| ApiError::missing("messages"))?;
    let Value::Array(messages) = &value else {
        return Err(wrong("messages", "an array of messages", &value));
    };
    if messages.is_empty() {
        return Err(wrong("messages", "an array with at least one message", &value));
    }
    let plain = messages.iter().enumerate().map(|(i, it)| message(&format!("messages[{i}]"), it));
    Ok(Value::Array(plain.collect::<Result<_, _>>()?))
}

fn message(at: &str, value: &Value) -> Result<Value, ApiError> {
    let map = value.as_object().ok_or_else(|| wrong(at, "an object", value))?;
    let mut plain: Map<String, Value> = map.clone();
    plain.retain(|key, it| {
        let empty = it.as_array().is_some_and(Vec::is_empty);
        let says_nothing = it.is_null() || (empty && EMPTY_KEYS.contains(&key.as_str()));
        !says_nothing
    });
    if let Some(key) = plain.keys().find(|it| !KEYS.contains(&it.as_str())) {
        let name = format!("{at}.{key}");
        let known = EMPTY_KEYS.contains(&key.as_str());
        return Err(if known { unsupported(&name, &[]) } else { unknown(&name) });
    }
    let role = plain.get("role").ok_or_else(|| ApiError::missing(&format!("{at}.role")))?;
    let known = role.as_str().filter(|it| ROLES.contains(it));
    let Some(role) = known else {
        let want = format!("one of {}", ROLES.join(", "));
        return Err(wrong(&format!("{at}.role"), &want, role));
    };
    if role == "developer" {
        // Templates of open models know the older name.
        plain.insert("role".into(), "system".into());
    }
    let at_content = format!("{at}.content");
    match plain.get("content") {
        Some(content) => {
            let text = text(&at_content, content)?;
            plain.insert("content".into(), text.into());
        }
        // OpenAI's own answers have no content when they call tools.
        None if plain["role"] == "assistant" => {
            plain.insert("content".into(), "".into());
        }
        None => return Err(ApiError::missing(&at_content)),
    }
    Ok(Value::Object(plain))
}

/// The text of a string or of an array of parts.
fn text(at: &str, content: &Value) -> Result<String, ApiError> {
    if let Some(text) = content.as_str() {
        return Ok(text.to_owned());
    }
    let parts = content.as_array().ok_or_else(|| wrong(at, "a string or an array", content))?;
    parts.iter().enumerate().map(|(i, it)| part(&format!("{at}[{i}]"), it)).collect()
}

fn part(at: &str, value: &Value) -> Result<String, ApiError> {
    let map = value.as_object().ok_or_else(|| wrong(at, "an object", value))?;
    let field = |name: &str| map.get(name).and_then(Value::as_str);
    let text = match (field("type"), field("text")) {
        (Some("text"), Some(text)) => text.to_owned(),
        (Some("text"), None) => return Err(ApiError::missing(&format!("{at}.text"))),
        (Some(_), _) => return Err(unsupported(&format!("{at}.type"), &["\"text\""])),
        (None, _) => return Err(ApiError::missing(&format!("{at}.type"))),
    };
    match map.keys().find(|it| !matches!(it.as_str(), "type" | "text")) {
        Some(key) => Err(unknown(&format!("{at}.{key}"))),
        None => Ok(text),
    }
}
