//! Loads and stores with hints, and vectors of every type.

use firesteel::half::{bf16, f16};
use firesteel::{Arg, GpuBuffer};
use firesteel_ptx::channel;

use super::{Element, device, load, run_block};

const THREADS: usize = 32;
const BLOCK: [u32; 3] = [THREADS as u32, 1, 1];

fn check_hints<T: Element + Default>(ty: &str, of: fn(usize) -> T) {
    let device = device();
    let x: Vec<T> = (0..THREADS).map(of).collect();
    let out = [T::default(); THREADS];
    for hint in ["nc", "ca", "cg", "cs", "lu", "cv", "stream", "evict_first", "evict_last"] {
        let body = format!("y[t] = load_{hint}(&x[31 - t]);");
        let got = run_block(&device, BLOCK, "", [ty; 2], &body, &x, &out);
        let (got, want) = (got.iter().map(|it| it.bits()), x.iter().rev().map(|it| it.bits()));
        assert!(got.eq(want), "load_{hint} of {ty}");
    }
    for hint in ["wb", "cg", "cs", "wt", "stream"] {
        let body =
            format!("prefetch_l1(&x[t]); prefetch_l2(&x[t]); store_{hint}(&mut y[31 - t], x[t]);");
        let got = run_block(&device, BLOCK, "", [ty; 2], &body, &x, &out);
        let (got, want) = (got.iter().map(|it| it.bits()), x.iter().rev().map(|it| it.bits()));
        assert!(got.eq(want), "store_{hint} of {ty}");
    }
}

#[test]
fn hints_change_no_value() {
    check_hints::<bool>("bool", |t| t % 3 == 0);
    check_hints::<i8>("i8", |t| t as i8 - 16);
    check_hints::<u16>("u16", |t| t as u16 * 999);
    check_hints::<f16>("f16", |t| f16::from_f32(t as f32));
    check_hints::<i32>("i32", |t| t as i32 - 16);
    check_hints::<f32>("f32", |t| t as f32 * 1.5);
    check_hints::<f64>("f64", |t| t as f64 * 1.5);
    check_hints::<u64>("u64", |t| t as u64 * 0x1234_5678_9abc);
}

/// Loads vectors, adds 1 to their first lane, turns them around, and stores them; by way of
/// shared memory too.
fn check_vectors<T: Element + Default>(ty: &str, of: fn(usize) -> T, bytes: usize) {
    let device = device();
    for lanes in [2, 4, 8, 16].into_iter().filter(|lanes| lanes * bytes <= 16) {
        let x: Vec<T> = (0..THREADS * lanes).map(of).collect();
        let out = vec![T::default(); x.len()];
        let turned: Vec<String> = (0..lanes).rev().map(|lane| format!("v[{lane}]")).collect();
        // Two halves are a pair, which has no index.
        let turned = match (ty, lanes) {
            ("f16" | "bf16", 2) => "v.hi(), v.lo()".to_owned(),
            _ => turned.join(", "),
        };
        let want = x.chunks(lanes).rev().flat_map(|it| it.iter().rev()).map(|it| it.bits());
        let want: Vec<u64> = want.collect();
        for (load, store) in [("", ""), ("_nc", ""), ("_cs", "_cs"), ("_stream", "")] {
            let body = format!(
                "let v = load_vec{lanes}{load}(x, t * {lanes});
                 let w = {ty}x{lanes}::new({turned});
                 store_vec{lanes}{store}(y, (31 - t) as i32 * {lanes}, w);"
            );
            let got = run_block(&device, BLOCK, "", [ty; 2], &body, &x, &out);
            assert!(got.iter().map(|it| it.bits()).eq(want.iter().copied()), "{body}");
        }
        let n = THREADS * lanes;
        let body = format!(
            "let mut s = shared_mem![{ty}; {n}];
             store_vec{lanes}(s, t * {lanes}, load_vec{lanes}(x, t * {lanes}));
             bar_sync();
             let v = load_vec{lanes}(s, (31 - t) * {lanes});
             let w = {ty}x{lanes}::new({turned});
             store_vec{lanes}(y, t * {lanes}, w);"
        );
        let got = run_block(&device, BLOCK, "", [ty; 2], &body, &x, &out);
        assert!(got.iter().map(|it| it.bits()).eq(want.iter().copied()), "{body}");
    }
}

#[test]
fn vectors_of_every_type() {
    check_vectors::<i8>("i8", |n| (n as i8).wrapping_mul(-7), 1);
    check_vectors::<u8>("u8", |n| (n as u8).wrapping_mul(7), 1);
    check_vectors::<i16>("i16", |n| n as i16 * -77, 2);
    check_vectors::<u16>("u16", |n| n as u16 * 177, 2);
    check_vectors::<f16>("f16", |n| f16::from_f32(n as f32 - 100.0), 2);
    check_vectors::<bf16>("bf16", |n| bf16::from_f32(n as f32 - 100.0), 2);
    check_vectors::<i32>("i32", |n| n as i32 * -77_777, 4);
    check_vectors::<u32>("u32", |n| n as u32 * 77_777, 4);
    check_vectors::<f32>("f32", |n| n as f32 * -1.25, 4);
    check_vectors::<i64>("i64", |n| n as i64 * -0x1234_5678_9abc, 8);
    check_vectors::<u64>("u64", |n| n as u64 * 0x1234_5678_9abc, 8);
    check_vectors::<f64>("f64", |n| n as f64 * -1.25, 8);
}

/// The site of the first fault of a thread, 8 elements of `f32` being loaded from, if any.
fn fault_of(body: &str, k: i32) -> Option<u32> {
    let device = device();
    let source = format!("fn kernel(x: &[f32], y: &mut [f32], k: i32) {{ {body} }}");
    let kernel = load(&device, "block_size = 1", &source);
    let x = device.alloc_from(&[1f32; 8]).unwrap();
    let y = device.alloc_zeros::<f32>(8).unwrap();
    let channel: GpuBuffer<u32> =
        device.alloc_zeros(channel::channel_bytes(4) as usize / 4).unwrap();
    let args: [Arg<'_>; 7] = [
        (&x).into(),
        8u64.into(),
        (&y).into(),
        8u64.into(),
        k.into(),
        (&channel).into(),
        1u32.into(),
    ];
    kernel.launch(&device.stream(), [1, 1, 1], [1, 1, 1], &args).unwrap();
    let words = channel.to_host(&device).unwrap();
    let word = |offset: u32| words[offset as usize / 4];
    (word(channel::READY) == 1).then(|| word(channel::SITE))
}

#[test]
fn vectors_are_checked_as_a_whole() {
    let load = "let v = load_vec4(x, k); y[0] = v.w;";
    let cases = [(0, None), (4, None), (8, Some(0)), (-4, Some(0)), (7, Some(1)), (1, Some(1))];
    for (k, want) in cases {
        assert_eq!(fault_of(load, k), want, "{k}");
    }
    let store =
        "let mut s = shared_mem![f32; 8]; let v = f32x2::new(1.0, 2.0); store_vec2(s, k, v);";
    for (k, want) in [(0, None), (6, None), (8, Some(0)), (3, Some(1)), (-2, Some(0))] {
        assert_eq!(fault_of(store, k), want, "{k}");
    }
    assert!(fault_of("let v = load_vec4(x, 6); y[0] = v.x;", 0).is_some());
    assert!(fault_of("let v = load_vec4(x, 2); y[0] = v.x;", 0).is_some());
}
