//! Incidents of a timeline as their records tell them: the last one of a number counts, and what was said of it.

use std::collections::BTreeMap;

use model::Timestamp;
use model::incident::{Dismissal, Incident};
use model::operation::Listed;
use model::point::TimelineRecord;

use crate::error::Result;
use crate::timeline::{Timeline, TimelineEntry};

/// An incident, as last known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIncident {
    /// What is known of it.
    pub incident: Incident,
    /// The keys that were damaged.
    pub keys: Option<Listed>,
    /// When somebody took it for nothing, and who. It says so of what was known by then: where the incident
    /// became larger or worse afterwards, it is open again.
    pub dismissed: Option<(Timestamp, Dismissal)>,
}

/// The incidents of a timeline by number.
#[derive(Debug, Default)]
pub struct KnownIncidents(pub BTreeMap<u64, KnownIncident>);

impl KnownIncidents {
    /// Takes the next record of the timeline up, if it is about an incident.
    pub fn take(&mut self, entry: TimelineEntry) {
        match entry.record {
            TimelineRecord::Incident { incident, keys } => {
                let before = self.0.remove(&incident.number);
                let dismissed = before.and_then(|before| {
                    let known = before.incident;
                    let grew = incident.level > known.level || incident.keys > known.keys;
                    before.dismissed.filter(|_| !grew)
                });
                let known = KnownIncident {
                    incident,
                    keys,
                    dismissed,
                };
                self.0.insert(known.incident.number, known);
            }
            TimelineRecord::Dismissed(dismissal) => {
                if let Some(known) = self.0.get_mut(&dismissal.incident) {
                    known.dismissed = Some((entry.time, dismissal));
                }
            }
            _ => {}
        }
    }
}

impl Timeline<'_> {
    /// The incidents, as last known, by number.
    pub fn incidents(&self) -> Result<Vec<KnownIncident>> {
        let mut known = KnownIncidents::default();
        self.each(0, |entry| {
            known.take(entry);
            Ok(())
        })?;
        Ok(known.0.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use model::SnapshotId;
    use model::incident::Level;

    use super::*;

    fn entry(record: TimelineRecord) -> TimelineEntry {
        TimelineEntry {
            number: 1,
            id: SnapshotId([1; 32]),
            time: Timestamp::new(5, 0),
            record,
        }
    }

    fn incident(level: Level, keys: u64) -> TimelineEntry {
        let incident = Incident {
            number: 7,
            level,
            rule: "lost".to_owned(),
            about: String::new(),
            from: Timestamp::new(1, 0),
            to: Timestamp::new(2, 0),
            before: SnapshotId([2; 32]),
            after: SnapshotId([3; 32]),
            keys,
            deleted: keys,
            changed: 0,
            actor: None,
            points: (2, 3),
        };
        entry(TimelineRecord::Incident {
            incident,
            keys: None,
        })
    }

    #[test]
    fn a_dismissal_holds_for_what_was_known() {
        let dismissal = |incident| {
            entry(TimelineRecord::Dismissed(Dismissal {
                incident,
                by: "ada".to_owned(),
                reason: String::new(),
            }))
        };
        let is_open = |records: Vec<TimelineEntry>| {
            let mut known = KnownIncidents::default();
            records.into_iter().for_each(|record| known.take(record));
            known.0[&7].dismissed.is_none()
        };
        let first = || incident(Level::Notice, 50);
        assert!(is_open(vec![first()]));
        assert!(is_open(vec![first(), dismissal(8)]), "of another one");
        assert!(is_open(vec![dismissal(7), first()]), "of none yet");
        assert!(!is_open(vec![first(), dismissal(7)]));
        let fewer = incident(Level::Pin, 40);
        assert!(!is_open(vec![first(), dismissal(7), fewer]));
        let more = incident(Level::Notice, 51);
        assert!(is_open(vec![first(), dismissal(7), more]));
        let worse = || incident(Level::Alarm, 50);
        assert!(is_open(vec![first(), dismissal(7), worse()]));
        assert!(!is_open(vec![first(), dismissal(7), worse(), dismissal(7)]));
    }
}
