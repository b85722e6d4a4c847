//! The page of the documentation that lists the intrinsics.

use std::fmt::Write;

use super::{Class, Kind, Row, SECTIONS};

const HEAD: &str = "\
# Intrinsics

This page is generated from the table in `macros/compiler/src/intrinsics/table.rs`; a test
compares them. `T` is any type of the class after it. An intrinsic with an architecture
after its signature needs `arch = \"sm_..\"` in the attribute of the kernel.
";

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {}\n\n", section.title);
        if !section.intro.is_empty() {
            let _ = write!(page, "{}\n\n", section.intro);
        }
        for row in section.ops.iter().flat_map(|op| op.rows) {
            let _ = writeln!(page, "- `{}`{}  ", signature(row), architecture(row));
            let _ = writeln!(page, "  {}", row.doc.join("\n ").trim());
        }
    }
    page.push_str("\n## Classes\n\n");
    for class in Class::ALL.into_iter().filter(|class| *class != Class::ConstU8) {
        let _ = writeln!(page, "- `{}`: {}", class.name(), class.words());
    }
    page
}

fn architecture(row: &Row) -> String {
    if row.sm > 70 { format!(", sm_{}", row.sm) } else { String::new() }
}

fn signature(row: &Row) -> String {
    let generics: Vec<String> = row
        .generics
        .iter()
        .map(|(name, class)| match class {
            Class::ConstU8 => format!("const {name}: u8"),
            class => format!("{name}: {}", class.name()),
        })
        .collect();
    let generics =
        if generics.is_empty() { String::new() } else { format!("<{}>", generics.join(", ")) };
    let method = row.kind.is_method() || row.kind == Kind::PairMethod;
    let params = row.params.iter().skip(usize::from(method));
    let params: Vec<String> = params.map(|(name, ty)| format!("{name}: {ty}")).collect();
    let ret = if row.ret.is_empty() { String::new() } else { format!(" -> {}", row.ret) };
    let prefix = match row.kind {
        Kind::Method | Kind::Extension | Kind::Associated | Kind::Pair | Kind::PairMethod => "T::",
        Kind::Fast => "fast::",
        Kind::Free | Kind::Kaio => "",
    };
    let receiver = match (method, params.is_empty()) {
        (true, true) => "self",
        (true, false) => "self, ",
        (false, _) => "",
    };
    format!("{prefix}{}{generics}({receiver}{}){ret}", row.name, params.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_intrinsic_is_on_the_page() {
        let page = page();
        for row in super::super::rows() {
            assert!(page.contains(&signature(row)), "{}", row.name);
        }
        assert!(page.contains("`T::mul_add<T: FloatOrPair>(self, a: T, b: T) -> T`"));
    }

    #[test]
    fn the_page_is_the_one_of_the_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/intrinsics.md");
        if std::env::var_os("FIRESTEEL_WRITE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == page(), "run this test with FIRESTEEL_WRITE_DOCS=1 to write the page");
    }
}
