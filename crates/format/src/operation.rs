//! Records of operations: how one began, and how it ended.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::operation::{Amounts, Begun, Ended, Listed, OperationKind, Outcome};
use model::{BlobId, PathKey, SnapshotId};

use crate::error::FormatError;
use crate::extents::blob_id;
use crate::fields::{self, Field, Refused, Written, optional, read_number, write_id, write_number};

/// What the log of operations is the log of.
pub const OPERATIONS: &[u8] = b"operations";

/// Kind of a log record whose body is a [`Begun`].
pub const BEGUN: u64 = 1;

/// Kind of a log record whose body is an [`Ended`].
pub const ENDED: u64 = 2;

/// Fields of [`Begun`]; a removed field's number is never used again.
mod begun {
    pub(super) const NUMBER: u64 = 0;
    pub(super) const KIND: u64 = 1;
    pub(super) const HOST: u64 = 2;
    pub(super) const USER: u64 = 3;
    pub(super) const SOURCE: u64 = 4;
    pub(super) const ABOUT: u64 = 5;
    pub(super) const BEFORE: u64 = 6;
    pub(super) const AFTER: u64 = 7;
    pub(super) const OF: u64 = 8;
    pub(super) const SAFETY: u64 = 9;
    pub(super) const PLAN: u64 = 10;
    pub(super) const PLANNED: u64 = 11;
    pub(super) const WORK: u64 = 12;
    pub(super) const PROGRAM: u64 = 13;
    pub(super) const INCIDENT: u64 = 14;
    pub(super) const BELOW: u64 = 15;
}

/// Fields of [`Ended`].
mod ended {
    pub(super) const NUMBER: u64 = 0;
    pub(super) const OUTCOME: u64 = 1;
    pub(super) const AMOUNTS: u64 = 2;
    pub(super) const OPEN: u64 = 3;
    pub(super) const LEFT: u64 = 4;
    pub(super) const LEFT_IS_WHOLE: u64 = 5;
    pub(super) const QUARANTINE: u64 = 6;
}

/// Encodes how an operation began.
pub fn encode_begun(record: &Begun) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into a vector can't fail.
    let _ = write_begun(record, &mut Encoder::new(&mut out));
    out
}

fn write_begun<W: Write>(b: &Begun, e: &mut Encoder<W>) -> Written<W> {
    e.map(16)?.u64(begun::NUMBER)?.u64(b.number)?;
    e.u64(begun::KIND)?.u8(b.kind as u8)?;
    e.u64(begun::HOST)?.str(&b.host)?;
    e.u64(begun::USER)?.str(&b.user)?;
    e.u64(begun::SOURCE)?.bytes(&b.source)?;
    e.u64(begun::ABOUT)?.str(&b.about)?;
    write_snapshot(b.before, e.u64(begun::BEFORE)?)?;
    write_snapshot(b.after, e.u64(begun::AFTER)?)?;
    write_number(b.of, e.u64(begun::OF)?)?;
    write_snapshot(b.safety, e.u64(begun::SAFETY)?)?;
    write_listed(b.plan.as_ref(), e.u64(begun::PLAN)?)?;
    write_amounts(&b.planned, e.u64(begun::PLANNED)?)?;
    e.u64(begun::WORK)?.bytes(&b.work)?;
    e.u64(begun::PROGRAM)?.str(&b.program)?;
    write_number(b.incident, e.u64(begun::INCIDENT)?)?;
    e.u64(begun::BELOW)?.bytes(b.below.as_bytes())?;
    Ok(())
}

/// Encodes how an operation ended.
pub fn encode_ended(record: &Ended) -> Vec<u8> {
    let mut out = Vec::new();
    let _ = write_ended(record, &mut Encoder::new(&mut out));
    out
}

fn write_ended<W: Write>(r: &Ended, e: &mut Encoder<W>) -> Written<W> {
    e.map(7)?.u64(ended::NUMBER)?.u64(r.number)?;
    e.u64(ended::OUTCOME)?.u8(r.outcome as u8)?;
    write_amounts(&r.amounts, e.u64(ended::AMOUNTS)?)?;
    write_listed(r.open.as_ref(), e.u64(ended::OPEN)?)?;
    write_snapshot(r.left, e.u64(ended::LEFT)?)?;
    e.u64(ended::LEFT_IS_WHOLE)?.bool(r.left_is_whole)?;
    e.u64(ended::QUARANTINE)?.bytes(&r.quarantine)?;
    Ok(())
}

fn write_snapshot<W: Write>(id: Option<SnapshotId>, e: &mut Encoder<W>) -> Written<W> {
    write_id(id.as_ref().map(SnapshotId::as_bytes), e)
}

pub(crate) fn write_listed<W: Write>(listed: Option<&Listed>, e: &mut Encoder<W>) -> Written<W> {
    let Some(listed) = listed else {
        e.null()?;
        return Ok(());
    };
    e.array(2 + listed.blobs.len() as u64)?
        .bytes(&listed.hash)?
        .u64(listed.len)?;
    for blob in &listed.blobs {
        e.bytes(blob.as_bytes())?;
    }
    Ok(())
}

fn write_amounts<W: Write>(a: &Amounts, e: &mut Encoder<W>) -> Written<W> {
    let numbers = [
        a.restored,
        a.removed,
        a.metadata,
        a.kept,
        a.merged,
        a.conflicts,
        a.deferred,
        a.bytes,
    ];
    e.array(numbers.len() as u64)?;
    for number in numbers {
        e.u64(number)?;
    }
    Ok(())
}

/// Decodes how an operation began.
pub fn decode_begun(bytes: &[u8]) -> Result<Begun, FormatError> {
    const WHAT: &str = "beginning of an operation";
    let mut decoder = Decoder::new(bytes);
    let record = read_begun(&mut decoder).map_err(|refused| refused.of(WHAT))?;
    if decoder.position() == bytes.len() {
        Ok(record)
    } else {
        Err(FormatError::malformed(WHAT))
    }
}

fn read_begun(d: &mut Decoder<'_>) -> Result<Begun, Refused> {
    let others = fields::begin(d)?;
    let mut b = Begun {
        number: d.u64()?,
        kind: OperationKind::Undo,
        host: String::new(),
        user: String::new(),
        source: Vec::new(),
        about: String::new(),
        before: None,
        after: None,
        of: None,
        incident: None,
        safety: None,
        plan: None,
        planned: Amounts::default(),
        work: Vec::new(),
        program: String::new(),
        below: PathKey::root(),
    };
    let mut known = 0;
    fields::others(others, d, |number, d| {
        match number {
            begun::KIND => {
                b.kind = OperationKind::from_code(d.u8()?).ok_or(Refused::Malformed)?;
            }
            begun::HOST => b.host = d.str()?.to_owned(),
            begun::USER => b.user = d.str()?.to_owned(),
            begun::SOURCE => b.source = d.bytes()?.to_vec(),
            begun::ABOUT => b.about = d.str()?.to_owned(),
            begun::BEFORE => b.before = read_snapshot(d)?,
            begun::AFTER => b.after = read_snapshot(d)?,
            begun::OF => b.of = read_number(d)?,
            begun::SAFETY => b.safety = read_snapshot(d)?,
            begun::PLAN => b.plan = read_listed(d)?,
            begun::PLANNED => b.planned = read_amounts(d)?,
            begun::WORK => b.work = d.bytes()?.to_vec(),
            begun::PROGRAM => b.program = d.str()?.to_owned(),
            begun::INCIDENT => b.incident = read_number(d)?,
            begun::BELOW => {
                let key = PathKey::from_bytes(d.bytes()?.to_vec());
                b.below = key.map_err(|_| Refused::Malformed)?;
            }
            _ => return Ok(Field::Unknown),
        }
        known += 1;
        Ok(Field::Known)
    })?;
    // Numbers ascend: as many known fields as there are, are all of them.
    if known == begun::BELOW {
        Ok(b)
    } else {
        Err(Refused::Malformed)
    }
}

/// Decodes how an operation ended.
pub fn decode_ended(bytes: &[u8]) -> Result<Ended, FormatError> {
    const WHAT: &str = "end of an operation";
    let mut decoder = Decoder::new(bytes);
    let record = read_ended(&mut decoder).map_err(|refused| refused.of(WHAT))?;
    if decoder.position() == bytes.len() {
        Ok(record)
    } else {
        Err(FormatError::malformed(WHAT))
    }
}

fn read_ended(d: &mut Decoder<'_>) -> Result<Ended, Refused> {
    let others = fields::begin(d)?;
    let mut r = Ended {
        number: d.u64()?,
        outcome: Outcome::Nothing,
        amounts: Amounts::default(),
        open: None,
        left: None,
        left_is_whole: false,
        quarantine: Vec::new(),
    };
    let mut known = 0;
    fields::others(others, d, |number, d| {
        match number {
            ended::OUTCOME => {
                r.outcome = Outcome::from_code(d.u8()?).ok_or(Refused::Malformed)?;
            }
            ended::AMOUNTS => r.amounts = read_amounts(d)?,
            ended::OPEN => r.open = read_listed(d)?,
            ended::LEFT => r.left = read_snapshot(d)?,
            ended::LEFT_IS_WHOLE => r.left_is_whole = d.bool()?,
            ended::QUARANTINE => r.quarantine = d.bytes()?.to_vec(),
            _ => return Ok(Field::Unknown),
        }
        known += 1;
        Ok(Field::Known)
    })?;
    if known == ended::QUARANTINE {
        Ok(r)
    } else {
        Err(Refused::Malformed)
    }
}

fn read_snapshot(d: &mut Decoder<'_>) -> Result<Option<SnapshotId>, Refused> {
    if !optional(d)? {
        return Ok(None);
    }
    let id = SnapshotId::from_slice(d.bytes()?);
    id.map(Some).ok_or(Refused::Malformed)
}

pub(crate) fn read_listed(d: &mut Decoder<'_>) -> Result<Option<Listed>, Refused> {
    if !optional(d)? {
        return Ok(None);
    }
    let items = d.array()?.ok_or(Refused::Malformed)?;
    let hash = <[u8; 32]>::try_from(d.bytes()?).map_err(|_| Refused::Malformed)?;
    let len = d.u64()?;
    let mut blobs: Vec<BlobId> = Vec::new();
    for _ in 0..items.checked_sub(2).ok_or(Refused::Malformed)? {
        blobs.push(blob_id(d)?);
    }
    Ok(Some(Listed { hash, len, blobs }))
}

fn read_amounts(d: &mut Decoder<'_>) -> Result<Amounts, Refused> {
    if d.array()? != Some(8) {
        return Err(Refused::Malformed);
    }
    Ok(Amounts {
        restored: d.u64()?,
        removed: d.u64()?,
        metadata: d.u64()?,
        kept: d.u64()?,
        merged: d.u64()?,
        conflicts: d.u64()?,
        deferred: d.u64()?,
        bytes: d.u64()?,
    })
}
