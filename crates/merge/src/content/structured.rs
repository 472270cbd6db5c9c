//! Merging by keys: what live says is changed, the rest of its bytes stays.

use super::edit::{self, Document, Layout};
use super::lines::{self, LineEnds};
use super::tree::{Node, Value};
use super::verdict::{How, Reason};
use super::{json, sections, three_way, yaml};
use std::collections::HashMap;

/// A format whose keys we know.
pub(super) struct Format {
    pub(super) how: How,
    layout: Layout,
    /// Parses with places; `None` for what isn't fully understood.
    parse: fn(&str) -> Option<Node>,
    /// What the text says, read in another way than `parse` where there is one.
    proof: fn(&str) -> Option<Value>,
    /// Whether the text is of this format at all.
    pub(super) is_valid: fn(&str) -> bool,
}

/// What came of an attempt.
pub(super) enum Attempt {
    Merged {
        text: String,
        layout_kept: bool,
    },
    /// A merge would be wrong, in whatever way it is made.
    Refused(Reason),
    /// Try lines. If the documents were understood, what the result has to say.
    Lines(Option<Value>),
}

impl Format {
    /// The format that a file of this name should have.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let dot = name.iter().rposition(|&byte| byte == b'.')?;
        let suffix = name[dot + 1..].to_ascii_lowercase();
        let format = match suffix.as_slice() {
            b"json" => Self {
                how: How::Json,
                layout: Layout::Commas,
                parse: json::parse,
                proof: |text| json::parse(text).map(|node| node.value()),
                is_valid: |text| json::parse(text).is_some(),
            },
            b"yaml" | b"yml" => Self {
                how: How::Yaml,
                layout: Layout::Lines,
                parse: yaml::parse,
                proof: yaml::proof,
                is_valid: yaml::is_valid,
            },
            b"toml" => Self {
                how: How::Toml,
                layout: Layout::Lines,
                parse: sections::parse_toml,
                proof: sections::toml_proof,
                is_valid: sections::is_toml,
            },
            b"ini" | b"conf" | b"cfg" => Self {
                how: How::Ini,
                layout: Layout::Lines,
                parse: sections::parse_ini,
                proof: |text| sections::parse_ini(text).map(|node| node.value()),
                is_valid: |text| sections::parse_ini(text).is_some(),
            },
            _ => return None,
        };
        Some(format)
    }

    /// What `text` says, if it is understood.
    pub(super) fn value(&self, text: &str, ends: LineEnds) -> Option<Value> {
        (self.parse)(&self.whole_lines(text, ends)).map(|node| node.value())
    }

    pub(super) fn merge(&self, before: &str, after: &str, live: &str, ends: LineEnds) -> Attempt {
        let texts = [before, after, live].map(|text| self.whole_lines(text, ends));
        let [before, after, live_lines] = &texts;
        let is_valid = |text: &str| (self.is_valid)(text);
        // Of INI only what we understand counts as valid, so that an unusual one is no garbage yet.
        let is_told = self.how != How::Ini;
        if is_told && is_valid(before) && !is_valid(after) {
            return Attempt::Refused(Reason::AfterIsNoBase);
        }
        let nodes = texts.each_ref().map(|text| (self.parse)(text));
        let [Some(old), Some(base), Some(new)] = &nodes else {
            return Attempt::Lines(None);
        };
        let values = [old, base, new].map(Node::value);
        let merged = match three_way::merge(&values[0], &values[1], &values[2]) {
            Ok(merged) => merged,
            Err(reason) => return Attempt::Refused(reason),
        };
        if values[0] == values[1] {
            // The event changed only what values don't hold: that is for lines to take back.
            return Attempt::Lines(Some(merged));
        }
        let documents = [(before, old), (after, base), (live_lines, new)]
            .map(|(text, root)| Document { text, root });
        let Some(mut text) = self.apply(documents, &merged) else {
            return Attempt::Lines(Some(merged));
        };
        let [before_document, after_document, _] = documents;
        let undone = self.apply(
            [before_document, after_document, after_document],
            &values[0],
        );
        let layout_kept = undone.as_ref() != Some(before);
        if live_lines != live && text.ends_with(ends.bytes()) {
            text.truncate(text.len() - ends.bytes().len());
        }
        Attempt::Merged { text, layout_kept }
    }

    /// Edits live, and lets the result count only if everything about it can be shown to be right.
    fn apply(&self, documents: [Document<'_>; 3], merged: &Value) -> Option<String> {
        let [before, after, live] = documents;
        let text = edit::apply(self.layout, before, after, live, merged)?;
        let is_right = (self.parse)(&text)?.says(merged)
            && self.is_proved([before.text, after.text, live.text, &text])
            && (self.layout == Layout::Commas || keeps_comments(after.text, live.text, &text));
        is_right.then_some(text)
    }

    /// Merges what the other parser reads, and compares.
    fn is_proved(&self, [before, after, live, result]: [&str; 4]) -> bool {
        let merged = (|| {
            three_way::merge(
                &(self.proof)(before)?,
                &(self.proof)(after)?,
                &(self.proof)(live)?,
            )
            .ok()
        })();
        merged.is_some() && merged == (self.proof)(result)
    }

    /// The text with its last line ended, where lines matter.
    fn whole_lines(&self, text: &str, ends: LineEnds) -> String {
        let mut text = text.to_owned();
        if self.layout == Layout::Lines && !text.is_empty() && !text.ends_with('\n') {
            text.push_str(ends.bytes());
        }
        text
    }
}

/// Whether every comment line that live has more often than `after` is still there so often: comments
/// written since the event are never lost.
fn keeps_comments(after: &str, live: &str, result: &str) -> bool {
    let [after, live, result] = [after, live, result].map(|text| {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for line in text.lines().filter(|line| lines::is_comment(line)) {
            *counts.entry(line).or_default() += 1;
        }
        counts
    });
    let count = |counts: &HashMap<&str, usize>, line: &str| counts.get(line).copied().unwrap_or(0);
    live.iter()
        .filter(|&(line, &lives)| lives > count(&after, line))
        .all(|(line, &lives)| count(&result, line) >= lives - count(&after, line))
}
