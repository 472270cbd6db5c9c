//! Snapshot records, in CBOR with integer keys.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::{BlobId, Names, Snapshot, SnapshotId, Timestamp, Totals};

use crate::VERSION;
use crate::entry::{read_time, write_time};
use crate::error::FormatError;
use crate::extents::blob_id;
use crate::fields::{self, Field, Refused, Written, optional, write_id};

const WHAT: &str = "snapshot";

/// Field numbers; a removed field's number is never used again.
mod field {
    pub(super) const VERSION: u64 = 0;
    pub(super) const TIME: u64 = 1;
    pub(super) const FINISHED: u64 = 2;
    pub(super) const HOST: u64 = 3;
    pub(super) const USER: u64 = 4;
    pub(super) const SOURCE: u64 = 5;
    pub(super) const TAGS: u64 = 6;
    pub(super) const ROOT: u64 = 7;
    pub(super) const PARENT: u64 = 8;
    pub(super) const FILES: u64 = 9;
    pub(super) const DIRECTORIES: u64 = 10;
    pub(super) const BYTES: u64 = 11;
    pub(super) const STORED_BYTES: u64 = 12;
    pub(super) const ERRORS: u64 = 13;
    pub(super) const SAFETY: u64 = 14;
    pub(super) const USERS: u64 = 15;
    pub(super) const GROUPS: u64 = 16;
    pub(super) const PROGRAM: u64 = 17;
}

/// Fields of version 1: every record has all of them.
const FIELDS: u64 = field::PROGRAM + 1;

/// Longest record: names of owners are most of it.
pub const SNAPSHOT_BYTES_MAX: u64 = 16 << 20;

/// Encodes a record.
pub fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into a vector can't fail.
    let _ = write_snapshot(snapshot, &mut Encoder::new(&mut out));
    out
}

fn write_snapshot<W: Write>(s: &Snapshot, e: &mut Encoder<W>) -> Written<W> {
    e.map(FIELDS)?.u64(field::VERSION)?.u16(VERSION)?;
    write_time(s.time, e.u64(field::TIME)?)?;
    write_time(s.finished, e.u64(field::FINISHED)?)?;
    e.u64(field::HOST)?.str(&s.host)?;
    e.u64(field::USER)?.str(&s.user)?;
    e.u64(field::SOURCE)?.bytes(&s.source)?;
    e.u64(field::TAGS)?.array(s.tags.len() as u64)?;
    for tag in &s.tags {
        e.str(tag)?;
    }
    let root = s.root.as_ref().map(BlobId::as_bytes);
    write_id(root, e.u64(field::ROOT)?)?;
    let parent = s.parent.as_ref().map(SnapshotId::as_bytes);
    write_id(parent, e.u64(field::PARENT)?)?;
    let totals = &s.totals;
    e.u64(field::FILES)?.u64(totals.files)?;
    e.u64(field::DIRECTORIES)?.u64(totals.directories)?;
    e.u64(field::BYTES)?.u64(totals.bytes)?;
    e.u64(field::STORED_BYTES)?.u64(totals.stored_bytes)?;
    e.u64(field::ERRORS)?.u64(s.errors)?;
    e.u64(field::SAFETY)?.bool(s.safety)?;
    write_names(&s.names.users, e.u64(field::USERS)?)?;
    write_names(&s.names.groups, e.u64(field::GROUPS)?)?;
    e.u64(field::PROGRAM)?.str(&s.program)?;
    Ok(())
}

fn write_names<W: Write>(names: &[(u32, String)], e: &mut Encoder<W>) -> Written<W> {
    e.array(2 * names.len() as u64)?;
    for (number, name) in names {
        e.u32(*number)?.str(name)?;
    }
    Ok(())
}

/// Decodes a record.
pub fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, FormatError> {
    let mut decoder = Decoder::new(bytes);
    let wrong = || FormatError::malformed(WHAT);
    let others = fields::begin(&mut decoder).map_err(|refused| refused.of(WHAT))?;
    let version = decoder.u64().map_err(|_| wrong())?;
    if version > u64::from(VERSION) {
        return Err(FormatError::Newer {
            what: WHAT,
            found: version,
            known: VERSION,
        });
    }
    if bytes.len() as u64 > SNAPSHOT_BYTES_MAX {
        return Err(wrong());
    }
    let snapshot = read_snapshot(others, &mut decoder).map_err(|refused| refused.of(WHAT))?;
    if version == u64::from(VERSION) && decoder.position() == bytes.len() {
        Ok(snapshot)
    } else {
        Err(wrong())
    }
}

type Read<T> = Result<T, minicbor::decode::Error>;

fn read_snapshot(others: u64, d: &mut Decoder<'_>) -> Result<Snapshot, Refused> {
    let mut s = Snapshot {
        time: Timestamp::default(),
        finished: Timestamp::default(),
        host: String::new(),
        user: String::new(),
        source: Vec::new(),
        tags: Vec::new(),
        root: None,
        parent: None,
        totals: Totals::default(),
        errors: 0,
        safety: false,
        names: Names::default(),
        program: String::new(),
    };
    let mut known = 1;
    fields::others(others, d, |number, d| {
        let field = read_field(number, &mut s, d)?;
        known += u64::from(field == Field::Known);
        Ok(field)
    })?;
    // Numbers ascend: as many known fields as there are, are all of them.
    if known == FIELDS {
        Ok(s)
    } else {
        Err(Refused::Malformed)
    }
}

fn read_field(number: u64, s: &mut Snapshot, d: &mut Decoder<'_>) -> Result<Field, Refused> {
    match number {
        field::TIME => s.time = read_time(d)?,
        field::FINISHED => s.finished = read_time(d)?,
        field::HOST => s.host = d.str()?.to_owned(),
        field::USER => s.user = d.str()?.to_owned(),
        field::SOURCE => s.source = d.bytes()?.to_vec(),
        field::TAGS => {
            for _ in 0..length(d)? {
                s.tags.push(d.str()?.to_owned());
            }
        }
        field::ROOT => s.root = optional(d)?.then(|| blob_id(d)).transpose()?,
        field::PARENT => s.parent = optional(d)?.then(|| snapshot_id(d)).transpose()?,
        field::FILES => s.totals.files = d.u64()?,
        field::DIRECTORIES => s.totals.directories = d.u64()?,
        field::BYTES => s.totals.bytes = d.u64()?,
        field::STORED_BYTES => s.totals.stored_bytes = d.u64()?,
        field::ERRORS => s.errors = d.u64()?,
        field::SAFETY => s.safety = d.bool()?,
        field::USERS => s.names.users = read_names(d)?,
        field::GROUPS => s.names.groups = read_names(d)?,
        field::PROGRAM => s.program = d.str()?.to_owned(),
        _ => return Ok(Field::Unknown),
    }
    Ok(Field::Known)
}

fn length(d: &mut Decoder<'_>) -> Read<u64> {
    d.array()?
        .ok_or_else(|| minicbor::decode::Error::message(WHAT))
}

fn snapshot_id(d: &mut Decoder<'_>) -> Read<SnapshotId> {
    SnapshotId::from_slice(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message(WHAT))
}

fn read_names(d: &mut Decoder<'_>) -> Read<Vec<(u32, String)>> {
    let mut names = Vec::new();
    let items = length(d)?;
    if items % 2 != 0 {
        return Err(minicbor::decode::Error::message(WHAT));
    }
    for _ in 0..items / 2 {
        names.push((d.u32()?, d.str()?.to_owned()));
    }
    Ok(names)
}
