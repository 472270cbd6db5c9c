//! Reads Rust source roughly: blanks comments and literals, finds test code and functions by braces.
//!
//! Not a parser: it keeps every byte's place, so that ranges found here hold in the original text.

use std::ops::Range;

/// The text with comments and the inside of literals blanked; lines and byte places stay.
pub(crate) fn code(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(bytes, at);
        if end > at {
            blank(&mut out[at..end]);
        }
        at = end.max(at + 1);
    }
    out
}

/// Where a comment or literal that begins at `at` ends, or `at` when none does.
fn skip(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let word_before = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => at + quoted(rest),
        [b'r', b'"' | b'#', ..] if !word_before => at + raw(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !word_before => at + raw(rest, 2),
        [b'\'', b'\\', ..] => {
            at + 2
                + rest[3..]
                    .iter()
                    .position(|&b| b == b'\'')
                    .map_or(0, |n| n + 2)
        }
        [b'\'', ..] => at + character(rest),
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = prefix + hashes + 1;
    let found = rest[body..]
        .windows(end.len())
        .position(|window| window == end);
    found.map_or(rest.len(), |place| body + place + end.len())
}

/// A character literal, not a lifetime: the closing quote follows one character.
fn character(rest: &[u8]) -> usize {
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(6)]).into_owned();
    let width = text.chars().next().map_or(0, char::len_utf8);
    if rest.get(1 + width) == Some(&b'\'') {
        width + 2
    } else {
        0
    }
}

fn blank(bytes: &mut [u8]) {
    bytes
        .iter_mut()
        .filter(|byte| **byte != b'\n')
        .for_each(|byte| *byte = b' ');
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// The byte ranges of items below `#[cfg(test)]`.
pub(crate) fn test_ranges(code: &[u8]) -> Vec<Range<usize>> {
    let marker = b"#[cfg(test)]";
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for begin in places(code, marker) {
        if ranges.last().is_none_or(|range| range.end <= begin) {
            ranges.push(begin..item_end(code, begin + marker.len()));
        }
    }
    ranges
}

/// Code without the items below `#[cfg(test)]`.
pub(crate) fn without_tests(mut code: Vec<u8>) -> Vec<u8> {
    for range in test_ranges(&code) {
        blank(&mut code[range]);
    }
    code
}

/// Where an item that begins at `at` ends: behind its `;` or the brace that closes its body.
fn item_end(code: &[u8], at: usize) -> usize {
    let (mut depth, mut nested) = (0_i32, 0_i32);
    for (place, byte) in code.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested -= 1,
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b';' if depth == 0 && nested == 0 => return place + 1,
            _ => continue,
        }
        if *byte == b'}' && depth <= 0 {
            return place + 1;
        }
    }
    code.len()
}

pub(crate) struct Function {
    pub(crate) name: String,
    /// Counted from one.
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// All functions with a body, in order; a closure belongs to the function around it.
pub(crate) fn functions(code: &[u8]) -> Vec<Function> {
    let mut functions = Vec::new();
    for place in places(code, b"fn ") {
        if place > 0 && is_word(code[place - 1]) {
            continue;
        }
        let name: Vec<u8> = code[place + 3..]
            .iter()
            .copied()
            .take_while(|&byte| is_word(byte))
            .collect();
        if name.is_empty() {
            continue;
        }
        let end = item_end(code, place);
        let lines = 1 + code[place..end]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        let line = 1 + code[..place].iter().filter(|&&byte| byte == b'\n').count();
        functions.push(Function {
            name: String::from_utf8_lossy(&name).into_owned(),
            line,
            lines,
        });
    }
    functions
}

/// The first word of every path `crate::…`, also of those in a group `crate::{a, b::c}`.
pub(crate) fn crate_paths(code: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for place in places(code, b"crate::") {
        let rest = &code[place + b"crate::".len()..];
        let before_is_word = place > 0 && (is_word(code[place - 1]) || code[place - 1] == b'$');
        match rest.first() {
            _ if before_is_word => {}
            Some(b'{') => names.extend(group_heads(rest)),
            _ => names.push(word(rest)),
        }
    }
    names
}

fn group_heads(group: &[u8]) -> Vec<String> {
    let (mut depth, mut heads, mut head) = (0, Vec::new(), true);
    for (place, &byte) in group.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => head = true,
            byte if depth == 1 && head && is_word(byte) => {
                heads.push(word(&group[place..]));
                head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn word(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take_while(|&&byte| is_word(byte))
        .map(|&byte| char::from(byte))
        .collect()
}

/// The names of `mod x;` and `mod x {`, in order.
pub(crate) fn modules(code: &[u8]) -> Vec<String> {
    let begins_word = |place: &usize| *place == 0 || !is_word(code[place - 1]);
    let words = places(code, b"mod ")
        .filter(begins_word)
        .map(|place| word(&code[place + 4..]));
    words.filter(|name| !name.is_empty()).collect()
}

fn places<'a>(code: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = code.windows(needle.len()).enumerate();
    windows
        .filter(move |(_, window)| *window == needle)
        .map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_blanked() {
        let text = "a(\"{ // \\\" }\", 'x', '\\'', r#\"}\"#) /* { /* } */ */ 'life: b // }\nc";
        let blanked = String::from_utf8(code(text)).unwrap();
        assert!(!blanked.contains(['{', '}', '"', 'x']), "{blanked}");
        assert!(
            blanked.contains("'life: b") && blanked.ends_with("\nc"),
            "{blanked}"
        );
        assert_eq!(blanked.len(), text.len());
    }

    #[test]
    fn functions_are_measured_and_tests_left_out() {
        let text =
            "fn one(a: [u8; 3]) -> u8 {\n  {}\n}\n#[cfg(test)]\nmod tests {\n fn two() {}\n}\n";
        let found = functions(&without_tests(code(text)));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].line, found[0].lines),
            ("one", 1, 3)
        );
    }

    #[test]
    fn groups_name_their_heads() {
        let paths = crate_paths(b"use crate::{a, b::{c, d}, E}; crate::f::g(); $crate::h");
        assert_eq!(paths, ["a", "b", "E", "f"]);
    }
}
