//! Jobs and items as tokens, on their way through other macros.
//!
//! ```text
//! answer  { id item* } job
//! item    { id name kind { tokens } [ (path = id)* ] }
//! job     { kind { attr } { tokens } [ (path)* ] [ (path = id)* ] { item* } }
//! ```
//! Identities, names and keys of paths are string literals.

use std::collections::BTreeMap;
use std::rc::Rc;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::{Ident, LitStr, Token, braced, bracketed, parenthesized};

use super::{Item, Job, Kind, Links, Target};

pub(super) fn write_item(item: &Item) -> TokenStream {
    let Item { id, name, kind, names } = item;
    let (kind, tokens) = match kind {
        Kind::Function(function) => (quote!(function), function.to_token_stream()),
        Kind::Const(item) => (quote!(constant), item.to_token_stream()),
        Kind::Struct(item, false) => (quote!(structure), item.to_token_stream()),
        Kind::Struct(item, true) => (quote!(structure_with_methods), item.to_token_stream()),
        Kind::Impl(of, item) => (quote!(methods), quote!(#of #item)),
        Kind::Kernel(attr, function) => (quote!(kernel), quote!({ #attr } #function)),
        Kind::Broken => (quote!(broken), TokenStream::new()),
    };
    let names = write_names(names);
    quote!({ #id #name #kind { #tokens } [#names] })
}

fn write_names(names: &BTreeMap<String, String>) -> TokenStream {
    names.iter().map(|(path, id)| quote!((#path = #id))).collect()
}

pub(super) fn write_job(job: &Job) -> TokenStream {
    let Job { target, wanted, links } = job;
    let none = TokenStream::new();
    let (kind, attr, item) = match target {
        Target::Kernel { attr, item } => (quote!(kernel), attr, item),
        Target::Function { item } => (quote!(function), &none, item),
        Target::Const { item } => (quote!(constant), &none, item),
        Target::Struct { attr, item } => (quote!(structure), attr, item),
        Target::Impl { item } => (quote!(methods), &none, item),
        Target::Instances { item } => (quote!(instances), &none, item),
    };
    let names = write_names(&links.names);
    let items = links.items.values().map(|item| write_item(item));
    quote!({ #kind { #attr } { #item } [#((#wanted))*] [#names] { #(#items)* } })
}

/// What an item exports, and the job that asked for it: identity, items, job.
pub(super) fn read_answer(input: ParseStream<'_>) -> syn::Result<(String, Vec<Item>, Job)> {
    let answer;
    braced!(answer in input);
    let id = answer.parse::<LitStr>()?.value();
    let items = read_items(&answer)?;
    let job;
    braced!(job in input);
    Ok((id, items, read_job(&job)?))
}

fn read_items(input: ParseStream<'_>) -> syn::Result<Vec<Item>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let item;
        braced!(item in input);
        items.push(read_item(&item)?);
    }
    Ok(items)
}

fn read_item(input: ParseStream<'_>) -> syn::Result<Item> {
    let id = input.parse::<LitStr>()?.value();
    let name = input.parse::<LitStr>()?.value();
    let kind: Ident = input.parse()?;
    let tokens;
    braced!(tokens in input);
    let kind = match kind.to_string().as_str() {
        "function" => Kind::Function(Rc::new(tokens.parse()?)),
        "constant" => Kind::Const(Rc::new(tokens.parse()?)),
        "structure" => Kind::Struct(Rc::new(tokens.parse()?), false),
        "structure_with_methods" => Kind::Struct(Rc::new(tokens.parse()?), true),
        "methods" => {
            let of = tokens.parse::<LitStr>()?.value();
            Kind::Impl(of, Rc::new(tokens.parse()?))
        }
        "kernel" => {
            let attr = read_group(&tokens)?;
            Kind::Kernel(attr, Rc::new(tokens.parse()?))
        }
        _ => Kind::Broken,
    };
    Ok(Item { id, name, kind, names: read_names(input)? })
}

fn read_names(input: ParseStream<'_>) -> syn::Result<BTreeMap<String, String>> {
    let list;
    bracketed!(list in input);
    let mut names = BTreeMap::new();
    while !list.is_empty() {
        let pair;
        parenthesized!(pair in list);
        let path = pair.parse::<LitStr>()?.value();
        pair.parse::<Token![=]>()?;
        names.insert(path, pair.parse::<LitStr>()?.value());
    }
    Ok(names)
}

fn read_group(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let group;
    braced!(group in input);
    group.parse()
}

fn read_job(input: ParseStream<'_>) -> syn::Result<Job> {
    let kind: Ident = input.parse()?;
    let (attr, item) = (read_group(input)?, read_group(input)?);
    let target = match kind.to_string().as_str() {
        "kernel" => Target::Kernel { attr, item },
        "function" => Target::Function { item },
        "structure" => Target::Struct { attr, item },
        "methods" => Target::Impl { item },
        "instances" => Target::Instances { item },
        _ => Target::Const { item },
    };
    let list;
    bracketed!(list in input);
    let mut wanted = Vec::new();
    while !list.is_empty() {
        let path;
        parenthesized!(path in list);
        wanted.push(path.call(syn::Path::parse_mod_style)?);
    }
    let names = read_names(input)?;
    let items;
    braced!(items in input);
    let items = read_items(&items)?.into_iter().map(|item| (item.id.clone(), Rc::new(item)));
    Ok(Job { target, wanted, links: Links { items: items.collect(), names } })
}
