//! What must hold for every input.

use proptest::prelude::*;
use recoup_codec::{
    ChunkParams, Chunker, CodecError, Compressor, Decompressor, Encoding, SealKey, recovery,
};

const SMALL: ChunkParams = ChunkParams {
    min: 64,
    avg: 256,
    max: 1024,
};

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// Noise with repeats, zeros and text between: what files are made of.
fn mixed() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        (any::<u64>(), 0..3000_usize).prop_map(|(seed, length)| noise(seed, length)),
        (any::<u8>(), 0..3000_usize).prop_map(|(byte, length)| vec![byte; length]),
        "[a-z ]{0,400}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn cuts(chunker: &Chunker, data: &[u8], window: usize) -> Vec<usize> {
    let (mut at, mut cuts) = (0, Vec::new());
    while at < data.len() {
        at += chunker.cut(&data[at..data.len().min(at + window)]);
        cuts.push(at);
    }
    cuts
}

proptest! {
    #[test]
    fn chunks_cover_the_input_and_keep_their_limits(data in mixed()) {
        let chunker = Chunker::new(&[1; 32], SMALL);
        let cuts = cuts(&chunker, &data, usize::MAX >> 1);
        prop_assert_eq!(cuts.last().copied().unwrap_or(0), data.len());
        let starts = [0].into_iter().chain(cuts.iter().copied());
        for (index, (start, end)) in starts.zip(&cuts).enumerate() {
            prop_assert!(end - start <= SMALL.max as usize);
            prop_assert!(end - start >= SMALL.min as usize || index + 1 == cuts.len());
        }
    }

    #[test]
    fn cuts_do_not_depend_on_buffering(data in mixed(), extra in 0..5000_usize) {
        let chunker = Chunker::new(&[1; 32], SMALL);
        let whole = cuts(&chunker, &data, usize::MAX >> 1);
        prop_assert_eq!(whole, cuts(&chunker, &data, SMALL.max as usize + extra));
    }

    #[test]
    fn what_is_compressed_comes_back(data in mixed(), level in -5..6, before in 0..40_usize) {
        let mut out = vec![7; before];
        let encoding = Compressor::new(level).compress(&data, &mut out);
        prop_assert!(out[..before].iter().all(|&byte| byte == 7));
        prop_assert!(out.len() - before <= data.len());
        let mut plain = vec![9; 100];
        Decompressor::new().decompress(&out[before..], encoding, data.len(), &mut plain).unwrap();
        prop_assert_eq!(plain, data);
    }

    #[test]
    fn hostile_frames_are_errors(mut data in mixed(), at in any::<prop::sample::Index>(), bits in 1_u8..) {
        data.extend_from_slice(&[0; 300]);
        let mut frame = Vec::new();
        prop_assume!(Compressor::new(1).compress(&data, &mut frame) == Encoding::Zstd);
        let mut decompressor = Decompressor::new();
        let mut out = Vec::new();
        for length in [0, data.len() - 1, data.len() + 1, usize::MAX] {
            prop_assert!(decompressor.decompress(&frame, Encoding::Zstd, length, &mut out).is_err());
            prop_assert!(out.capacity() <= data.len() + 1);
        }
        let cut = at.index(frame.len());
        prop_assert!(decompressor.decompress(&frame[..cut], Encoding::Zstd, data.len(), &mut out).is_err());
        // A flipped bit may still be a frame of other bytes: the seal finds that, not this.
        frame[cut] ^= bits;
        let _ = decompressor.decompress(&frame, Encoding::Zstd, data.len(), &mut out);
        prop_assert!(out.is_empty() || out.len() == data.len());
    }

    #[test]
    fn sealed_bytes_open_only_unchanged(
        plain in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        bits in 1_u8..,
        nonce in any::<u64>(),
    ) {
        let key = SealKey::new(&[3; 32]);
        let mut sealed = b"head".to_vec();
        sealed.extend_from_slice(&plain);
        key.seal(nonce, b"place", &mut sealed, 4);
        let sealed = &sealed[4..];
        prop_assert_eq!(key.open(nonce, b"place", &mut sealed.to_vec()).unwrap().to_vec(), plain);
        let damaged = Err(CodecError::Damaged { what: "sealed data" });
        let open = |nonce, aad: &[u8], bytes: &[u8]| {
            key.open(nonce, aad, &mut bytes.to_vec()).map(|plain| plain.to_vec())
        };
        prop_assert_eq!(open(nonce ^ 1, b"place", sealed), damaged.clone());
        prop_assert_eq!(open(nonce, b"elsewhere", sealed), damaged.clone());
        let at = at.index(sealed.len());
        prop_assert_eq!(open(nonce, b"place", &sealed[..at]), damaged.clone());
        let mut flipped = sealed.to_vec();
        flipped[at] ^= bits;
        prop_assert_eq!(open(nonce, b"place", &flipped), damaged);
    }

    #[test]
    fn recovery_codes_come_back(secret in any::<[u8; 32]>()) {
        let code = recovery::format(&secret);
        prop_assert_eq!(*recovery::parse(&code).unwrap(), secret);
        let typed = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        prop_assert_eq!(*recovery::parse(&typed).unwrap(), secret);
        let bare = code.replace('-', "");
        prop_assert_eq!(*recovery::parse(bare.strip_prefix("RECOUP").unwrap()).unwrap(), secret);
        prop_assert_eq!(*recovery::parse(&bare).unwrap(), secret);
    }

    #[test]
    fn a_mistyped_group_is_named(secret in any::<[u8; 32]>(), at in 0..65_usize, letter in "[0-9A-HJKMNP-TV-Z]") {
        let code = recovery::format(&secret);
        let at = "RECOUP-".len() + at + at / 5;
        let group = (at - "RECOUP-".len()) / 6 + 1;
        let mut typed = code.to_string();
        typed.replace_range(at..=at, &letter);
        prop_assume!(typed != *code);
        prop_assert_eq!(recovery::parse(&typed), Err(CodecError::RecoveryCodeGroup { group }));
        typed.replace_range(at..=at, "");
        prop_assert_eq!(recovery::parse(&typed), Err(CodecError::RecoveryCodeGroup { group }));
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,100}") {
        let _ = recovery::parse(&text);
    }
}

#[test]
fn swapped_groups_are_found() {
    let code = recovery::format(&[0; 32]);
    let mut groups: Vec<&str> = code.split('-').collect();
    groups.swap(1, 2);
    let typed = groups.join("-");
    assert_eq!(
        recovery::parse(&typed),
        Err(CodecError::RecoveryCodeGroup { group: 1 })
    );
}

#[test]
fn an_insertion_moves_only_near_cuts() {
    let chunker = Chunker::new(&[1; 32], SMALL);
    let data = noise(1, 200_000);
    let mut longer = noise(2, 37);
    longer.extend_from_slice(&data);
    let before = cuts(&chunker, &data, data.len());
    let after: std::collections::HashSet<_> = cuts(&chunker, &longer, longer.len())
        .iter()
        .map(|cut| cut.wrapping_sub(37))
        .collect();
    let kept = before.iter().filter(|cut| after.contains(cut)).count();
    assert!(
        kept * 100 >= before.len() * 98,
        "{kept} of {}",
        before.len()
    );
}

#[test]
fn the_right_encoding_is_picked() {
    let check = |data: &[u8], level, expected| {
        let mut out = Vec::new();
        assert_eq!(Compressor::new(level).compress(data, &mut out), expected);
        out.len()
    };
    let text: Vec<u8> = b"a line of some text, with the number of ".repeat(20_000);
    for level in [1, 3, 9] {
        assert!(check(&vec![0; 1 << 20], level, Encoding::Zstd) < 200);
        assert!(check(&text, level, Encoding::Zstd) < text.len() / 50);
        assert_eq!(check(&noise(1, 1 << 20), level, Encoding::Stored), 1 << 20);
        assert_eq!(check(&noise(1, 4096), level, Encoding::Stored), 4096);
        assert_eq!(check(b"", level, Encoding::Stored), 0);
    }
    assert_eq!(
        Encoding::from_code(Encoding::Zstd.code()),
        Some(Encoding::Zstd)
    );
    assert_eq!(Encoding::from_code(2), None);
}

#[test]
fn chunk_lengths_gather_around_the_average() {
    let chunker = Chunker::new(&[1; 32], ChunkParams::default());
    let data = noise(1, 64 << 20);
    let mean = data.len() / cuts(&chunker, &data, data.len()).len();
    assert!((400 << 10..720 << 10).contains(&mean), "{mean}");
}

#[test]
fn impossible_chunk_lengths_are_refused() {
    for (min, avg, max) in [
        (0, 256, 1024),
        (512, 256, 1024),
        (64, 256, 128),
        (64, 256, u32::MAX),
    ] {
        assert!(ChunkParams { min, avg, max }.validate().is_err());
    }
    assert_eq!(ChunkParams::default().validate(), Ok(()));
}
