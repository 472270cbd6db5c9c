//! Writes whose answer was lost: carried out, or not?
//!
//! Sending them again is right only where that can't undo what somebody did in answer to them. What stands at
//! a key tells most: the wished state is as good as done, and a state from before the first sending
//! proves that it was not carried out. For a key that was to be made and is not there both are possible:
//! never made, or made and deleted again by somebody. It is sent again, and then the history since is
//! read; if it had been made before, the deletion was somebody's wish, and is restored.

use std::time::Duration;

use crate::client::Client;
use crate::error::EtcdError;
use crate::value::KeyValue;
use crate::watch::Seen;
use crate::wire::{Ask, Compare, DeleteRequest, Operand, TxnRequest};
use crate::write::{Expect, Outcome, Write};

/// How long the history may take to come.
const HISTORY_TIME: Duration = Duration::from_secs(20);

/// How a write whose answer was lost stands.
#[derive(Debug)]
pub(crate) enum Standing {
    Settled(Outcome),
    /// It was not carried out, or was undone; it may be sent again under this condition.
    AsBefore(Expect),
}

/// How the writes stand, and the revision at which they were looked at; `before` is one from before they
/// were sent.
pub(crate) fn look(
    client: &Client,
    writes: &[Write],
    before: i64,
) -> Result<(i64, Vec<Standing>), EtcdError> {
    let keys: Vec<_> = writes.iter().map(|write| write.key.as_slice()).collect();
    let (now, found) = client.get_many(&keys, None)?;
    let pairs = writes.iter().zip(found);
    Ok((
        now,
        pairs
            .map(|(write, current)| standing(write, current, before))
            .collect(),
    ))
}

fn standing(write: &Write, current: Option<KeyValue>, before: i64) -> Standing {
    if write.is_done_by(current.as_ref()) {
        return Standing::Settled(Outcome::Already(current));
    }
    let again = match (&write.expect, &current) {
        (Expect::Absent, None) => Some(Expect::Absent),
        (Expect::ModRevision(revision), Some(kv)) if kv.mod_revision == *revision => {
            Some(write.expect.clone())
        }
        // Written since: perhaps in answer to ours.
        (Expect::Value(value), Some(kv)) if kv.value == *value && kv.mod_revision <= before => {
            Some(Expect::ModRevision(kv.mod_revision))
        }
        _ => None,
    };
    match again {
        Some(expect) => Standing::AsBefore(expect),
        None => Standing::Settled(Outcome::Conflict(current)),
    }
}

/// Takes back what was made a second time although somebody had deleted it after the first.
pub(crate) fn confirm(
    client: &Client,
    writes: &[Write],
    outcomes: Vec<Outcome>,
    before: i64,
) -> Vec<Outcome> {
    let made_anew = |write: &Write, outcome: &Outcome| match outcome {
        Outcome::Done(revision) if write.expect == Expect::Absent => Some(*revision),
        _ => None,
    };
    let pairs = writes.iter().zip(&outcomes);
    let Some(until) = pairs
        .filter_map(|(write, outcome)| made_anew(write, outcome))
        .max()
    else {
        return outcomes;
    };
    let touched = touched_between(client, writes, before + 1, until);
    let pairs = writes.iter().zip(outcomes);
    pairs
        .map(|(write, outcome)| match made_anew(write, &outcome) {
            Some(revision) if touched.contains(&write.key) => take_back(client, write, revision),
            _ => outcome,
        })
        .collect()
}

/// The keys that were written from `first` on and before `until`. Where the history is compacted, nothing
/// is known of them, and the writes stand.
fn touched_between(client: &Client, writes: &[Write], first: i64, until: i64) -> Vec<Vec<u8>> {
    let mut touched = Vec::new();
    let mut watch = client.watch(&shared_prefix(writes), first, false);
    while watch.next_revision() <= until {
        match watch.next(HISTORY_TIME) {
            Ok(Some(Seen::Revision(seen))) if seen.revision < until => {
                touched.extend(seen.events.into_iter().map(|event| event.key));
            }
            Ok(Some(Seen::Gap(_)) | None) | Err(_) => break,
            Ok(Some(_)) => {}
        }
    }
    touched
}

fn take_back(client: &Client, write: &Write, revision: i64) -> Outcome {
    let delete = DeleteRequest {
        key: write.key.clone(),
        range_end: Vec::new(),
    };
    let question = TxnRequest {
        compare: vec![Compare::equal(&write.key, Operand::ModRevision(revision))],
        success: vec![Ask::Delete(delete).into()],
        failure: Vec::new(),
    };
    match client.txn(&question) {
        Ok((_, answer)) if answer.succeeded => Outcome::Conflict(None),
        Ok(_) => Outcome::Unknown,
        Err(_) => Outcome::Done(revision),
    }
}

fn shared_prefix(writes: &[Write]) -> Vec<u8> {
    let mut keys = writes.iter().map(|write| write.key.as_slice());
    let mut shared = keys.next().unwrap_or_default();
    for key in keys {
        let same = shared
            .iter()
            .zip(key)
            .take_while(|(one, other)| one == other);
        shared = &shared[..same.count()];
    }
    shared.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::Lease;

    fn kv(value: &[u8], mod_revision: i64) -> KeyValue {
        KeyValue {
            key: b"k".to_vec(),
            value: value.to_vec(),
            create_revision: 1,
            mod_revision,
            version: 1,
            lease: 0,
        }
    }

    /// What is done about a write that was sent after revision 10 and is found so.
    fn found(expect: Expect, new: Option<&[u8]>, current: Option<KeyValue>) -> String {
        let write = Write {
            key: b"k".to_vec(),
            new: new.map(<[u8]>::to_vec),
            expect,
            lease: Lease::None,
        };
        match standing(&write, current, 10) {
            Standing::AsBefore(Expect::ModRevision(revision)) => format!("again {revision}"),
            Standing::AsBefore(_) => "again".into(),
            Standing::Settled(Outcome::Already(_)) => "already".into(),
            Standing::Settled(Outcome::Conflict(_)) => "conflict".into(),
            Standing::Settled(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_sent_again_that_could_undo_an_answer_to_it() {
        let value = |value: &[u8]| Expect::Value(value.to_vec());
        assert_eq!(
            found(Expect::Absent, Some(b"n"), Some(kv(b"n", 11))),
            "already"
        );
        assert_eq!(found(Expect::Absent, Some(b"n"), None), "again");
        assert_eq!(
            found(Expect::Absent, Some(b"n"), Some(kv(b"x", 12))),
            "conflict"
        );
        assert_eq!(
            found(Expect::ModRevision(5), Some(b"n"), Some(kv(b"o", 5))),
            "again 5"
        );
        assert_eq!(found(Expect::ModRevision(5), Some(b"n"), None), "conflict");
        assert_eq!(found(Expect::ModRevision(5), None, None), "already");
        assert_eq!(found(value(b"o"), Some(b"n"), Some(kv(b"o", 7))), "again 7");
        assert_eq!(
            found(value(b"o"), Some(b"n"), Some(kv(b"o", 12))),
            "conflict"
        );
    }
}
