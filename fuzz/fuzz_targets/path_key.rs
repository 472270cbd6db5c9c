//! Fuzzes keys of paths.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = model::PathKey::from_path(data);
    if let Ok(key) = model::PathKey::from_bytes(data.to_vec()) {
        assert!(
            key.names()
                .all(|name| !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/'))
        );
    }
});
