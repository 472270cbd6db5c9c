//! Fuzzes a list of extents.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(extents) = format::extents::decode_extents(data) {
        let again = format::extents::encode_extents(&extents);
        assert_eq!(
            format::extents::decode_extents(&again).as_ref(),
            Ok(&extents)
        );
    }
});
