//! The bytes that fanotify hands out, taken apart.
//!
//! Pure: bounds are checked, nothing is believed. The layout is that of `linux/fanotify.h`: metadata of
//! 24 bytes, then information records up to the event's length; unknown records are passed over.

/// Content was written.
pub(super) const MODIFY: u64 = 0x2;
/// Metadata changed.
pub(super) const ATTRIB: u64 = 0x4;
/// Closed by somebody who could write.
pub(super) const CLOSE_WRITE: u64 = 0x8;
/// A name was made.
pub(super) const CREATE: u64 = 0x100;
/// A name was removed.
pub(super) const DELETE: u64 = 0x200;
/// The queue was full.
pub(super) const OVERFLOW: u64 = 0x4000;
/// A name was changed; old and new come in one event.
pub(super) const RENAME: u64 = 0x1000_0000;
/// It is about a directory.
pub(super) const ONDIR: u64 = 0x4000_0000;

/// The only layout there has ever been.
const VERSION: u8 = 3;

/// Bytes of the metadata that we know of; a newer kernel may append to them.
const METADATA_BYTES: usize = 24;

/// Bytes of the head of an information record: type, padding, length.
const HEAD_BYTES: usize = 4;

const INFO_FID: u8 = 1;
const INFO_DFID_NAME: u8 = 2;
const INFO_DFID: u8 = 3;
const INFO_PIDFD: u8 = 4;
const INFO_OLD_DFID_NAME: u8 = 10;
const INFO_NEW_DFID_NAME: u8 = 12;

/// Most bytes of a file handle (`MAX_HANDLE_SZ`).
pub(super) const HANDLE_BYTES_MAX: usize = 128;

/// Bytes of a file handle's own head: length and type.
pub(super) const HANDLE_HEAD_BYTES: usize = 8;

/// A file handle as the kernel writes it: length, type, then so many opaque bytes.
pub(super) type Handle<'b> = &'b [u8];

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'b> {
    pub(super) directory: Handle<'b>,
    /// Empty if it is the directory itself.
    pub(super) name: &'b [u8],
}

/// What the kernel says of the process behind an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// It lives, or nobody has waited for it yet: here is a descriptor, ours to close.
    Descriptor(i32),
    /// It was gone when the event was read.
    Gone,
    /// The kernel could not make a descriptor, or was not asked for one.
    Unknown,
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event<'b> {
    pub(super) mask: u64,
    pub(super) pid: i32,
    pub(super) process: Process,
    /// The thing itself.
    pub(super) object: Option<Handle<'b>>,
    /// Where it is; for a rename both others are set instead.
    pub(super) place: Option<Place<'b>>,
    pub(super) old: Option<Place<'b>>,
    pub(super) new: Option<Place<'b>>,
}

/// The bytes are not what a kernel writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Takes the events of one read apart, in order; ends after the first that can't be understood.
#[derive(Debug)]
pub(super) struct Events<'b> {
    rest: &'b [u8],
}

impl<'b> Events<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'b> Iterator for Events<'b> {
    type Item = Result<Event<'b>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match split_event(self.rest) {
            Some((event, rest)) => {
                self.rest = rest;
                Some(Ok(event))
            }
            None => {
                self.rest = &[];
                Some(Err(Malformed))
            }
        }
    }
}

fn split_event(bytes: &[u8]) -> Option<(Event<'_>, &[u8])> {
    let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let version = *bytes.get(4)?;
    let metadata_len = usize::from(u16_at(bytes, 6)?);
    if version != VERSION || metadata_len < METADATA_BYTES || len < metadata_len {
        return None;
    }
    let (this, rest) = bytes.split_at_checked(len)?;
    let mut event = Event {
        mask: u64::from_ne_bytes(this.get(8..16)?.try_into().ok()?),
        pid: u32_at(this, 20)? as i32,
        process: Process::Unknown,
        object: None,
        place: None,
        old: None,
        new: None,
    };
    let mut records = &this[metadata_len..];
    while !records.is_empty() {
        let len = usize::from(u16_at(records, 2)?);
        if len < HEAD_BYTES {
            return None;
        }
        let (record, after) = records.split_at_checked(len)?;
        add_record(&mut event, record)?;
        records = after;
    }
    Some((event, rest))
}

fn add_record<'b>(event: &mut Event<'b>, record: &'b [u8]) -> Option<()> {
    match record[0] {
        INFO_FID => event.object = Some(split_handle(record)?.0),
        INFO_DFID_NAME | INFO_DFID => event.place = Some(read_place(record)?),
        INFO_OLD_DFID_NAME => event.old = Some(read_place(record)?),
        INFO_NEW_DFID_NAME => event.new = Some(read_place(record)?),
        INFO_PIDFD => {
            event.process = match u32_at(record, HEAD_BYTES)? as i32 {
                // FAN_NOPIDFD
                -1 => Process::Gone,
                descriptor if descriptor >= 0 => Process::Descriptor(descriptor),
                _ => Process::Unknown,
            };
        }
        _ => {}
    }
    Some(())
}

/// The handle of a record and what follows it. Before it come the head and the number of the file
/// system, which isn't needed: one file system is watched.
fn split_handle(record: &[u8]) -> Option<(Handle<'_>, &[u8])> {
    let from = record.get(HEAD_BYTES + 8..)?;
    let bytes = usize::try_from(u32_at(from, 0)?).ok()?;
    if bytes > HANDLE_BYTES_MAX {
        return None;
    }
    from.split_at_checked(HANDLE_HEAD_BYTES + bytes)
}

fn read_place(record: &[u8]) -> Option<Place<'_>> {
    let (directory, after) = split_handle(record)?;
    // The name ends with a zero byte and is padded with more.
    let name = after.split(|&byte| byte == 0).next().unwrap_or_default();
    match name {
        b"." => Some(Place {
            directory,
            name: b"",
        }),
        b".." => None,
        name if name.contains(&b'/') => None,
        name => Some(Place { directory, name }),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = (HEAD_BYTES + body.len()).next_multiple_of(4);
        let mut bytes = vec![kind, 0];
        bytes.extend_from_slice(&(len as u16).to_ne_bytes());
        bytes.extend_from_slice(body);
        bytes.resize(len, 0);
        bytes
    }

    fn handle(opaque: &[u8]) -> Vec<u8> {
        let mut bytes = (opaque.len() as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&1i32.to_ne_bytes());
        bytes.extend_from_slice(opaque);
        bytes
    }

    fn fid(kind: u8, opaque: &[u8], name: Option<&[u8]>) -> Vec<u8> {
        let mut body = vec![7; 8];
        body.extend_from_slice(&handle(opaque));
        if let Some(name) = name {
            body.extend_from_slice(name);
            body.push(0);
        }
        record(kind, &body)
    }

    fn event(mask: u64, pid: i32, records: &[Vec<u8>]) -> Vec<u8> {
        let len = METADATA_BYTES + records.iter().map(Vec::len).sum::<usize>();
        let mut bytes = (len as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&[VERSION, 0]);
        bytes.extend_from_slice(&(METADATA_BYTES as u16).to_ne_bytes());
        bytes.extend_from_slice(&mask.to_ne_bytes());
        bytes.extend_from_slice(&(-1i32).to_ne_bytes());
        bytes.extend_from_slice(&pid.to_ne_bytes());
        records.iter().for_each(|r| bytes.extend_from_slice(r));
        bytes
    }

    #[test]
    fn the_documented_layouts_are_read() {
        let pidfd = |fd: i32| record(INFO_PIDFD, &fd.to_ne_bytes());
        let mut bytes = event(
            CREATE | CLOSE_WRITE,
            42,
            &[
                fid(INFO_DFID_NAME, b"directry", Some(b"name")),
                fid(INFO_FID, b"object12", None),
                record(99, b"unknown"),
                pidfd(17),
            ],
        );
        bytes.extend(event(
            RENAME | ONDIR,
            43,
            &[
                fid(INFO_OLD_DFID_NAME, b"12 bytes old", Some(b"o")),
                fid(
                    INFO_NEW_DFID_NAME,
                    b"a handle of 20 bytes",
                    Some(&[0xff; 255]),
                ),
                pidfd(-1),
            ],
        ));
        bytes.extend(event(
            ATTRIB | ONDIR,
            44,
            &[fid(INFO_DFID_NAME, b"directry", Some(b".")), pidfd(-2)],
        ));
        bytes.extend(event(OVERFLOW, 0, &[]));
        let events: Vec<_> = Events::new(&bytes).map(Result::unwrap).collect();
        let place = events[0].place.unwrap();
        assert_eq!(
            (place.directory, place.name),
            (handle(b"directry").as_slice(), &b"name"[..])
        );
        assert_eq!(events[0].object.unwrap(), handle(b"object12"));
        assert_eq!(
            (events[0].pid, events[0].process),
            (42, Process::Descriptor(17))
        );
        assert_eq!(events[1].old.unwrap().name, b"o");
        assert_eq!(events[1].new.unwrap().name, [0xff; 255]);
        assert_eq!(events[1].process, Process::Gone);
        assert_eq!(
            (events[2].place.unwrap().name, events[2].process),
            (&b""[..], Process::Unknown)
        );
        assert_eq!((events[3].mask, events.len()), (OVERFLOW, 4));
    }

    #[test]
    fn every_cut_is_noticed() {
        let one = event(
            DELETE,
            1,
            &[fid(INFO_DFID_NAME, b"directry", Some(b"name"))],
        );
        for len in 1..one.len() {
            assert_eq!(
                Events::new(&one[..len]).last(),
                Some(Err(Malformed)),
                "cut at {len}"
            );
        }
        for name in [&b".."[..], b"a/b"] {
            let bad = event(DELETE, 1, &[fid(INFO_DFID_NAME, b"directry", Some(name))]);
            assert_eq!(Events::new(&bad).last(), Some(Err(Malformed)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Any bytes, and true events with any byte changed: never a panic, never a handle that is
        /// too long, and reading comes to an end.
        #[test]
        fn hostile_bytes(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            changes in prop::collection::vec((0..300usize, any::<u8>()), 0..6),
        ) {
            let mut bytes = event(CREATE, 9, &[
                fid(INFO_DFID_NAME, b"directry", Some(b"some name")),
                fid(INFO_FID, b"object of 20 bytes..", None),
                record(INFO_PIDFD, &5i32.to_ne_bytes()),
            ]);
            bytes.extend(event(RENAME, 9, &[
                fid(INFO_OLD_DFID_NAME, b"old dir.", Some(b"old")),
                fid(INFO_NEW_DFID_NAME, b"new dir.", Some(b"new")),
            ]));
            bytes.extend_from_slice(&noise);
            for (at, byte) in changes {
                if let Some(there) = bytes.get_mut(at) {
                    *there = byte;
                }
            }
            for event in Events::new(&bytes).flatten() {
                let handles = [event.place, event.old, event.new].into_iter().flatten();
                for handle in handles.map(|place| place.directory).chain(event.object) {
                    prop_assert!(handle.len() <= HANDLE_HEAD_BYTES + HANDLE_BYTES_MAX);
                }
            }
            prop_assert!(Events::new(&bytes).count() <= bytes.len() / METADATA_BYTES + 1);
        }
    }
}
