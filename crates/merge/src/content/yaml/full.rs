//! The same documents as a full YAML parser reads them, one that isn't ours.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser};

use crate::content::tree::{DEPTH_MAX, Value};

/// Whether a text is YAML at all, of one document or several.
pub(in crate::content) fn is_valid(text: &str) -> bool {
    Parser::new_from_str(text).all(|event| event.is_ok())
}

/// A collection that is being read.
enum Open {
    List(Vec<Value>),
    Map(BTreeMap<String, Value>, Option<String>),
}

/// What a text of one document says; `None` for anchors, aliases, tags, keys that are no scalars, keys
/// that stand twice, and too much depth.
pub(in crate::content) fn proof(text: &str) -> Option<Value> {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let value = match event.ok()?.0 {
            Event::Scalar(text, style, 0, None) => Value::Scalar(format!("{style:?} {text}")),
            Event::SequenceStart(0, None) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(0, None) => {
                open.push(Open::Map(BTreeMap::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::List(list) => Value::List(list),
                Open::Map(map, None) => Value::Map(map),
                Open::Map(_, Some(_)) => return None,
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
            _ => return None,
        };
        if open.len() > DEPTH_MAX {
            return None;
        }
        match open.last_mut() {
            None if root.is_some() => return None,
            None => root = Some(value),
            Some(Open::List(list)) => list.push(value),
            Some(Open::Map(map, key)) => match (key.take(), value) {
                // Quotes around a key don't make it another one.
                (None, Value::Scalar(name)) => *key = Some(name.split_once(' ')?.1.to_owned()),
                (None, _) => return None,
                (Some(name), value) => {
                    if map.insert(name, value).is_some() {
                        return None;
                    }
                }
            },
        }
    }
    root
}
