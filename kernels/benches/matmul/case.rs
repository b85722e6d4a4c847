//! What is multiplied: shapes, formats, and matrices of them on the device.

use std::fmt;
use std::str::FromStr;

use firesteel::prelude::*;

use crate::harness::Failure;
use crate::harness::data::Host;

/// `C [M, N] = A [M, K] · B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) m: u32,
    pub(crate) n: u32,
    pub(crate) k: u32,
}

impl Shape {
    const fn square(n: u32) -> Self {
        Self { m: n, n, k: n }
    }

    pub(crate) fn multiplications(self) -> u64 {
        u64::from(self.m) * u64::from(self.n) * u64::from(self.k)
    }

    /// Whether reading B is most of the work.
    pub(crate) fn is_skinny(self) -> bool {
        self.m <= 64
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.m, self.n, self.k)
    }
}

impl FromStr for Shape {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let sizes: Vec<u32> = text.split('x').map(str::parse).collect::<Result<_, _>>()?;
        match sizes.as_slice() {
            [m, n, k] if !sizes.contains(&0) => Ok(Self { m: *m, n: *n, k: *k }),
            _ => Err(format!("a shape is MxNxK, got `{text}`").into()),
        }
    }
}

/// The types of the matrices and of the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `f32` throughout.
    F32,
    /// `f32`, multiplied as TensorFloat-32.
    Tf32,
    /// `bf16`, summed in `f32`.
    Bf16,
    /// `f16`, summed in `f32`.
    F16,
    /// `i8` to `i32`.
    I8,
    /// e4m3, summed in `f32`, to `bf16`.
    E4m3,
}

impl Format {
    const ALL: [Self; 6] = [Self::F32, Self::Tf32, Self::Bf16, Self::F16, Self::I8, Self::E4m3];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::I8 => "i8",
            Self::E4m3 => "e4m3",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Self, Failure> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| format!("there is no format `{name}`, there are {}", known()).into())
    }

    /// Bytes of an element of A and B, and of C.
    const fn bytes(self) -> [u64; 2] {
        match self {
            Self::F32 | Self::Tf32 => [4, 4],
            Self::Bf16 | Self::F16 => [2, 2],
            Self::I8 => [1, 4],
            Self::E4m3 => [1, 2],
        }
    }

    /// The largest relative distance from cuBLASLt's product, in the Frobenius norm: a few times
    /// the rounding of the result, and of TensorFloat-32 that of the operands.
    pub(crate) const fn tolerance(self) -> f64 {
        match self {
            Self::F32 => 1e-5,
            Self::Tf32 => 2e-3,
            Self::Bf16 | Self::E4m3 => 1e-2,
            Self::F16 => 2e-3,
            Self::I8 => 0.0,
        }
    }
}

/// The order of B in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Row by row of `[K, N]`.
    Kn,
    /// Row by row of `[N, K]`, as weights are kept.
    Nk,
}

impl Order {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kn => "[K, N]",
            Self::Nk => "[N, K]",
        }
    }
}

/// One line of the contest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) format: Format,
    pub(crate) b: Order,
}

impl Case {
    /// Bytes that must be read and written.
    pub(crate) fn bytes(&self) -> u64 {
        let [m, n, k] = [self.shape.m, self.shape.n, self.shape.k].map(u64::from);
        let [input, output] = self.format.bytes();
        (m * k + k * n) * input + m * n * output
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} B {}", self.shape, self.format.name(), self.b.name())
    }
}

/// The squares, and the weights of a model with few tokens.
const SQUARES: [u32; 4] = [1024, 2048, 4096, 8192];
const TOKENS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const WEIGHTS: [[u32; 2]; 4] = [[4096, 4096], [12288, 4096], [4096, 12288], [151_936, 4096]];
/// What the simulator has time for.
const TINY: [Shape; 2] = [Shape { m: 48, n: 64, k: 32 }, Shape { m: 17, n: 33, k: 48 }];

/// The cases of these formats and shapes; of all and the usual ones where none is named.
pub(crate) fn cases(formats: &[Format], shapes: &[Shape], simulated: bool) -> Vec<Case> {
    let formats = match formats {
        [] => Format::ALL.to_vec(),
        formats => formats.to_vec(),
    };
    let mut cases = Vec::new();
    for format in formats {
        let shapes = match shapes {
            [] if simulated => TINY.to_vec(),
            [] => usual(format),
            shapes => shapes.to_vec(),
        };
        for shape in shapes {
            let orders: &[Order] = match format {
                // The tensor cores take B of these along K only.
                Format::I8 | Format::E4m3 => &[Order::Nk],
                // Weights are kept so.
                _ if shape.is_skinny() && !simulated => &[Order::Nk],
                Format::F32 | Format::Tf32 | Format::Bf16 | Format::F16 => &[Order::Kn, Order::Nk],
            };
            cases.extend(orders.iter().map(|&b| Case { shape, format, b }));
        }
    }
    cases
}

fn usual(format: Format) -> Vec<Shape> {
    let mut shapes = SQUARES.map(Shape::square).to_vec();
    if format == Format::Bf16 {
        for [n, k] in WEIGHTS {
            shapes.extend(TOKENS.map(|m| Shape { m, n, k }));
        }
    }
    shapes
}

/// Bytes of inputs that no cache holds: with few tokens the weights come from memory.
const COLD: u64 = 400 << 20;
const MOST_COPIES: u64 = 16;

/// The matrices of a case; several of it where one would stay in the caches between two runs.
pub(crate) fn problems(device: &Device, case: &Case) -> Result<Vec<Problem>, Failure> {
    let copies = match case.shape.is_skinny() && !device.is_sim() {
        true => COLD.div_ceil(case.bytes()).clamp(1, MOST_COPIES),
        false => 1,
    };
    (0..copies).map(|_| Problem::new(device, case)).collect()
}

/// A matrix of one of the formats.
pub(crate) enum Matrix {
    F32(GpuBuffer<f32>),
    Bf16(GpuBuffer<bf16>),
    F16(GpuBuffer<f16>),
    I8(GpuBuffer<i8>),
    E4m3(GpuBuffer<e4m3>),
    /// Sums of `i8`: cuBLASLt writes integers, our kernels floats, and what nobody wrote is 0.
    Sums(GpuBuffer<i32>, GpuBuffer<f32>),
}

impl Matrix {
    fn upload(device: &Device, format: Format, values: &Host) -> Result<Self, Failure> {
        Ok(match format {
            Format::F32 | Format::Tf32 => Self::F32(device.alloc_from(&values.f32())?),
            Format::Bf16 => Self::Bf16(device.alloc_from(&values.bf16())?),
            Format::F16 => Self::F16(device.alloc_from(&values.f16())?),
            Format::I8 => Self::I8(device.alloc_from(&values.i8())?),
            Format::E4m3 => Self::E4m3(device.alloc_from(&values.e4m3())?),
        })
    }

    /// What products of the format are written to.
    fn output(device: &Device, format: Format, len: usize) -> Result<Self, Failure> {
        Ok(match format {
            Format::F32 | Format::Tf32 => Self::F32(device.alloc_zeros(len)?),
            Format::Bf16 | Format::E4m3 => Self::Bf16(device.alloc_zeros(len)?),
            Format::F16 => Self::F16(device.alloc_zeros(len)?),
            Format::I8 => Self::Sums(device.alloc_zeros(len)?, device.alloc_zeros(len)?),
        })
    }

    pub(crate) fn address(&self) -> u64 {
        match self {
            Self::F32(it) => it.address(),
            Self::Bf16(it) => it.address(),
            Self::F16(it) => it.address(),
            Self::I8(it) => it.address(),
            Self::E4m3(it) => it.address(),
            Self::Sums(it, _) => it.address(),
        }
    }

    fn values(&self, device: &Device) -> Result<Vec<f64>, Failure> {
        Ok(match self {
            Self::F32(it) => it.to_host(device)?.into_iter().map(f64::from).collect(),
            Self::Bf16(it) => it.to_host(device)?.into_iter().map(f64::from).collect(),
            Self::F16(it) => it.to_host(device)?.into_iter().map(f64::from).collect(),
            Self::I8(it) => it.to_host(device)?.into_iter().map(f64::from).collect(),
            Self::E4m3(it) => it.to_host(device)?.into_iter().map(f64::from).collect(),
            Self::Sums(integers, floats) => {
                let (integers, floats) = (integers.to_host(device)?, floats.to_host(device)?);
                let both = integers.into_iter().zip(floats);
                both.map(|(integer, float)| f64::from(integer) + f64::from(float)).collect()
            }
        })
    }
}

/// The matrices of one product.
pub(crate) struct Problem {
    /// `[M, K]`.
    pub(crate) a: Matrix,
    /// As the case's order says.
    pub(crate) b: Matrix,
    /// `[M, N]`.
    pub(crate) c: Matrix,
}

impl Problem {
    fn new(device: &Device, case: &Case) -> Result<Self, Failure> {
        let Shape { m, n, k } = case.shape;
        let len = |rows: u32, columns: u32| rows as usize * columns as usize;
        let (a, b) = (Host::normal(1, len(m, k)), Host::normal(2, len(k, n)));
        Ok(Self {
            a: Matrix::upload(device, case.format, &a)?,
            b: Matrix::upload(device, case.format, &b)?,
            c: Matrix::output(device, case.format, len(m, n))?,
        })
    }

    /// Sets C to zero, so that nobody is checked by what another left there.
    pub(crate) fn clear(&mut self, stream: &Stream) -> Result<(), Failure> {
        match &mut self.c {
            Matrix::F32(it) => it.clear_on(stream)?,
            Matrix::Bf16(it) => it.clear_on(stream)?,
            Matrix::F16(it) => it.clear_on(stream)?,
            Matrix::I8(it) => it.clear_on(stream)?,
            Matrix::E4m3(it) => it.clear_on(stream)?,
            Matrix::Sums(integers, floats) => {
                integers.clear_on(stream)?;
                floats.clear_on(stream)?;
            }
        }
        Ok(())
    }

    /// C.
    pub(crate) fn result(&self, device: &Device) -> Result<Vec<f64>, Failure> {
        self.c.values(device)
    }

    /// The product on the CPU, in `f64`.
    pub(crate) fn reference(&self, device: &Device, case: &Case) -> Result<Vec<f64>, Failure> {
        let [m, n, k] = [case.shape.m, case.shape.n, case.shape.k].map(|it| it as usize);
        let (a, b) = (self.a.values(device)?, self.b.values(device)?);
        let b_at = |row: usize, column: usize| match case.b {
            Order::Kn => b[row * n + column],
            Order::Nk => b[column * k + row],
        };
        let mut c = Vec::with_capacity(m * n);
        for row in 0..m {
            for column in 0..n {
                c.push((0..k).map(|i| a[row * k + i] * b_at(i, column)).sum());
            }
        }
        Ok(c)
    }
}
