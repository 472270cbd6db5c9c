//! Fuzzes names of objects.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(name) = text.parse::<storage::ObjectName>()
    {
        assert_eq!(name.to_string(), text);
    }
});
