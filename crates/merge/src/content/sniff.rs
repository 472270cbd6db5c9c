//! What kind of bytes these are: known magic, text, or noise as encryption and compression make it.
//!
//! An event that left garbage left no base: what was done since can't be told from it.

/// Bytes at the start that are looked at; one block of most file systems.
const SNIFF_BYTES: usize = 4 << 10;

/// Below this many bytes the entropy of a sample says little: 512 random bytes already lose a fifth
/// of a bit per byte to chance.
const ENTROPY_BYTES_MIN: usize = 512;

/// Bits per byte above which bytes are noise. 4 KiB of random bytes measure about 7.95, 512 about
/// 7.6; machine code about 6, images without compression less.
const NOISE_BITS: f64 = 7.2;

/// Bits per byte above which ASCII text is encoded noise. Base64 of random bytes measures 5.9 to 6.0;
/// prose and program text 4.2 to 5.3, minified scripts up to 5.6.
const ENCODED_BITS: f64 = 5.8;

/// Kind of some bytes, as far as their beginning tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No bytes at all.
    Empty,
    /// UTF-8 without NUL.
    Text,
    /// ASCII with as much entropy as Base64 of noise: keys, certificates, encoded archives.
    EncodedText,
    /// A format known by its first bytes.
    Known(&'static str),
    /// Neither text nor known, but with structure.
    Binary,
    /// So even that it must be encrypted or compressed.
    Noise,
}

/// First bytes of formats that a file is often turned into, or that are no text although they look so.
const MAGIC: [(&[u8], &str); 16] = [
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x7fELF", "elf"),
    (b"SQLite format 3\0", "sqlite"),
    (b"Salted__", "openssl"),
    (b"-----BEGIN PGP MESSAGE", "pgp"),
    (b"age-encryption.org/v1", "age"),
];

/// Tells the kind of `bytes`. Text is judged over all of them, the rest by the first 4 KiB.
#[must_use]
pub fn kind(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return Kind::Empty;
    }
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Kind::Known(name);
    }
    let sample = &bytes[..bytes.len().min(SNIFF_BYTES)];
    let is_measurable = sample.len() >= ENTROPY_BYTES_MIN;
    if looks_like_text(bytes) {
        let is_encoded = is_measurable && sample.is_ascii() && entropy_bits(sample) > ENCODED_BITS;
        return if is_encoded {
            Kind::EncodedText
        } else {
            Kind::Text
        };
    }
    if is_measurable && entropy_bits(sample) > NOISE_BITS {
        Kind::Noise
    } else {
        Kind::Binary
    }
}

/// Whether all of `bytes` is UTF-8 without NUL. Other encodings count as binary: guessing among them
/// could join two that differ.
fn looks_like_text(bytes: &[u8]) -> bool {
    text(bytes).is_some()
}

/// The bytes as text, if they look like it.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!bytes.contains(&0)).then_some(text)
}

/// Shannon entropy of the bytes in bits per byte, 0 to 8.
fn entropy_bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even bytes without a generator: the high bytes of a Weyl sequence.
    fn noise(length: usize) -> Vec<u8> {
        (0..length as u64)
            .map(|index| {
                let mixed = (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8
            })
            .collect()
    }

    #[test]
    fn kinds_of_common_contents() {
        assert_eq!(kind(b""), Kind::Empty);
        assert_eq!(kind(b"worker_processes 4;\n"), Kind::Text);
        assert_eq!(kind("für alle\n".as_bytes()), Kind::Text);
        assert_eq!(kind(b"\x1f\x8b\x08\0"), Kind::Known("gzip"));
        assert_eq!(kind(b"a\0b"), Kind::Binary);
        assert_eq!(kind(&[0; 4096]), Kind::Binary);
        for length in [ENTROPY_BYTES_MIN, 4096, 100_000] {
            assert_eq!(kind(&noise(length)), Kind::Noise, "{length} bytes");
        }
    }

    #[test]
    fn encoded_noise_is_told_from_program_text() {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let encoded: Vec<u8> = noise(4096)
            .iter()
            .map(|byte| ALPHABET[usize::from(byte & 63)])
            .collect();
        assert_eq!(kind(&encoded), Kind::EncodedText);
        let program = include_bytes!("sniff.rs");
        assert_eq!(kind(program), Kind::Text, "{}", entropy_bits(program));
    }
}
