//! Headers and entries of TOML, of texts that a full parser has accepted; and that parser.

use toml_edit::{Document, Item, TableLike};

use super::{Entry, Header};
use crate::content::tree::{DEPTH_MAX, Node, Shape, Value};

/// Whether a text is TOML at all.
pub(in crate::content) fn is_valid(text: &str) -> bool {
    Document::parse(text).is_ok()
}

/// What a TOML text says, read by a parser that isn't ours: tables within tables, not sections.
pub(in crate::content) fn proof(text: &str) -> Option<Value> {
    let document = Document::parse(text).ok()?;
    table(document.as_table(), text, 0)
}

fn table(table: &dyn TableLike, text: &str, depth: usize) -> Option<Value> {
    table
        .iter()
        .filter(|(_, item)| !item.is_none())
        .map(|(key, value)| Some((key.to_owned(), item(value, text, depth + 1)?)))
        .collect::<Option<_>>()
        .map(Value::Map)
}

fn item(item: &Item, text: &str, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(inner) = item.as_table_like() {
        return table(inner, text, depth);
    }
    if let Some(tables) = item.as_array_of_tables() {
        let items = tables.iter().map(|inner| table(inner, text, depth + 1));
        return items.collect::<Option<_>>().map(Value::List);
    }
    let value = item.as_value()?;
    match value.as_array() {
        Some(array) => array
            .iter()
            .map(|value| self::item(&Item::Value(value.clone()), text, depth + 1))
            .collect::<Option<_>>()
            .map(Value::List),
        None => Some(Value::Scalar(text.get(value.span()?)?.to_owned())),
    }
}

pub(super) fn header(line: &str) -> Option<Header> {
    let is_item = line.starts_with("[[");
    let (name, end) = path(line.trim_start_matches('['));
    line.trim_start_matches('[')[end..]
        .starts_with(if is_item { "]]" } else { "]" })
        .then_some(Header { name, is_item })
}

pub(super) fn entry(text: &str, at: usize) -> Option<Entry> {
    let (key, length) = path(&text[at..]);
    let sign = at + length;
    if !text[sign..].starts_with('=') {
        return None;
    }
    let end = value_end(text, sign + 1)?;
    let lexeme = text[sign + 1..end].trim();
    let end = sign + 1 + text[sign + 1..end].trim_end().len();
    Some(Entry {
        key,
        lexeme: lexeme.to_owned(),
        span: sign + 1..end,
    })
}

/// Whether no section lies inside an item of an array of tables.
pub(super) fn is_flat(root: &Node) -> bool {
    let Shape::Map(sections) = &root.shape else {
        return false;
    };
    // The keys of items are `name id`; names of tables contain no space outside of quotes.
    let items: Vec<&str> = sections
        .iter()
        .filter_map(|section| section.key.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    sections.iter().all(|section| {
        items.iter().all(|item| {
            section
                .key
                .strip_prefix(item)
                .is_none_or(|rest| !rest.starts_with('.'))
        })
    })
}

/// A dotted key without the spaces around its dots, and where it ends: before `=`, `]` or the line's end.
fn path(text: &str) -> (String, usize) {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '=' | ']' | '\n' => return (key, at),
            ' ' | '\t' => {}
            '"' | '\'' => {
                key.push(char);
                while let Some((_, inner)) = chars.next() {
                    key.push(inner);
                    if inner == char {
                        break;
                    }
                    if inner == '\\' && char == '"' {
                        key.extend(chars.next().map(|(_, escaped)| escaped));
                    }
                }
            }
            _ => key.push(char),
        }
    }
    (key, text.len())
}

/// Where a value ends: before its comment or the end of its last line.
fn value_end(text: &str, from: usize) -> Option<usize> {
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'"' | b'\'' => {
                at = string_end(text, at)?;
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b'#' | b'\n' if depth == 0 => return Some(at),
            b'#' => at += text[at..].find('\n')?,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The place after the string that starts at `at`.
fn string_end(text: &str, at: usize) -> Option<usize> {
    let quote = &text[at..=at];
    let triple = quote.repeat(3);
    let is_long = text[at..].starts_with(&triple);
    let close = if is_long { triple.as_str() } else { quote };
    let mut end = at + close.len();
    loop {
        let rest = text.get(end..)?;
        if rest.starts_with(close) {
            end += close.len();
            // Up to two quotes may stand directly before the closing three.
            let more = text[end..]
                .chars()
                .take_while(|&char| quote.starts_with(char));
            return Some(end + if is_long { more.take(2).count() } else { 0 });
        }
        let mut chars = rest.chars();
        let char = chars.next()?;
        end += char.len_utf8();
        if char == '\\' && quote == "\"" {
            end += chars.next()?.len_utf8();
        }
    }
}
