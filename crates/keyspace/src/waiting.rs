//! What was seen of a store and is not stored yet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use etcd::{KeyValue, Revision};
use model::{PathKey, Timestamp};

/// Values that wait in memory for a point to be due.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// Revisions that were seen and are not stored yet: of each key what the last of them left.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) keys: BTreeMap<PathKey, Option<KeyValue>>,
    bytes: usize,
    /// When the first of them was seen.
    pub(crate) first: Option<(Instant, Timestamp)>,
    pub(crate) last: Timestamp,
    pub(crate) revision: i64,
}

impl Waiting {
    pub(crate) fn take(&mut self, seen: Revision, now: Timestamp) {
        self.first.get_or_insert_with(|| (Instant::now(), now));
        self.last = now;
        self.revision = seen.revision;
        for event in seen.events {
            let key = etcd::keys::encode(&event.key);
            self.bytes += event.now.as_ref().map_or(0, KeyValue::bytes);
            if let Some(Some(old)) = self.keys.insert(key, event.now) {
                self.bytes = self.bytes.saturating_sub(old.bytes());
            }
        }
    }

    /// Whether a revision deletes what was written since the last point.
    pub(crate) fn is_ended_by(&self, seen: &Revision) -> bool {
        let ends = |event: &etcd::Event| {
            event.now.is_none()
                && !self.keys.is_empty()
                && matches!(
                    self.keys.get(&etcd::keys::encode(&event.key)),
                    Some(Some(_))
                )
        };
        seen.events.iter().any(ends)
    }

    pub(crate) fn is_due(&self, gather: Duration) -> bool {
        let is_old = |(since, _): (Instant, _)| since.elapsed() >= gather;
        self.bytes >= WAITING_BYTES_MAX || self.first.is_some_and(is_old)
    }
}
