//! Fuzzes a block of an index run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(blobs) = format::index::decode_block(data) {
        assert_eq!(format::index::encode_block(&blobs), data);
    }
});
