//! Keys of etcd as keys of the map, and back.
//!
//! An etcd key is any sequence of bytes; a key of the map is a path of names that a directory could
//! hold. Keys are cut at their slashes, and the usual key, `/lb/lb-00042`, becomes the path
//! `lb/lb-00042`. What a name can't hold begins with `%`, which is itself written `%25`:
//!
//! | in the etcd key | in the path |
//! |---|---|
//! | no slash at the start | the first name is `%~` |
//! | nothing between two slashes, or after the last | the name `%` |
//! | the byte 0, the byte `%` | `%00`, `%25` |
//! | the names `.` and `..` | `%2E`, `%2E%2E` |
//! | a name that is longer than 255 bytes when written so | pieces of at most 253 bytes, all but the last with `%+` at their end |
//! | what lies deeper than 4,096 names | one name that begins with `%|`, its slashes written `%2F`, cut in pieces like any other |
//!
//! Every etcd key has exactly one such path, so a path that could have been written otherwise is refused.
//! The keys that begin with a prefix that ends in a slash are exactly those beneath one path, and lie
//! together (for the prefix `/`: all that do not lie beneath `%~`). Byte order of the paths is not byte
//! order of the etcd keys, since a slash sorts after `-` and `.` there and before everything here.

use model::PathKey;
use model::key::NAME_BYTES_MAX;

/// First name of a key that does not begin with a slash.
const BARE: &[u8] = b"%~";

/// The name for nothing between two slashes.
const EMPTY: &[u8] = b"%";

/// End of a piece that is continued by the next name.
const CONTINUED: &[u8] = b"%+";

/// Begin of the name that holds everything that lies too deep.
const DEEP: &[u8] = b"%|";

/// How many names are cut before the rest becomes one. An etcd key has at most 1.5 MiB, so at most 1.5
/// million slashes: more than a path of the map may have names. The rest fits in `3 * 1.5 MiB / 253`
/// more, which stays below the limit of 100,000.
const NAMES_MAX: usize = 4096;

/// The path of an etcd key. Total for every key that fits in a request; beyond 7 MiB a key of zero
/// bytes would have more names than the map takes, and becomes the root.
pub fn encode(key: &[u8]) -> PathKey {
    if key.is_empty() {
        return PathKey::root();
    }
    let mut path = Vec::with_capacity(key.len() + 8);
    let rest = match key {
        [b'/', rest @ ..] => rest,
        _ => {
            path.extend_from_slice(BARE);
            path.push(0);
            key
        }
    };
    let mut written = Vec::new();
    let mut names = rest.splitn(NAMES_MAX + 1, |&byte| byte == b'/').enumerate();
    for (depth, name) in &mut names {
        if depth > 0 {
            path.push(0);
        }
        written.clear();
        if depth == NAMES_MAX {
            written.extend_from_slice(DEEP);
            escape(name, true, &mut written);
        } else {
            write_name(name, &mut written);
        }
        append_pieces(&written, &mut path);
    }
    PathKey::from_bytes(path).unwrap_or_default()
}

/// The etcd key of a path; `None` if [`encode`] gives this path for no key.
pub fn decode(path: &PathKey) -> Option<Vec<u8>> {
    if path.is_root() {
        return Some(Vec::new());
    }
    let mut names = path.names().peekable();
    let mut key = Vec::with_capacity(path.as_bytes().len() + 1);
    let is_bare = names.next_if(|name| *name == BARE).is_some();
    let mut is_first = is_bare;
    names.peek()?;
    while names.peek().is_some() {
        let mut written = Vec::new();
        loop {
            let piece = names.next()?;
            match piece.strip_suffix(CONTINUED) {
                Some(begin) => written.extend_from_slice(begin),
                None => {
                    written.extend_from_slice(piece);
                    break;
                }
            }
        }
        if !is_first {
            key.push(b'/');
        }
        is_first = false;
        match written.strip_prefix(DEEP) {
            Some(deep) => unescape(deep, &mut key)?,
            None if written == EMPTY => {}
            None => unescape(&written, &mut key)?,
        }
    }
    // Every rule of the one right form in one question.
    (encode(&key) == *path).then_some(key)
}

fn write_name(name: &[u8], written: &mut Vec<u8>) {
    match name {
        b"" => written.extend_from_slice(EMPTY),
        b"." => written.extend_from_slice(b"%2E"),
        b".." => written.extend_from_slice(b"%2E%2E"),
        _ => escape(name, false, written),
    }
}

fn escape(bytes: &[u8], with_slashes: bool, written: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            0 => written.extend_from_slice(b"%00"),
            b'%' => written.extend_from_slice(b"%25"),
            b'/' if with_slashes => written.extend_from_slice(b"%2F"),
            _ => written.push(byte),
        }
    }
}

/// Takes any two hexadecimal digits; that they are the right ones is asked by [`decode`].
fn unescape(written: &[u8], key: &mut Vec<u8>) -> Option<()> {
    let mut bytes = written.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(*bytes.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            key.push(u8::try_from(value).ok()?);
        } else {
            key.push(byte);
        }
    }
    Some(())
}

/// Appends a written name, in pieces if it is too long for one; no piece ends within an escape.
fn append_pieces(mut written: &[u8], path: &mut Vec<u8>) {
    while written.len() > NAME_BYTES_MAX {
        let mut cut = NAME_BYTES_MAX - CONTINUED.len();
        // The two marks of two bytes only stand at the begin of a name, far before any cut.
        if let Some(back) = written[cut - 2..cut].iter().rposition(|&byte| byte == b'%') {
            cut = cut - 2 + back;
        }
        path.extend_from_slice(&written[..cut]);
        path.extend_from_slice(CONTINUED);
        path.push(0);
        written = &written[cut..];
    }
    path.extend_from_slice(written);
}

/// The end of the range of keys that begin with `prefix`, as etcd wants it: the next key that does not;
/// a zero byte for "no end".
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(key: &[u8]) -> String {
        String::from_utf8(encode(key).to_path()).unwrap()
    }

    #[test]
    fn usual_keys_are_readable() {
        assert_eq!(shown(b"/lb/lb-00042"), "lb/lb-00042");
        assert_eq!(shown(b"lb/x"), "%~/lb/x");
        assert_eq!(shown(b"/a//b/"), "a/%/b/%");
        assert_eq!(shown(b"/"), "%");
        assert_eq!(shown(b"/./.."), "%2E/%2E%2E");
        assert_eq!(shown(b"100%"), "%~/100%25");
        assert_eq!(encode(b""), PathKey::root());
    }

    #[test]
    fn long_and_deep_keys_have_a_path() {
        let limit = 1024 * 1536;
        for key in [
            vec![b'x'; limit],
            vec![0; limit],
            vec![b'/'; limit],
            vec![b'%'; limit],
            b"a/".repeat(limit / 2),
            b"/.".repeat(limit / 2),
        ] {
            let path = encode(&key);
            assert!(!path.is_root());
            assert!(decode(&path) == Some(key));
        }
    }

    #[test]
    fn other_ways_to_write_a_key_are_refused() {
        for path in [
            "%~", "a/%2e", "%41", "%2F", "a/%~%", "x%+/y", "%2E.", "%|", "a%", "%2", "%~/%~",
            "%+/%",
        ] {
            let path = PathKey::from_path(path.as_bytes()).unwrap();
            assert_eq!(decode(&path), None, "{path:?}");
        }
    }

    /// Bytes that meet every rule often; now and then names around the limit of 255.
    fn keys() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            4 => Just(b'/'), 2 => Just(b'%'), 2 => Just(b'.'), 1 => Just(0_u8),
            1 => prop::sample::select(b"~+|2EF0a-".to_vec()), 2 => any::<u8>(),
        ];
        let short = prop::collection::vec(byte.clone(), 0..12);
        let long = (
            any::<bool>(),
            240_usize..270,
            byte,
            prop::collection::vec(any::<u8>(), 0..4),
        )
            .prop_map(|(slash, count, byte, tail)| {
                let mut key = if slash { vec![b'/'] } else { Vec::new() };
                key.extend(std::iter::repeat_n(byte, count));
                key.extend(tail);
                key
            });
        prop_oneof![9 => short, 1 => long]
    }

    /// Well-formed paths that look as if [`encode`] had made them.
    fn paths() -> impl Strategy<Value = PathKey> {
        let byte = prop::sample::select(b"%%%~+|2EF05.a".to_vec());
        let name = prop::collection::vec(byte, 1..7);
        prop::collection::vec(name, 0..4).prop_filter_map("a name of dots", |names| {
            PathKey::from_bytes(names.join(&0)).ok()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        #[test]
        fn what_is_written_is_read_back(key in keys()) {
            let path = encode(&key);
            prop_assert!(PathKey::check(path.as_bytes()).is_ok());
            prop_assert_eq!(path.is_root(), key.is_empty());
            prop_assert_eq!(decode(&path), Some(key));
        }

        #[test]
        fn what_is_read_is_written_the_same(path in paths()) {
            if let Some(key) = decode(&path) {
                prop_assert_eq!(encode(&key), path);
            }
        }

        #[test]
        fn keys_beneath_a_prefix_lie_together(prefix in keys(), key in keys(), joined in any::<bool>()) {
            let mut prefix = prefix;
            prefix.push(b'/');
            let key = if joined { [prefix.as_slice(), key.as_slice()].concat() } else { key };
            let path = encode(&key);
            let begin = beneath(&prefix);
            let is_bare = path.names().next() == Some(BARE);
            // For the prefix `/` alone: everything but the bare keys and the root itself.
            let is_outside = begin.is_empty() && (is_bare || path.is_root());
            let inside = path.as_bytes().starts_with(&begin) && !is_outside;
            prop_assert_eq!(inside, key.starts_with(&prefix), "{:?} {:?}", path, begin);
        }
    }

    /// What the paths of the keys with this prefix begin with: that of the key before its last slash,
    /// and what stands before a name.
    fn beneath(prefix: &[u8]) -> Vec<u8> {
        let directory = &prefix[..prefix.len() - 1];
        if directory.is_empty() {
            return Vec::new();
        }
        [encode(directory).as_bytes(), &[0]].concat()
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(prefix_end(b"/lb/"), b"/lb0");
        assert_eq!(prefix_end(b"a\xff\xff"), b"b");
        assert_eq!(prefix_end(b"\xff"), b"\0");
        assert_eq!(prefix_end(b""), b"\0");
    }
}
