//! Fuzzes `decode_log_record`.

#![no_main]

use format::log::{decode_log_record, encode_log_record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = decode_log_record(data) {
        assert_eq!(decode_log_record(&encode_log_record(&value)).as_ref(), Ok(&value));
    }
});
