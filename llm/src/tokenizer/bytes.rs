//! The alphabets in which vocabularies spell bytes.

/// The byte that GPT-2's alphabet spells as `c`: printable characters stand for themselves,
/// the other bytes for the characters from U+0100 on.
/// `bytes_to_unicode` in <https://github.com/openai/gpt-2/blob/master/src/encoder.py>.
fn byte(c: char) -> Option<u8> {
    let c = u32::from(c);
    let itself = matches!(c, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    match c {
        _ if itself => u8::try_from(c).ok(),
        // In order: 0x00 to 0x20, 0x7f to 0xa0, 0xad.
        0x100..=0x120 => u8::try_from(c - 0x100).ok(),
        0x121..=0x142 => u8::try_from(c - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The bytes of a token of byte-level BPE. One with characters outside the alphabet was
/// added to the vocabulary as plain text.
pub(super) fn of_byte_level(token: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(byte).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The bytes of a SentencePiece token: `▁` is a space and `<0x0A>` a byte.
pub(super) fn of_piece(token: &str) -> Vec<u8> {
    match fallback_byte(token) {
        Some(byte) => vec![byte],
        None => token.replace('\u{2581}', " ").into_bytes(),
    }
}

/// The byte of a token such as `<0x0A>`.
pub(super) fn fallback_byte(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let digits = hex.len() == 2 && hex.bytes().all(|it| it.is_ascii_hexdigit());
    if digits { u8::from_str_radix(hex, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_alphabet_has_each_byte_once() {
        let bytes: HashSet<u8> = (0..0x200).filter_map(char::from_u32).filter_map(byte).collect();
        assert_eq!(bytes.len(), 256);
        let spelt = (0..0x200).filter_map(char::from_u32).filter(|&c| byte(c).is_some()).count();
        assert_eq!(spelt, 256);
        let ours: HashSet<char> =
            (0..0x200).filter_map(char::from_u32).filter(|&c| byte(c).is_some()).collect();
        let theirs = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        assert!(ours.iter().all(|c| theirs.contains(c)));
    }

    #[test]
    fn tokens_become_bytes() {
        assert_eq!(of_byte_level("ĠHĊ"), b" H\n");
        assert_eq!(of_byte_level("Ã©"), "é".as_bytes());
        assert_eq!(of_byte_level("<｜User｜>"), "<｜User｜>".as_bytes());
        assert_eq!(of_piece("▁a▁"), b" a ");
        assert_eq!(of_piece("<0x0A>"), b"\n");
        assert_eq!(of_piece("<0x+A>"), b"<0x+A>");
    }
}
