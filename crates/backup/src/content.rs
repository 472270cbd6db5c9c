//! Reading what files hold: whole small files, and stretches of large ones cut into chunks.

use std::os::fd::BorrowedFd;

use codec::Chunker;
use model::{Content, Extent};
use source::files::{Extents, Stat, Stretch};

use crate::error::Result;
use crate::sink::Sink;

/// Content up to this long stands in the entry itself: about three ids, and it saves an index entry.
pub(crate) const INLINE_BYTES_MAX: u64 = 96;

/// Blocks of this length that hold zeros only are not stored. Aligned to the file, so that the same
/// blocks are found wherever reading begins.
const ZERO_BLOCK_BYTES: usize = 64 << 10;

/// How much is read at once: twice what is moved to the front of the window for it.
const READ_BYTES: usize = 4 << 20;

/// Why a stretch could not be read.
#[derive(Debug)]
pub(crate) enum ContentError {
    /// The file system said so.
    Read(std::io::Error),
    /// The repository refused: the backup can't go on.
    Stop(crate::error::BackupError),
}

impl From<std::io::Error> for ContentError {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<crate::error::BackupError> for ContentError {
    fn from(error: crate::error::BackupError) -> Self {
        Self::Stop(error)
    }
}

/// Reads files into chunks; one per worker.
#[derive(Debug)]
pub(crate) struct ContentReader {
    chunker: Chunker,
    chunk_min: usize,
    chunk_max: usize,
    window: Vec<u8>,
}

impl ContentReader {
    pub(crate) fn new(chunker: Chunker, params: codec::ChunkParams) -> Self {
        Self {
            chunker,
            chunk_min: params.min as usize,
            chunk_max: params.max as usize,
            window: Vec::new(),
        }
    }

    /// The whole content of an open file of at most a region.
    pub(crate) fn read(
        &mut self,
        file: BorrowedFd<'_>,
        stat: &Stat,
        sink: &mut impl Sink,
    ) -> Result<(Content, u64), ContentError> {
        let len = stat.size as usize;
        let dense = stat.blocks.saturating_mul(512) >= stat.size;
        if len > self.chunk_min || (!dense && len > 4096) {
            let extents = self.read_range(file, stat, 0, stat.size, sink)?;
            let size = extents.iter().map(Extent::len).sum();
            return Ok((content_of(extents), size));
        }
        if len == 0 {
            return self.read_unsized(file, sink);
        }
        let read = read_full(file, &mut sink.tail(len)[..len], 0)?;
        Ok(match read as u64 {
            0 => (Content::Empty, 0),
            size @ ..=INLINE_BYTES_MAX => (Content::Inline(sink.tail(len)[..read].to_vec()), size),
            size => (Content::Blob(sink.add_tail(read)?), size),
        })
    }

    /// A file that says it is empty. Those that the kernel makes up say so whatever they hold; as much
    /// as one chunk of them is taken.
    fn read_unsized(
        &mut self,
        file: BorrowedFd<'_>,
        sink: &mut impl Sink,
    ) -> Result<(Content, u64), ContentError> {
        let mut probe = [0; 1];
        if read_full(file, &mut probe, 0)? == 0 {
            return Ok((Content::Empty, 0));
        }
        let mut bytes = vec![0; self.chunk_max];
        let read = read_full(file, &mut bytes, 0)?;
        if read == bytes.len() {
            let why =
                "it says that it is empty and holds more than a file can grow while it is read";
            return Err(std::io::Error::other(why).into());
        }
        let id = sink.add(&bytes[..read])?;
        Ok((
            content_of(vec![Extent::Data {
                id,
                len: read as u64,
            }]),
            read as u64,
        ))
    }

    /// The stretches of an open file between two offsets, or up to where it ends.
    pub(crate) fn read_range(
        &mut self,
        file: BorrowedFd<'_>,
        stat: &Stat,
        from: u64,
        to: u64,
        sink: &mut impl Sink,
    ) -> Result<Vec<Extent>, ContentError> {
        let mut extents = Vec::new();
        for stretch in Extents::between(file, stat, from, to) {
            let (offset, len, stretch) = stretch?;
            match stretch {
                Stretch::Hole => push(&mut extents, Extent::Hole { len }),
                Stretch::Data => {
                    let read = self.read_data(file, offset, len, sink, &mut extents)?;
                    if read < len {
                        break;
                    }
                }
            }
        }
        Ok(extents)
    }

    /// Cuts a stretch of data into chunks and runs of zeros; gives how much of it there was.
    fn read_data(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        len: u64,
        sink: &mut impl Sink,
        extents: &mut Vec<Extent>,
    ) -> Result<u64, ContentError> {
        // The window holds the bytes from `start` on; `have` of them are filled.
        let mut window = std::mem::take(&mut self.window);
        window.resize(self.chunk_max + ZERO_BLOCK_BYTES + READ_BYTES, 0);
        let (mut start, mut have, mut used) = (offset, 0usize, 0usize);
        let mut end = offset + len;
        loop {
            // A piece must not depend on how much happens to be in the window.
            if have - used < self.chunk_max + ZERO_BLOCK_BYTES && start + (have as u64) < end {
                window.copy_within(used..have, 0);
                start += used as u64;
                have -= used;
                used = 0;
                let room = (window.len() - have).min((end - start) as usize - have);
                let read = read_full(file, &mut window[have..have + room], start + have as u64)?;
                have += read;
                if read < room {
                    end = start + have as u64;
                }
                continue;
            }
            if used == have {
                break;
            }
            used += self.take_piece(&window[used..have], start + used as u64, sink, extents)?;
        }
        self.window = window;
        Ok(end - offset)
    }

    /// Takes one chunk or one run of zero blocks from the front of `data`, which begins at `offset`.
    fn take_piece(
        &self,
        data: &[u8],
        offset: u64,
        sink: &mut impl Sink,
        extents: &mut Vec<Extent>,
    ) -> Result<usize, ContentError> {
        let aligned = offset.is_multiple_of(ZERO_BLOCK_BYTES as u64);
        if aligned && is_zero_block(data) {
            push(
                extents,
                Extent::Zeros {
                    len: ZERO_BLOCK_BYTES as u64,
                },
            );
            return Ok(ZERO_BLOCK_BYTES);
        }
        let mut limit = data.len().min(self.chunk_max);
        let first = ZERO_BLOCK_BYTES - (offset % ZERO_BLOCK_BYTES as u64) as usize;
        for at in (first..limit).step_by(ZERO_BLOCK_BYTES) {
            if is_zero_block(&data[at..]) {
                limit = at;
                break;
            }
        }
        let len = self.chunker.cut(&data[..limit]);
        let id = sink.add(&data[..len])?;
        push(
            extents,
            Extent::Data {
                id,
                len: len as u64,
            },
        );
        Ok(len)
    }
}

/// Whether a whole block of zeros lies at the front.
fn is_zero_block(data: &[u8]) -> bool {
    // Almost every block that is not zero shows it in its first bytes.
    data.len() >= ZERO_BLOCK_BYTES
        && data[..16] == [0; 16]
        && data[..ZERO_BLOCK_BYTES]
            .chunks_exact(64)
            .all(|line| line == [0; 64])
}

/// Appends a stretch, joining zeros with zeros and holes with holes.
pub(crate) fn push(extents: &mut Vec<Extent>, extent: Extent) {
    match (extents.last_mut(), extent) {
        (Some(Extent::Zeros { len }), Extent::Zeros { len: more })
        | (Some(Extent::Hole { len }), Extent::Hole { len: more }) => *len += more,
        _ => extents.push(extent),
    }
}

/// The shortest way to say where the bytes are.
pub(crate) fn content_of(extents: Vec<Extent>) -> Content {
    match extents.as_slice() {
        [] => Content::Empty,
        [Extent::Data { id, .. }] => Content::Blob(*id),
        _ => Content::Extents(extents),
    }
}

/// Fills the buffer from `offset` on; less only where the file ends.
fn read_full(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(filled)
}
