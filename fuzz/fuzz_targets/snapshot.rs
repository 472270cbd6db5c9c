//! Fuzzes the record of a snapshot.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(snapshot) = format::snapshot::decode_snapshot(data) {
        let again = format::snapshot::encode_snapshot(&snapshot);
        assert_eq!(
            format::snapshot::decode_snapshot(&again).as_ref(),
            Ok(&snapshot)
        );
    }
});
