//! Snapshot records, in CBOR with integer keys.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::{BlobId, Names, Snapshot, SnapshotId, Timestamp, Totals};

use crate::VERSION;
use crate::entry::{read_time, write_time};
use crate::error::FormatError;
use crate::extents::blob_id;

const WHAT: &str = "snapshot";

/// Longest record: names of owners are most of it.
pub const SNAPSHOT_BYTES_MAX: u64 = 16 << 20;

/// Encodes a record.
pub fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into a vector can't fail.
    let _ = write_snapshot(snapshot, &mut Encoder::new(&mut out));
    out
}

type Written<W> = Result<(), minicbor::encode::Error<<W as Write>::Error>>;

fn write_snapshot<W: Write>(s: &Snapshot, e: &mut Encoder<W>) -> Written<W> {
    e.map(16)?.u8(0)?.u16(VERSION)?;
    write_time(s.time, e.u8(1)?)?;
    write_time(s.finished, e.u8(2)?)?;
    e.u8(3)?
        .str(&s.host)?
        .u8(4)?
        .str(&s.user)?
        .u8(5)?
        .bytes(&s.source)?;
    e.u8(6)?.array(s.tags.len() as u64)?;
    for tag in &s.tags {
        e.str(tag)?;
    }
    write_id(s.root.as_ref().map(BlobId::as_bytes), e.u8(7)?)?;
    write_id(s.parent.as_ref().map(SnapshotId::as_bytes), e.u8(8)?)?;
    let totals = &s.totals;
    e.u8(9)?
        .u64(totals.files)?
        .u8(10)?
        .u64(totals.directories)?;
    e.u8(11)?
        .u64(totals.bytes)?
        .u8(12)?
        .u64(totals.stored_bytes)?;
    e.u8(13)?.u64(s.errors)?.u8(14)?.array(3)?.bool(s.safety)?;
    write_names(&s.names.users, e)?;
    write_names(&s.names.groups, e)?;
    e.u8(15)?.str(&s.program)?;
    Ok(())
}

fn write_id<W: Write>(id: Option<&[u8; 32]>, e: &mut Encoder<W>) -> Written<W> {
    match id {
        Some(id) => _ = e.bytes(id)?,
        None => _ = e.null()?,
    }
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
    let fields = decoder.map().ok().flatten().ok_or_else(wrong)?;
    let version = match (decoder.u8(), decoder.u16()) {
        (Ok(0), Ok(version)) => version,
        _ => return Err(wrong()),
    };
    if version > VERSION {
        return Err(FormatError::Newer {
            what: WHAT,
            found: version.into(),
            known: VERSION,
        });
    }
    let snapshot = read_snapshot(fields, &mut decoder).map_err(|_| wrong())?;
    if decoder.position() == bytes.len() {
        Ok(snapshot)
    } else {
        Err(wrong())
    }
}

type Read<T> = Result<T, minicbor::decode::Error>;

fn read_snapshot(fields: u64, d: &mut Decoder<'_>) -> Read<Snapshot> {
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
    for _ in 1..fields {
        match d.u8()? {
            1 => s.time = read_time(d)?,
            2 => s.finished = read_time(d)?,
            3 => s.host = d.str()?.to_owned(),
            4 => s.user = d.str()?.to_owned(),
            5 => s.source = d.bytes()?.to_vec(),
            6 => {
                for _ in 0..length(d)? {
                    s.tags.push(d.str()?.to_owned());
                }
            }
            7 => s.root = optional(d)?.then(|| blob_id(d)).transpose()?,
            8 => s.parent = optional(d)?.then(|| snapshot_id(d)).transpose()?,
            9 => s.totals.files = d.u64()?,
            10 => s.totals.directories = d.u64()?,
            11 => s.totals.bytes = d.u64()?,
            12 => s.totals.stored_bytes = d.u64()?,
            13 => s.errors = d.u64()?,
            14 => {
                if length(d)? != 3 {
                    return Err(minicbor::decode::Error::message(WHAT));
                }
                s.safety = d.bool()?;
                s.names = Names {
                    users: read_names(d)?,
                    groups: read_names(d)?,
                };
            }
            15 => s.program = d.str()?.to_owned(),
            _ => d.skip()?,
        }
    }
    Ok(s)
}

fn length(d: &mut Decoder<'_>) -> Read<u64> {
    d.array()?
        .ok_or_else(|| minicbor::decode::Error::message(WHAT))
}

fn optional(d: &mut Decoder<'_>) -> Read<bool> {
    if d.datatype()? == minicbor::data::Type::Null {
        d.null()?;
        return Ok(false);
    }
    Ok(true)
}

fn snapshot_id(d: &mut Decoder<'_>) -> Read<SnapshotId> {
    SnapshotId::from_slice(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message(WHAT))
}

fn read_names(d: &mut Decoder<'_>) -> Read<Vec<(u32, String)>> {
    let mut names = Vec::new();
    for _ in 0..length(d)? / 2 {
        names.push((d.u32()?, d.str()?.to_owned()));
    }
    Ok(names)
}
