//! Vectors of keys, ciphers and the two JSON files.

use std::sync::Mutex;

use codec::{
    ChunkParams, Compressor, Decompressor, Encoding, IdKey, Kdf, Keyset, LockedKeyset, MapParams,
    SealKey, Secret, recovery,
};
use model::{Entropy, KeyId, RepositoryId, Timestamp};
use recoup_format::config::{ChunkLengths, NodeWeights};
use recoup_format::{Config, Header, KeySlot, ObjectType, Role, SlotKdf};

use super::document::Vector;
use super::k;

/// The stream that the document calls `recoup vectors`.
struct Stream(Mutex<blake3::OutputReader>);

impl Stream {
    fn new() -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"recoup vectors");
        Self(Mutex::new(hasher.finalize_xof()))
    }
}

impl Entropy for Stream {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap().fill(buffer);
    }
}

fn keyset_from(stream: &Stream) -> Keyset {
    Keyset::generate(
        RepositoryId([7; 16]),
        Timestamp::new(1_800_000_000, 5),
        ChunkParams::default(),
        MapParams::default(),
        stream,
    )
    .unwrap()
}

pub(crate) fn keyset() -> Keyset {
    keyset_from(&Stream::new())
}

pub(crate) fn vectors() -> Vec<Vector> {
    let id_key = IdKey::new(k());
    let mut sealed = b"recoup".to_vec();
    SealKey::new(&k()).seal(258, b"place", &mut sealed, 0);
    vec![
        Vector::new("key-set", keyset().to_cbor().to_vec()),
        Vector::text("recovery-code", recovery::format(&k()).as_str()),
        Vector::new("blob-id", id_key.blob_id(b"recoup").0),
        Vector::new("snapshot-id", id_key.snapshot_id(b"recoup").0),
        Vector::new("log-id", id_key.log_id(b"operations").0),
        Vector::new("log-hash", id_key.log_hash(b"recoup")),
        Vector::new("link-id", &id_key.blob_id(b"a\0b").0[..16]),
        wrapped_key(),
        Vector::new("seal", sealed),
        segment(),
        Vector::text("config", config().encode()),
        Vector::new("config-record", config().sealed_record()),
        Vector::text("slot", slot().encode()),
        Vector::new("slot-record", slot().additional_data()),
        chunk_ends(),
    ]
}

fn wrapped_key() -> Vector {
    let object = [ObjectType::MapPack as u8];
    let header = Header::new(
        ObjectType::MapPack,
        RepositoryId([7; 16]),
        &[5; 16],
        Vec::new(),
    );
    let info = [&b"recoup v1 object key"[..], &[7; 16], &object, &header.id].concat();
    let stream = Stream::new();
    let keyset = keyset_from(&stream);
    let wrapped = keyset.wrap(&k(), &info, &stream);
    assert_eq!(*keyset.unwrap(&wrapped, &info).unwrap(), k());
    Vector::new("wrapped-key", wrapped)
}

fn segment() -> Vector {
    let plain = b"recoup ".repeat(20);
    let mut bytes = vec![1];
    let encoding = Compressor::new(3).compress(&plain, &mut bytes);
    assert_eq!(encoding, Encoding::Zstd);
    Vector::meaning("segment-plain", bytes, move |found| {
        let mut out = Vec::new();
        let encoding = Encoding::from_code(found[0]).unwrap();
        Decompressor::new()
            .decompress(&found[1..], encoding, plain.len(), &mut out)
            .unwrap();
        assert_eq!(out, plain);
    })
}

fn config() -> Config {
    let keyset = keyset();
    let chunks = keyset.chunk_params();
    let nodes = keyset.map_params();
    let mut config = Config {
        repository: keyset.repository(),
        public_key: keyset.public_key_bytes(),
        chunker: ChunkLengths {
            min: chunks.min,
            average: chunks.avg,
            max: chunks.max,
        },
        map: NodeWeights {
            target: nodes.target,
            min: nodes.min,
            max: nodes.max,
        },
        seal: [0; 32],
    };
    config.seal = keyset.commit(&[0; 32], &config.sealed_record());
    assert_eq!(
        Config::decode(config.encode().as_bytes()).as_ref(),
        Ok(&config)
    );
    config
}

fn slot() -> KeySlot {
    let salt = [0x5a; 16];
    let mut slot = KeySlot {
        repository: RepositoryId([7; 16]),
        id: KeyId([6; 16]),
        role: Role::WriteOnly,
        kind: "key-file".to_owned(),
        label: "the \"attic\" machine".to_owned(),
        created: "2027-01-15T08:00:00Z".to_owned(),
        kdf: SlotKdf::Blake3 { salt },
        sealed: Vec::new(),
        seal: [0; 32],
    };
    let secret = Secret::Raw(k().into());
    let locked = LockedKeyset::lock_with(
        Kdf::Blake3 { salt },
        &secret,
        &keyset().write_only(),
        &slot.additional_data(),
    )
    .unwrap();
    let opened = locked.unlock(&secret, &slot.additional_data()).unwrap();
    assert!(!opened.can_read());
    slot.sealed = locked.sealed;
    slot.seal = keyset().commit(&[0; 32], &slot.sealed_record());
    assert_eq!(
        KeySlot::decode(slot.encode().as_bytes()).as_ref(),
        Ok(&slot)
    );
    slot
}

fn chunk_ends() -> Vector {
    let mut state = 1_u64;
    let mut step = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..4 << 20).map(|_| step()).collect();
    let chunker = codec::Chunker::new(&k(), ChunkParams::default());
    let (mut at, mut text) = (0, String::new());
    while at < noise.len() {
        at += chunker.cut(&noise[at..]);
        text.push_str(&format!("{at}\n"));
    }
    Vector::text("chunk-ends", text)
}
