//! Fuzzes the config of a repository.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(config) = format::Config::decode(data) {
        assert_eq!(
            format::Config::decode(config.encode().as_bytes()).as_ref(),
            Ok(&config)
        );
    }
});
