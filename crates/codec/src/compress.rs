//! Compression of segments: Zstandard frames, or the bytes as they are.

use std::fmt;
use std::io::Cursor;

use zstd::zstd_safe::{CCtx, CParameter, DCtx};
use zstd::zstd_safe::{compress_bound, find_frame_compressed_size, get_frame_content_size};

use crate::error::CodecError;

/// Window of the lower levels, as a power of two: 1 MiB, the length of a segment.
const WINDOW_LOG: u32 = 20;

/// Hash table of the lowest levels: level 1's own is so small that it limits the ratio; 2^16 saves 4 %
/// of size for 5 to 7 % more CPU (measured on 2.6 GB of sources).
const HASH_LOG: u32 = 16;

/// Levels above this one keep the window that Zstandard gives them.
const TUNED_LEVEL_MAX: i32 = 3;

/// Inputs from this length on are tried by sample first.
const SAMPLED_BYTES_MIN: usize = 128 << 10;

/// Length of one sample.
const SAMPLE_BYTES: usize = 4 << 10;

/// Samples taken, spread evenly: 32 KiB in all, so that the trial costs at most a quarter of the
/// shortest sampled input and 3 % of a segment.
const SAMPLES: usize = 8;

/// Compression must save at least one byte in so many (2 %), else reading back costs more than it
/// is worth.
const SAVING_DIVISOR: usize = 50;

/// How bytes are kept. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// As they are.
    Stored = 0,
    /// One Zstandard frame that states its content size.
    Zstd = 1,
}

impl Encoding {
    /// The encoding with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Stored),
            1 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its number in stored objects.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Compresses; one per thread, used again and again.
pub struct Compressor {
    context: CCtx<'static>,
    sample: Vec<u8>,
    trial: Vec<u8>,
}

impl Compressor {
    /// A compressor of this level; levels that Zstandard doesn't have are moved into its range.
    pub fn new(level: i32) -> Self {
        let level = level.clamp(
            zstd::zstd_safe::min_c_level(),
            zstd::zstd_safe::max_c_level(),
        );
        let mut context = CCtx::create();
        let mut set = |parameter| {
            context
                .set_parameter(parameter)
                .expect("parameters are within Zstandard's bounds")
        };
        set(CParameter::CompressionLevel(level));
        set(CParameter::ContentSizeFlag(true));
        // Segments are sealed: a checksum inside would be work without use.
        set(CParameter::ChecksumFlag(false));
        set(CParameter::DictIdFlag(false));
        if level <= TUNED_LEVEL_MAX {
            set(CParameter::WindowLog(WINDOW_LOG));
        }
        if (1..TUNED_LEVEL_MAX).contains(&level) {
            set(CParameter::HashLog(HASH_LOG));
        }
        Self {
            context,
            sample: Vec::new(),
            trial: Vec::new(),
        }
    }

    /// Appends the bytes to `out`, compressed where that pays, and tells which.
    pub fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Encoding {
        if self.looks_compressible(plain) {
            let start = out.len();
            if pays(plain.len(), append_frame(&mut self.context, plain, out)) {
                return Encoding::Zstd;
            }
            out.truncate(start);
        }
        out.extend_from_slice(plain);
        Encoding::Stored
    }

    fn looks_compressible(&mut self, plain: &[u8]) -> bool {
        if plain.len() < SAMPLED_BYTES_MIN {
            return true;
        }
        self.sample.clear();
        let step = (plain.len() - SAMPLE_BYTES) / (SAMPLES - 1);
        for index in 0..SAMPLES {
            self.sample
                .extend_from_slice(&plain[index * step..][..SAMPLE_BYTES]);
        }
        self.trial.clear();
        pays(
            self.sample.len(),
            append_frame(&mut self.context, &self.sample, &mut self.trial),
        )
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compressor")
    }
}

fn pays(plain: usize, frame: Option<usize>) -> bool {
    frame.is_some_and(|frame| frame < plain - plain / SAVING_DIVISOR)
}

/// Appends one frame; its length, or `None` where there was no memory to make it.
fn append_frame(context: &mut CCtx<'_>, plain: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    out.reserve(compress_bound(plain.len()));
    let mut target = Cursor::new(out);
    target.set_position(start as u64);
    context.compress2(&mut target, plain).ok()
}

/// Decompresses; one per thread, used again and again.
pub struct Decompressor {
    context: DCtx<'static>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Decompressor {
    /// A decompressor.
    pub fn new() -> Self {
        Self {
            context: DCtx::create(),
        }
    }

    /// Replaces the content of `out` with the `plain_len` bytes that `data` stand for. Never makes
    /// room for more than that, whatever the data claim; any other length is an error. After an
    /// error `out` is empty.
    pub fn decompress(
        &mut self,
        data: &[u8],
        encoding: Encoding,
        plain_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        out.clear();
        match encoding {
            Encoding::Stored => {
                check_length(plain_len, data.len() as u64)?;
                out.extend_from_slice(data);
            }
            Encoding::Zstd => {
                check_frame(data, plain_len)?;
                out.reserve_exact(plain_len);
                let done = self.context.decompress(out, data);
                if done.is_err() || out.len() != plain_len {
                    out.clear();
                    return Err(CodecError::Damaged {
                        what: "compressed data",
                    });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decompressor")
    }
}

/// Before anything is allocated: exactly one frame, which states the right content size.
fn check_frame(data: &[u8], plain_len: usize) -> Result<(), CodecError> {
    let what = "compressed data";
    let malformed = |reason| CodecError::Malformed { what, reason };
    if find_frame_compressed_size(data) != Ok(data.len()) {
        return Err(malformed("not one whole frame"));
    }
    match get_frame_content_size(data) {
        Ok(Some(found)) => check_length(plain_len, found),
        _ => Err(malformed("no content size")),
    }
}

fn check_length(expected: usize, found: u64) -> Result<(), CodecError> {
    if found == expected as u64 {
        return Ok(());
    }
    Err(CodecError::WrongLength {
        expected,
        found: Some(found),
    })
}
