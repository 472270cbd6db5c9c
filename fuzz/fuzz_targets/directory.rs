//! Fuzzes the directory of an index run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(directory) = format::index::Directory::decode(data) {
        // A flag may be any byte but zero: what is written again is the canonical form.
        let again = directory.encode();
        assert_eq!(
            format::index::Directory::decode(&again).as_ref(),
            Ok(&directory)
        );
        let _ = format::index::Filter::may_contain(&directory.filter, &[7; 20]);
    }
});
