//! Headers and entries of INI files, as Samba, systemd, MySQL, PHP and Python write them.

use super::{Entry, Header};
use crate::content::lines;

/// Stands for the value of a key without `=`; no text that is merged contains NUL.
pub(super) const NO_VALUE: &str = "\0";

pub(super) fn header(line: &str) -> Option<Header> {
    let (name, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    let is_plain = !name.trim().is_empty() && !name.contains(['[', '=']);
    (is_plain && (rest.is_empty() || rest.starts_with(['#', ';']))).then(|| Header {
        name: name.trim().to_owned(),
        is_item: false,
    })
}

pub(super) fn entry(text: &str, at: usize) -> Option<Entry> {
    let line = text[at..lines::end_of_line(text, at)].trim_end();
    let Some(sign) = line.find('=') else {
        let key = line.trim_start();
        let is_word = key
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
        return is_word.then(|| Entry {
            key: key.to_owned(),
            lexeme: NO_VALUE.to_owned(),
            span: at + line.len()..at + line.len(),
        });
    };
    let (key, value) = (line[..sign].trim(), line[sign + 1..].trim());
    (is_key(key) && is_value(value)).then(|| Entry {
        key: key.to_owned(),
        lexeme: value.to_owned(),
        span: at + sign + 1..at + line.len(),
    })
}

/// Keys as they occur in practice; other signs are taken as a hint that this is no INI file.
fn is_key(key: &str) -> bool {
    let is_sign = |char| matches!(char, ' ' | '_' | '-' | '.' | ':' | '/' | '*' | '%' | '@');
    !key.is_empty()
        && !key.contains(": ")
        && key
            .chars()
            .all(|char| char.is_alphanumeric() || is_sign(char))
}

/// Whether a value surely ends on its line.
fn is_value(value: &str) -> bool {
    let is_open = value.ends_with(['\\', '{', '(']) || value.starts_with("\"\"\"");
    let quotes = value.chars().filter(|&char| char == '"').count();
    !is_open && quotes % 2 == 0 && !value.contains("<<") && !value.contains('\r')
}
