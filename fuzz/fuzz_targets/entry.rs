//! Fuzzes an entry of a map.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = format::entry::entry_bytes(b"", data);
    if let Ok(entry) = format::entry::decode_entry(data) {
        let mut again = Vec::new();
        format::entry::encode_entry(&entry, &mut again);
        assert_eq!(format::entry::decode_entry(&again).as_ref(), Ok(&entry));
    }
});
