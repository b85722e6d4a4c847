//! The wrong kernels of `ui-tests/fail` as the compiler alone sees them: there is one for every
//! kind of mistake.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use firesteel_compiler::diag::{Code, Diag};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, Meta};

/// The files `<topic>/<mistake>.rs`.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui-tests/fail");
    let mut files = Vec::new();
    for topic in std::fs::read_dir(root).unwrap() {
        let cases = std::fs::read_dir(topic.unwrap().path()).unwrap();
        let paths = cases.map(|case| case.unwrap().path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|it| it == "rs")));
    }
    files.sort();
    files
}

/// Takes the attribute of this name off; its arguments.
fn take_named(attrs: &mut Vec<Attribute>, name: &str) -> Option<TokenStream> {
    let position = attrs.iter().position(|attr| attr.path().is_ident(name))?;
    match attrs.remove(position).meta {
        Meta::List(list) => Some(list.tokens),
        Meta::Path(_) | Meta::NameValue(_) => Some(TokenStream::new()),
    }
}

/// Takes `#[gpu_kernel(..)]` off; its arguments.
fn take(attrs: &mut Vec<Attribute>) -> Option<TokenStream> {
    take_named(attrs, "gpu_kernel")
}

/// The device functions and structs of a file.
fn functions(file: &syn::File) -> Vec<TokenStream> {
    let function = |item: &Item| match item {
        Item::Fn(item) => {
            let mut item = item.clone();
            take_named(&mut item.attrs, "gpu_fn").map(|_| item.to_token_stream())
        }
        Item::Struct(item) => {
            let mut item = item.clone();
            take_named(&mut item.attrs, "gpu_struct").map(|_| item.to_token_stream())
        }
        _ => None,
    };
    file.items.iter().filter_map(function).collect()
}

/// The kernels of a file: the attribute's arguments and the item.
fn kernels(file: syn::File) -> Vec<(TokenStream, TokenStream)> {
    let mut found = Vec::new();
    for item in file.items {
        match item {
            Item::Fn(mut item) => {
                let attr = take(&mut item.attrs);
                found.extend(attr.map(|attr| (attr, item.to_token_stream())));
            }
            Item::Struct(mut item) => {
                let attr = take(&mut item.attrs);
                found.extend(attr.map(|attr| (attr, item.to_token_stream())));
            }
            Item::Impl(item) => {
                for item in item.items {
                    let ImplItem::Fn(mut item) = item else { continue };
                    let attr = take(&mut item.attrs);
                    found.extend(attr.map(|attr| (attr, item.to_token_stream())));
                }
            }
            _ => {}
        }
    }
    found
}

fn mistakes(path: &Path) -> Vec<Diag> {
    // A file that does not parse is the business of rustc, which stops before the macro.
    let Ok(file) = syn::parse_file(&std::fs::read_to_string(path).unwrap()) else {
        return Vec::new();
    };
    let functions = functions(&file).into_iter();
    let functions = functions.filter_map(|item| firesteel_compiler::check_device_item(item).err());
    let kernels = kernels(file).into_iter();
    let kernels = kernels.filter_map(|(attr, item)| firesteel_compiler::compile(attr, item).err());
    functions.chain(kernels).flatten().collect()
}

#[test]
fn every_kind_of_mistake_has_a_case() {
    let seen: HashSet<Code> =
        files().iter().flat_map(|path| mistakes(path)).map(|diag| diag.code).collect();
    // A defect of the compiler has no case: it would be corrected instead.
    let missing: Vec<&Code> =
        Code::ALL.iter().filter(|code| **code != Code::Internal && !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no case in ui-tests/fail for {missing:?}");
}

#[test]
fn messages_keep_the_house_style() {
    for path in files() {
        for Diag { message, help, code, .. } in mistakes(&path) {
            let name = path.display();
            assert!(!message.ends_with('.'), "{name}: `{message}` ends with a full stop");
            assert!(!message.starts_with(char::is_uppercase), "{name}: `{message}` is upper case");
            let of_syn = code == Code::Unsupported && message.starts_with("expected");
            assert!(help.is_some() || of_syn, "{name}: `{message}` has no help");
        }
    }
}
