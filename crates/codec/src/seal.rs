//! Authenticated encryption: AES-256-GCM under keys and counters that the caller keeps apart.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::error::CodecError;

/// How much longer sealed bytes are than plain ones.
pub const TAG_BYTES: usize = 16;

/// A key to seal and open with.
pub struct SealKey(LessSafeKey);

impl SealKey {
    /// The key with these bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts `buffer[from..]` in place and appends the tag. `aad` says what the bytes are and where
    /// they stand; opening needs the same. The caller never uses a nonce twice under one key.
    ///
    /// # Panics
    /// If `from` lies beyond the buffer, or the bytes are more than GCM takes (64 GiB).
    pub fn seal(&self, nonce: u64, aad: &[u8], buffer: &mut Vec<u8>, from: usize) {
        let tag = self
            .0
            .seal_in_place_separate_tag(expand(nonce), Aad::from(aad), &mut buffer[from..])
            .expect("sealing fails only beyond 64 GiB");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Decrypts in place; the plaintext is the buffer without its last [`TAG_BYTES`]. After an error
    /// the buffer's content is of no use.
    pub fn open<'b>(
        &self,
        nonce: u64,
        aad: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b mut [u8], CodecError> {
        self.0
            .open_in_place(expand(nonce), Aad::from(aad), buffer)
            .map_err(|_| CodecError::Damaged {
                what: "sealed data",
            })
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// Four zero bytes, then the counter, big-endian.
fn expand(nonce: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&nonce.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
