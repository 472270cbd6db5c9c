//! Fuzzes `decode_begun`.

#![no_main]

use format::operation::{decode_begun, encode_begun};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = decode_begun(data) {
        assert_eq!(decode_begun(&encode_begun(&value)).as_ref(), Ok(&value));
    }
});
