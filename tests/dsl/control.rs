//! Control flow: one body, run by the host and by the device.

use firesteel::Arg;

use super::{BLOCK, device, load};

/// A test that runs `body` for every thread `i`, on the host and on the device, and compares what
/// it leaves in `z`. Both see `w`, the numbers from 0 to 63 in another order, and a number `k`.
macro_rules! bodies {
    ($i:ident $w:ident $z:ident $k:ident; $($test:ident $body:block)*) => { $(
        #[test]
        #[allow(
            unused_mut, unused_assignments, unused_variables, clippy::all,
            reason = "the body is written for the device"
        )]
        fn $test() {
            fn host($i: usize, $w: &[i32], $z: &mut [i32], $k: i32) $body
            check(stringify!($body), host);
        }
    )* };
}

const THREADS: usize = BLOCK as usize;

fn check(body: &str, host: fn(usize, &[i32], &mut [i32], i32)) {
    let device = device();
    let source = format!(
        "fn kernel(w: &[i32], z: &mut [i32], k: i32) {{
            let i = thread_idx_x() as usize;
            {body}
        }}"
    );
    let kernel = load(&device, "block_size = 64, unchecked", &source);
    let w: Vec<i32> = (0..THREADS as i32).map(|n| n * 37 % 64).collect();
    let input = device.alloc_from(&w).unwrap();
    for k in [-3, 0, 1, 2, 3, 5, 8, 13, 31] {
        let mut want = vec![-1; THREADS];
        for i in 0..THREADS {
            host(i, &w, &mut want, k);
        }
        let out = device.alloc_from(&vec![-1; THREADS]).unwrap();
        let len = THREADS as u64;
        let args: [Arg<'_>; 5] = [(&input).into(), len.into(), (&out).into(), len.into(), k.into()];
        kernel.launch(&device.stream(), [1, 1, 1], [BLOCK, 1, 1], &args).unwrap();
        assert_eq!(out.to_host(&device).unwrap(), want, "k = {k} in {body}");
    }
}

bodies! {
    i w z k;
    if_and_else {
        let a = if w[i] > k { w[i] - k } else if w[i] == k { 100 } else { k - w[i] };
        if a > 50 { z[i] = 1; } else { z[i] = a; }
    }
    destructuring_assignment {
        let (mut a, mut b) = (w[i], k);
        (a, b) = (b, a + 1);
        let mut t = [a, b, a + b];
        (t[0], (_, b)) = (b, (a, t[2]));
        [a, _, t[1]] = [t[0] - t[1], 5, b];
        ([a, b], t[2]) = ([b, a], a * b);
        _ = a;
        let mut j = 0;
        // The place is found when its turn comes.
        (j, z[j]) = (i, 7);
        (z[i], (a,)) = (z[j] + a + 3 * b, (t[0] + t[1],));
        z[i] += 5 * a + t[2];
    }
    early_return {
        if w[i] < k { return; }
        z[i] = w[i];
        if i > 40 { z[i] += 1; return; }
        z[i] *= 2;
    }
    short_circuit {
        let j = w[i];
        let hit = j > 3 && (j < 10 || w[(j / 2) as usize] > k) && !(j == 7);
        let other = k == 0 || 100 / k > j;
        z[i] = if hit { 1 } else { 0 } + if other { 2 } else { 0 };
    }
    while_loop {
        let mut n = w[i] + 1;
        let mut steps = 0;
        while n != 1 && steps < 200 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            steps += 1;
        }
        z[i] = steps;
    }
    loop_with_value {
        let mut j = 0;
        let found = loop {
            if w[j] == i as i32 { break j as i32; }
            j += 1;
        };
        z[i] = found;
    }
    labelled_loops {
        let mut sum = 0;
        'rows: for r in 0..8 {
            for c in 0..8 {
                if w[r * 8 + c] == k { continue 'rows; }
                if w[r * 8 + c] > 55 + k { break 'rows; }
                sum += w[r * 8 + c] + i as i32;
            }
        }
        z[i] = sum;
    }
    labelled_block {
        let v = 'a: {
            if w[i] > 40 { break 'a 1; }
            if w[i] > k { break 'a 2; }
            let mut n = 0;
            while n < w[i] { n += 3; if n > 20 { break 'a n; } }
            n + 100
        };
        z[i] = v;
    }
    ranges_forward {
        let mut s = 0;
        for j in 0..k { s += j; }
        for j in -2..=k { s = s * 3 % 1009 + j; }
        for j in (0..k).step_by(3) { s = s * 3 % 1009 + j; }
        for j in (0..=k).step_by(5) { s = s * 3 % 1009 + j; }
        z[i] = s + i as i32;
    }
    ranges_backward {
        let mut s = 0;
        for j in (0..k).rev() { s = s * 3 % 1009 + j; }
        for j in (-2..=k).rev() { s = s * 3 % 1009 + j; }
        for j in (0..k).rev().step_by(3) { s = s * 3 % 1009 + j; }
        for j in (0..k).step_by(3).rev() { s = s * 3 % 1009 + j; }
        for j in (0..=k).rev().step_by(4) { s = s * 3 % 1009 + j; }
        for j in (0..=(k as u8 & 31)).step_by(4).rev() { s = s * 3 % 1009 + j as i32; }
        z[i] = s;
    }
    ranges_to_the_end_of_their_type {
        let mut s = 0;
        let low = 250u8;
        for j in low..=255u8 { s = s * 3 % 1009 + j as i32; }
        for j in (low..=255u8).step_by(100) { s = s * 3 % 1009 + j as i32; }
        for j in (low..255u8).rev() { s = s * 3 % 1009 + j as i32; }
        for j in -128..=(k as i8 - 120) { s = s * 3 % 1009 + j as i32; }
        for j in (-128..(k as i8 - 120)).rev().step_by(2) { s = s * 3 % 1009 + j as i32; }
        for j in 2147483640..=2147483647 { s = s * 3 % 1009 + (j % 100); }
        for j in (2147483600..2147483647).step_by(20) { s = s * 3 % 1009 + (j % 100); }
        for j in 18446744073709551610u64..=18446744073709551615 { s = s * 3 % 1009 + (j % 100) as i32; }
        for j in (0..=4294967295u32).step_by(4294967295) { s = s * 3 % 1009 + (j % 100) as i32; }
        z[i] = s;
    }
    empty_ranges {
        let mut s = 0;
        for j in k..-5 { s += 1; }
        for j in k..=-5 { s += 1; }
        for j in (k..-5).rev() { s += 1; }
        for j in (k..=-5).rev().step_by(2) { s += 1; }
        for j in (k..-5).step_by(2).rev() { s += 1; }
        z[i] = s;
    }
    counter_may_be_changed {
        let mut s = 0;
        for mut j in 0..10 {
            s += j;
            j *= 2;
            s += j;
            if j == 8 { continue; }
            s += k;
        }
        z[i] = s;
    }
    computed_bounds_and_equal_parts {
        let mut a = [w[i] * k; 4];
        a[1] += 1;
        let mut p = (w[i] + k, w[i] + k);
        p.0 -= 1;
        let mut s = a[0] + a[1] * 3 + a[2] + p.0 * 5 + p.1;
        for j in (w[i] - 1..70).step_by(30) { s += j; }
        for j in (w[i] - 1..70).rev() { s = s * 3 % 1009 + j; }
        for j in w[i] - 1..=66 { s = s * 3 % 1009 + j; }
        p = if s > 500 { (s + 1, s + 1) } else { (s * 2, s) };
        p.0 += 1;
        z[i] = s + p.0 * 3 + p.1;
    }
    register_arrays {
        let mut a = [0i32; 8];
        for j in 0..8 { a[j] = w[(i + j) % 64]; }
        for r in 0..7 {
            for j in 0..7 {
                if a[j] > a[j + 1] { let t = a[j]; a[j] = a[j + 1]; a[j + 1] = t; }
            }
        }
        z[i] = a[0] + 64 * a[3] + 4096 * a[7];
    }
    unrolled_with_jumps {
        let mut a = [1, 2, 3, 4];
        for j in 0..4 {
            if w[i] % 4 == j { continue; }
            a[j as usize] *= 10;
            if w[i] > 40 && j == 2 { break; }
            a[j as usize] += k;
        }
        z[i] = a[0] + a[1] * 3 + a[2] * 7 + a[3] * 11;
    }
    derived_indices_are_constant {
        let mut a = [0; 6];
        let mut n = 0;
        for j in (0..3).rev() {
            let twice = j * 2;
            a[twice] = w[i] + n;
            a[twice + 1] = a[twice] * 2;
            n += 1;
        }
        z[i] = a[0] + a[1] + a[4] * a[5];
    }
    tuples_and_nested_values {
        let mut p = (1, (w[i], k), [2, 3]);
        p.1 = (p.1.1, p.1.0);
        p.2[1] += p.1.0;
        let (a, (b, c), d) = p;
        let mut q = (a, b);
        q = (q.1, q.0);
        z[i] = q.0 * 3 + q.1 + c * 5 + d[0] + d[1];
    }
    order_of_evaluation {
        let mut m = w[i];
        let s = m + { m = 3; m } * { m += k; m };
        m += { m = 2; 5 };
        let t = (m, { m = 9; m }, m);
        z[i] = s + t.0 * 100 + t.1 * 10 + t.2;
    }
    shadowing_and_blocks {
        let a = w[i];
        let a = { let a = a + 1; let b = a * 2; b - k };
        let b = { let mut b = a; if b < 0 { b = -b; } b };
        z[i] = a * 3 + b;
    }
    deferred_values {
        let a;
        if w[i] > k { a = 1; } else { a = w[i]; }
        let b;
        match a { 1 => b = 5, _ => b = 6 }
        z[i] = a + 10 * b;
    }
    matching {
        z[i] = match w[i] {
            0 => 7,
            1 | 2 | 5 => 8,
            10..=20 => match k { 3 => 1, n if n < 0 => 2, _ => w[i] },
            n if n > k => n * 2,
            _ => -1,
        };
    }
    values_survive_loops {
        let mut last = 0;
        let mut before = 0;
        for j in 0..(k + 4) {
            before = last;
            let twice = j * 2;
            last = twice + w[i];
        }
        z[i] = last * 100 + before;
    }
    common_values_after_branches {
        let mut m = w[i];
        let a = m * 3 + 1;
        if m > k { m += 1; z[i] = m * 3 + 1; } else { z[i] = a; }
        let b = m * 3 + 1;
        let mut n = 0;
        while n < 3 { z[i] += m * 3 + 1; m += n; n += 1; }
        z[i] += b + m * 3 + 1;
    }
    infinite_loop_with_returns {
        let mut n = w[i];
        loop {
            if n > 50 { z[i] = n; return; }
            n += 7;
            if n % 5 == 0 { z[i] = -n; return; }
        }
    }
}

/// `#[unroll]`, which is no attribute of Rust: the plain loop says what it gives.
#[test]
fn unrolled_in_part() {
    for (range, host) in [
        ("0..k", (|k| (0..k).collect()) as fn(i32) -> Vec<i32>),
        ("-2..=k", |k| (-2..=k).collect()),
        ("(0..k).step_by(3)", |k| (0..k).step_by(3).collect()),
        ("(0..k).rev()", |k| (0..k).rev().collect()),
        ("(0..=k).rev().step_by(2)", |k| (0..=k).rev().step_by(2).collect()),
        ("(0..k).step_by(2).rev()", |k| (0..k).step_by(2).rev().collect()),
        ("(0..40).step_by(k as usize + 4)", |k| (0..40).step_by(k as usize + 4).collect()),
        ("0..16", |_| (0..16).collect()),
        ("0..18", |_| (0..18).collect()),
    ] {
        for unroll in ["#[unroll(4)]", "#[unroll(1)]", "#[no_unroll]"] {
            let body = format!(
                "{{ let mut s = 0; {unroll} for j in {range} {{
                    if j == 5 {{ continue; }} if s > 900 {{ break; }} s = s * 3 % 1009 + j; }}
                 z[i] = s; }}"
            );
            check_sum(&body, host);
        }
    }
}

fn check_sum(body: &str, values: fn(i32) -> Vec<i32>) {
    let device = device();
    let source = format!("fn kernel(z: &mut [i32], k: i32) {{ let i = thread_idx_x(); {body} }}");
    let kernel = load(&device, "block_size = 64, unchecked", &source);
    for k in [0, 1, 2, 3, 4, 5, 8, 9, 13] {
        let mut want = 0;
        for j in values(k) {
            if j == 5 {
                continue;
            }
            if want > 900 {
                break;
            }
            want = want * 3 % 1009 + j;
        }
        let out = device.alloc_zeros::<i32>(THREADS).unwrap();
        let args: [Arg<'_>; 3] = [(&out).into(), (THREADS as u64).into(), k.into()];
        kernel.launch(&device.stream(), [1, 1, 1], [BLOCK, 1, 1], &args).unwrap();
        assert_eq!(out.to_host(&device).unwrap(), vec![want; THREADS], "k = {k} in {body}");
    }
}
