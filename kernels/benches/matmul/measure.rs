//! Batches that take turns.

use std::time::Duration;

use firesteel::prelude::*;

use crate::case::Problem;
use crate::harness::Failure;
use crate::harness::data::Random;
use crate::harness::turns::Spread;
use crate::{BATCH, WARM_UP};

/// Puts one product on the stream.
pub(crate) type Run = Box<dyn FnMut(&Stream, &mut Problem) -> Result<(), Failure>>;

/// One who multiplies.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    run: Run,
}

impl Contestant {
    pub(crate) fn new(name: &'static str, run: Run) -> Self {
        Self { name, run }
    }
}

/// The device's time of `count` products, each on the next of the problems.
pub(crate) fn batch(
    stream: &Stream,
    run: &mut dyn FnMut(&Stream, &mut Problem) -> Result<(), Failure>,
    problems: &mut [Problem],
    count: usize,
) -> Result<Duration, Failure> {
    let n = problems.len();
    let start = stream.record()?;
    for at in 0..count {
        run(stream, &mut problems[at % n])?;
    }
    let end = stream.record()?;
    end.synchronize()?;
    Ok(start.elapsed(&end)?)
}

/// Products that fill a batch, found by batches that grow.
fn filling(
    stream: &Stream,
    contestant: &mut Contestant,
    problems: &mut [Problem],
) -> Result<usize, Failure> {
    let mut count = 1;
    loop {
        let took = batch(stream, &mut *contestant.run, problems, count)?;
        if took * 4 >= BATCH || count >= 1 << 20 {
            let one = took.as_secs_f64() / count as f64;
            return Ok(((BATCH.as_secs_f64() / one) as usize).max(1));
        }
        count *= 4;
    }
}

/// Lets all contestants take turns, after a warm-up of each.
pub(crate) fn interleaved(
    stream: &Stream,
    contestants: &mut [Contestant],
    problems: &mut [Problem],
    rounds: usize,
) -> Result<Vec<Spread>, Failure> {
    let simulated = stream.device().is_sim();
    let mut counts = Vec::new();
    for contestant in contestants.iter_mut() {
        counts.push(if simulated { 1 } else { filling(stream, contestant, problems)? });
    }
    let warm_up = if simulated { 0 } else { WARM_UP.as_millis() / BATCH.as_millis() };
    let mut times = vec![Vec::new(); contestants.len()];
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    let mut random = Random::new(0);
    for round in 0..rounds + warm_up as usize {
        // In a fixed order one would always follow the one that leaves the device cool.
        random.shuffle(&mut order);
        for &at in &order {
            let took = batch(stream, &mut *contestants[at].run, problems, counts[at])?;
            if round >= warm_up as usize {
                times[at].push(took.as_secs_f64() / counts[at] as f64);
            }
        }
    }
    stream.synchronize()?;
    Ok(times.into_iter().map(Spread::of).collect())
}
