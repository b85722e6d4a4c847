//! Where the numbers of a GGUF header are.

/// A number in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) at: usize,
    pub(crate) width: usize,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn number(&mut self, width: usize) -> usize {
        let mut number = [0; 8];
        number[..width].copy_from_slice(&self.bytes[self.at..self.at + width]);
        self.fields.push(Field { at: self.at, width });
        self.at += width;
        u64::from_le_bytes(number) as usize
    }

    fn text(&mut self) {
        let len = self.number(8);
        // The first character is as good a place for a mistake as any.
        if len > 0 {
            self.fields.push(Field { at: self.at, width: 1 });
        }
        self.at += len;
    }

    fn value(&mut self, kind: usize) {
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 => return self.text(),
            9 => return self.array(),
            _ => 8,
        };
        self.number(width);
    }

    fn array(&mut self) {
        let (kind, len) = (self.number(4), self.number(8));
        let kept = self.fields.len();
        for element in 0..len {
            self.value(kind);
            // Those of a vocabulary would outnumber all others.
            if element > 2 {
                self.fields.truncate(kept + 4);
            }
        }
    }
}

/// The numbers of the header of a sound file.
pub(crate) fn fields(bytes: &[u8]) -> Vec<Field> {
    let mut walk = Walk { bytes, at: 0, fields: Vec::new() };
    walk.number(4);
    walk.number(4);
    let (tensors, entries) = (walk.number(8), walk.number(8));
    for _ in 0..entries {
        walk.text();
        let kind = walk.number(4);
        walk.value(kind);
    }
    for _ in 0..tensors {
        walk.text();
        for _ in 0..walk.number(4) {
            walk.number(8);
        }
        walk.number(4);
        walk.number(8);
    }
    walk.fields
}
