//! Timelines at rest: their log, and checking them.

mod check;
mod log;

use model::point::{Class, Point, TimelineRecord};
use model::{BlobId, LogId, SnapshotId, Timestamp};
use recoup_repository::Repository;

const TIME: Timestamp = Timestamp::new(1_000, 0);

fn log_id(repository: &Repository) -> LogId {
    let of = format::timeline::log_of("attic", b"/srv");
    repository.id_key().log_id(&of)
}

fn checkpoint(snapshot: SnapshotId) -> TimelineRecord {
    TimelineRecord::Checkpoint {
        snapshot,
        root: None,
        revision: None,
        lived_millis: 0,
    }
}

/// A point without changes that says that it has this root.
fn point(base: u64, secs: i64, root: Option<BlobId>) -> TimelineRecord {
    TimelineRecord::Point(Point {
        base,
        from: None,
        root,
        first: TIME,
        last: Timestamp::new(secs, 0),
        class: Class::Fuzzy,
        revision: None,
        changes: Vec::new(),
        actors: Vec::new(),
    })
}
