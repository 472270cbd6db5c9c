//! Fuzzes the trailer of a pack or an index run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(trailer) = format::pack::Trailer::decode(data, 1 << 30) {
        assert_eq!(trailer.encode(), data);
        assert!(trailer.offset + trailer.len <= 1 << 30);
    }
});
