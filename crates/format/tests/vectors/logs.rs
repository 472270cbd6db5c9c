//! Vectors of log records, plans and operations.

use model::incident::{Actor, Incident, Level};
use model::operation::{Amounts, Begun, Ended, Listed, OperationKind, Outcome};
use model::plan::{Action, Conflict, ConflictKind, Deferred, Kept, Plan, Step};
use model::point::{Class, Point, PointChange, Thinned, ThinnedRun, TimelineRecord};
use model::{BlobId, Content, Entry, Kind, PathKey, SnapshotId, Timestamp};
use recoup_format::log::{LogRecord, decode_log_record, encode_log_record};
use recoup_format::operation::{BEGUN, decode_begun, decode_ended, encode_begun, encode_ended};
use recoup_format::plan::{decode_plan, encode_plan};
use recoup_format::timeline::{decode_record, encode_record, kind_of};

use super::document::Vector;

fn key(path: &str) -> PathKey {
    PathKey::from_path(path.as_bytes()).unwrap()
}

fn file(text: &str) -> Option<Entry> {
    Some(Entry {
        mode: 0o644,
        size: text.len() as u64,
        content: Content::Inline(text.as_bytes().to_vec()),
        ..Entry::new(Kind::File)
    })
}

fn plan() -> Plan {
    let step = |path, action, expects, leaves| Step {
        key: key(path),
        action,
        expects,
        leaves,
    };
    let from = key("a/moved");
    Plan {
        steps: vec![
            step("a/gone", Action::Create, None, file("old")),
            step("a/here", Action::Move { from }, None, file("moved")),
            step("a/made", Action::Remove, file("new"), None),
            step("b", Action::Replace, file("bad"), file("good")),
        ],
        conflicts: vec![Conflict {
            key: key("c"),
            kind: ConflictKind::EditedAfter,
            before: file("1"),
            after: file("2"),
            live: file("3"),
        }],
        kept: vec![Kept {
            key: key("d"),
            why: "already as before".to_owned(),
        }],
        deferred: vec![Deferred {
            key: key("e"),
            why: "open for writing".to_owned(),
        }],
    }
}

fn amounts() -> Amounts {
    Amounts {
        restored: 3,
        removed: 1,
        metadata: 0,
        kept: 1,
        merged: 0,
        conflicts: 1,
        deferred: 1,
        bytes: 300,
    }
}

fn listed() -> Listed {
    Listed {
        hash: [0x88; 32],
        len: 1234,
        blobs: vec![BlobId([0x99; 32])],
    }
}

fn timeline() -> Vec<Vector> {
    let actor = Actor {
        pid: 8812,
        ppid: Some(1),
        uid: Some(1004),
        comm: "rm".to_owned(),
        exe: "/usr/bin/rm".to_owned(),
        command: "rm -rf a".to_owned(),
        ..Actor::default()
    };
    let time = Timestamp::new(1_800_000_000, 0);
    let (root, snapshot) = (Some(BlobId([0x66; 32])), SnapshotId([0x77; 32]));
    let point = Point {
        base: 1,
        from: root,
        root: Some(BlobId([0x67; 32])),
        first: time,
        last: Timestamp::new(1_800_000_002, 1),
        class: Class::Fuzzy,
        revision: None,
        changes: vec![
            PointChange {
                key: key("a/gone"),
                after: None,
                actor: Some(0),
            },
            PointChange {
                key: key("b"),
                after: file("new"),
                actor: None,
            },
        ],
        actors: vec![actor.clone()],
    };
    let incident = Incident {
        number: 3,
        level: Level::Alarm,
        rule: "lost".to_owned(),
        about: "68 of 1,000 files gone".to_owned(),
        from: time,
        to: time,
        before: snapshot,
        after: SnapshotId([0x78; 32]),
        keys: 68,
        deleted: 68,
        changed: 0,
        actor: Some(actor),
        points: (2, 3),
    };
    let records = [
        (
            "timeline-checkpoint",
            TimelineRecord::Checkpoint {
                snapshot,
                root,
                revision: Some(81_233),
                lived_millis: 7_200_000,
            },
        ),
        (
            "timeline-thinned",
            TimelineRecord::Thinned(Thinned {
                replaces: vec![(2, 5), (9, 9)],
                base: 1,
                runs: vec![ThinnedRun {
                    last: 5,
                    hash: [0x79; 32],
                    changes: point.changes.clone(),
                    actors: point.actors.clone(),
                }],
            }),
        ),
        ("timeline-point", TimelineRecord::Point(point)),
        (
            "timeline-incident",
            TimelineRecord::Incident {
                incident,
                keys: Some(listed()),
            },
        ),
        (
            "timeline-pin",
            TimelineRecord::Pin {
                point: snapshot,
                time,
                removed: false,
            },
        ),
        (
            "timeline-dismissed",
            TimelineRecord::Dismissed(model::incident::Dismissal {
                incident: 3,
                by: "ada".to_owned(),
                reason: "spring cleaning".to_owned(),
            }),
        ),
    ];
    let vector = |(name, record): (&'static str, TimelineRecord)| {
        let bytes = encode_record(&record);
        assert_eq!(decode_record(kind_of(&record), &bytes), Ok(Some(record)));
        Vector::new(name, bytes)
    };
    records.into_iter().map(vector).collect()
}

pub(crate) fn vectors() -> Vec<Vector> {
    let mut all = operations();
    all.extend(timeline());
    all
}

fn operations() -> Vec<Vector> {
    let begun = Begun {
        number: 17,
        kind: OperationKind::Undo,
        host: "attic".to_owned(),
        user: "mira".to_owned(),
        source: b"/home/mira".to_vec(),
        about: "since 14:00".to_owned(),
        before: Some(SnapshotId([0x11; 32])),
        after: None,
        of: None,
        incident: Some(3),
        safety: Some(SnapshotId([0x22; 32])),
        plan: Some(listed()),
        planned: amounts(),
        work: b"/home/.recoup/17".to_vec(),
        program: "recoup 0.1.0".to_owned(),
        below: key("letters"),
    };
    let ended = Ended {
        number: 17,
        outcome: Outcome::Done,
        amounts: amounts(),
        open: Some(listed()),
        left: Some(SnapshotId([0x33; 32])),
        left_is_whole: true,
        quarantine: b"/home/.recoup/17/quarantine".to_vec(),
    };
    let record = LogRecord {
        time: Timestamp::new(1_800_000_000, 5),
        previous: Some([0x44; 32]),
        kind: BEGUN,
        body: b"body".to_vec(),
    };
    let (plan_bytes, begun_bytes) = (encode_plan(&plan()), encode_begun(&begun));
    let (ended_bytes, record_bytes) = (encode_ended(&ended), encode_log_record(&record));
    assert_eq!(decode_plan(&plan_bytes), Ok(plan()));
    assert_eq!(decode_begun(&begun_bytes), Ok(begun));
    assert_eq!(decode_ended(&ended_bytes), Ok(ended));
    assert_eq!(decode_log_record(&record_bytes), Ok(record));
    vec![
        Vector::new("log-record", record_bytes),
        Vector::new("plan", plan_bytes),
        Vector::new("operation-begun", begun_bytes),
        Vector::new("operation-ended", ended_bytes),
    ]
}
