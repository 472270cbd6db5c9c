//! Fuzzes the header of an object.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((header, commitment)) = format::Header::decode(data) {
        let mut again = header.encode();
        again.extend_from_slice(&commitment);
        assert_eq!(again, data[..again.len()]);
    }
});
