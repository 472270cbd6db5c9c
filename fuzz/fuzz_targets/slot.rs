//! Fuzzes a key slot.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(slot) = format::KeySlot::decode(data) {
        assert_eq!(
            format::KeySlot::decode(slot.encode().as_bytes()).as_ref(),
            Ok(&slot)
        );
    }
});
