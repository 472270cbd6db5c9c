//! Fuzzes the footer of a pack.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(segments) = format::pack::decode_footer(data) {
        assert_eq!(format::pack::encode_footer(&segments), data);
    }
});
