//! The books of the control plane: what should be in etcd, and since which revision. They are kept apart
//! from everything that Recoup does, and are what the end is compared with.

use std::collections::BTreeMap;

use etcd::Client;

use super::plane::{PREFIX, key_of, number_of, value_of};
use crate::exit::Result;

/// The last that the control plane wrote of a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    version: u64,
    revision: i64,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    there: BTreeMap<u64, Written>,
    /// Removed by their owners, with the revision. Numbers are never used again.
    removed: BTreeMap<u64, i64>,
    next: u64,
}

/// The event, in revisions of etcd.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// The last deletion of the job.
    pub(super) job_ended: i64,
    /// The last revision of the incident's last point: whatever was deleted up to it counts as part of
    /// the event, as etcd does not say who deletes.
    pub(super) incident_ended: i64,
}

/// How etcd differs from the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Keys that were looked at.
    pub(super) keys: u64,
    /// Keys that are not there, though nobody but the job deleted them.
    pub(super) lost: u64,
    /// Keys whose value is not the last that was written.
    pub(super) wrong: u64,
    /// Keys that the control plane has changed since the job ended.
    pub(super) later: u64,
    /// Of these, not as it left them.
    pub(super) later_lost: u64,
    /// Deleted by their owners within the span of the incident, and there again.
    pub(super) came_back: u64,
}

impl Books {
    pub(super) fn wrote(&mut self, number: u64, version: u64, revision: i64) {
        self.there.insert(number, Written { version, revision });
        self.next = self.next.max(number + 1);
    }

    pub(super) fn removed(&mut self, number: u64, revision: i64) {
        self.there.remove(&number);
        self.removed.insert(number, revision);
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.there.contains_key(&number)
    }

    /// The first number that nobody has used.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.there.keys().copied().collect()
    }

    /// Reads everything and compares it. The control plane must rest.
    pub(super) fn compare(&self, client: &Client, span: Span) -> Result<Compared> {
        let mut there = BTreeMap::new();
        for page in client.pages(PREFIX, None) {
            for kv in page?.entries {
                let number = number_of(&kv.key);
                let as_written = number.is_some_and(|number| {
                    let written = self.there.get(&number);
                    written.is_some_and(|written| value_of(number, written.version) == kv.value)
                });
                there.insert(kv.key, as_written);
            }
        }
        Ok(self.judge(&there, span))
    }

    /// What the keys that are there, and whether their values are right, come to.
    fn judge(&self, there: &BTreeMap<Vec<u8>, bool>, span: Span) -> Compared {
        let mut compared = Compared {
            keys: there.len() as u64,
            ..Compared::default()
        };
        for (number, written) in &self.there {
            let found = there.get(&key_of(*number));
            compared.lost += u64::from(found.is_none());
            compared.wrong += u64::from(found == Some(&false));
            if written.revision > span.job_ended {
                compared.later += 1;
                compared.later_lost += u64::from(found != Some(&true));
            }
        }
        for (number, revision) in &self.removed {
            let is_back = there.contains_key(&key_of(*number));
            if is_back && *revision <= span.incident_ended {
                compared.came_back += 1;
            } else if *revision > span.job_ended {
                compared.later += 1;
                compared.later_lost += u64::from(is_back);
            } else {
                compared.wrong += u64::from(is_back);
            }
        }
        compared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_has_its_place() {
        let mut books = Books::default();
        // 0 untouched, 1 lost, 2 wrong, 3 changed later, 4 changed later and lost.
        for number in 0..5 {
            books.wrote(number, 0, 1);
        }
        books.wrote(3, 7, 60);
        books.wrote(4, 8, 61);
        // 5 removed in the span and back, 6 removed after it and back, 7 removed later and gone.
        for (number, revision) in [(5, 45), (6, 70), (7, 71)] {
            books.wrote(number, 0, 1);
            books.removed(number, revision);
        }
        let there = [(0, true), (2, false), (3, true), (5, true), (6, true)];
        let there = there.map(|(number, right)| (key_of(number), right)).into();
        let span = Span {
            job_ended: 40,
            incident_ended: 50,
        };
        let expected = Compared {
            keys: 5,
            lost: 2,
            wrong: 1,
            later: 4,
            later_lost: 2,
            came_back: 1,
        };
        assert_eq!(books.judge(&there, span), expected);
        assert_eq!((books.next(), books.has(5), books.has(4)), (8, false, true));
    }
}
