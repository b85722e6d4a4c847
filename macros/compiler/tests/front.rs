//! The front of the compiler on whole kernels: what it accepts, what it makes of it, and that it
//! reports each mistake once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use firesteel_compiler::hir::{BinOp, Expr, ExprKind, Kernel, Op, Rev, Stmt, StmtKind, Ty, Unroll};
use firesteel_compiler::value::{Scalar, Value};
use proc_macro2::TokenStream;

fn tokens(source: &str) -> TokenStream {
    source.parse().unwrap()
}

fn accept_with(attr: &str, source: &str) -> Kernel {
    match firesteel_compiler::analyze(tokens(attr), tokens(source)) {
        Ok(kernel) => kernel,
        Err(diags) => panic!("{source}\n{diags:#?}"),
    }
}

/// A kernel with a few parameters and this body.
fn body(body: &str) -> String {
    format!("fn k(x: &[f32], w: &[u32], y: &mut [f32], z: &mut [u32], a: f32, n: u32) {{ {body} }}")
}

fn accept(source: &str) -> Kernel {
    accept_with("block_size = 256", &body(source))
}

/// The messages, one for each mistake.
fn reject(source: &str) -> Vec<String> {
    match firesteel_compiler::analyze(tokens("block_size = 256"), tokens(&body(source))) {
        Ok(_) => panic!("accepted: {source}"),
        Err(diags) => diags.into_iter().map(|diag| diag.message).collect(),
    }
}

fn init(kernel: &Kernel, name: &str) -> Expr {
    let local = kernel.locals.iter().position(|local| local.name == name).unwrap();
    let found = kernel.body.stmts.iter().find_map(|stmt| match stmt {
        Stmt { kind: StmtKind::Let { local: id, init: Some(init) }, .. } if id.0 == local => {
            Some(init.clone())
        }
        _ => None,
    });
    found.unwrap()
}

fn ty(kernel: &Kernel, name: &str) -> Ty {
    kernel.locals.iter().find(|local| local.name == name).unwrap().ty.clone()
}

fn constant(kernel: &Kernel, name: &str) -> Value {
    match init(kernel, name).kind {
        ExprKind::Value(value) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn saxpy() {
    let kernel = accept(
        "let i = thread_idx_x() + block_idx_x() * block_dim_x();
         if i < n { y[i] = a * x[i] + y[i]; }",
    );
    assert_eq!(kernel.signature.options.block, [256, 1, 1]);
    assert_eq!(kernel.signature.params.len(), 6);
    assert_eq!(ty(&kernel, "i"), Ty::Scalar(Scalar::U32));
    assert_eq!(kernel.body.ty, Ty::Unit);
}

#[test]
fn kaio_softmax_row() {
    accept(
        "let tid = thread_idx_x();
         let row = block_idx_x();
         let mut local_max = -3.402823e38;
         let mut i = tid;
         while i < n {
             local_max = max(local_max, x[row * n + i]);
             i += block_dim_x();
         }
         let m = block_reduce_max(local_max);
         let mut sum = 0.0;
         let mut j = tid;
         while j < n { sum += exp(x[row * n + j] - m); j += block_dim_x(); }
         let total = block_reduce_sum(sum);
         let mut k = tid;
         while k < n { y[row * n + k] = exp(x[row * n + k] - m) / total; k += block_dim_x(); }",
    );
}

#[test]
fn kaio_parameters_and_shared_memory() {
    let kernel = accept_with(
        "block_size = (16, 16)",
        "fn tiled(a: *const [f32], b: &[f32], c: *mut [f32], m: u32, n: u32, k: u32) {
             let tx = thread_idx_x();
             let ty = thread_idx_y();
             let tile_a = shared_mem![f32; 256];
             let tile_b = shared_mem![f32; 16 * 16];
             let row = block_idx_y() * 16 + ty;
             let mut acc = 0.0f32;
             for t in 0..(k + 15) / 16 {
                 tile_a[ty * 16 + tx] = a[row * k + t * 16 + tx];
                 tile_b[ty * 16 + tx] = b[(t * 16 + ty) * n + tx];
                 bar_sync();
                 for i in 0..16 { acc = fma(tile_a[ty * 16 + i], tile_b[i * 16 + tx], acc); }
                 bar_sync();
             }
             c[row * n + tx] = acc;
         }",
    );
    assert_eq!(kernel.shared.iter().map(|s| s.len).collect::<Vec<_>>(), [Some(256), Some(256)]);
    assert_eq!(kernel.signature.options.axes, 2);
}

#[test]
fn literals_take_their_types_from_their_use() {
    let kernel = accept(
        "let i = 3; let j = 0xffff_ffff; z[0] = j; let f = 1.5; let h: f16 = 2.0; let m = -1;
         let b = i as f32 + f; let c = (-1 as i64, 200u8);",
    );
    assert_eq!(ty(&kernel, "i"), Ty::Scalar(Scalar::I32));
    assert_eq!(constant(&kernel, "j"), Value::int(Scalar::U32, 0xffff_ffff));
    assert_eq!(ty(&kernel, "f"), Ty::Scalar(Scalar::F32));
    assert_eq!(constant(&kernel, "h"), Value::float(Scalar::F16, 2.0));
    assert_eq!(constant(&kernel, "m"), Value::int(Scalar::I32, -1));
    let pair = Ty::Tuple(vec![Ty::Scalar(Scalar::I64), Ty::Scalar(Scalar::U8)]);
    assert_eq!(ty(&kernel, "c"), pair);
}

#[test]
fn constants_are_evaluated() {
    let kernel = accept(
        "const TILE: usize = 4; const HALF: usize = TILE / 2; const SCALE: f32 = -0.5;
         const TABLE: [u32; TILE] = [1, 2, 3, 4];
         let t = HALF + 1; let s = SCALE; let mut acc = [0.0f32; TILE * 2];
         acc[HALF] = s; let e = TABLE[1]; let m = u32::MAX; let p = core::f32::consts::PI;
         let d = f32::INFINITY; let bits = u32::BITS;",
    );
    assert_eq!(constant(&kernel, "s"), Value::float(Scalar::F32, -0.5));
    assert_eq!(ty(&kernel, "acc"), Ty::Array(Box::new(Ty::Scalar(Scalar::F32)), 8));
    assert_eq!(constant(&kernel, "m"), Value::int(Scalar::U32, u32::MAX.into()));
    let pi = f64::from(std::f32::consts::PI);
    assert_eq!(constant(&kernel, "p"), Value::float(Scalar::F32, pi));
    assert_eq!(constant(&kernel, "bits"), Value::int(Scalar::U32, 32));
}

#[test]
fn a_match_is_a_chain_of_ifs() {
    let kernel = accept(
        "const K: u32 = 9;
         let v = match n {
             0 => 1.0,
             1..=3 | 7 if a > 0.0 => 2.0,
             K => 3.0,
             m @ 20..30 => m as f32,
             other => other as f32 * 2.0,
         };
         match (n > 1, n) { (true, 5) => y[0] = v, (false, _) => {}, _ => return }",
    );
    assert_eq!(ty(&kernel, "v"), Ty::Scalar(Scalar::F32));
    let ExprKind::Block { block, .. } = init(&kernel, "v").kind else { panic!("no block") };
    let tail = block.tail.unwrap();
    let ExprKind::If { cond, otherwise, .. } = tail.kind else { panic!("no if") };
    assert!(matches!(cond.kind, ExprKind::Binary(BinOp::Eq, ..)));
    assert!(otherwise.is_some());
}

#[test]
fn loops_of_every_form() {
    let kernel = accept(
        "let mut s = 0u32;
         #[unroll] for i in 0..4 { s += i; }
         #[unroll(4)] for i in (0..=n).step_by(2) { s += i; }
         #[no_unroll] for _ in (0..n).rev() { s += 1; }
         for i in (0..n).step_by(3).rev() { if i == 6 { continue; } s ^= i; }
         let found = 'outer: loop {
             while s > 3 { s >>= 1; if s == 5 { break 'outer s; } }
             break 0;
         };
         let b = 'b: { if s > 2 { break 'b 1; } 2 };
         z[0] = found + b;",
    );
    let fors: Vec<_> = kernel
        .body
        .stmts
        .iter()
        .filter_map(|stmt| match &stmt.kind {
            StmtKind::Expr(Expr { kind: ExprKind::For(it), .. }) => Some((it.unroll, it.rev)),
            _ => None,
        })
        .collect();
    assert_eq!(
        fors,
        [
            (Unroll::Full, Rev::No),
            (Unroll::By(4), Rev::No),
            (Unroll::Never, Rev::BeforeStep),
            (Unroll::Auto, Rev::AfterStep),
        ]
    );
    assert_eq!(ty(&kernel, "found"), Ty::Scalar(Scalar::U32));
}

#[test]
fn methods_and_functions_are_calls() {
    let kernel = accept(
        "let e = a.exp(); let m = a.mul_add(2.0, 1.0).max(0.0); let c = n.count_ones();
         let b = a.to_bits() ^ 1; let f = f32::from_bits(b); let g = fast::exp(f);
         let l = x.len(); let w2 = n.wrapping_add(1); let p = n.is_power_of_two();
         let q = f32::max(a, 1.0); let u = u64::from(n); let d = n.abs_diff(3);
         let r = lop3::<0x96>(n, n, n); let (mask, same) = match_all(n);",
    );
    assert!(matches!(&init(&kernel, "e").kind, ExprKind::Call(call) if call.op == Op::Exp));
    assert_eq!(ty(&kernel, "b"), Ty::Scalar(Scalar::U32));
    assert!(matches!(init(&kernel, "w2").kind, ExprKind::Binary(BinOp::Add, ..)));
    assert_eq!(ty(&kernel, "l"), Ty::Scalar(Scalar::Usize));
    assert_eq!(ty(&kernel, "u"), Ty::Scalar(Scalar::U64));
    assert_eq!(ty(&kernel, "same"), Ty::Scalar(Scalar::Bool));
    let ExprKind::Call(lop3) = init(&kernel, "r").kind else { panic!("no call") };
    assert_eq!(lop3.args.len(), 4);
}

#[test]
fn memory_intrinsics() {
    let kernel = accept(
        "let tile = shared_mem![u32; 64]; let dyn_tile = dynamic_shared![f32];
         let old = atomic_add(&mut z[n], 1);
         atomic_max_with(&mut tile[3], old, Scope::Block, Order::AcqRel);
         let v = load_vec4(x, n * 4); let s = v.x + v[1]; store_vec2(y, 0, f32x2::new(s, v.w));
         let nc = load_nc(&x[n]); store_cs(&mut y[n], nc); fence_device();
         let got = atomic_cas(&mut z[0], 0, n); dyn_tile[0] = shfl_sync_down(s, 1, 32);
         let any = vote_any(s > 0.0); gpu_println!(\"{} {any:?} {:x}\", s, n); assert!(any, \"m\");",
    );
    let ExprKind::Call(add) = init(&kernel, "old").kind else { panic!("no call") };
    assert_eq!(add.args.len(), 4, "scope and order are filled in");
    assert_eq!(kernel.shared.len(), 2);
    let print = kernel.body.stmts.iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Expr(Expr { kind: ExprKind::Print { format, args }, .. }) => {
            Some((format.clone(), args.len()))
        }
        _ => None,
    });
    assert_eq!(print, Some(("{} {:?} {:x}".to_owned(), 3)));
}

#[test]
fn shadowing_tuples_and_late_values() {
    let kernel = accept(
        "let v = n; { let v = 1.0f32; y[0] = v; } let v = v + 1;
         let (mut p, (q, _)) = (1u32, (a, 2)); p += v; z[1] = p;
         let late; if n > 3 { late = q; } else { late = 0.0; } y[1] = late;
         let mut t = (1u32, [1.0f32, 2.0]); t.1[0] += 1.0; t.0 = 3; z[2] = t.0;
         let first = (v, a).1; let early = if n == 0 { return; } else { 5u32 };",
    );
    let types: Vec<_> = kernel.locals.iter().filter(|l| l.name == "v").map(|l| &l.ty).collect();
    assert_eq!(types.len(), 3);
    assert_eq!(*types[1], Ty::Scalar(Scalar::F32));
}

#[test]
fn each_mistake_is_reported_once() {
    for (source, parts) in [
        ("let i = thread_id_x(); z[i] = i + 1;", &["named `thread_id_x`"][..]),
        ("y[0] = m; y[1] = x[k];", &["no variable named `m`", "no variable named `k`"]),
        ("y[0] = n;", &["expected `f32`, found `u32`"]),
        ("let i = 3; i = 4;", &["the variable `i` is not `mut`"]),
        ("x[0] = 1.0;", &["the slice `x` cannot be written"]),
        ("let s = a + n;", &["the operands of `+` differ"]),
        ("let s: u8 = 256;", &["does not fit `u8`"]),
        ("let s = 1.0 as bool;", &["no cast from `f32` to `bool`"]),
        ("y[a] = 1.0;", &["an index is an integer"]),
        ("break;", &["`break` outside of a loop"]),
        ("let s = x.iter();", &["no method named `iter`"]),
        ("let t = [0.0f32; 4]; y[0] = t[4];", &["index 4 is outside of an array of 4"]),
        ("let s = !a;", &["does not have the operator `!`"]),
        ("let r = redux_add(n);", &["`redux_add` needs sm_80"]),
        ("let s;", &["nothing says what type `s` has"]),
        ("let c = |v: f32| v;", &["kernels do not have closures"]),
        ("let big = shared_mem![f32; 60000];", &["shared memory is at most"]),
        ("const A: u32 = B; const B: u32 = A;", &["needs itself"]),
        ("let v = load_vec16(x, 0);", &["no vector of 16 `f32`"]),
        ("gpu_println!(\"{}\");", &["1 hole for 0 values"]),
    ] {
        let messages = reject(source);
        assert_eq!(messages.len(), parts.len(), "{source}: {messages:#?}");
        for (message, part) in messages.iter().zip(parts) {
            assert!(message.contains(part), "{source}: {message}");
        }
    }
}

/// The names of types and traits that `use` items bring.
fn types_of(tree: &syn::UseTree, names: &mut Vec<String>) {
    match tree {
        syn::UseTree::Path(path) => types_of(&path.tree, names),
        syn::UseTree::Group(group) => group.items.iter().for_each(|it| types_of(it, names)),
        syn::UseTree::Name(name) => {
            let name = name.ident.to_string();
            names.extend(name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name));
        }
        _ => panic!("the language's names are brought one by one"),
    }
}

#[test]
fn no_struct_is_called_as_a_type_of_the_language() {
    let exported = include_str!("../../../runtime/src/dsl/mod.rs");
    let mut names = Vec::new();
    for item in syn::parse_file(exported).unwrap().items {
        if let syn::Item::Use(item) = item {
            types_of(&item.tree, &mut names);
        }
    }
    assert!(names.iter().any(|name| name == "WarpgroupSum"), "{names:?}");
    for name in names {
        let item = tokens(&format!("struct {name} {{ x: u32 }}"));
        let diags = firesteel_compiler::check_device_item(item).unwrap_err();
        let message = format!("a struct cannot be called `{name}`: the language has that name");
        assert!(diags.iter().any(|diag| diag.message == message), "{name}: {diags:?}");
    }
}
