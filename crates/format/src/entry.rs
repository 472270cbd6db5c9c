//! Entries of a file tree's map, in canonical CBOR: a map with ascending integer keys, fields with
//! their usual value left out. Equal entries have equal bytes.

use minicbor::data::Type;
use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::{Content, Device, Entry, Kind, LinkId, Timestamp, Xattr, Xattrs};

use crate::error::FormatError;
use crate::extents::{blob_id, read_extents, write_extents};
use crate::fields::{self, Field, Refused, Written, optional};

/// Longest encoded entry. A link target of 4 KiB, the longest there is, and lists of 512 bytes, beyond
/// which writers put them into blobs of their own, stay well below.
pub const ENTRY_BYTES_MAX: usize = 8 << 10;

const WHAT: &str = "entry";

/// Field numbers; a removed field's number is never used again.
mod field {
    pub(super) const KIND: u8 = 0;
    pub(super) const MODE: u8 = 1;
    pub(super) const UID: u8 = 2;
    pub(super) const GID: u8 = 3;
    pub(super) const MTIME_SECS: u8 = 4;
    pub(super) const MTIME_NANOS: u8 = 5;
    pub(super) const SIZE: u8 = 6;
    pub(super) const INLINE: u8 = 7;
    pub(super) const BLOB: u8 = 8;
    pub(super) const EXTENTS: u8 = 9;
    pub(super) const EXTENT_LIST: u8 = 10;
    pub(super) const XATTRS: u8 = 11;
    pub(super) const XATTRS_BLOB: u8 = 12;
    pub(super) const TARGET: u8 = 13;
    pub(super) const DEVICE: u8 = 14;
    pub(super) const LINK: u8 = 15;
    pub(super) const UNSETTLED: u8 = 16;
}

/// Appends the encoding of `entry`.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new(out);
    // Writing into a vector can't fail.
    let _ = write_entry(entry, &mut encoder);
}

fn write_entry<W: Write>(entry: &Entry, e: &mut Encoder<W>) -> Written<W> {
    let inline_xattrs = match &entry.xattrs {
        Xattrs::Inline(list) if list.is_empty() => None,
        Xattrs::Inline(list) => Some(list),
        Xattrs::Blob(_) => None,
    };
    let optional = [
        entry.uid != 0,
        entry.gid != 0,
        entry.mtime.secs != 0,
        entry.mtime.nanos != 0,
        entry.size != 0,
        entry.content != Content::Empty,
        entry.xattrs != Xattrs::default(),
        !entry.target.is_empty(),
        entry.device.is_some(),
        entry.link.is_some(),
        entry.unsettled,
    ];
    e.map(2 + optional.iter().filter(|&&present| present).count() as u64)?;
    e.u8(field::KIND)?
        .u8(entry.kind as u8)?
        .u8(field::MODE)?
        .u32(entry.mode)?;
    for (key, value) in [(field::UID, entry.uid), (field::GID, entry.gid)] {
        if value != 0 {
            e.u8(key)?.u32(value)?;
        }
    }
    if entry.mtime.secs != 0 {
        e.u8(field::MTIME_SECS)?.i64(entry.mtime.secs)?;
    }
    if entry.mtime.nanos != 0 {
        e.u8(field::MTIME_NANOS)?.u32(entry.mtime.nanos)?;
    }
    if entry.size != 0 {
        e.u8(field::SIZE)?.u64(entry.size)?;
    }
    match &entry.content {
        Content::Empty => {}
        Content::Inline(bytes) => _ = e.u8(field::INLINE)?.bytes(bytes)?,
        Content::Blob(id) => _ = e.u8(field::BLOB)?.bytes(id.as_bytes())?,
        Content::Extents(extents) => write_extents(extents, e.u8(field::EXTENTS)?)?,
        Content::ExtentList(id) => _ = e.u8(field::EXTENT_LIST)?.bytes(id.as_bytes())?,
    }
    if let Some(list) = inline_xattrs {
        write_xattrs(list, e.u8(field::XATTRS)?)?;
    }
    if let Xattrs::Blob(id) = &entry.xattrs {
        e.u8(field::XATTRS_BLOB)?.bytes(id.as_bytes())?;
    }
    if !entry.target.is_empty() {
        e.u8(field::TARGET)?.bytes(&entry.target)?;
    }
    if let Some(device) = entry.device {
        e.u8(field::DEVICE)?
            .array(2)?
            .u32(device.major)?
            .u32(device.minor)?;
    }
    if let Some(link) = entry.link {
        e.u8(field::LINK)?.bytes(&link.0)?;
    }
    if entry.unsettled {
        e.u8(field::UNSETTLED)?.bool(true)?;
    }
    Ok(())
}

/// Decodes an entry.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, FormatError> {
    let mut decoder = Decoder::new(bytes);
    let entry = read_entry(&mut decoder).map_err(|refused| refused.of(WHAT))?;
    let consistent = decoder.position() == bytes.len()
        && bytes.len() <= ENTRY_BYTES_MAX
        && entry.mtime.nanos < 1_000_000_000
        && entry.mode <= 0o7777
        && content_fits(&entry)
        && device_fits(&entry);
    if consistent {
        Ok(entry)
    } else {
        Err(FormatError::malformed(WHAT))
    }
}

/// Whether the size of the entry is what its content says.
fn content_fits(entry: &Entry) -> bool {
    if !matches!(entry.kind, Kind::File | Kind::Value) {
        return entry.content == Content::Empty && entry.size == 0;
    }
    match &entry.content {
        Content::Empty => entry.size == 0,
        Content::Inline(bytes) => bytes.len() as u64 == entry.size && entry.size > 0,
        Content::Blob(_) | Content::ExtentList(_) => entry.size > 0,
        Content::Extents(extents) => {
            let sum = extents
                .iter()
                .try_fold(0u64, |sum, extent| sum.checked_add(extent.len()));
            sum == Some(entry.size) && !extents.is_empty()
        }
    }
}

/// Whether the entry has numbers of a device if, and only if, it is one.
fn device_fits(entry: &Entry) -> bool {
    let is_device = matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice);
    entry.device.is_some() == is_device
}

type Read<T> = Result<T, minicbor::decode::Error>;

fn read_entry(d: &mut Decoder<'_>) -> Result<Entry, Refused> {
    let others = fields::begin(d)?;
    let kind = Kind::from_code(d.u8()?).ok_or(Refused::Malformed)?;
    let mut entry = Entry::new(kind);
    fields::others(others, d, |number, d| match u8::try_from(number) {
        Ok(number) => read_field(number, &mut entry, d),
        Err(_) => Ok(Field::Unknown),
    })?;
    if others == 0 {
        Err(Refused::Malformed)
    } else {
        Ok(entry)
    }
}

fn read_field(number: u8, entry: &mut Entry, d: &mut Decoder<'_>) -> Result<Field, Refused> {
    match number {
        field::MODE => entry.mode = d.u32()?,
        field::UID => entry.uid = d.u32()?,
        field::GID => entry.gid = d.u32()?,
        field::MTIME_SECS => entry.mtime.secs = d.i64()?,
        field::MTIME_NANOS => entry.mtime.nanos = d.u32()?,
        field::SIZE => entry.size = d.u64()?,
        field::INLINE..=field::EXTENT_LIST => {
            if entry.content != Content::Empty {
                return Err(Refused::Malformed);
            }
            entry.content = match number {
                field::INLINE => Content::Inline(d.bytes()?.to_vec()),
                field::BLOB => Content::Blob(blob_id(d)?),
                field::EXTENTS => Content::Extents(read_extents(d)?),
                _ => Content::ExtentList(blob_id(d)?),
            };
        }
        field::XATTRS => entry.xattrs = Xattrs::Inline(read_xattrs(d)?),
        field::XATTRS_BLOB => {
            if entry.xattrs != Xattrs::default() {
                return Err(Refused::Malformed);
            }
            entry.xattrs = Xattrs::Blob(blob_id(d)?);
        }
        field::TARGET => {
            if entry.kind != Kind::Symlink {
                return Err(Refused::Malformed);
            }
            entry.target = d.bytes()?.to_vec();
        }
        field::DEVICE => {
            if d.array()? != Some(2) {
                return Err(Refused::Malformed);
            }
            entry.device = Some(Device {
                major: d.u32()?,
                minor: d.u32()?,
            });
        }
        field::LINK => {
            let bytes = <[u8; 16]>::try_from(d.bytes()?).map_err(|_| Refused::Malformed)?;
            entry.link = Some(LinkId(bytes));
        }
        field::UNSETTLED => entry.unsettled = d.bool()?,
        _ => return Ok(Field::Unknown),
    }
    Ok(Field::Known)
}

fn write_xattrs<W: Write>(list: &[Xattr], e: &mut Encoder<W>) -> Written<W> {
    e.array(2 * list.len() as u64)?;
    for xattr in list {
        e.bytes(&xattr.name)?.bytes(&xattr.value)?;
    }
    Ok(())
}

fn read_xattrs(d: &mut Decoder<'_>) -> Read<Vec<Xattr>> {
    let wrong = || minicbor::decode::Error::message("xattrs");
    let items = d.array()?.ok_or_else(wrong)?;
    let mut list: Vec<Xattr> = Vec::new();
    if items % 2 != 0 {
        return Err(wrong());
    }
    for _ in 0..items / 2 {
        let xattr = Xattr {
            name: d.bytes()?.to_vec(),
            value: d.bytes()?.to_vec(),
        };
        if list.last().is_some_and(|last| last.name >= xattr.name) || xattr.name.contains(&0) {
            return Err(wrong());
        }
        list.push(xattr);
    }
    Ok(list)
}

/// Encodes attributes that are too long for an entry, for a blob of their own.
pub fn encode_xattrs(list: &[Xattr]) -> Vec<u8> {
    let mut out = Vec::new();
    let _ = write_xattrs(list, &mut Encoder::new(&mut out));
    out
}

/// Decodes a blob of attributes.
pub fn decode_xattrs(bytes: &[u8]) -> Result<Vec<Xattr>, FormatError> {
    let mut decoder = Decoder::new(bytes);
    match read_xattrs(&mut decoder) {
        Ok(list) if decoder.position() == bytes.len() => Ok(list),
        _ => Err(FormatError::malformed("xattrs")),
    }
}

/// Kind and size of an entry without decoding the rest: what the map counts.
pub fn entry_bytes(_key: &[u8], value: &[u8]) -> u64 {
    let mut d = Decoder::new(value);
    let mut size = || -> Read<u64> {
        let fields = d.map()?.unwrap_or(0);
        for _ in 0..fields {
            match d.u8()? {
                field::SIZE => return d.u64(),
                key if key > field::SIZE => return Ok(0),
                _ => match d.datatype()? {
                    Type::I8 | Type::I16 | Type::I32 | Type::I64 => _ = d.i64()?,
                    _ => _ = d.u64()?,
                },
            }
        }
        Ok(0)
    };
    size().unwrap_or(0)
}

/// Moments stand in several records the same way: seconds, then nanoseconds.
pub(crate) fn write_time<W: Write>(time: Timestamp, e: &mut Encoder<W>) -> Written<W> {
    e.array(2)?.i64(time.secs)?.u32(time.nanos)?;
    Ok(())
}

pub(crate) fn read_time(d: &mut Decoder<'_>) -> Read<Timestamp> {
    let wrong = || minicbor::decode::Error::message("time");
    if d.array()? != Some(2) {
        return Err(wrong());
    }
    let time = Timestamp::new(d.i64()?, d.u32()?);
    if time.nanos < 1_000_000_000 {
        Ok(time)
    } else {
        Err(wrong())
    }
}

/// Writes an entry of a record, as the bytes that it is encoded to, or null where there is none.
pub(crate) fn write_optional<W: Write>(entry: Option<&Entry>, e: &mut Encoder<W>) -> Written<W> {
    match entry {
        None => _ = e.null()?,
        Some(entry) => {
            let mut bytes = Vec::new();
            encode_entry(entry, &mut bytes);
            e.bytes(&bytes)?;
        }
    }
    Ok(())
}

/// Reads what [`write_optional`] writes.
pub(crate) fn read_optional(d: &mut Decoder<'_>) -> Result<Option<Entry>, Refused> {
    if !optional(d)? {
        return Ok(None);
    }
    match decode_entry(d.bytes()?) {
        Ok(entry) => Ok(Some(entry)),
        Err(FormatError::NewerField { field, .. }) => Err(Refused::Newer(field)),
        Err(_) => Err(Refused::Malformed),
    }
}
