//! Wrapping a key to a public key: HPKE with a hybrid of ML-KEM-768 and X25519.
//!
//! Whoever records packs today must break both to read them later. The suite is HPKE (RFC 9180) in
//! base mode with X-Wing (code point 0x647a, draft-ietf-hpke-pq), HKDF-SHA256 and AES-256-GCM.

use std::convert::Infallible;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use hpke::{single_shot_open, single_shot_seal_with_rng};
use model::Entropy;
use zeroize::Zeroizing;

use crate::error::CodecError;
use crate::seal::TAG_BYTES;

/// Length of a wrapped 32-byte key: encapsulation, key, tag.
pub const WRAPPED_KEY_BYTES: usize = ENCAPSULATED_BYTES + 32 + TAG_BYTES;

/// Longest `info` that a key is wrapped with: far below HPKE's own limit of 64 KiB.
pub const INFO_BYTES_MAX: usize = 4096;

/// An ML-KEM-768 ciphertext and an X25519 public key.
const ENCAPSULATED_BYTES: usize = 1088 + 32;

/// Wraps keys.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey(<XWing as Kem>::PublicKey);

/// Unwraps them: the 32-byte seed from which X-Wing makes both of its private keys.
#[derive(Clone)]
pub(crate) struct PrivateKey(Zeroizing<[u8; 32]>);

impl PublicKey {
    /// The key with these bytes; `None` where they are no key.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <XWing as Kem>::PublicKey::from_bytes(bytes).ok().map(Self)
    }

    /// Its 1216 bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }

    /// The encapsulation, then the sealed key.
    pub(crate) fn wrap(&self, key: &[u8; 32], info: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        assert!(
            info.len() <= INFO_BYTES_MAX,
            "info of a wrapped key is short"
        );
        let (encapsulated, ciphertext) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            info,
            key,
            b"",
            &mut Generator(entropy),
        )
        .expect("X-Wing and AES-GCM take every 32-byte key");
        let mut wrapped = Vec::with_capacity(WRAPPED_KEY_BYTES);
        wrapped.extend_from_slice(&encapsulated.to_bytes());
        wrapped.extend_from_slice(&ciphertext);
        assert_eq!(wrapped.len(), WRAPPED_KEY_BYTES);
        wrapped
    }
}

impl PrivateKey {
    /// A new key.
    pub(crate) fn generate(entropy: &dyn Entropy) -> Self {
        let (private, _) = XWing::gen_keypair_with_rng(&mut Generator(entropy));
        let mut seed = Zeroizing::new([0; 32]);
        private.write_exact(seed.as_mut_slice());
        Self(seed)
    }

    /// The key with this seed: every seed is one.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The seed.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key that belongs to it.
    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey(XWing::sk_to_pk(&self.expand()))
    }

    /// The key that was wrapped.
    pub(crate) fn unwrap(
        &self,
        wrapped: &[u8],
        info: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, CodecError> {
        self.open(wrapped, info).ok_or(CodecError::Damaged {
            what: "wrapped key",
        })
    }

    fn open(&self, wrapped: &[u8], info: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        if wrapped.len() != WRAPPED_KEY_BYTES || info.len() > INFO_BYTES_MAX {
            return None;
        }
        let (encapsulated, ciphertext) = wrapped.split_at(ENCAPSULATED_BYTES);
        let plain = single_shot_open::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.expand(),
            &<XWing as Kem>::EncappedKey::from_bytes(encapsulated).ok()?,
            info,
            ciphertext,
            b"",
        )
        .ok()?;
        let plain = Zeroizing::new(plain);
        plain.as_slice().try_into().ok().map(Zeroizing::new)
    }

    fn expand(&self) -> <XWing as Kem>::PrivateKey {
        <XWing as Kem>::PrivateKey::from_bytes(self.0.as_slice())
            .expect("every 32 bytes are an X-Wing seed")
    }
}

/// Hands the caller's entropy to HPKE.
struct Generator<'a>(&'a dyn Entropy);

impl TryRng for Generator<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(target);
        Ok(())
    }
}

impl TryCryptoRng for Generator<'_> {}
