//! Structs of the device: values, methods and constants.

use firesteel::prelude::*;

use crate::device;

mod shapes {
    use firesteel::prelude::*;

    #[gpu_const]
    const SIDES: usize = 4;

    #[gpu_struct]
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Point {
        pub(super) x: f32,
        pub(super) y: f32,
    }

    #[gpu_struct(methods)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Square {
        pub(super) corner: Point,
        side: f32,
        pub(super) lengths: [f32; SIDES],
    }

    #[gpu_struct]
    impl Square {
        pub(super) const HALF: f32 = 0.5;
        pub(super) const CORNERS: usize = SIDES;

        pub(super) fn new(x: f32, y: f32, side: f32) -> Self {
            Self { lengths: [side; Self::CORNERS], side, corner: Point { x, y } }
        }

        fn middle(&self) -> Point {
            let half = self.side * Self::HALF;
            shifted(self.corner, half)
        }

        pub(super) fn distance(&self, other: &Square) -> f32 {
            let (a, b) = (self.middle(), other.middle());
            let Point { x, y: high } = b;
            ((a.x - x) * (a.x - x) + (a.y - high) * (a.y - high)).sqrt()
        }

        pub(super) fn grow(&mut self, by: f32) {
            self.side += by;
            self.corner.x -= by * Self::HALF;
            for i in 0..Self::CORNERS {
                self.lengths[i] += by;
            }
        }

        /// A method of scalars has this name too.
        pub(super) fn max(self, other: Self) -> Self {
            if self.side.max(1.0) < other.side.max(1.0) { other } else { self }
        }

        pub(super) fn sum<const N: usize>(&self, weights: [f32; N]) -> f32 {
            let mut sum = 0.0;
            for i in 0..N {
                sum += self.lengths[i] * weights[i];
            }
            sum
        }
    }

    #[gpu_fn]
    fn shifted(point: Point, by: f32) -> Point {
        Point { x: point.x + by, ..Point { x: 0.0, y: point.y + by } }
    }
}

use shapes::{Point, Square};

#[gpu_kernel(block_size = 32)]
fn squares(x: &[f32], y: &mut [f32]) {
    let lane = thread_idx_x();
    let mut square = Square::new(x[lane], 1.0, 2.0);
    square.grow(x[lane].abs());
    let mut all = [Square::new(0.0, 0.0, 1.0); 2];
    all[1] = square;
    all[0].grow(1.0);
    all[0].corner.y = 3.0;
    let largest = all[0].max(all[1]);
    y[lane * 4] = all[1].distance(&all[0]);
    y[lane * 4 + 1] = largest.corner.x;
    y[lane * 4 + 2] = square.sum([1.0, 10.0]) + Square::sum::<1>(&all[0], [1.0]);
    let Point { x, .. } = shapes::Point { y: 0.0, x: square.corner.y };
    y[lane * 4 + 3] = x + square.lengths[3] + Square::CORNERS as f32;
}

#[test]
fn a_kernel_and_the_host_compute_the_same() {
    let device = device();
    let x: Vec<f32> = (0..32).map(|i| i as f32 / 8.0 - 2.0).collect();
    let mut y = device.alloc_zeros::<f32>(128).unwrap();
    squares::launch(&device, &device.alloc_from(&x).unwrap(), &mut y, (1, 1, 1)).unwrap();
    let want = x.iter().flat_map(|&x| {
        let mut square = Square::new(x, 1.0, 2.0);
        square.grow(x.abs());
        let mut other = Square::new(0.0, 0.0, 1.0);
        other.grow(1.0);
        other.corner.y = 3.0;
        let sum = square.sum([1.0, 10.0]) + other.sum([1.0]);
        let last = square.corner.y + square.lengths[3] + Square::CORNERS as f32;
        [square.distance(&other), other.max(square).corner.x, sum, last]
    });
    assert_eq!(y.to_host(&device).unwrap(), want.collect::<Vec<_>>());
}

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Range(u32, u32);

#[gpu_struct]
impl Range {
    const EMPTY: Range = Range(0, 0);

    fn is_empty(self) -> bool {
        self.0 == self.1
    }

    fn len(&self) -> u32 {
        match *self {
            Self(0, end) => end,
            Range(start, _) if start > 100 => 0,
            Range(start, end) => end - start,
        }
    }

    fn next(&mut self) -> u32 {
        if self.is_empty() {
            return u32::MAX;
        }
        self.0 += 1;
        self.0 - 1
    }

    /// Another name that several structs have.
    fn nested(&self) -> u32 {
        self.len()
    }
}

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Ranges {
    ranges: [Range; 2],
    at: u32,
}

#[gpu_struct]
impl Ranges {
    fn nested(&self) -> u32 {
        self.ranges[0].nested() + self.ranges[1].nested()
    }

    fn map(&mut self, f: impl Fn(u32) -> u32) {
        self.at = f(self.at);
        self.ranges[1].0 = f(self.ranges[1].0);
    }
}

#[gpu_const]
const START: Ranges = Ranges { at: 7, ranges: [Range(3, 9), Range::EMPTY] };

#[gpu_kernel(block_size = 1)]
fn pairs(y: &mut [u32]) {
    let mut pair = START;
    pair.ranges[1] = Range(0, 5);
    let mut count = 0;
    while !pair.ranges[0].is_empty() {
        y[count] = pair.ranges[0].next();
        count += 1;
    }
    y[6] = pair.nested() + START.at;
    let by = y[0];
    pair.map(|it| it + by);
    let (mut at, mut low) = (1, 2);
    Range(low, at) = Range(at, low);
    (low, Ranges { at, .. }) = (low + at, pair);
    y[7] = at + low + pair.ranges[1].0 + y.len() as u32;
}

#[test]
fn methods_of_one_name_are_told_apart() {
    let device = device();
    let mut y = device.alloc_zeros::<u32>(8).unwrap();
    pairs::launch(&device, &mut y, (1, 1, 1)).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), [3, 4, 5, 6, 7, 8, 5 + 7, 10 + 3 + 3 + 8]);
}

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Tile {
    sums: [FragC<f32>; 2],
    steps: u32,
}

#[gpu_struct]
impl Tile {
    fn new() -> Self {
        Tile { sums: [FragC::<f32>::zero(); 2], steps: 0 }
    }

    fn step(&mut self, a: FragA<bf16>, b: FragB<bf16>) {
        for i in 0..2 {
            mma(&mut self.sums[i], a, b);
        }
        self.steps += 1;
    }
}

#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn tiles(x: &[bf16], y: &mut [f32], turns: u32) {
    let tile = shared_mem![bf16; 256];
    for i in 0..8u32 {
        tile[i * 32 + lane_id()] = x[i * 32 + lane_id()];
    }
    bar_sync();
    let at = lane_id() % 16 * 16 + lane_id() / 16 * 8;
    let (a, b) = (ldmatrix_a(tile, at), ldmatrix_b(tile, at % 128));
    let mut sums = Tile::new();
    for _ in 0..turns {
        sums.step(a, b);
    }
    for i in 0..4u32 {
        y[i * 32 + lane_id()] = sums.sums[0][i] + sums.sums[1][i] + sums.steps as f32;
    }
}

#[test]
fn a_struct_of_sums_stays_in_its_registers() {
    let products: Vec<&str> = tiles::PTX.lines().filter(|line| line.contains("mma.sync")).collect();
    assert_eq!(products.len(), 2);
    for product in products {
        let groups: Vec<&str> = product
            .split('{')
            .skip(1)
            .map(|it| it.trim_end_matches([' ', ',', ';', '}']))
            .collect();
        assert_eq!(groups.first(), groups.last(), "{product}");
    }
    let device = device();
    let x = vec![bf16::from_f32(1.0); 256];
    let mut y = device.alloc_zeros::<f32>(128).unwrap();
    tiles::launch(&device, &device.alloc_from(&x).unwrap(), &mut y, 3).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), vec![2.0 * 16.0 * 3.0 + 3.0; 128]);
}

/// 20 bytes: no power of two.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    key: u32,
    sums: [f32; 3],
    bytes: [u8; 4],
}

#[gpu_struct]
impl Cell {
    fn new(key: u32) -> Self {
        let byte = key as u8;
        Self {
            key,
            sums: [key as f32, key as f32 + 0.25, key as f32 + 0.5],
            bytes: [byte, byte + 1, byte + 2, byte + 3],
        }
    }

    fn sum(&self) -> f32 {
        self.sums[0] + self.sums[1] + self.sums[2]
    }
}

#[gpu_fn]
fn mark(cells: &mut [Cell], at: u32, by: u32) {
    cells[at].key += by;
    cells[at].bytes[at % 4] = 200;
}

/// Each thread reads what another one has put into shared memory, whole and in parts.
#[gpu_kernel(block_size = 32)]
fn shared_cells(cells: &mut [Cell], y: &mut [f32], at: i64) {
    let first = shared_mem![u8; 1];
    let tile = shared_mem![Cell; 32];
    let lane = thread_idx_x();
    first[0] = 1;
    tile[lane] = Cell::new(lane);
    mark(tile, lane, 100);
    bar_sync();
    let other = 31 - lane;
    y[lane] = tile[other].sums[lane % 3] + tile[3].sums[1] + tile[other].sum();
    cells[lane] = tile[at as usize + other as usize];
    cells[lane].key += tile.len() as u32 + tile[0].bytes[1] as u32;
}

#[test]
fn structs_are_elements_of_shared_memory() {
    let device = device();
    let stream = device.create_stream().unwrap();
    let mut cells = device.alloc_from(&[Cell::new(0); 32]).unwrap();
    let mut y = device.alloc_zeros::<f32>(32).unwrap();
    let grid = || LaunchConfig::new([1, 1, 1]);
    shared_cells::launch_on(&stream, grid(), &mut cells, &mut y, 0).unwrap();
    stream.synchronize().unwrap();
    let marked = |i: u32| {
        let mut cell = Cell::new(i);
        cell.key += 100;
        cell.bytes[i as usize % 4] = 200;
        cell
    };
    let (sums, cells_got) = (y.to_host(&device).unwrap(), cells.to_host(&device).unwrap());
    for lane in 0..32 {
        let other = marked(31 - lane);
        let sum = other.sums[lane as usize % 3] + 3.25 + other.sum();
        assert_eq!(sums[lane as usize], sum);
        let want = Cell { key: other.key + 32 + 1, ..other };
        assert_eq!(cells_got[lane as usize], want);
    }
    shared_cells::launch_on(&stream, grid(), &mut cells, &mut y, 1).unwrap();
    let error = stream.synchronize().unwrap_err().to_string();
    assert!(error.contains("index 32 is out of bounds for `tile` of length 32"), "{error}");
    firesteel_tests::ptxas::demand(shared_cells::ptx(), &[]);
}
