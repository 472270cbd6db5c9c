//! Plans: the steps of an undo, what stays open, and why. Equal plans have equal bytes.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::PathKey;
use model::plan::{Action, Conflict, ConflictKind, Deferred, Kept, Plan, Step};

use crate::VERSION;
use crate::entry;
use crate::error::FormatError;
use crate::fields::{Refused, Written};

const WHAT: &str = "plan";

/// Numbers of actions; a removed one's number is never used again.
mod action {
    pub(super) const CREATE: u8 = 1;
    pub(super) const REPLACE: u8 = 2;
    pub(super) const REMOVE: u8 = 3;
    pub(super) const METADATA: u8 = 4;
    pub(super) const MERGE: u8 = 5;
    pub(super) const MOVE: u8 = 6;
    pub(super) const BESIDE: u8 = 7;
}

/// Encodes a plan.
pub fn encode_plan(plan: &Plan) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into a vector can't fail.
    let _ = write(plan, &mut Encoder::new(&mut out));
    out
}

fn write<W: Write>(plan: &Plan, e: &mut Encoder<W>) -> Written<W> {
    e.array(5)?.u16(VERSION)?;
    e.array(plan.steps.len() as u64)?;
    for step in &plan.steps {
        write_step(step, e)?;
    }
    e.array(plan.conflicts.len() as u64)?;
    for conflict in &plan.conflicts {
        e.array(5)?.bytes(conflict.key.as_bytes())?;
        e.u8(conflict.kind as u8)?;
        for side in [&conflict.before, &conflict.after, &conflict.live] {
            entry::write_optional(side.as_ref(), e)?;
        }
    }
    e.array(plan.kept.len() as u64)?;
    for kept in &plan.kept {
        e.array(2)?.bytes(kept.key.as_bytes())?.str(&kept.why)?;
    }
    e.array(plan.deferred.len() as u64)?;
    for deferred in &plan.deferred {
        e.array(2)?
            .bytes(deferred.key.as_bytes())?
            .str(&deferred.why)?;
    }
    Ok(())
}

fn write_step<W: Write>(step: &Step, e: &mut Encoder<W>) -> Written<W> {
    let from = match &step.action {
        Action::Move { from } => Some(from),
        _ => None,
    };
    e.array(if from.is_some() { 5 } else { 4 })?;
    e.bytes(step.key.as_bytes())?.u8(match step.action {
        Action::Create => action::CREATE,
        Action::Replace => action::REPLACE,
        Action::Remove => action::REMOVE,
        Action::Metadata => action::METADATA,
        Action::Merge => action::MERGE,
        Action::Move { .. } => action::MOVE,
        Action::Beside => action::BESIDE,
    })?;
    entry::write_optional(step.expects.as_ref(), e)?;
    entry::write_optional(step.leaves.as_ref(), e)?;
    if let Some(from) = from {
        e.bytes(from.as_bytes())?;
    }
    Ok(())
}

/// Decodes a plan.
pub fn decode_plan(bytes: &[u8]) -> Result<Plan, FormatError> {
    let mut decoder = Decoder::new(bytes);
    let wrong = |_| FormatError::malformed(WHAT);
    if decoder.array().map_err(wrong)? != Some(5) {
        return Err(FormatError::malformed(WHAT));
    }
    let version = decoder.u64().map_err(wrong)?;
    if version > u64::from(VERSION) {
        return Err(FormatError::Newer {
            what: WHAT,
            found: version,
            known: VERSION,
        });
    }
    let plan = read(&mut decoder).map_err(|refused| refused.of(WHAT))?;
    if version == u64::from(VERSION) && decoder.position() == bytes.len() {
        Ok(plan)
    } else {
        Err(FormatError::malformed(WHAT))
    }
}

fn read(d: &mut Decoder<'_>) -> Result<Plan, Refused> {
    Ok(Plan {
        steps: list(d, read_step)?,
        conflicts: list(d, read_conflict)?,
        kept: list(d, |d| {
            let (key, why) = read_words(d)?;
            Ok(Kept { key, why })
        })?,
        deferred: list(d, |d| {
            let (key, why) = read_words(d)?;
            Ok(Deferred { key, why })
        })?,
    })
}

/// An array of definite length. Nothing is allocated for it before its items are there.
fn list<'b, T>(
    d: &mut Decoder<'b>,
    mut item: impl FnMut(&mut Decoder<'b>) -> Result<T, Refused>,
) -> Result<Vec<T>, Refused> {
    let mut items = Vec::new();
    for _ in 0..d.array()?.ok_or(Refused::Malformed)? {
        items.push(item(d)?);
    }
    Ok(items)
}

fn read_step(d: &mut Decoder<'_>) -> Result<Step, Refused> {
    let fields = d.array()?;
    let key = read_key(d)?;
    let number = d.u8()?;
    let (expects, leaves) = (entry::read_optional(d)?, entry::read_optional(d)?);
    let action = match (number, fields) {
        (action::MOVE, Some(5)) => Action::Move { from: read_key(d)? },
        (action::CREATE, Some(4)) => Action::Create,
        (action::REPLACE, Some(4)) => Action::Replace,
        (action::REMOVE, Some(4)) => Action::Remove,
        (action::METADATA, Some(4)) => Action::Metadata,
        (action::MERGE, Some(4)) => Action::Merge,
        (action::BESIDE, Some(4)) => Action::Beside,
        _ => return Err(Refused::Malformed),
    };
    Ok(Step {
        key,
        action,
        expects,
        leaves,
    })
}

fn read_conflict(d: &mut Decoder<'_>) -> Result<Conflict, Refused> {
    if d.array()? != Some(5) {
        return Err(Refused::Malformed);
    }
    Ok(Conflict {
        key: read_key(d)?,
        kind: ConflictKind::from_code(d.u8()?).ok_or(Refused::Malformed)?,
        before: entry::read_optional(d)?,
        after: entry::read_optional(d)?,
        live: entry::read_optional(d)?,
    })
}

fn read_words(d: &mut Decoder<'_>) -> Result<(PathKey, String), Refused> {
    if d.array()? != Some(2) {
        return Err(Refused::Malformed);
    }
    Ok((read_key(d)?, d.str()?.to_owned()))
}

fn read_key(d: &mut Decoder<'_>) -> Result<PathKey, Refused> {
    PathKey::from_bytes(d.bytes()?.to_vec()).map_err(|_| Refused::Malformed)
}
