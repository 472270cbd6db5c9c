//! Prints how fast one core chunks, hashes, seals and compresses: run it optimised, on a quiet machine.

use std::time::Instant;

use model::Entropy;
use recoup_codec::{
    ChunkParams, Chunker, Compressor, Decompressor, IdKey, Kdf, Keyset, LockedKeyset, MapParams,
    SealKey, Secret,
};

const SEGMENT_BYTES: usize = 1 << 20;
const SEGMENTS: usize = 128;
const ROUNDS: usize = 5;

/// Repeatable, not random.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&noise(buffer.len()));
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// Words with a skewed distribution: compresses about like prose.
fn prose(length: usize) -> Vec<u8> {
    let words: Vec<String> = (0..4096_u32)
        .map(|n| format!("{:x} ", n.wrapping_mul(n).wrapping_mul(2_654_435)))
        .collect();
    let mut text = Vec::with_capacity(length + 16);
    for pair in noise(length).as_chunks::<2>().0 {
        let rank = usize::from(pair[0]) * usize::from(pair[1]) % words.len();
        text.extend_from_slice(words[rank].as_bytes());
        if text.len() >= length {
            break;
        }
    }
    text.truncate(length);
    text
}

/// Prints the best of a few rounds.
fn measure(name: &str, bytes: usize, mut work: impl FnMut()) {
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!(
        "{name:24} {:8.0} MB/s",
        bytes as f64 / 1e6 / best.as_secs_f64()
    );
}

fn main() {
    let random = noise(SEGMENTS * SEGMENT_BYTES);
    let text = prose(SEGMENTS * SEGMENT_BYTES);

    let chunker = Chunker::new(&[7; 32], ChunkParams::default());
    let mut chunks = 0;
    measure("chunk", random.len(), || {
        let mut rest = random.as_slice();
        chunks = 0;
        while !rest.is_empty() {
            rest = &rest[chunker.cut(rest)..];
            chunks += 1;
        }
    });
    println!("{:24} {:8} bytes", "mean chunk", random.len() / chunks);

    let ids = IdKey::new([7; 32]);
    let mut sum = 0_u64;
    measure("id", random.len(), || {
        for segment in random.chunks(SEGMENT_BYTES) {
            sum += u64::from(ids.blob_id(segment).0[0]);
        }
    });

    let key = SealKey::new(&[7; 32]);
    let mut buffer = Vec::with_capacity(2 * SEGMENT_BYTES);
    measure("seal", random.len(), || {
        for (nonce, segment) in random.chunks(SEGMENT_BYTES).enumerate() {
            buffer.clear();
            buffer.extend_from_slice(segment);
            key.seal(nonce as u64, b"speed", &mut buffer, 0);
        }
    });

    for (name, data) in [("text", &text), ("random", &random)] {
        for level in [1, 3] {
            let mut compressor = Compressor::new(level);
            let mut stored = Vec::new();
            measure(&format!("zstd {level}, {name}"), data.len(), || {
                stored.clear();
                for segment in data.chunks(SEGMENT_BYTES) {
                    let mut out = Vec::with_capacity(2 * SEGMENT_BYTES);
                    let encoding = compressor.compress(segment, &mut out);
                    stored.push((encoding, out));
                }
            });
            let length: usize = stored.iter().map(|(_, bytes)| bytes.len()).sum();
            println!("{:24} {:8.2}", "ratio", data.len() as f64 / length as f64);
            let mut decompressor = Decompressor::new();
            let mut plain = Vec::new();
            measure("back", data.len(), || {
                for (encoding, bytes) in &stored {
                    decompressor
                        .decompress(bytes, *encoding, SEGMENT_BYTES, &mut plain)
                        .expect("what was compressed decompresses");
                }
            });
        }
    }

    keys(sum);
}

fn keys(seed: u64) {
    let time = |name: &str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        println!("{name:24} {:8.0} us", start.elapsed().as_secs_f64() * 1e6);
    };
    let (created, repository) = (
        model::Timestamp::new(seed as i64, 0),
        model::RepositoryId([1; 16]),
    );
    let (chunk, map) = (ChunkParams::default(), MapParams::default());
    let keyset =
        Keyset::generate(repository, created, chunk, map, &Fixed).expect("defaults are valid");
    let mut wrapped = Vec::new();
    time("wrap", &mut || {
        wrapped = keyset.wrap(&[7; 32], b"speed", &Fixed);
    });
    time("unwrap", &mut || {
        assert!(keyset.unwrap(&wrapped, b"speed").is_ok());
    });
    println!("{:24} {:8} bytes", "wrapped key", wrapped.len());
    println!("{:24} {:8} bytes", "key set", keyset.to_cbor().len());
    let secret = Secret::Password("correct horse".to_owned().into());
    let kdf = Kdf::argon2id([7; 16]);
    time("lock with password", &mut || {
        assert!(LockedKeyset::lock_with(kdf, &secret, &keyset, b"speed").is_ok());
    });
}
