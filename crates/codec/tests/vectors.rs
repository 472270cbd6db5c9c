//! Byte vectors of the format: a difference means that older repositories no longer open, or that
//! everything would be stored again.

use recoup_codec::{ChunkParams, Chunker, IdKey, SealKey, derive_key, recovery};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret() -> [u8; 32] {
    std::array::from_fn(|index| index as u8)
}

/// Knuth's MMIX generator, top byte of each step: easy to write in any language.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut step = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| step()).collect()
}

fn check_cuts(params: ChunkParams, length: usize, expected: &[usize]) {
    let chunker = Chunker::new(&secret(), params);
    let (data, mut at, mut cuts) = (noise(length), 0, Vec::new());
    while at < data.len() {
        at += chunker.cut(&data[at..]);
        cuts.push(at);
    }
    assert_eq!(cuts, expected);
}

#[test]
fn cut_points() {
    check_cuts(
        ChunkParams::default(),
        4 << 20,
        &[547444, 927356, 1724647, 2468353, 3020461, 3747900, 4194304],
    );
    check_cuts(
        ChunkParams {
            min: 64,
            avg: 256,
            max: 1024,
        },
        4096,
        &[
            333, 756, 1016, 1308, 1569, 1856, 2169, 2457, 2721, 2873, 3354, 3619, 3907, 4003, 4096,
        ],
    );
    check_cuts(
        ChunkParams {
            min: 100,
            avg: 1000,
            max: 3000,
        },
        10_000,
        &[
            756, 1816, 2823, 3907, 4620, 6175, 7196, 8200, 8473, 9629, 10000,
        ],
    );
}

#[test]
fn ids() {
    let key = IdKey::new(secret());
    assert_eq!(
        key.blob_id(b"recoup").to_hex(),
        "dfd9933a220ae39db316656327db91dd780265b2f55fb4e398b99edad7b71310"
    );
    assert_eq!(
        key.snapshot_id(b"recoup").to_hex(),
        "753056264fadb44e9946a10610c21da8531a521e90690eea968aec4cfd4a1f3b"
    );
}

#[test]
fn seal() {
    let mut buffer = b"head recoup".to_vec();
    SealKey::new(&secret()).seal(258, b"place", &mut buffer, 5);
    assert_eq!(
        hex(&buffer[5..]),
        "7f4d73f911ece3069713948c5b59f0151d364b7582c9"
    );
}

#[test]
fn derived_key() {
    assert_eq!(
        hex(derive_key("recoup test", b"material").as_slice()),
        "ea1d4e94e2030528f5123149be379ecd51b78e0851512a18b75ebcc76fa10e93"
    );
}

#[test]
fn recovery_code() {
    assert_eq!(
        recovery::format(&secret()).as_str(),
        "RECOUP-000G5-40R4X-0M30R-E209C-185G1-R38E2-1W813-24GKP-2GAHF-C5RRD-34D1J-P70X1-3RFYN"
    );
}
