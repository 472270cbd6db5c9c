//! Fuzzes `timeline::decode_record`: the first byte is the kind.

#![no_main]

use format::timeline::{decode_record, encode_record, kind_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, body)) = data.split_first() else {
        return;
    };
    if let Ok(Some(record)) = decode_record(u64::from(kind), body) {
        assert_eq!(kind_of(&record), u64::from(kind));
        let again = decode_record(u64::from(kind), &encode_record(&record));
        assert_eq!(again, Ok(Some(record)));
    }
});
