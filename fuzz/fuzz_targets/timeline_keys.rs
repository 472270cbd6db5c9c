//! Fuzzes `timeline::decode_keys`.

#![no_main]

use format::timeline::{decode_keys, encode_keys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(keys) = decode_keys(data) {
        assert_eq!(decode_keys(&encode_keys(keys.iter())), Ok(keys));
    }
});
