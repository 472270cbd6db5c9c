//! Fuzzes the merge of contents: three states of a file with any name, and merging once more.

#![no_main]

use libfuzzer_sys::fuzz_target;
use merge::content::{Verdict, merge, unified};

const NAMES: [&[u8]; 5] = [b"a.json", b"a.yaml", b"a.toml", b"a.ini", b"a"];

// The first byte chooses the name; before, after and live are parted by a byte that no text contains.
fuzz_target!(|data: &[u8]| {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let name = NAMES[usize::from(first) % NAMES.len()];
    let mut parts = data.split(|&byte| byte == 0xff);
    let mut next = || parts.next().unwrap_or_default();
    let (before, after, live) = (next(), next(), next());
    if let Verdict::Merged { bytes, .. } = merge(name, before, after, live) {
        let _ = unified(live, &bytes);
        if live != after {
            assert!(
                matches!(merge(name, before, after, &bytes), Verdict::Merged { bytes: again, .. } if again == bytes)
            );
        }
    }
});
