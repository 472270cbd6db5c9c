//! Fuzzes a key set.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(keyset) = codec::Keyset::from_cbor(data) {
        assert!(codec::Keyset::from_cbor(&keyset.to_cbor()).is_ok());
    }
});
