//! How long a plan will take, from how long earlier ones took.

use model::operation::{Amounts, Operation, OperationKind};

/// Bytes that count like one path. Nobody measured it: it only keeps an earlier operation on many small files
/// from promising the same pace for large ones.
const BYTES_PER_PATH: u64 = 16 << 10;

/// What is done in a second where nothing was measured yet: a guess on the slow side, and said to be one.
const USUAL_RATE: f64 = 5_000.0;

/// Operations that did less tell of the time that opening a repository takes, not of a rate.
const PATHS_MIN: u64 = 200;

/// How long a plan will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Seconds.
    pub seconds: f64,
    /// The operation whose rate it is taken from; `None` where none is long enough to tell.
    pub measured: Option<u64>,
}

impl Estimate {
    /// Where no more than so many paths a second are written.
    pub fn at_most(self, paths_a_second: u32, amounts: &Amounts) -> Self {
        let seconds = paths(amounts) as f64 / f64::from(paths_a_second.max(1));
        Self {
            seconds: self.seconds.max(seconds),
            ..self
        }
    }
}

/// How long something of these amounts takes on a source, at the rate of the last operation on it that
/// was long enough to tell, else of one on another source of this machine.
pub fn estimate(amounts: &Amounts, host: &str, source: &[u8], earlier: &[Operation]) -> Estimate {
    let measured = earlier
        .iter()
        .filter(|operation| operation.begun.host == host)
        .filter_map(|operation| {
            let here = operation.begun.source == source;
            Some((here, operation.begun.number, rate(operation)?))
        })
        .max_by_key(|&(here, number, _)| (here, number));
    let rate = measured.map_or(USUAL_RATE, |(_, _, rate)| rate);
    Estimate {
        seconds: work(amounts) as f64 / rate,
        measured: measured.map(|(_, number, _)| number),
    }
}

/// What an operation did in a second.
fn rate(operation: &Operation) -> Option<f64> {
    let (time, ended) = operation.ended.as_ref()?;
    let took = time.as_nanos() - operation.time.as_nanos();
    let done = work(&ended.amounts);
    let tells = operation.begun.kind != OperationKind::Restore && done >= PATHS_MIN && took > 0;
    tells.then(|| done as f64 / (took as f64 / 1e9))
}

fn work(amounts: &Amounts) -> u64 {
    paths(amounts).saturating_add(amounts.bytes / BYTES_PER_PATH)
}

fn paths(amounts: &Amounts) -> u64 {
    amounts.restored + amounts.removed + amounts.metadata + amounts.merged
}

#[cfg(test)]
mod tests {
    use model::operation::{Begun, Ended, Outcome};
    use model::{PathKey, Timestamp};

    use super::*;

    fn operation(number: u64, source: &str, restored: u64, secs: i64) -> Operation {
        let amounts = Amounts {
            restored,
            ..Amounts::default()
        };
        let begun = Begun {
            number,
            kind: OperationKind::Undo,
            host: "here".to_owned(),
            user: String::new(),
            source: source.into(),
            about: String::new(),
            before: None,
            after: None,
            of: None,
            incident: None,
            safety: None,
            plan: None,
            planned: amounts,
            work: Vec::new(),
            program: String::new(),
            below: PathKey::root(),
        };
        let ended = Ended {
            number,
            outcome: Outcome::Done,
            amounts,
            open: None,
            left: None,
            left_is_whole: true,
            quarantine: Vec::new(),
        };
        let at = |secs| Timestamp { secs, nanos: 0 };
        Operation {
            time: at(1_000),
            begun,
            ended: Some((at(1_000 + secs), ended)),
        }
    }

    #[test]
    fn the_last_one_on_the_source_that_can_tell_counts() {
        let planned = Amounts {
            restored: 1_000,
            bytes: 1_000 << 14,
            ..Amounts::default()
        };
        let mut earlier = vec![
            operation(1, "/a", 1_000, 10),
            operation(2, "/b", 9_000, 1),
            operation(3, "/a", 1_000, 5),
            operation(4, "/a", 7, 5),
        ];
        let told = estimate(&planned, "here", b"/a", &earlier);
        assert_eq!((told.seconds, told.measured), (10.0, Some(3)));
        let other = estimate(&planned, "here", b"/c", &earlier);
        assert_eq!(
            other.measured,
            Some(3),
            "another source is better than none"
        );
        assert_eq!(estimate(&planned, "there", b"/a", &earlier).measured, None);
        assert_eq!(told.at_most(50, &planned).seconds, 20.0);
        assert_eq!(told.at_most(5_000, &planned).seconds, 10.0);
        // A clock that was set back tells nothing.
        earlier.retain(|operation| operation.begun.number == 3);
        earlier[0].time.secs = 2_000;
        let none = estimate(&planned, "here", b"/a", &earlier);
        assert_eq!((none.seconds, none.measured), (0.4, None));
    }
}
