//! Bytes of an open file: written at an offset, cut, punched out.

use std::os::fd::AsFd;

use rustix::fs::FallocateFlags;
use rustix::io::{Errno, Result};

/// Zeros written at once where a file system can't punch holes.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Writes all of `bytes` at `offset`.
pub fn write_at(file: impl AsFd, mut offset: u64, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file.as_fd(), bytes, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(len) => {
                offset += len as u64;
                bytes = &bytes[len..];
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes a stretch a hole, or zeros where the file system knows no holes. The length of the file
/// stays as it is: what lies beyond its end is left alone.
pub fn punch_hole(file: impl AsFd, offset: u64, len: u64) -> Result<()> {
    if len == 0 {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    loop {
        match rustix::fs::fallocate(file.as_fd(), flags, offset, len) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return write_zeros(file, offset, len),
            done => return done,
        }
    }
}

fn write_zeros(file: impl AsFd, offset: u64, len: u64) -> Result<()> {
    let size = u64::try_from(rustix::fs::fstat(file.as_fd())?.st_size).unwrap_or(0);
    let end = offset.saturating_add(len).min(size);
    let mut at = offset;
    while at < end {
        let len = (end - at).min(ZEROS.len() as u64);
        write_at(file.as_fd(), at, &ZEROS[..len as usize])?;
        at += len;
    }
    Ok(())
}

/// Makes the file this long; what is added is a hole.
pub fn set_len(file: impl AsFd, len: u64) -> Result<()> {
    loop {
        match rustix::fs::ftruncate(file.as_fd(), len) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn zeros_stay_within_the_file() {
        let file = tempfile::tempfile().unwrap();
        write_at(&file, 0, &[7; 200_000]).unwrap();
        write_zeros(&file, 10, 150_000).unwrap();
        write_zeros(&file, 199_999, u64::MAX).unwrap();
        write_zeros(&file, 300_000, 5).unwrap();
        let mut found = vec![1; 200_001];
        assert_eq!(file.read_at(&mut found, 0).unwrap(), 200_000);
        let zeros: Vec<_> = found[..200_000].iter().map(|&byte| byte == 0).collect();
        let expected: Vec<_> = (0..200_000)
            .map(|at| (10..150_010).contains(&at) || at == 199_999)
            .collect();
        assert!(zeros == expected);
    }
}
