//! Lists of extents: in an entry when short, in a blob of their own when long.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::{BlobId, Extent};

use crate::error::FormatError;

/// A flat array: for each extent a number and, for data, an id. The number is four times the length
/// plus 0 for data, 1 for zeros, 2 for a hole.
pub(crate) fn write_extents<W: Write>(
    extents: &[Extent],
    e: &mut Encoder<W>,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    let data = extents
        .iter()
        .filter(|extent| matches!(extent, Extent::Data { .. }))
        .count();
    e.array((extents.len() + data) as u64)?;
    for extent in extents {
        match extent {
            Extent::Data { id, len } => _ = e.u64(len << 2)?.bytes(id.as_bytes())?,
            Extent::Zeros { len } => _ = e.u64(len << 2 | 1)?,
            Extent::Hole { len } => _ = e.u64(len << 2 | 2)?,
        }
    }
    Ok(())
}

pub(crate) fn read_extents(d: &mut Decoder<'_>) -> Result<Vec<Extent>, minicbor::decode::Error> {
    let wrong = || minicbor::decode::Error::message("extents");
    let mut items = d.array()?.ok_or_else(wrong)?;
    let mut extents = Vec::new();
    while items > 0 {
        let number = d.u64()?;
        let len = number >> 2;
        let extent = match number & 3 {
            0 if items >= 2 => {
                items -= 1;
                Extent::Data {
                    id: blob_id(d)?,
                    len,
                }
            }
            1 => Extent::Zeros { len },
            2 => Extent::Hole { len },
            _ => return Err(wrong()),
        };
        if len == 0 {
            return Err(wrong());
        }
        items -= 1;
        extents.push(extent);
    }
    Ok(extents)
}

pub(crate) fn blob_id(d: &mut Decoder<'_>) -> Result<BlobId, minicbor::decode::Error> {
    BlobId::from_slice(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message("blob id"))
}

/// Encodes a list for a blob of its own.
pub fn encode_extents(extents: &[Extent]) -> Vec<u8> {
    let mut out = Vec::with_capacity(extents.len() * 40 + 9);
    let _ = write_extents(extents, &mut Encoder::new(&mut out));
    out
}

/// Decodes a list from its blob.
pub fn decode_extents(bytes: &[u8]) -> Result<Vec<Extent>, FormatError> {
    let mut decoder = Decoder::new(bytes);
    match read_extents(&mut decoder) {
        Ok(extents) if decoder.position() == bytes.len() => Ok(extents),
        _ => Err(FormatError::malformed("extent list")),
    }
}
