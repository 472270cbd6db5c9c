//! What is worth another message. Pure.

use std::collections::HashMap;

use model::incident::{Incident, Level};

/// What was told of which incident.
#[derive(Debug, Default)]
pub(super) struct News(HashMap<u64, (Level, u64)>);

impl News {
    /// Whether an incident is news: it is new, or worse, or twice as large as when it was told. What goes on
    /// for hours makes a handful of messages of it, and not one every few seconds.
    pub(super) fn take(&mut self, incident: &Incident) -> bool {
        let now = (incident.level, incident.keys);
        let is_news = match self.0.get(&incident.number) {
            Some((level, keys)) => now.0 > *level || now.1 >= keys.saturating_mul(2).max(1),
            None => true,
        };
        if is_news {
            self.0.insert(incident.number, now);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use model::{SnapshotId, Timestamp};

    use super::*;

    fn incident(number: u64, level: Level, keys: u64) -> Incident {
        Incident {
            number,
            level,
            rule: String::new(),
            about: String::new(),
            from: Timestamp::default(),
            to: Timestamp::default(),
            before: SnapshotId([0; SnapshotId::LEN]),
            after: SnapshotId([0; SnapshotId::LEN]),
            keys,
            deleted: keys,
            changed: 0,
            actor: None,
            points: (0, 0),
        }
    }

    #[test]
    fn what_grows_slowly_is_told_a_few_times() {
        let mut news = News::default();
        let grown = (80..=100_000).filter(|keys| news.take(&incident(1, Level::Notice, *keys)));
        assert_eq!(grown.collect::<Vec<_>>(), {
            let doubled = (0..11).map(|times| 80 << times);
            doubled.collect::<Vec<u64>>()
        });
        assert!(news.take(&incident(1, Level::Alarm, 100_000)));
        assert!(!news.take(&incident(1, Level::Alarm, 100_000)));
        assert!(news.take(&incident(2, Level::Notice, 1)));
    }
}
