//! The entries of PTX text and their parameters.
//!
//! Only `.entry NAME ( .param … )` is read, so that text which nobody here wrote can be checked
//! before the driver sees it, whatever its bodies hold.
//!
//! Source: PTX ISA 8.7, sections 5.1.6 (`.param`) and 10.3 (`.entry`).

/// An entry's name and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) params: Vec<Param>,
    /// Block size that the entry requires, from `.reqntid`.
    pub(crate) block: Option<[u32; 3]>,
    /// Blocks of a cluster, from `.reqnctapercluster`; 1 where it asks for none.
    pub(crate) cluster: [u32; 3],
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param {
    /// As the PTX spells it, without the name: `.u64`, or `.align 8 .b8[16]`.
    pub(crate) spelling: String,
    pub(crate) bytes: u32,
}

impl Entry {
    /// The parameters in one line.
    pub(crate) fn signature(&self) -> String {
        self.params.iter().map(|it| it.spelling.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// All entries with a body, in order. What is no entry is skipped.
pub(crate) fn entries(ptx: &str) -> Vec<Entry> {
    let tokens = tokens(ptx);
    let mut entries: Vec<Entry> = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some(at) = rest.iter().position(|it| *it == ".entry") {
        rest = &rest[at + 1..];
        let Some((name, after)) = rest.split_first() else { break };
        let (params, after) = params(after);
        let end = after.iter().position(|it| matches!(*it, "{" | ";")).unwrap_or(after.len());
        if after.get(end) == Some(&"{") {
            let block = required(&after[..end], ".reqntid");
            let cluster = required(&after[..end], ".reqnctapercluster").unwrap_or([1; 3]);
            entries.push(Entry { name: (*name).to_owned(), params, block, cluster });
        }
        rest = &after[end..];
    }
    entries
}

/// The parameters in parentheses, if there are any, and what follows them.
fn params<'a, 'b>(tokens: &'b [&'a str]) -> (Vec<Param>, &'b [&'a str]) {
    if tokens.first() != Some(&"(") {
        return (Vec::new(), tokens);
    }
    let end = tokens.iter().position(|it| *it == ")").unwrap_or(tokens.len());
    let list = &tokens[1.min(end)..end];
    let params = list.split(|it| *it == ",").filter_map(param).collect();
    (params, tokens.get(end + 1..).unwrap_or(&[]))
}

/// `.param .align 8 .b8 name[16]`, `.param .u64 .ptr .global .align 4 name`, …
fn param(tokens: &[&str]) -> Option<Param> {
    let tokens = tokens.strip_prefix(&[".param"]).unwrap_or(tokens);
    let ty = tokens.iter().position(|it| size(it).is_some())?;
    let count = match tokens.iter().position(|it| *it == "[") {
        Some(at) => tokens.get(at + 1)?.parse::<u32>().ok()?,
        None => 1,
    };
    let mut spelling = tokens[..=ty].join(" ");
    if tokens.contains(&"[") {
        spelling.push_str(&format!("[{count}]"));
    }
    Some(Param { spelling, bytes: size(tokens[ty])? * count })
}

/// Bytes of a fundamental type.
fn size(ty: &str) -> Option<u32> {
    let bits = ty.strip_prefix(".pred").map(|_| "8").or_else(|| {
        let digits = ty.strip_prefix('.')?;
        digits.strip_prefix("bf").or_else(|| digits.strip_prefix(['b', 'u', 's', 'f']))
    })?;
    match bits {
        "8" => Some(1),
        "16" => Some(2),
        "32" => Some(4),
        "64" => Some(8),
        "128" => Some(16),
        _ => None,
    }
}

/// The axes that a directive names, 1 for those that it leaves out.
fn required(directives: &[&str], name: &str) -> Option<[u32; 3]> {
    let at = directives.iter().position(|it| *it == name)?;
    let mut axes = [1; 3];
    let numbers = directives[at + 1..].iter().filter(|it| **it != ",").map(|it| it.parse().ok());
    for (axis, number) in axes.iter_mut().zip(numbers.map_while(|it| it)) {
        *axis = number;
    }
    // None has an axis of zero: such text does not load.
    Some(axes.map(|axis: u32| axis.max(1)))
}

/// Words and punctuation, without comments.
fn tokens(ptx: &str) -> Vec<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$' | '%');
    let mut tokens = Vec::new();
    let mut rest = ptx;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |it| it.1);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |it| it.1);
        } else if let Some(text) = rest.strip_prefix('"') {
            rest = text.split_once('"').map_or("", |it| it.1);
        } else if rest.is_empty() {
            return tokens;
        } else {
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            let end = if end == 0 { rest.chars().next().map_or(1, char::len_utf8) } else { end };
            tokens.push(&rest[..end]);
            rest = &rest[end..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_their_parameters() {
        let ptx = r#"
            .version 8.0 // .entry commented_out()
            .target sm_80
            /* .entry neither(.param .u8 x) { } */
            .extern .shared .align 16 .b8 tile[];
            .visible .entry first(
                .param .u32 n,
                .param .u64 .ptr .global .align 4 x,
                .param .align 8 .b8 by_value[24],
                .param .f32 scale
            )
            .maxntid 128, 1, 1
            .reqntid 64, 2
            { ret; }
            .entry second .explicitcluster .reqnctapercluster 2, 4 { ret; }
            .entry declared(.param .u8 x);
        "#;
        let found = entries(ptx);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, "first");
        assert_eq!(found[0].params.iter().map(|it| it.bytes).collect::<Vec<_>>(), [4, 8, 24, 4]);
        assert_eq!(found[0].signature(), ".u32, .u64, .align 8 .b8[24], .f32");
        assert_eq!((found[0].block, found[0].cluster), (Some([64, 2, 1]), [1; 3]));
        assert_eq!((found[1].block, found[1].cluster), (None, [2, 4, 1]));
        assert_eq!((found[1].name.as_str(), found[1].params.len()), ("second", 0));
    }

    #[test]
    fn torn_text_is_survived() {
        for ptx in
            ["", ".entry", ".entry x(", ".entry x(.param", ".entry x(.param .u64 y[", "\u{e9}{"]
        {
            assert!(entries(ptx).is_empty(), "{ptx}");
        }
    }
}
