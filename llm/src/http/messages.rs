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
        !it.is_null() && !(empty && EMPTY_KEYS.contains(&key.as_str()))
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
        None if plain.contains_key("tool_calls") => {
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
    let part = |(i, part): (usize, &Value)| match (part["type"].as_str(), part["text"].as_str()) {
        (Some("text"), Some(text)) => Ok(text.to_owned()),
        (Some("text"), None) => Err(ApiError::missing(&format!("{at}[{i}].text"))),
        (Some(_), _) => Err(unsupported(&format!("{at}[{i}].type"), &["\"text\""])),
        (None, _) => Err(ApiError::missing(&format!("{at}[{i}].type"))),
    };
    parts.iter().enumerate().map(part).collect()
}
