//! The frame of a record of a log: when, after which record, and what it holds.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::Timestamp;

use crate::VERSION;
use crate::entry::{read_time, write_time};
use crate::error::FormatError;
use crate::fields::{self, Field, Refused, Written, optional, write_id};

const WHAT: &str = "log record";

/// Field numbers; a removed field's number is never used again.
mod field {
    pub(super) const VERSION: u64 = 0;
    pub(super) const TIME: u64 = 1;
    pub(super) const PREVIOUS: u64 = 2;
    pub(super) const KIND: u64 = 3;
    pub(super) const BODY: u64 = 4;
}

/// Longest record: what is longer is kept as blobs, and the record names them.
pub const LOG_RECORD_BYTES_MAX: u64 = 16 << 20;

/// The kind that means the same in every log: earlier records are gone, and this one stands in for them.
/// The body begins with which ones.
pub const REPLACES: u64 = 0;

/// A record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was written.
    pub time: Timestamp,
    /// Keyed hash of the record before it; `None` for the first one, and where the writer could not know
    /// it (a key that can't read begins anew).
    pub previous: Option<[u8; 32]>,
    /// What the body is; numbers are given by whoever keeps a log.
    pub kind: u64,
    /// The body.
    pub body: Vec<u8>,
}

/// Encodes a record.
pub fn encode_log_record(record: &LogRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.body.len() + 64);
    // Writing into a vector can't fail.
    let _ = write(record, &mut Encoder::new(&mut out));
    out
}

fn write<W: Write>(record: &LogRecord, e: &mut Encoder<W>) -> Written<W> {
    e.map(5)?.u64(field::VERSION)?.u16(VERSION)?;
    write_time(record.time, e.u64(field::TIME)?)?;
    write_id(record.previous.as_ref(), e.u64(field::PREVIOUS)?)?;
    e.u64(field::KIND)?.u64(record.kind)?;
    e.u64(field::BODY)?.bytes(&record.body)?;
    Ok(())
}

/// Decodes a record.
pub fn decode_log_record(bytes: &[u8]) -> Result<LogRecord, FormatError> {
    if bytes.len() as u64 > LOG_RECORD_BYTES_MAX {
        return Err(FormatError::malformed(WHAT));
    }
    let mut decoder = Decoder::new(bytes);
    let record = read(&mut decoder).map_err(|refused| refused.of(WHAT))?;
    match record {
        Ok(record) if decoder.position() == bytes.len() => Ok(record),
        Ok(_) => Err(FormatError::malformed(WHAT)),
        Err(version) => Err(FormatError::Newer {
            what: WHAT,
            found: version,
            known: VERSION,
        }),
    }
}

/// The record, or the version that is not known.
fn read(d: &mut Decoder<'_>) -> Result<Result<LogRecord, u64>, Refused> {
    let others = fields::begin(d)?;
    let version = d.u64()?;
    if version > u64::from(VERSION) {
        return Ok(Err(version));
    }
    let (mut time, mut previous, mut kind, mut body) = (None, None, None, None);
    fields::others(others, d, |number, d| {
        match number {
            field::TIME => time = Some(read_time(d)?),
            field::PREVIOUS => previous = Some(read_hash(d)?),
            field::KIND => kind = Some(d.u64()?),
            field::BODY => body = Some(d.bytes()?.to_vec()),
            _ => return Ok(Field::Unknown),
        }
        Ok(Field::Known)
    })?;
    match (time, previous, kind, body) {
        (Some(time), Some(previous), Some(kind), Some(body)) if version == u64::from(VERSION) => {
            Ok(Ok(LogRecord {
                time,
                previous,
                kind,
                body,
            }))
        }
        _ => Err(Refused::Malformed),
    }
}

fn read_hash(d: &mut Decoder<'_>) -> Result<Option<[u8; 32]>, Refused> {
    if !optional(d)? {
        return Ok(None);
    }
    let hash = <[u8; 32]>::try_from(d.bytes()?).map_err(|_| Refused::Malformed)?;
    Ok(Some(hash))
}
