//! Key sets, wrapped keys and key slots.

use std::sync::Mutex;

use model::{Entropy, RepositoryId, Timestamp};
use proptest::prelude::*;
use recoup_codec::{
    ChunkParams, CodecError, Kdf, Keyset, LockedKeyset, MapParams, Secret, WRAPPED_KEY_BYTES,
};

/// A repeatable stream.
struct Stream(Mutex<blake3::OutputReader>);

impl Stream {
    fn new(seed: &[u8]) -> Self {
        Self(Mutex::new(
            blake3::Hasher::new().update(seed).finalize_xof(),
        ))
    }
}

impl Entropy for Stream {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap().fill(buffer);
    }
}

fn keyset(seed: &[u8]) -> Keyset {
    let (created, chunk, map) = (
        Timestamp::new(1, 2),
        ChunkParams::default(),
        MapParams::default(),
    );
    Keyset::generate(
        RepositoryId([5; 16]),
        created,
        chunk,
        map,
        &Stream::new(seed),
    )
    .unwrap()
}

/// Cheap enough for tests.
fn quick() -> Kdf {
    Kdf::Argon2id {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
        salt: [6; 16],
    }
}

fn password(text: &str) -> Secret {
    Secret::Password(text.to_owned().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn records_come_back_and_stay_as_they_are() {
    let keys = keyset(b"a");
    let record = keys.to_cbor();
    let again = Keyset::from_cbor(&record).unwrap();
    assert_eq!(again.to_cbor(), record);
    assert!(again.can_read());
    assert_eq!(
        (again.repository(), again.created()),
        (keys.repository(), keys.created())
    );
    assert_eq!(again.id_key().blob_id(b"x"), keys.id_key().blob_id(b"x"));
    let writer = keys.write_only().to_cbor();
    assert!(!Keyset::from_cbor(&writer).unwrap().can_read());
    assert_eq!(
        [record.len(), writer.len()],
        [KEYSET_BYTES, KEYSET_BYTES - 35]
    );
    assert_eq!(hex(blake3::hash(&record).as_bytes()), KEYSET_HASH);
    assert!(!format!("{keys:?}").contains("key:"));
}

#[test]
fn a_wrapped_key_comes_back_to_the_reader_only() {
    let keys = keyset(b"a");
    let wrapped = keys.wrap(&[9; 32], b"pack", &Stream::new(b"w"));
    assert_eq!(wrapped.len(), WRAPPED_KEY_BYTES);
    assert_eq!(hex(blake3::hash(&wrapped).as_bytes()), WRAPPED_HASH);
    assert_eq!(*keys.unwrap(&wrapped, b"pack").unwrap(), [9; 32]);
    assert_eq!(
        keys.write_only().unwrap(&wrapped, b"pack"),
        Err(CodecError::WriteOnlyKey)
    );
    let by_writer = keys
        .write_only()
        .wrap(&[8; 32], b"pack", &Stream::new(b"w"));
    assert_eq!(*keys.unwrap(&by_writer, b"pack").unwrap(), [8; 32]);
    let damaged = Err(CodecError::Damaged {
        what: "wrapped key",
    });
    assert_eq!(keys.unwrap(&wrapped, b"other"), damaged);
    assert_eq!(keyset(b"b").unwrap(&wrapped, b"pack"), damaged);
    for at in (0..wrapped.len()).step_by(61) {
        let mut flipped = wrapped.clone();
        flipped[at] ^= 1;
        assert_eq!(keys.unwrap(&flipped, b"pack"), damaged);
        assert_eq!(keys.unwrap(&wrapped[..at], b"pack"), damaged);
    }
}

#[test]
fn a_commitment_fits_one_key_and_one_header() {
    let keys = keyset(b"a");
    let commitment = keys.write_only().commit(&[9; 32], b"header");
    assert_eq!(hex(&commitment), COMMITMENT);
    assert_eq!(
        keys.verify_commitment(&[9; 32], b"header", &commitment),
        Ok(())
    );
    assert!(
        keys.verify_commitment(&[8; 32], b"header", &commitment)
            .is_err()
    );
    assert!(
        keys.verify_commitment(&[9; 32], b"headers", &commitment)
            .is_err()
    );
    assert!(
        keyset(b"b")
            .verify_commitment(&[9; 32], b"header", &commitment)
            .is_err()
    );
}

#[test]
fn a_slot_opens_with_its_secret_only() {
    let keys = keyset(b"a");
    let raw = |byte| Secret::Raw([byte; 32].into());
    for (secret, wrong, slot) in [
        (
            password("right"),
            password("wrong"),
            LockedKeyset::lock_with(quick(), &password("right"), &keys, b"slot").unwrap(),
        ),
        (
            raw(1),
            raw(2),
            LockedKeyset::lock(&raw(1), &keys, b"slot", &Stream::new(b"s")),
        ),
    ] {
        assert_eq!(
            slot.unlock(&secret, b"slot").unwrap().to_cbor(),
            keys.to_cbor()
        );
        assert_eq!(
            slot.unlock(&wrong, b"slot").unwrap_err(),
            CodecError::WrongSecret
        );
        let damaged = CodecError::Damaged { what: "key slot" };
        assert_eq!(slot.unlock(&secret, b"other").unwrap_err(), damaged);
        for at in (0..slot.sealed.len()).step_by(97) {
            let mut changed = slot.clone();
            changed.sealed[at] ^= 1;
            assert!(changed.unlock(&secret, b"slot").is_err());
            changed.sealed.truncate(at);
            assert!(changed.unlock(&secret, b"slot").is_err());
        }
    }
    let slot = LockedKeyset::lock_with(quick(), &password("right"), &keys, b"slot").unwrap();
    assert!(matches!(
        slot.unlock(&raw(1), b"slot").unwrap_err(),
        CodecError::WrongKindOfSecret { .. }
    ));
    assert_eq!(hex(blake3::hash(&slot.sealed).as_bytes()), SLOT_HASH);
}

#[test]
fn hostile_key_derivations_are_refused_before_use() {
    let keys = keyset(b"a");
    let salt = [0; 16];
    for (memory_kib, passes, lanes) in [
        (u32::MAX, 3, 4),
        (1 << 21, 3, 4),
        (64, 21, 1),
        (64, 0, 1),
        (64, 1, 0),
        (64, 1, 9),
        (8, 1, 4),
    ] {
        let kdf = Kdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        };
        assert!(matches!(kdf.validate(), Err(CodecError::OutOfRange { .. })));
        assert!(LockedKeyset::lock_with(kdf, &password("p"), &keys, b"").is_err());
        let slot = LockedKeyset {
            kdf,
            sealed: vec![0; 100],
        };
        assert!(matches!(
            slot.unlock(&password("p"), b""),
            Err(CodecError::OutOfRange { .. })
        ));
    }
    assert_eq!(Kdf::argon2id(salt).validate(), Ok(()));
}

#[test]
fn nodes_are_no_heavier_than_a_map_accepts() {
    let with = |target, min, max| MapParams { target, min, max }.validate();
    assert_eq!(with(8 << 10, 2 << 10, MapParams::WEIGHT_MAX), Ok(()));
    for (target, min, max) in [
        (8 << 10, 2 << 10, MapParams::WEIGHT_MAX + 1),
        (8 << 10, 0, 32 << 10),
        (2 << 10, 8 << 10, 32 << 10),
        (64 << 10, 2 << 10, 32 << 10),
    ] {
        assert!(matches!(
            with(target, min, max),
            Err(CodecError::OutOfRange { .. })
        ));
    }
}

#[test]
fn later_versions_are_told_apart_from_damage() {
    let mut record = keyset(b"a").to_cbor();
    record[2] = 2;
    let error = Keyset::from_cbor(&record).unwrap_err();
    assert_eq!(
        error,
        CodecError::UnknownVersion {
            what: "key set",
            version: 2
        }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_records_never_panic(
        noise in prop::collection::vec(any::<u8>(), 0..64),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        prop_assert!(Keyset::from_cbor(&noise).is_err());
        let record = keyset(b"a").to_cbor();
        let mut changed = record.to_vec();
        let at = at.index(changed.len());
        changed[at] = byte;
        // A changed secret is a valid record of other keys; the slot's seal finds that.
        if let Ok(keys) = Keyset::from_cbor(&changed) {
            prop_assert_eq!(keys.to_cbor().to_vec(), changed.clone());
        }
        prop_assert!(Keyset::from_cbor(&record[..at]).is_err());
        changed.push(byte);
        prop_assert!(Keyset::from_cbor(&changed).is_err());
    }
}

// Byte vectors: a difference means that older repositories no longer open.
const KEYSET_BYTES: usize = 1466;
const KEYSET_HASH: &str = "32b9144c1c55d08600d893416fdb9f686fdc9460ab4649e41ad403ae768b2f76";
const WRAPPED_HASH: &str = "202a5dc8ac37f729b4709359a64fdb0a27272a04d9718e219526906aeb9f119b";
const COMMITMENT: &str = "a6da11bbf8d2d4b8bfd7752c7a90737381bfe1c151e84ab78499c377d8faabfb";
const SLOT_HASH: &str = "24ee69a9d54052495ce5fdca82fb368ab20b3284d98e9a11b6b57482baf16f98";
