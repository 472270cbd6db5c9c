//! Records as CBOR maps: numbered fields in ascending order, what becomes of unknown ones, and values
//! that may be missing.

use minicbor::data::Type;
use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};

use crate::error::FormatError;

/// Unknown fields from this number on change what the known ones mean; those below may be passed over.
pub const CRITICAL_FIELD: u64 = 128;

/// What came of writing; into a vector it can't fail.
pub(crate) type Written<W> = Result<(), minicbor::encode::Error<<W as Write>::Error>>;

/// Why a record was refused, before it is known which record it is.
pub(crate) enum Refused {
    /// It is not the CBOR that is expected.
    Malformed,
    /// It has a field that must be known to read it.
    Newer(u64),
}

impl From<minicbor::decode::Error> for Refused {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl Refused {
    /// The error of this record.
    pub(crate) fn of(self, what: &'static str) -> FormatError {
        match self {
            Self::Malformed => FormatError::malformed(what),
            Self::Newer(field) => FormatError::NewerField { what, field },
        }
    }
}

/// What a field came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// It was read.
    Known,
    /// Nothing was read: this program has no field of that number.
    Unknown,
}

/// Reads the head of a record and the number of its first field, which is always 0; gives how many
/// fields follow that one.
pub(crate) fn begin(d: &mut Decoder<'_>) -> Result<u64, Refused> {
    let fields = d.map()?.ok_or(Refused::Malformed)?;
    match (fields.checked_sub(1), d.u64()?) {
        (Some(others), 0) => Ok(others),
        _ => Err(Refused::Malformed),
    }
}

/// Hands the fields behind the first one to `read`, by number. They ascend, so that none comes twice
/// and equal records have equal bytes.
pub(crate) fn others<'b>(
    count: u64,
    d: &mut Decoder<'b>,
    mut read: impl FnMut(u64, &mut Decoder<'b>) -> Result<Field, Refused>,
) -> Result<(), Refused> {
    let mut last = 0;
    for _ in 0..count {
        let number = d.u64()?;
        if number <= last {
            return Err(Refused::Malformed);
        }
        last = number;
        match read(number, d)? {
            Field::Known => {}
            Field::Unknown if number >= CRITICAL_FIELD => return Err(Refused::Newer(number)),
            Field::Unknown => d.skip()?,
        }
    }
    Ok(())
}

/// Writes an id or a hash, or null where there is none.
pub(crate) fn write_id<W: Write>(id: Option<&[u8; 32]>, e: &mut Encoder<W>) -> Written<W> {
    match id {
        Some(id) => _ = e.bytes(id)?,
        None => _ = e.null()?,
    }
    Ok(())
}

/// Writes a number, or null where there is none.
pub(crate) fn write_number<W: Write>(number: Option<u64>, e: &mut Encoder<W>) -> Written<W> {
    match number {
        Some(number) => _ = e.u64(number)?,
        None => _ = e.null()?,
    }
    Ok(())
}

/// Whether a value follows that may be missing; the null that stands for a missing one is read.
pub(crate) fn optional(d: &mut Decoder<'_>) -> Result<bool, minicbor::decode::Error> {
    if d.datatype()? == Type::Null {
        d.null()?;
        return Ok(false);
    }
    Ok(true)
}

/// Reads what [`write_number`] writes.
pub(crate) fn read_number(d: &mut Decoder<'_>) -> Result<Option<u64>, minicbor::decode::Error> {
    optional(d)?.then(|| d.u64()).transpose()
}
