//! Fuzzes `decode_ended`.

#![no_main]

use format::operation::{decode_ended, encode_ended};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = decode_ended(data) {
        assert_eq!(decode_ended(&encode_ended(&value)).as_ref(), Ok(&value));
    }
});
