//! Not faster than asked for.

use std::thread;
use std::time::{Duration, Instant};

use model::Cancel;

/// How soon a wish to stop is heard while waiting.
const SLICE: Duration = Duration::from_millis(20);

/// How often a second keys are sent when there is a limit: watchers see a stream, not bursts.
const BATCHES_PER_SECOND: u32 = 10;

/// Lets so many keys a second through.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Keys per second; `None` for as many as there are.
    rate: Option<u32>,
    free_at: Instant,
}

impl Pace {
    pub(crate) fn new(rate: Option<u32>) -> Self {
        Self {
            rate: rate.map(|rate| rate.max(1)),
            free_at: Instant::now(),
        }
    }

    /// How many keys should go together at most.
    pub(crate) fn keys_at_once(&self) -> usize {
        self.rate.map_or(usize::MAX, |rate| {
            usize::try_from((rate / BATCHES_PER_SECOND).max(1)).unwrap_or(usize::MAX)
        })
    }

    /// Waits until so many more keys may go; `false` if asked to stop before.
    pub(crate) fn wait(&mut self, keys: usize, cancel: &Cancel) -> bool {
        let Some(rate) = self.rate else {
            return !cancel.requested();
        };
        loop {
            if cancel.requested() {
                return false;
            }
            let now = Instant::now();
            let Some(left) = self.free_at.checked_duration_since(now) else {
                // Time that was not used is not saved up.
                let cost = keys as f64 / f64::from(rate);
                self.free_at = now.max(self.free_at) + Duration::from_secs_f64(cost);
                return true;
            };
            thread::sleep(left.min(SLICE));
        }
    }
}
