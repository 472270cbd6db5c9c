//! Applying conditional writes to a live etcd: in batches, at a pace, with an outcome for every key.
//!
//! Nothing that somebody else wrote is overwritten: each key is written only where it still is what was
//! expected, and the newer value of one that is not comes back with its outcome.

use std::thread;
use std::time::Duration;

use model::Cancel;

use crate::batch::{Batch, Limits};
use crate::client::Client;
use crate::doubt::{self, Standing};
use crate::error::EtcdError;
use crate::pace::Pace;
use crate::value::KeyValue;
use crate::write::{Outcome, Write};

/// How often writes without an answer are looked at and sent again before they are given up as unknown.
const ROUNDS: u32 = 20;

/// How long an overloaded server is left alone.
const OVERLOAD_PAUSE: Duration = Duration::from_millis(200);

/// Writes to one etcd, learning its limits on the way.
#[derive(Debug)]
pub struct Applier {
    client: Client,
    limits: Limits,
    pace: Pace,
    /// The cluster was at least here before the batch that is under way was sent.
    revision: i64,
}

/// What became of some writes.
#[derive(Debug)]
pub struct Applied {
    /// One for each write, in their order.
    pub outcomes: Vec<Outcome>,
    /// Why it ended before the last one, if it did.
    pub stopped: Option<EtcdError>,
}

/// A key that is not what a write should have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which of the writes.
    pub place: usize,
    /// What stands there.
    pub current: Option<KeyValue>,
}

/// What to do with a batch that failed.
enum Next {
    /// Form a batch anew, perhaps a smaller one.
    Again,
    /// The first writes are dealt with, and perhaps nothing more can be.
    Settled(Vec<Outcome>, Option<EtcdError>),
    Stop(EtcdError),
}

impl Applier {
    /// An applier that writes at most `rate` keys a second, or as fast as the server takes them.
    pub fn new(client: &Client, rate: Option<u32>) -> Self {
        Self {
            client: client.clone(),
            limits: Limits::default(),
            pace: Pace::new(rate),
            revision: 0,
        }
    }

    /// What the server is known to take at once.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Applies the writes in their order. `report` hears of each outcome as soon as it is known, with the
    /// place of its write; what it does delays the next batch, so it can record, or pause. A key may come
    /// more than once: its writes go in different transactions.
    pub fn apply(
        &mut self,
        writes: &[Write],
        cancel: &Cancel,
        report: &mut dyn FnMut(usize, &Outcome),
    ) -> Applied {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(writes.len());
        let mut stopped = None;
        // After a refusal that one key may be to blame for: no more than so many keys, up to a place.
        let mut careful = (usize::MAX, 0);
        while let Some(rest) = writes.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
            if outcomes.len() >= careful.1 {
                careful = (usize::MAX, 0);
            }
            let at_most = careful.0.min(self.pace.keys_at_once()).min(rest.len());
            let batch = Batch::of(&rest[..at_most], self.limits, self.client.has_user());
            let sent = &rest[..batch.len];
            if !self.pace.wait(batch.len, cancel) {
                stopped = Some(EtcdError::Cancelled);
                break;
            }
            let settled = match self.send(&batch, sent) {
                Ok(settled) => settled,
                Err(error) => match self.after(error, &batch, sent, &mut careful.0) {
                    Next::Settled(settled, error) => {
                        stopped = error;
                        settled
                    }
                    Next::Again => {
                        careful.1 = careful.1.max(outcomes.len() + batch.len);
                        continue;
                    }
                    Next::Stop(error) => {
                        stopped = Some(error);
                        break;
                    }
                },
            };
            for outcome in settled {
                report(outcomes.len(), &outcome);
                outcomes.push(outcome);
            }
            if stopped.is_some() {
                break;
            }
        }
        outcomes.resize(writes.len(), Outcome::NotTried);
        Applied { outcomes, stopped }
    }

    fn send(&mut self, batch: &Batch, writes: &[Write]) -> Result<Vec<Outcome>, EtcdError> {
        if self.revision == 0 {
            self.revision = self.client.revision()?;
        }
        let (revision, answer) = self.client.txn(&batch.question)?;
        self.revision = self.revision.max(revision);
        batch.outcomes(writes, revision, answer)
    }

    fn after(
        &mut self,
        error: EtcdError,
        batch: &Batch,
        writes: &[Write],
        careful: &mut usize,
    ) -> Next {
        match error {
            // 1 falls to 0: no transaction within another.
            EtcdError::TooManyOperations if self.limits.keys > 0 => {
                self.limits.keys = batch.len / 2;
                Next::Again
            }
            EtcdError::TooLarge { .. } if batch.len > 1 => {
                self.limits.bytes = batch.bytes / 2;
                Next::Again
            }
            EtcdError::PermissionDenied if batch.len > 1 => {
                *careful = batch.len / 2;
                Next::Again
            }
            EtcdError::TooLarge { .. } | EtcdError::PermissionDenied => {
                Next::Settled(vec![Outcome::Refused(error)], None)
            }
            EtcdError::Overloaded { .. } => {
                thread::sleep(OVERLOAD_PAUSE);
                Next::Again
            }
            EtcdError::Unreachable { .. } if self.revision > 0 => self.resolve(writes, error),
            other => Next::Stop(other),
        }
    }

    /// No answer came: what stands there now tells what may be done.
    fn resolve(&mut self, writes: &[Write], error: EtcdError) -> Next {
        let before = self.revision;
        let mut outcomes = vec![Outcome::Unknown; writes.len()];
        let mut open: Vec<(usize, Write)> = writes.iter().cloned().enumerate().collect();
        let mut resent = Vec::new();
        let mut stopped = Some(error);
        for round in 0..ROUNDS {
            let sent: Vec<_> = open.iter().map(|(_, write)| write.clone()).collect();
            let (now, standings) = match doubt::look(&self.client, &sent, self.revision) {
                Ok(found) => found,
                Err(error) => return Next::Settled(outcomes, Some(error)),
            };
            self.revision = self.revision.max(now);
            let mut again = Vec::new();
            for ((place, write), standing) in open.into_iter().zip(standings) {
                match standing {
                    Standing::Settled(outcome) => outcomes[place] = outcome,
                    Standing::AsBefore(expect) => again.push((place, Write { expect, ..write })),
                }
            }
            if round == 0 {
                resent = again.iter().map(|(place, _)| *place).collect();
            }
            let retried: Vec<_> = again.iter().map(|(_, write)| write.clone()).collect();
            open = Vec::new();
            if !retried.is_empty() {
                let batch = Batch::of(&retried, self.limits, self.client.has_user());
                match self.send(&batch, &retried) {
                    Ok(settled) => {
                        for ((place, _), outcome) in again.into_iter().zip(settled) {
                            outcomes[place] = outcome;
                        }
                    }
                    Err(EtcdError::Unreachable { .. }) => open = again,
                    Err(error) => return Next::Settled(outcomes, Some(error)),
                }
            }
            if open.is_empty() {
                stopped = None;
                break;
            }
        }
        let several: Vec<_> = resent.iter().map(|place| writes[*place].clone()).collect();
        let settled = resent
            .iter()
            .map(|place| outcomes[*place].clone())
            .collect();
        let confirmed = doubt::confirm(&self.client, &several, settled, before);
        for (place, outcome) in resent.into_iter().zip(confirmed) {
            outcomes[place] = outcome;
        }
        Next::Settled(outcomes, stopped)
    }
}

impl Client {
    /// Reads back, at one revision, what writes should have left there: gives the revision and every key
    /// that is something else.
    pub fn verify(
        &self,
        writes: &[Write],
        revision: Option<i64>,
    ) -> Result<(i64, Vec<Mismatch>), EtcdError> {
        let keys: Vec<_> = writes.iter().map(|write| write.key.as_slice()).collect();
        let (revision, found) = self.get_many(&keys, revision)?;
        let pairs = writes.iter().zip(found).enumerate();
        let mismatches = pairs
            .filter(|(_, (write, current))| !write.is_done_by(current.as_ref()))
            .map(|(place, (_, current))| Mismatch { place, current });
        Ok((revision, mismatches.collect()))
    }
}
