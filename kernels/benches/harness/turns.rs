//! Contestants that take turns, in a new order each round.
//!
//! A turn is the replay of a graph that goes round buffers which together should be larger than the
//! L2 cache, where what they hold must come from memory. Times are the device's own, between events
//! around the replays, divided by the work in them: they hold the hand-over from one launch to the next.

use std::time::Duration;

use firesteel::Graph;
use firesteel::prelude::*;

use super::Failure;
use super::data::Random;

/// What a turn should take at least.
const TURN: Duration = Duration::from_millis(4);
/// Turns of each before the first that counts.
const WARM_UP: usize = 3;

/// One who works on buffers that are read anew in each turn.
pub(crate) struct Contestant {
    pub(crate) name: String,
    graph: Graph,
    /// How often its work is in the graph.
    count: usize,
}

impl Contestant {
    /// `work(i)` puts the work on buffer `i` of `count` on the stream, which is captured.
    pub(crate) fn new(
        stream: &Stream,
        name: &str,
        count: usize,
        mut work: impl FnMut(usize) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        // Loads the kernel, which a capture cannot.
        work(0)?;
        let graph = stream.capture(|| (0..count).try_for_each(&mut work))?;
        Ok(Self { name: name.to_owned(), graph, count })
    }

    /// Seconds of the work on one buffer, by so many replays.
    fn time(&self, stream: &Stream, replays: usize) -> Result<f64, Failure> {
        let start = stream.record()?;
        for _ in 0..replays {
            self.graph.launch(stream)?;
        }
        let end = stream.record()?;
        end.synchronize()?;
        Ok(start.elapsed(&end)?.as_secs_f64() / (replays * self.count) as f64)
    }
}

/// Seconds: the median, and the tenth and ninetieth percentile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        Self { median: at(0.5), low: at(0.1), high: at(0.9) }
    }

    /// The tenth and ninetieth percentile in microseconds, for a table.
    pub(crate) fn range_us(&self) -> String {
        format!("{:.2} to {:.2}", self.low * 1e6, self.high * 1e6)
    }
}

/// Lets all take turns; on the simulator, whose times say nothing, once.
pub(crate) fn take_turns(
    stream: &Stream,
    contestants: &[Contestant],
    rounds: usize,
) -> Result<Vec<Spread>, Failure> {
    let simulated = stream.device().is_sim();
    let (rounds, warm_up) = if simulated { (1, 0) } else { (rounds, WARM_UP) };
    let mut replays = Vec::new();
    for contestant in contestants {
        let one = contestant.time(stream, 1)? * contestant.count as f64;
        let filling = (TURN.as_secs_f64() / one).ceil() as usize;
        replays.push(if simulated { 1 } else { filling.max(1) });
    }
    let mut times = vec![Vec::new(); contestants.len()];
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    let mut random = Random::new(0);
    for round in 0..rounds + warm_up {
        // In a fixed order one would always follow the one that leaves the device cool.
        random.shuffle(&mut order);
        for &at in &order {
            let took = contestants[at].time(stream, replays[at])?;
            if round >= warm_up {
                times[at].push(took);
            }
        }
    }
    Ok(times.into_iter().map(Spread::of).collect())
}
