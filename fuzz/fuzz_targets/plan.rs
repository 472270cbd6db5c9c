//! Fuzzes `decode_plan`.

#![no_main]

use format::plan::{decode_plan, encode_plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = decode_plan(data) {
        assert_eq!(decode_plan(&encode_plan(&value)).as_ref(), Ok(&value));
    }
});
