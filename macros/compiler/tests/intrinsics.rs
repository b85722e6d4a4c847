//! Every row of the table of intrinsics with every type that it takes: from tokens to PTX that
//! the verifier and the parser accept, and `ptxas` too, if there is one.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "../../../tests/src/ptxas.rs"]
#[allow(dead_code, unreachable_pub, reason = "public in the package of the tests")]
mod ptxas;

use std::str::FromStr;

use firesteel_compiler::fragment::sum_of;
use firesteel_compiler::hir::FragmentKind;
use firesteel_compiler::hir::Vector;
use firesteel_compiler::intrinsics::{Class, Home, Kind, Row, SigTy, rows};
use firesteel_compiler::value::Scalar;
use proc_macro2::TokenStream;

const SCALARS: [Scalar; 21] = Scalar::ALL;

/// The PTX of a kernel.
fn ptx(attr: &str, item: &str) -> String {
    let tokens = |text: &str| TokenStream::from_str(text).unwrap();
    let kernel = firesteel_compiler::analyze(tokens(attr), tokens(item)).unwrap_or_else(|diags| {
        let messages: Vec<_> = diags.iter().map(|diag| &diag.message).collect();
        panic!("{item}: {messages:?}")
    });
    let lowered = firesteel_compiler::lower::lower(&kernel);
    let text = firesteel_ptx::emit(&lowered.module);
    if let Err(error) = firesteel_ptx::verify(&lowered.module) {
        panic!("{item}: {error}\n{text}");
    }
    let again = firesteel_ptx::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(firesteel_ptx::emit(&again), text);
    ptxas::demand(&text, &[]);
    text
}

/// A call of a row under construction.
#[derive(Default)]
struct Case {
    params: Vec<String>,
    lets: Vec<String>,
    args: Vec<String>,
}

/// The types of the generic parameters of a row, one of many assignments.
type Types = Vec<(&'static str, Option<Scalar>)>;

fn assignments(row: &Row) -> Vec<Types> {
    let mut all: Vec<Types> = vec![Vec::new()];
    for (index, (name, class)) in row.generics.iter().enumerate() {
        let choices: Vec<Option<Scalar>> = match class {
            Class::ConstU8 => vec![None],
            // The type of an index does not concern the others.
            _ if index > 0 && *name == "I" => {
                vec![Some(Scalar::U32), Some(Scalar::I16), Some(Scalar::Usize)]
            }
            class => SCALARS.into_iter().filter(|ty| class.contains(*ty)).map(Some).collect(),
        };
        all = all
            .into_iter()
            .flat_map(|types| {
                choices.iter().map(move |choice| {
                    let mut types = types.clone();
                    types.push((name, *choice));
                    types
                })
            })
            .collect();
    }
    all
}

fn scalar(types: &Types, name: &str) -> Scalar {
    types.iter().find(|(generic, _)| *generic == name).unwrap().1.unwrap()
}

/// The type in Rust; `None` if there is no such vector.
fn rust_type(types: &Types, ty: &SigTy) -> Option<String> {
    let vector = |elem: Scalar, lanes| match elem.pair().filter(|_| lanes == 2) {
        Some(pair) => Some(pair.to_string()),
        None => Vector::new(elem, lanes).map(|vector| vector.to_string()),
    };
    match ty {
        SigTy::Scalar(ty) => Some(ty.to_string()),
        SigTy::Generic(name) => Some(scalar(types, name).to_string()),
        SigTy::Bits(name) => Some(scalar(types, name).unsigned().to_string()),
        SigTy::Half(name) => scalar(types, name).half().map(|half| half.to_string()),
        SigTy::Vector(name, lanes) => vector(scalar(types, name), *lanes),
        SigTy::FixedVector(elem, lanes) => vector(*elem, *lanes),
        SigTy::Sum(name) => Some(sum_of(scalar(types, name)).to_string()),
        SigTy::Fragment(kind, elem) => {
            Some(format!("{}<{}>", kind.name(), rust_type(types, elem)?))
        }
        _ => Some(String::new()),
    }
}

/// A fragment of some elements.
fn fragment(types: &Types, kind: FragmentKind, elem: &SigTy) -> Option<String> {
    let elem = rust_type(types, elem)?;
    Some(match (kind, elem.as_str()) {
        (FragmentKind::A, "f64") => "frag_a_f64(1.0)".to_owned(),
        (FragmentKind::B, "f64") => "frag_b_f64(1.0)".to_owned(),
        (FragmentKind::A, _) => format!("frag_a::<{elem}>([i, 1, 2, 3])"),
        (FragmentKind::B, _) => format!("frag_b::<{elem}>([i, 1])"),
        (FragmentKind::C | FragmentKind::WarpgroupC, _) => format!("FragC::<{elem}>::zero()"),
        (FragmentKind::TileK | FragmentKind::TileMn | FragmentKind::CachePolicy, _) => return None,
    })
}

/// A constant that the instruction takes.
fn constant(row: &Row, at: usize) -> String {
    let fits = |value: &&i128| row.op.constant_fault(at, **value).is_none();
    [1, 64].iter().find(fits).unwrap().to_string()
}

/// Reads a fragment that a call gives.
fn words(kind: FragmentKind, call: &str) -> String {
    match kind {
        FragmentKind::A => format!("frag_a_words({call})[3]"),
        FragmentKind::B => format!("frag_b_words({call})[1]"),
        FragmentKind::C
        | FragmentKind::WarpgroupC
        | FragmentKind::TileK
        | FragmentKind::TileMn
        | FragmentKind::CachePolicy => {
            panic!("`{call}` gives no factor")
        }
    }
}

impl Case {
    #[expect(clippy::too_many_lines, reason = "one arm for each form of a type")]
    fn argument(&mut self, row: &Row, types: &Types, ty: &SigTy) -> Option<()> {
        let at = self.args.len();
        let written = rust_type(types, ty)?;
        let shared = row.op.home(at) == Some(Home::Shared);
        let argument = match ty {
            SigTy::Scalar(_) if row.op.constant_arguments().contains(&at) => constant(row, at),
            SigTy::Fragment(kind, elem) => {
                let value = fragment(types, *kind, elem)?;
                self.lets.push(format!("let a{at} = {value};"));
                format!("a{at}")
            }
            SigTy::InPlace(of) => {
                let SigTy::Fragment(kind, elem) = &**of else { return None };
                let value = fragment(types, *kind, elem)?;
                self.lets.push(format!("let mut a{at} = {value};"));
                format!("&mut a{at}")
            }
            SigTy::Words(count) => format!("{:?}", vec![7; *count as usize]),
            SigTy::Place { elem, mutable } if shared => {
                let (elem, mutable) = (scalar(types, elem), if *mutable { "mut " } else { "" });
                self.lets.push(format!("let m{at} = shared_mem![{elem}; 64];"));
                format!("&{mutable}m{at}[0]")
            }
            SigTy::Memory { elem, .. } if shared => {
                let elem = rust_type(types, elem)?;
                self.lets.push(format!("let m{at} = shared_mem![{elem}; 64];"));
                format!("m{at}")
            }
            SigTy::Coordinates => "[1, i as i32, 0]".to_owned(),
            SigTy::WarpgroupSum(factor) => {
                let sum = sum_of(scalar(types, factor));
                self.lets.push(format!("let mut a{at} = WarpgroupC::<{sum}, 64>::zero();"));
                format!("&mut a{at}")
            }
            SigTy::Factor { elem, .. } => {
                let elem = scalar(types, elem);
                self.lets.push(format!("let m{at} = shared_mem![{elem}; 64, align = 1024];"));
                self.lets.push(format!("let a{at} = tile_k(m{at}, i, 128);"));
                format!("a{at}")
            }
            SigTy::Scalar(_)
            | SigTy::Generic(_)
            | SigTy::Bits(_)
            | SigTy::Half(_)
            | SigTy::Sum(_) => {
                self.params.push(format!("a{at}: {written}"));
                format!("a{at}")
            }
            SigTy::Vector(..) | SigTy::FixedVector(..) => {
                let (elem, lanes) = written.rsplit_once('x')?;
                self.params.push(format!("v{at}: &[{elem}]"));
                self.lets.push(format!("let a{at} = load_vec{lanes}(v{at}, 0);"));
                format!("a{at}")
            }
            SigTy::Place { elem, mutable } => {
                let (elem, mutable) = (scalar(types, elem), if *mutable { "mut " } else { "" });
                self.params.push(format!("m{at}: &{mutable}[{elem}]"));
                format!("&{mutable}m{at}[i]")
            }
            SigTy::Memory { elem, mutable } => {
                let (elem, mutable) = (rust_type(types, elem)?, if *mutable { "mut " } else { "" });
                self.params.push(format!("m{at}: &{mutable}[{elem}]"));
                format!("m{at}")
            }
            SigTy::Map { elem, rank, mutable } => {
                let (elem, mutable) = (rust_type(types, elem)?, if *mutable { "mut " } else { "" });
                let rank = rank.unwrap_or(3);
                self.params.push(format!("m{at}: &{mutable}TensorMap<{elem}, {rank}>"));
                format!("m{at}")
            }
            SigTy::CachePolicy => {
                self.lets.push(format!("let a{at}: CachePolicy = policy_evict_first(0.5);"));
                format!("a{at}")
            }
            SigTy::Scope => "Scope::Block".to_owned(),
            SigTy::Order => "Order::Acquire".to_owned(),
            SigTy::Unit | SigTy::Never | SigTy::Tuple(_) => return None,
        };
        self.args.push(argument);
        Some(())
    }
}

/// A kernel that calls the row, if the types make one.
fn kernel(row: &Row, types: &Types) -> Option<String> {
    let mut case = Case::default();
    for (_, ty) in row.params {
        case.argument(row, types, &SigTy::parse(ty)?)?;
    }
    let result = SigTy::parse(row.ret)?;
    let written = rust_type(types, &result)?;
    let name = row.name;
    let constant = types.iter().any(|(_, ty)| ty.is_none());
    let turbofish = if constant { "::<0x96>" } else { "" };
    let args = case.args.join(", ");
    let call = match row.kind {
        Kind::Free | Kind::Kaio => format!("{name}{turbofish}({args})"),
        Kind::Fast => format!("fast::{name}({args})"),
        Kind::Associated | Kind::Pair => format!("{written}::{name}({args})"),
        Kind::Method | Kind::Extension | Kind::PairMethod => {
            format!("a0.{name}({})", case.args[1..].join(", "))
        }
    };
    let store = match &result {
        SigTy::Scalar(_) | SigTy::Generic(_) | SigTy::Bits(_) | SigTy::Half(_) => {
            case.params.push(format!("out: &mut [{written}]"));
            format!("out[i] = {call};")
        }
        SigTy::Vector(..) | SigTy::FixedVector(..) => {
            let (elem, lanes) = written.rsplit_once('x')?;
            case.params.push(format!("out: &mut [{elem}]"));
            format!("let r = {call}; store_vec{lanes}(out, i * {lanes}, r);")
        }
        SigTy::Tuple(items) if matches!(items[0], SigTy::Fragment(..)) => {
            case.params.push("out: &mut [u32]".to_owned());
            let both = ["r.0", "r.1"].map(|part| words(FragmentKind::B, part)).join(" + ");
            format!("let r = {call}; out[i] = {both};")
        }
        SigTy::Fragment(FragmentKind::TileK | FragmentKind::TileMn, _) => {
            format!("let _tile: {written} = {call};")
        }
        SigTy::Fragment(kind, _) if !written.contains("f64") => {
            case.params.push("out: &mut [u32]".to_owned());
            format!("let r: {written} = {call}; out[i] = {};", words(*kind, "r"))
        }
        SigTy::Words(_) => {
            case.params.push("out: &mut [u32]".to_owned());
            format!("out[i] = {call}[1];")
        }
        SigTy::Tuple(items) if items[0] == SigTy::Scalar(Scalar::F32) => {
            case.params.push("out: &mut [f32]".to_owned());
            format!("let r = {call}; out[i] = r.0 + r.1;")
        }
        SigTy::Tuple(_) => {
            case.params.push("out: &mut [u32]".to_owned());
            format!("let r = {call}; out[i] = if r.1 {{ r.0 }} else {{ 0 }};")
        }
        _ => format!("{call};"),
    };
    let (params, lets) = (case.params.join(", "), case.lets.join(" "));
    Some(format!("fn k({params}) {{ let i = thread_idx_x(); {lets} {store} }}"))
}

#[test]
fn every_row_lowers_for_every_type() {
    let mut cases = 0;
    for row in rows() {
        for types in assignments(row) {
            let Some(item) = kernel(row, &types) else {
                continue;
            };
            // The floats of 8 bits are multiplied from sm_89 on.
            let narrow = types.iter().any(|(_, ty)| ty.is_some_and(Scalar::is_narrow));
            let wide =
                row.params.iter().map(|(_, ty)| *ty).chain([row.ret]).any(|ty| match SigTy::parse(
                    ty,
                ) {
                    Some(SigTy::Vector(name, lanes)) => scalar(&types, name).bytes() * lanes > 16,
                    _ => false,
                });
            let sm = row.sm.max(if narrow { 89 } else { 70 }).max(if wide { 100 } else { 0 });
            ptx(&format!("block_size = 64, arch = \"sm_{sm}\""), &item);
            cases += 1;
        }
    }
    assert!(cases > 900, "only {cases} cases");
}

#[test]
fn bf16_has_native_forms_where_the_machine_does() {
    let item = "fn k(x: &mut [bf16], a: bf16) {
        let i = thread_idx_x();
        x[i] = x[i].mul_add(a, a).max(a).tanh();
        atomic_add(&mut x[0], a);
    }";
    for arch in [70, 80, 90] {
        let text = ptx(&format!("block_size = 64, arch = \"sm_{arch}\""), item);
        assert_eq!(text.contains("fma.rn.bf16"), arch >= 80);
        assert_eq!(text.contains("atom.relaxed.gpu.global.add.noftz.bf16"), arch >= 90);
    }
}

#[test]
fn blocks_of_every_shape_reduce() {
    let item = "fn k(x: &mut [u32], y: &mut [f64]) {
        x[0] = block_reduce_sum(x[1]);
        y[0] = block_reduce_max(y[1]);
    }";
    for block in ["1", "16", "32", "48", "96", "(16, 16)", "(8, 3, 2)", "993", "1024"] {
        let text = ptx(&format!("block_size = {block}, arch = \"sm_70\""), item);
        let lanes = if block == "1" { 0 } else { 1 };
        assert!(text.matches("shfl.sync").count() >= lanes, "{block}");
    }
}

#[test]
fn pairs_have_native_forms_where_the_machine_does() {
    let of = |ty: &str| {
        format!(
            "fn k(x: &mut [{ty}], a: {ty}) {{
                let i = thread_idx_x();
                x[i] = (x[i] + a) * a - a;
                x[i + 64] = x[i].mul_add(a, -a).max(a).min(x[i + 128]).abs();
                let v = load_vec4(x, i * 4);
                store_vec4(x, i * 4, {ty}x4::new(v.w, v.z, v.y, v.x));
            }}"
        )
    };
    for arch in [70, 80, 90] {
        let attr = format!("block_size = 64, arch = \"sm_{arch}\"");
        let text = ptx(&attr, &of("bf16x2"));
        assert_eq!(text.matches("fma.rn.bf16x2").count(), [0, 4, 1][(arch as usize - 70) / 10]);
        assert_eq!(text.contains("add.rn.bf16x2"), arch >= 90);
        assert_eq!(text.contains("max.bf16x2"), arch >= 80);
        let text = ptx(&attr, &of("f16x2"));
        assert_eq!(text.matches("fma.rn.f16x2").count(), 1);
        assert!(text.contains("mul.rn.f16x2") && text.contains("ld.global.v4.b32"));
        assert_eq!(text.contains("max.f16x2"), arch >= 80);
    }
}
