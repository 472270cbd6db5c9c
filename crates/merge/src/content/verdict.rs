//! What a merge of contents comes to: bytes, or a reason why there are none.

use std::fmt;

/// Answer of [`merge`](super::merge).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The live bytes with the event's change taken back.
    Merged {
        /// The whole new content.
        bytes: Vec<u8>,
        /// How it was made.
        how: How,
        /// The event also changed comments, blank lines or the order of keys, and these stay as they
        /// are live: a merge by keys carries values only. Say so where the merge is shown.
        layout_kept: bool,
    },
    /// No merge that could be trusted: keep live, put before beside it.
    Refused(Reason),
}

/// The way in which a merge was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// Nothing to merge: two of the three contents are the same, so one of them is the answer.
    Whole,
    /// By lines.
    Text,
    /// By the keys of a JSON document.
    Json,
    /// By the keys of a YAML document.
    Yaml,
    /// By the keys of a TOML document.
    Toml,
    /// By the sections and keys of an INI file.
    Ini,
}

impl How {
    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Text => "text",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Toml => "toml",
            Self::Ini => "ini",
        }
    }
}

/// Why there is no merge. Displays as words that fit after "not merged: ".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// One of the contents is longer than [`MERGE_BYTES_MAX`](super::MERGE_BYTES_MAX).
    TooLarge,
    /// Before or live is no UTF-8 text.
    Binary,
    /// The contents end their lines in different ways, or one does so within itself.
    LineEnds,
    /// After is of another kind than before and live: encrypted, compressed, encoded or cut short.
    AfterIsNoBase,
    /// The event and somebody since changed the same lines, or lines with nothing between them.
    Overlap,
    /// The event and somebody since changed the same key; keys are joined by dots.
    SameKey(String),
    /// It isn't clear where among equal lines a change belongs: two ways to compare disagree.
    Ambiguous,
    /// So many lines are equal that comparing them would take long.
    TooRepetitive,
    /// Merging the other way round gives something else.
    NotSymmetric,
    /// Merging once more would change the result.
    NotStable,
    /// Live can be parsed, the merged lines can't.
    NoLongerParses,
    /// The merged lines can be parsed, but don't say what a merge by keys says.
    OtherMeaning,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::TooLarge => "too large to merge",
            Self::Binary => "not text",
            Self::LineEnds => "the versions end their lines differently",
            Self::AfterIsNoBase => "the event left nothing that changes since could be told from",
            Self::Overlap => "the event and later work changed the same lines",
            Self::SameKey(key) => {
                return write!(f, "the event and later work both changed {}", shown(key));
            }
            Self::Ambiguous => "it is unclear where among equal lines a change belongs",
            Self::TooRepetitive => "too many lines are equal",
            Self::NotSymmetric => "merging the other way round gives something else",
            Self::NotStable => "merging once more would change the result",
            Self::NoLongerParses => "the merged lines could no longer be parsed",
            Self::OtherMeaning => "the merged lines would not mean what the merged keys mean",
        };
        f.write_str(words)
    }
}

/// A key as it can be printed: what would move a terminal's cursor is escaped, and long ones are cut.
fn shown(key: &str) -> String {
    /// Keys longer than this fill a line without telling more.
    const SHOWN_CHARS: usize = 80;
    let mut text: String = key
        .chars()
        .take(SHOWN_CHARS)
        .flat_map(|char| -> Box<dyn Iterator<Item = char>> {
            if char.is_control() {
                Box::new(char.escape_default())
            } else {
                Box::new(std::iter::once(char))
            }
        })
        .collect();
    if key.chars().nth(SHOWN_CHARS).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_safe_to_print() {
        let reason = Reason::SameKey("a\u{1b}[2J".into());
        assert_eq!(
            reason.to_string(),
            "the event and later work both changed a\\u{1b}[2J"
        );
        assert!(Reason::SameKey("k".repeat(500)).to_string().len() < 200);
    }
}
