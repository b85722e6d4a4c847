//! The arguments of `#[gpu_kernel(..)]`.
//!
//! A value may arrive from a `macro_rules` variable, in invisible delimiters: they are ignored.

use proc_macro2::{Ident, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Lit, Token};

use crate::diag::{Code, Diag, Diags, nearest};
use crate::hir::Options;
use crate::instances::Instance;
use crate::span::SpanRange;

/// The threads of a block that every device can hold.
const MAX_THREADS: u64 = 1024;
/// The most threads along z.
const MAX_Z: u32 = 64;
/// The architectures that can be named.
const ARCHITECTURES: [(&str, u32); 10] = [
    ("sm_50", 50),
    ("sm_60", 60),
    ("sm_61", 61),
    ("sm_70", 70),
    ("sm_75", 75),
    ("sm_80", 80),
    ("sm_86", 86),
    ("sm_89", 89),
    ("sm_90", 90),
    ("sm_100", 100),
];
/// The most blocks of a cluster; more than 8 are for few devices.
const MAX_CLUSTER: u64 = 16;
/// The first architecture with clusters.
const CLUSTER_SM: u32 = 90;
/// The threads and the blocks that a multiprocessor of any architecture can hold.
const MAX_RESIDENT: u32 = 2048;
const MAX_BLOCKS: u32 = 32;
const NAMES: [&str; 7] =
    ["block_size", "cluster", "min_blocks", "unchecked", "fast_math", "arch", "instances"];
const CLUSTER_HELP: &str = "write `cluster = 2`, `cluster = (2, 1)` or `cluster = (2, 1, 1)`";
const MIN_BLOCKS_HELP: &str = "write `min_blocks = 2`";
const BLOCK_SIZE_HELP: &str =
    "write `block_size = 256`, `block_size = (16, 16)` or `block_size = (8, 8, 4)`";

/// `name`, `name = value` or `name(list)`.
struct Argument {
    name: Ident,
    value: Option<Expr>,
    list: Option<TokenStream>,
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let list = match input.peek(syn::token::Paren) {
            true => Some(input.parse::<proc_macro2::Group>()?.stream()),
            false => None,
        };
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self { name, value, list })
    }
}

/// The arguments of the attribute, each given once.
pub(crate) struct Arguments {
    arguments: Vec<Argument>,
    /// All of them.
    pub(crate) at: SpanRange,
}

impl Arguments {
    /// The list of an argument `name(list)`.
    pub(crate) fn list(&self, name: &str) -> Option<&TokenStream> {
        self.find(name)?.list.as_ref()
    }

    /// The same with other instances.
    pub(crate) fn with_instances(mut self, list: TokenStream, at: SpanRange) -> Self {
        for argument in self.arguments.iter_mut().filter(|it| it.name == "instances") {
            argument.list = Some(list.clone());
        }
        self.at = at;
        self
    }

    fn find(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }
}

/// Reads the arguments without their meaning.
pub(crate) fn read(attr: TokenStream, diags: &mut Diags) -> Arguments {
    let empty_at = SpanRange::from(proc_macro2::Span::call_site());
    let at = if attr.is_empty() { empty_at } else { SpanRange::of(&attr) };
    let arguments = match Punctuated::<Argument, Token![,]>::parse_terminated.parse2(attr) {
        Ok(arguments) => arguments,
        Err(error) => {
            let diag = Diag::new(Code::BadAttribute, error.span(), error.to_string());
            diags.push(diag.help(format!("`#[gpu_kernel]` takes {}", names())));
            return Arguments { arguments: Vec::new(), at };
        }
    };
    let mut once: Vec<Argument> = Vec::new();
    for argument in arguments {
        let name = &argument.name;
        if once.iter().any(|known| known.name == *name) {
            let message = format!("`{name}` is given twice");
            let diag = Diag::new(Code::BadAttribute, name.span(), message);
            diags.push(diag.help("remove one of them"));
        } else {
            once.push(argument);
        }
    }
    Arguments { arguments: once, at }
}

/// What the arguments mean in an instance. What is wrong is reported and has its default in the
/// result.
pub(crate) fn options(arguments: &Arguments, instance: &Instance, diags: &mut Diags) -> Options {
    let mut options = Options { axes: 0, ..Options::DEFAULT };
    for argument in &arguments.arguments {
        apply(argument, instance, &mut options, diags);
    }
    if diags.is_empty() {
        check_together(arguments, &options, diags);
    }
    // An argument that is wrong may have been meant as the size.
    if arguments.find("block_size").is_none() && diags.is_empty() {
        let message = "`#[gpu_kernel]` needs the size of a block";
        diags.push(Diag::new(Code::BadBlockSize, arguments.at, message).help(BLOCK_SIZE_HELP));
    }
    options.axes = options.axes.max(1);
    options
}

fn names() -> String {
    NAMES.map(|name| format!("`{name}`")).join(", ")
}

fn apply(argument: &Argument, instance: &Instance, options: &mut Options, diags: &mut Diags) {
    let name = &*argument.name.to_string();
    match (name, &argument.value) {
        ("instances", _) if argument.list.is_some() => {}
        ("instances", _) => {
            let message = "`instances` needs a list";
            let diag = Diag::new(Code::BadAttribute, argument.name.span(), message);
            diags.push(diag.help("write `instances(N = [64, 128])`"));
        }
        (_, None) if argument.list.is_some() && NAMES.contains(&name) => {
            let message = format!("`{name}` takes no list");
            let diag = Diag::new(Code::BadAttribute, argument.name.span(), message);
            diags.push(diag.help("remove the parentheses"));
        }
        ("block_size", Some(value)) => block_size(value, instance, options, diags),
        ("cluster", Some(value)) => cluster(value, instance, options, diags),
        ("min_blocks", Some(value)) => min_blocks(value, instance, options, diags),
        ("arch", Some(value)) => arch(value, options, diags),
        ("unchecked", None) => options.unchecked = true,
        ("fast_math", None) => options.fast_math = true,
        ("block_size" | "cluster" | "min_blocks" | "arch", None) => {
            let message = format!("`{name}` needs a value");
            let help = match name {
                "arch" => "write `arch = \"sm_80\"`",
                "cluster" => CLUSTER_HELP,
                "min_blocks" => MIN_BLOCKS_HELP,
                _ => BLOCK_SIZE_HELP,
            };
            diags.push(Diag::new(Code::BadAttribute, argument.name.span(), message).help(help));
        }
        ("unchecked" | "fast_math", Some(value)) => {
            let message = format!("`{name}` takes no value");
            let diag = Diag::new(Code::BadAttribute, SpanRange::of(value), message);
            diags.push(diag.help(format!("write `{name}` alone, or leave it out")));
        }
        _ => {
            let message = format!("`#[gpu_kernel]` has no argument `{name}`");
            let help = match nearest(name, NAMES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it takes {}", names()),
            };
            let diag = Diag::new(Code::BadAttribute, argument.name.span(), message);
            diags.push(diag.help(help));
        }
    }
}

/// The expression in parentheses and invisible delimiters.
fn inner(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => inner(&group.expr),
        Expr::Paren(paren) => inner(&paren.expr),
        other => other,
    }
}

/// A constant expression.
fn number(expr: &Expr, instance: &Instance) -> Option<u32> {
    u32::try_from(instance.number(expr)?).ok()
}

/// A constant expression, or a tuple of them.
fn numbers(value: &Expr, instance: &Instance) -> Option<Vec<u32>> {
    match inner(value) {
        Expr::Tuple(tuple) => tuple.elems.iter().map(|elem| number(elem, instance)).collect(),
        one => number(one, instance).map(|n| vec![n]),
    }
}

fn product(axes: &[u32]) -> u64 {
    axes.iter().fold(1, |product: u64, &n| product.saturating_mul(u64::from(n)))
}

/// What one argument alone does not show.
fn check_together(arguments: &Arguments, options: &Options, diags: &mut Diags) {
    let at = |name: &str| {
        let value = arguments.find(name).and_then(|it| it.value.as_ref());
        value.map_or_else(|| proc_macro2::Span::call_site().into(), SpanRange::of)
    };
    if product(&options.cluster) > 1 && options.sm < CLUSTER_SM {
        let sm = options.sm;
        let message = format!("clusters need sm_{CLUSTER_SM}, and the kernel is for sm_{sm}");
        let diag = Diag::new(Code::NeedsArch, at("cluster"), message);
        diags.push(diag.help(format!("write `arch = \"sm_{CLUSTER_SM}\"` too")));
    }
    let threads = product(&options.block) * u64::from(options.min_blocks.unwrap_or(1));
    if threads > u64::from(MAX_RESIDENT) {
        let message = format!(
            "a multiprocessor holds at most {MAX_RESIDENT} threads, and these blocks have {threads}"
        );
        let diag = Diag::new(Code::BadAttribute, at("min_blocks"), message);
        diags.push(diag.help("ask for fewer blocks, or make them smaller"));
    }
}

fn cluster(value: &Expr, instance: &Instance, options: &mut Options, diags: &mut Diags) {
    let mut bad = |message: String, help: &str| {
        let diag = Diag::new(Code::BadAttribute, SpanRange::of(value), message);
        diags.push(diag.help(help));
    };
    let Some(axes) = numbers(value, instance).filter(|axes| (1..=3).contains(&axes.len())) else {
        return bad("a cluster is one to three integers".into(), CLUSTER_HELP);
    };
    match product(&axes) {
        0 => bad("a cluster has at least one block".into(), CLUSTER_HELP),
        1..=MAX_CLUSTER => {
            for (slot, n) in options.cluster.iter_mut().zip(axes) {
                *slot = n;
            }
        }
        blocks => {
            let message = format!("a cluster has at most {MAX_CLUSTER} blocks, not {blocks}");
            bad(
                message,
                "use a smaller cluster; one of up to 8 runs on every device with clusters",
            );
        }
    }
}

fn min_blocks(value: &Expr, instance: &Instance, options: &mut Options, diags: &mut Diags) {
    match number(value, instance) {
        Some(n @ 1..=MAX_BLOCKS) => options.min_blocks = Some(n),
        Some(_) | None => {
            let message = format!("`min_blocks` is an integer from 1 to {MAX_BLOCKS}");
            let diag = Diag::new(Code::BadAttribute, SpanRange::of(value), message);
            diags.push(diag.help(MIN_BLOCKS_HELP));
        }
    }
}

fn block_size(value: &Expr, instance: &Instance, options: &mut Options, diags: &mut Diags) {
    let at = SpanRange::of(value);
    let mut bad = |message: String, help: &str| {
        diags.push(Diag::new(Code::BadBlockSize, at, message).help(help));
    };
    let Some(axes) = numbers(value, instance) else {
        let message = "the size of a block is one to three integers, or expressions of the kernel's \
                       const parameters";
        return bad(message.into(), BLOCK_SIZE_HELP);
    };
    if !(1..=3).contains(&axes.len()) {
        let message = format!("a block has one to three axes, not {}", axes.len());
        return bad(message, BLOCK_SIZE_HELP);
    }
    let threads = product(&axes);
    if threads == 0 {
        return bad("a block has at least one thread".into(), BLOCK_SIZE_HELP);
    }
    if threads > MAX_THREADS {
        let message = format!("a block has at most {MAX_THREADS} threads, not {threads}");
        return bad(message, "use a smaller block and more blocks");
    }
    if axes.get(2).is_some_and(|&z| z > MAX_Z) {
        return bad(format!("a block has at most {MAX_Z} threads along z"), "use x or y instead");
    }
    options.axes = axes.len() as u32;
    for (slot, n) in options.block.iter_mut().zip(axes) {
        *slot = n;
    }
}

fn arch(value: &Expr, options: &mut Options, diags: &mut Diags) {
    let written = match inner(value) {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => text.value(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    match ARCHITECTURES.iter().find(|(name, _)| *name == written) {
        Some((_, sm)) => options.sm = *sm,
        None => {
            let number = written.trim_start_matches(|c: char| !c.is_ascii_digit()).parse();
            let number: u32 = number.unwrap_or(80);
            let below = ARCHITECTURES.iter().rfind(|(_, sm)| *sm <= number);
            let near = below.map_or("sm_80", |(name, _)| *name);
            let message = format!("there is no architecture `{written}`");
            let diag = Diag::new(Code::BadAttribute, SpanRange::of(value), message);
            diags.push(diag.help(format!("write it as `arch = \"{near}\"`")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn read(attr: TokenStream) -> (Options, Vec<Diag>) {
        let mut diags = Diags::new();
        let arguments = super::read(attr, &mut diags);
        let options = options(&arguments, &Instance::default(), &mut diags);
        (options, diags.take())
    }

    #[test]
    fn block_sizes_have_one_to_three_axes() {
        for (attr, block, axes) in [
            (quote!(block_size = 256), [256, 1, 1], 1),
            (quote!(block_size = (16, 16),), [16, 16, 1], 2),
            (quote!(block_size = (8, 8, 4)), [8, 8, 4], 3),
        ] {
            let (options, diags) = read(attr);
            assert!(diags.is_empty(), "{diags:?}");
            assert_eq!((options.block, options.axes), (block, axes));
        }
    }

    #[test]
    fn a_value_from_a_macro_variable_is_read() {
        let literal = proc_macro2::Literal::u32_unsuffixed(64);
        let group = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!(#literal));
        let (options, diags) = read(quote!(block_size = #group));
        assert!(diags.is_empty(), "{diags:?}");
        assert_eq!(options.block[0], 64);
    }

    #[test]
    fn options_are_read() {
        let (options, diags) = read(quote!(block_size = 32, unchecked, fast_math, arch = "sm_80"));
        assert!(diags.is_empty());
        assert!(options.unchecked && options.fast_math);
        assert_eq!(options.sm, 80);
        let (options, diags) =
            read(quote!(block_size = 384, cluster = (2, 1), min_blocks = 1, arch = "sm_90"));
        assert!(diags.is_empty(), "{diags:?}");
        assert_eq!((options.cluster, options.min_blocks), ([2, 1, 1], Some(1)));
    }

    #[test]
    fn mistakes_are_reported() {
        for (attr, part) in [
            (quote!(), "needs the size"),
            (quote!(block_size = 0), "at least one"),
            (quote!(block_size = (64, 32)), "at most 1024"),
            (quote!(block_size = 1, block_size = 2), "twice"),
            (quote!(block_size = 1, arch = "sm_8"), "no architecture"),
            (quote!(block_siz = 1), "no argument"),
            (quote!(block_size = 1, cluster = 2), "clusters need sm_90"),
            (quote!(block_size = 1, cluster = (8, 4), arch = "sm_90"), "at most 16 blocks"),
            (quote!(block_size = 1, cluster = 0, arch = "sm_90"), "at least one block"),
            (quote!(block_size = 1, cluster = n, arch = "sm_90"), "one to three"),
            (quote!(block_size = 1, min_blocks = 33), "from 1 to 32"),
            (quote!(block_size = 1024, min_blocks = 3), "holds at most 2048"),
        ] {
            let (_, diags) = read(attr);
            assert!(diags.iter().any(|diag| diag.message.contains(part)), "{part}: {diags:?}");
        }
    }
}
