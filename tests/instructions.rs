//! Instructions that the language has no name for, in PTX text.
//!
//! One line each: a body that computes `%r` of the thread's index `%t`, and what `%r` is.

struct Case {
    body: &'static str,
    want: fn(u32) -> u32,
}

const THREADS: u32 = 64;
/// Bits that look random, of the index.
const MIX: u32 = 0x9E37_79B9;

const CASES: &[Case] = &[
    Case { body: "mul24.lo.u32 %r, %m, %t;", want: |t| (mix(t) & 0xff_ffff).wrapping_mul(t) },
    Case {
        body: "mad24.lo.u32 %r, %m, %t, 7;",
        want: |t| (mix(t) & 0xff_ffff).wrapping_mul(t).wrapping_add(7),
    },
    Case {
        body: "sad.s32 %r, %m, %t, 5;",
        want: |t| mix(t).cast_signed().abs_diff(t.cast_signed()).wrapping_add(5),
    },
    Case { body: "cnot.b32 %r, %t;", want: |t| u32::from(t == 0) },
    Case {
        body: "slct.u32.s32 %r, 3, 4, %m;",
        want: |t| if mix(t).cast_signed() >= 0 { 3 } else { 4 },
    },
    Case {
        body: "set.lt.u32.s32 %r, %m, 0;",
        want: |t| if mix(t).cast_signed() < 0 { u32::MAX } else { 0 },
    },
    Case { body: "bfind.u32 %r, %m;", want: |t| 31_u32.wrapping_sub(mix(t).leading_zeros()) },
    Case { body: "add.cc.u32 %r1, %m, %m;\naddc.u32 %r, %t, 0;", want: |t| t + (mix(t) >> 31) },
    Case {
        body: "sub.cc.u32 %r1, %t, 32;\nsubc.u32 %r, 100, 0;",
        want: |t| 100 - u32::from(t < 32),
    },
    Case {
        body: "mad.lo.cc.u32 %r1, %m, 3, %m;\nmadc.hi.u32 %r, %m, 3, 0;",
        want: |t| {
            let (low, high) = (mix(t).wrapping_mul(3), (u64::from(mix(t)) * 3) >> 32);
            high as u32 + u32::from(low.checked_add(mix(t)).is_none())
        },
    },
    Case {
        body: "setp.lt.and.u32 %p1|%p2, %t, 9, %p0;\nselp.u32 %r, 1, 0, %p1;\n@%p2 add.u32 %r, %r, 2;",
        // `%p0` holds for odd indices.
        want: |t| u32::from(t < 9 && t % 2 == 1) + 2 * u32::from(t >= 9 && t % 2 == 1),
    },
    Case {
        body: "and.b32 %r1, %t, 3;\ntable: .branchtargets $a, $b, $c, $d;\nbrx.idx %r1, table;\n\
               $a: mov.u32 %r, 10;\nbra $end;\n$b: mov.u32 %r, 20;\nbra $end;\n\
               $c: mov.u32 %r, 30;\nbra $end;\n$d: mov.u32 %r, 40;\n$end:",
        want: |t| 10 * (t % 4 + 1),
    },
    Case {
        body: "mov.u64 %d1, tile;\ncvta.shared.u64 %d2, %d1;\nisspacep.shared %p1, %d2;\n\
               isspacep.global %p2, %d2;\nselp.u32 %r, 1, 0, %p1;\n@%p2 add.u32 %r, %r, 2;",
        want: |_| 1,
    },
    Case {
        body: "cvt.pack.sat.u8.s32.b32 %r, %m, %t, 0;",
        want: |t| mix(t).cast_signed().clamp(0, 255) as u32 * 256 + t,
    },
    Case {
        body: "szext.wrap.s32 %r, %m, 12;",
        want: |t| (mix(t) << 20).cast_signed() as u32 >> 20 | sign(t, 11),
    },
    Case { body: "bmsk.clamp.b32 %r, %t, 5;", want: |t| (0x1f_u64 << t.min(32)) as u32 },
];

fn mix(t: u32) -> u32 {
    t.wrapping_mul(MIX)
}

/// The bits above `bit` where it is set.
fn sign(t: u32, bit: u32) -> u32 {
    if mix(t) >> bit & 1 == 1 { u32::MAX << bit } else { 0 }
}

fn kernel(body: &str) -> String {
    format!(
        ".version 7.8\n.target sm_80\n.address_size 64\n.visible .entry kernel(.param .u64 out)\n{{\n\
         .reg .pred %p<4>;\n.reg .b32 %r;\n.reg .b32 %r<4>;\n.reg .b32 %t;\n.reg .b32 %m;\n\
         .reg .b64 %d<8>;\n.shared .align 4 .b8 tile[64];\n\
         mov.u32 %t, %tid.x;\nmul.lo.u32 %m, %t, {MIX};\nand.b32 %r0, %t, 1;\n\
         setp.eq.u32 %p0, %r0, 1;\nmov.u32 %r, 0;\n{body}\n\
         ld.param.u64 %d0, [out];\nmul.wide.u32 %d7, %t, 4;\nadd.u64 %d0, %d0, %d7;\n\
         st.global.u32 [%d0], %r;\nret;\n}}\n"
    )
}

#[test]
fn they_do_what_the_manual_says() {
    let device = crate::device();
    for Case { body, want } in CASES {
        let module =
            device.load_ptx(&kernel(body)).unwrap_or_else(|error| panic!("{error}\n{body}"));
        let out = device.alloc_zeros::<u32>(THREADS as usize).unwrap();
        let kernel = module.kernel("kernel").unwrap();
        kernel.launch(&device.stream(), [1, 1, 1], [THREADS, 1, 1], &[(&out).into()]).unwrap();
        let got = out.to_host(&device).unwrap();
        for (t, got) in (0..).zip(got) {
            assert_eq!(got, want(t), "thread {t} of\n{body}");
        }
    }
}
