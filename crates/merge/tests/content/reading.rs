//! What a text says, by parsers that have nothing to do with the merge where there are such: a YAML
//! parser for YAML and JSON (which is a part of YAML), one of TOML, and a reader of a few lines for INI.

use saphyr_parser::{Event, Parser};
use toml_edit::{Document, Item};

use crate::model::{Format, Leaves};

/// The leaves of a text, with paths as the model names them; `None` if it doesn't parse.
pub(crate) fn leaves(format: Format, text: &str) -> Option<Leaves> {
    let mut leaves = Leaves::new();
    match format {
        Format::Json | Format::Yaml => {
            let mut events = Vec::new();
            for event in Parser::new_from_str(text) {
                events.push(event.ok()?.0);
            }
            let mut events = events.into_iter().skip(2);
            let first = events.next()?;
            events_below(first, &mut events, "", &mut leaves)?;
        }
        Format::Toml => {
            let document = Document::parse(text).ok()?;
            toml(document.as_item(), text, "", &mut leaves)?;
        }
        Format::Ini => ini(text, &mut leaves),
    }
    Some(leaves)
}

fn events_below<'a>(
    event: Event<'a>,
    events: &mut impl Iterator<Item = Event<'a>>,
    path: &str,
    leaves: &mut Leaves,
) -> Option<()> {
    match event {
        Event::Scalar(text, ..) => {
            assert!(
                leaves.insert(path.into(), text.into_owned()).is_none(),
                "{path} twice"
            );
        }
        Event::MappingStart(..) => loop {
            match events.next()? {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => {
                    let value = events.next()?;
                    events_below(value, events, &format!("{path}/{key}"), leaves)?;
                }
                other => panic!("key {other:?}"),
            }
        },
        Event::SequenceStart(..) => loop {
            match events.next()? {
                Event::SequenceEnd => break,
                item => {
                    let mut inner = Leaves::new();
                    events_below(item, events, "", &mut inner)?;
                    let name = inner.get("/name")?.clone();
                    for (key, lexeme) in inner {
                        leaves.insert(format!("{path}/{name}{key}"), lexeme);
                    }
                }
            }
        },
        other => panic!("{other:?}"),
    }
    Some(())
}

fn toml(item: &Item, text: &str, path: &str, leaves: &mut Leaves) -> Option<()> {
    if let Some(table) = item.as_table() {
        for (key, item) in table {
            toml(item, text, &format!("{path}/{key}"), leaves)?;
        }
    } else if let Some(tables) = item.as_array_of_tables() {
        for table in tables {
            let name = table.get("name")?.as_str()?;
            for (key, item) in table {
                toml(item, text, &format!("{path}/{name}/{key}"), leaves)?;
            }
        }
    } else {
        let lexeme = text[item.span()?].trim_matches('"').to_owned();
        assert!(leaves.insert(path.into(), lexeme).is_none(), "{path} twice");
    }
    Some(())
}

fn ini(text: &str, leaves: &mut Leaves) {
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = format!("/{}", name.trim_end_matches(']'));
        } else {
            let (key, value) = line.split_once('=').expect("a key and a value");
            let path = format!("{section}/{}", key.trim());
            assert!(
                leaves.insert(path, value.trim().into()).is_none(),
                "{line} twice"
            );
        }
    }
}
