//! Graphs that take turns.

use std::time::Duration;

use firesteel::Graph;
use firesteel::prelude::*;

use crate::Failure;
use crate::data::Random;

/// What a turn should take at least.
const TURN: Duration = Duration::from_millis(4);
/// Turns of each before the first that counts.
const WARM_UP: usize = 3;

/// One who works on buffers that are read anew in each turn.
pub(crate) struct Contestant {
    pub(crate) name: String,
    /// Bytes that must be read and written.
    pub(crate) bytes: u64,
    /// The work on each of the buffers once.
    graph: Graph,
    /// How many there are.
    buffers: usize,
}

impl Contestant {
    /// `work(i)` puts the work on buffer `i` on the stream, which is captured.
    pub(crate) fn new(
        stream: &Stream,
        name: &str,
        bytes: u64,
        buffers: usize,
        mut work: impl FnMut(usize) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        // Loads the kernel, which a capture cannot.
        work(0)?;
        let graph = stream.capture(|| (0..buffers).try_for_each(&mut work))?;
        Ok(Self { name: name.to_owned(), bytes, graph, buffers })
    }

    /// Seconds of the work on one buffer, by so many replays.
    fn time(&self, stream: &Stream, replays: usize) -> Result<f64, Failure> {
        let start = stream.record()?;
        for _ in 0..replays {
            self.graph.launch(stream)?;
        }
        let end = stream.record()?;
        end.synchronize()?;
        Ok(start.elapsed(&end)?.as_secs_f64() / (replays * self.buffers) as f64)
    }
}

/// Seconds: the median, and the tenth and ninetieth percentile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Lets all take turns.
pub(crate) fn interleaved<'a>(
    stream: &Stream,
    contestants: &'a [Contestant],
    rounds: usize,
) -> Result<Vec<(&'a Contestant, Spread)>, Failure> {
    let mut replays = Vec::new();
    for contestant in contestants {
        let one = contestant.time(stream, 1)? * contestant.buffers as f64;
        replays.push(((TURN.as_secs_f64() / one).ceil() as usize).max(1));
    }
    let warm_up = if stream.device().is_sim() { 0 } else { WARM_UP };
    let mut times = vec![Vec::new(); contestants.len()];
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    let mut random = Random::new(0);
    for round in 0..rounds + warm_up {
        random.shuffle(&mut order);
        for &at in &order {
            let took = contestants[at].time(stream, replays[at])?;
            if round >= warm_up {
                times[at].push(took);
            }
        }
    }
    Ok(contestants.iter().zip(times.into_iter().map(spread)).collect())
}

fn spread(mut times: Vec<f64>) -> Spread {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    Spread { median: at(0.5), low: at(0.1), high: at(0.9) }
}
