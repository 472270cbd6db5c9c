//! Fuzzes a recovery code as typed by a person.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(secret) = codec::recovery::parse(text)
    {
        let again = codec::recovery::format(&secret);
        assert_eq!(*codec::recovery::parse(&again).unwrap(), *secret);
    }
});
