//! Fuzzes what the decompressor is given: encoding, length, data.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [code, a, b, c, rest @ ..] = data else {
        return;
    };
    // At most 16 MiB, so that the fuzzer's own limit of memory is not what stops it.
    let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    if let Some(encoding) = codec::Encoding::from_code(*code) {
        let mut plain = Vec::new();
        if codec::Decompressor::default()
            .decompress(rest, encoding, len, &mut plain)
            .is_ok()
        {
            assert_eq!(plain.len(), len);
        }
    }
});
