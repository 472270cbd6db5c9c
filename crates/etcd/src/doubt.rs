//! Writes whose answer was lost: carried out, or not?
//!
//! Sending them again is right only where that can't undo what somebody did in answer to them. What stands at
//! a key tells most: the wished state is as good as done, and a state from before the first sending
//! proves that it was not carried out. For a key that was to be made and is not there both are possible:
//! never made, or made and deleted again by somebody. It is sent again, and then the history since is
//! read; if it had been made before, the deletion was somebody's wish, and is restored.

use std::collections::HashMap;
use std::time::Duration;

use crate::client::Client;
use crate::error::EtcdError;
use crate::event::{Revision, Seen};
use crate::value::KeyValue;
use crate::wire::{Answer, Ask, Compare, DeleteRequest, Operand, RangeRequest, TxnRequest};
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

/// Takes back what was made a second time although somebody had deleted it after the first. For writes that
/// were sent more than once.
pub(crate) fn confirm(
    client: &Client,
    writes: &[Write],
    outcomes: Vec<Outcome>,
    before: i64,
) -> Vec<Outcome> {
    let pairs = writes.iter().zip(&outcomes);
    let Some(until) = pairs
        .filter_map(|(write, outcome)| made_at(write, outcome))
        .max()
    else {
        return outcomes;
    };
    let history = history(client, &shared_prefix(writes), before + 1, until);
    let new: HashMap<&[u8], Option<&[u8]>> = writes
        .iter()
        .map(|write| (write.key.as_slice(), write.new.as_deref()))
        .collect();
    let is_ours = |seen: &Revision| {
        let mut events = seen.events.iter();
        events.all(|event| {
            let value = event.now.as_ref().map(|kv| kv.value.as_slice());
            new.get(event.key.as_slice()) == Some(&value)
        })
    };
    let take_back_if_remade = |(write, outcome): (&Write, Outcome)| {
        let Some(revision) = made_at(write, &outcome) else {
            return outcome;
        };
        let mut earlier = history.iter().filter(|seen| seen.revision < revision);
        let was_there = earlier.any(|seen| seen.events.iter().any(|event| event.key == write.key));
        let mut made = history.iter().filter(|seen| seen.revision == revision);
        if was_there && (matches!(outcome, Outcome::Done(_)) || made.any(is_ours)) {
            return take_back(client, write, revision);
        }
        outcome
    };
    writes
        .iter()
        .zip(outcomes)
        .map(take_back_if_remade)
        .collect()
}

/// Where a key was made, by us for all we know.
fn made_at(write: &Write, outcome: &Outcome) -> Option<i64> {
    match outcome {
        Outcome::Done(revision) if write.expect == Expect::Absent => Some(*revision),
        Outcome::Already(Some(kv)) if write.expect == Expect::Absent && kv.version == 1 => {
            Some(kv.mod_revision)
        }
        _ => None,
    }
}

/// What happened from `first` up to `until`. Where it is compacted, nothing is known, and the writes stand.
fn history(client: &Client, prefix: &[u8], first: i64, until: i64) -> Vec<Revision> {
    let mut history = Vec::new();
    let mut watch = client.watch(prefix, first, false);
    while watch.next_revision() <= until {
        match watch.next(HISTORY_TIME) {
            Ok(Some(Seen::Revision(seen))) => history.push(seen),
            Ok(Some(Seen::Gap(_)) | None) | Err(_) => break,
            Ok(Some(_)) => {}
        }
    }
    history
}

fn take_back(client: &Client, write: &Write, revision: i64) -> Outcome {
    let delete = DeleteRequest {
        key: write.key.clone(),
        range_end: Vec::new(),
    };
    let look = RangeRequest {
        key: write.key.clone(),
        ..RangeRequest::default()
    };
    let question = TxnRequest {
        compare: vec![Compare::equal(&write.key, Operand::ModRevision(revision))],
        success: vec![Ask::Delete(delete).into()],
        failure: vec![Ask::Range(look).into()],
    };
    // May be carried out twice: no other write ever gets this revision.
    match client.txn_until_answered(&question) {
        Ok((_, answer)) if answer.succeeded => Outcome::Conflict(None),
        Ok((_, answer)) => match answer
            .responses
            .into_iter()
            .next()
            .and_then(|reply| reply.answer)
        {
            Some(Answer::Range(range)) => {
                Outcome::Conflict(range.kvs.into_iter().next().map(KeyValue::from))
            }
            _ => Outcome::Unknown,
        },
        Err(_) => Outcome::Unknown,
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
