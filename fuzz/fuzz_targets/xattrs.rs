//! Fuzzes a list of attributes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(list) = format::entry::decode_xattrs(data) {
        let again = format::entry::encode_xattrs(&list);
        assert_eq!(format::entry::decode_xattrs(&again).as_ref(), Ok(&list));
    }
});
