//! Bytes that nobody wrote: whatever comes in, an answer comes out.

use proptest::prelude::*;
use recoup_merge::content::{Verdict, merge, sniff};

const NAMES: [&str; 8] = [
    "a.json", "a.yaml", "a.yml", "a.toml", "a.ini", "a.conf", "a.txt", "a",
];

/// Pieces of the syntax of all formats.
const PIECES: [&str; 60] = [
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    ",",
    ":",
    ": ",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\",
    "\n",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "- ",
    "-",
    "---",
    "...",
    "# c",
    "; c",
    "=",
    " = ",
    "a",
    "b",
    "id",
    "name",
    "1.0",
    "1e3",
    "null",
    "true",
    "|",
    ">",
    "|-",
    "&x",
    "*x",
    "!t",
    "<<",
    "%",
    "? ",
    "a: 1",
    "a = 1",
    "[a]",
    "[[a]]",
    "[a.b]",
    "{\"a\":1}",
    "\t",
    " ",
    "  ",
    "ü",
    "\u{feff}",
    "- name: n",
    "\u{2028}",
    "@",
    "`",
];

fn document() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

/// The same document in three states, each cut and joined somewhere.
fn triple() -> impl Strategy<Value = [Vec<u8>; 3]> {
    let cut = || {
        (
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            document(),
        )
    };
    (document(), cut(), cut()).prop_map(|(after, one, other)| {
        let edit = |(from, to, new): (prop::sample::Index, prop::sample::Index, Vec<u8>)| {
            let (from, to) = (from.index(after.len() + 1), to.index(after.len() + 1));
            let mut text = after.clone();
            text.splice(from.min(to)..from.max(to), new);
            text
        };
        [edit(one), after.clone(), edit(other)]
    })
}

fn check(name: &str, [before, after, live]: &[Vec<u8>; 3]) -> Result<(), TestCaseError> {
    let Verdict::Merged { bytes, .. } = merge(name.as_bytes(), before, after, live) else {
        return Ok(());
    };
    if live == after && before != after {
        prop_assert_eq!(&bytes, before);
    } else {
        let again = merge(name.as_bytes(), before, after, &bytes);
        let is_same = matches!(&again, Verdict::Merged { bytes: same, .. } if *same == bytes);
        prop_assert!(
            is_same,
            "{:?}: {:?} then {:?}",
            name,
            String::from_utf8_lossy(&bytes),
            again
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(3_000, 100_000) as u32))]

    #[test]
    fn any_bytes(
        name in prop::sample::select(&NAMES[..]),
        before in any::<Vec<u8>>(),
        after in any::<Vec<u8>>(),
        live in any::<Vec<u8>>(),
    ) {
        check(name, &[before, after, live])?;
    }

    #[test]
    fn any_pieces_of_syntax(name in prop::sample::select(&NAMES[..]), texts in triple()) {
        check(name, &texts)?;
    }

    #[test]
    fn any_kind(bytes in any::<Vec<u8>>()) {
        let kind = sniff::kind(&bytes);
        prop_assert_eq!(kind == sniff::Kind::Empty, bytes.is_empty());
        let is_text = String::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
        match kind {
            sniff::Kind::Text | sniff::Kind::EncodedText => prop_assert!(is_text),
            sniff::Kind::Binary | sniff::Kind::Noise => prop_assert!(!is_text),
            sniff::Kind::Empty | sniff::Kind::Known(_) => {}
        }
    }
}

#[test]
fn deep_and_long_documents_end_soon() {
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let texts = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("a = {}\n", deep("[", "]")),
        format!("a: {}\n", deep("[", "]")),
        (0..700)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect(),
        "- ".repeat(100_000),
        format!("[{}]\nx = 1\n", "a.".repeat(50_000) + "a"),
        "a: \"".repeat(50_000),
        "a:\n".repeat(100_000),
        "'".repeat(100_000),
    ];
    for (place, text) in texts.iter().enumerate() {
        for name in NAMES {
            let before = format!("{text}\n");
            let live = format!("\n\n{text}");
            let states = [before, text.clone(), live].map(String::into_bytes);
            check(name, &states).unwrap_or_else(|error| panic!("{place} {name}: {error}"));
        }
    }
}
