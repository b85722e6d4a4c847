//! Python's methods of strings, lists and dictionaries.
//!
//! Most come from minijinja's own compatibility layer; these are the others that chat templates
//! call.

use minijinja::value::{Value, ValueKind, from_args};
use minijinja::{Error, State};

/// Calls `value.method(args)`.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let text = if value.kind() == ValueKind::String { value.as_str() } else { None };
    match (text, method) {
        (Some(text), "removeprefix") => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        (Some(text), "removesuffix") => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        (Some(text), "partition") => {
            let (separator,): (&str,) = from_args(args)?;
            Ok(thirds(text.split_once(separator), separator, [text, "", ""]))
        }
        (Some(text), "rpartition") => {
            let (separator,): (&str,) = from_args(args)?;
            Ok(thirds(text.rsplit_once(separator), separator, ["", "", text]))
        }
        (Some(text), "rsplit") => {
            let (separator, most): (Option<&str>, Option<i64>) = from_args(args)?;
            Ok(rsplit(text, separator, most))
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn thirds(halves: Option<(&str, &str)>, separator: &str, none: [&str; 3]) -> Value {
    let parts = halves.map_or(none, |(before, after)| [before, separator, after]);
    parts.into_iter().map(Value::from).collect()
}

fn rsplit(text: &str, separator: Option<&str>, most: Option<i64>) -> Value {
    let most = most.and_then(|it| usize::try_from(it).ok()).map_or(usize::MAX, |it| it + 1);
    let mut parts: Vec<&str> = match separator {
        Some(separator) => text.rsplitn(most, separator).collect(),
        None => text.split_whitespace().rev().collect(),
    };
    parts.reverse();
    parts.into_iter().map(Value::from).collect()
}
