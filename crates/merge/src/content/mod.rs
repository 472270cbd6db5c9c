//! Merging the bytes of one file, where before, after and live are all known.
//!
//! Base is *after*, just behind the event; *live* is what became of it since; *before* is what to get
//! back. The result is live with the change from before to after taken back. A file with a known name is
//! merged by its keys, any other text by its lines. Whatever is in doubt is refused: then live stays and
//! before goes beside it. A merge that comes out may still be wrong in what it means, so it is proposed
//! (see [`unified`]) rather than applied unless somebody asked for more.

mod verdict;
mod lines;
pub mod sniff;
mod compare;
mod unified;
mod text;
mod tree;
mod three_way;
mod edit;
mod json;
mod sections;
mod yaml;
mod structured;

pub use unified::unified;
pub use verdict::{How, Reason, Verdict};

use lines::LineEnds;
use sniff::Kind;
use structured::{Attempt, Format};

/// Longest content that is merged, in bytes. Files that people write are shorter, and memory and time
/// of a merge stay small.
pub const MERGE_BYTES_MAX: usize = 1 << 20;

/// Merges the contents of the file `name` (a name or a path; only its suffix matters). Text must be
/// UTF-8. Never panics, whatever the bytes.
#[must_use]
pub fn merge(name: &[u8], before: &[u8], after: &[u8], live: &[u8]) -> Verdict {
    if let Some(whole) = whole(before, after, live) {
        return Verdict::Merged {
            bytes: whole.to_vec(),
            how: How::Whole,
            layout_kept: false,
        };
    }
    attempt(name, before, after, live).unwrap_or_else(Verdict::Refused)
}

/// The answer where two contents are the same: right for any bytes.
fn whole<'a>(before: &'a [u8], after: &[u8], live: &'a [u8]) -> Option<&'a [u8]> {
    if before == after || before == live {
        Some(live)
    } else {
        (live == after).then_some(before)
    }
}

fn attempt(name: &[u8], before: &[u8], after: &[u8], live: &[u8]) -> Result<Verdict, Reason> {
    let [before, after, live] = texts([before, after, live])?;
    let ends = LineEnds::shared([before, after, live]).ok_or(Reason::LineEnds)?;
    let format = Format::of(name);
    let mut expected = None;
    if let Some(format) = &format {
        match format.merge(before, after, live, ends) {
            Attempt::Merged { text, layout_kept } => {
                return Ok(Verdict::Merged {
                    bytes: text.into_bytes(),
                    how: format.how,
                    layout_kept,
                });
            }
            Attempt::Refused(reason) => return Err(reason),
            Attempt::Lines(value) => expected = value,
        }
    }
    let merged = text::merge(before, after, live)?;
    if let Some(format) = &format {
        if (format.is_valid)(live) && !(format.is_valid)(&merged) {
            return Err(Reason::NoLongerParses);
        }
        if expected.is_some() && format.value(&merged, ends) != expected {
            return Err(Reason::OtherMeaning);
        }
    }
    Ok(Verdict::Merged {
        bytes: merged.into_bytes(),
        how: How::Text,
        layout_kept: false,
    })
}

/// The three contents as text, if after is a base for the other two.
fn texts(contents: [&[u8]; 3]) -> Result<[&str; 3], Reason> {
    if contents.iter().any(|bytes| bytes.len() > MERGE_BYTES_MAX) {
        return Err(Reason::TooLarge);
    }
    let [before, after, live] = contents.map(sniff::kind);
    let is_text = |kind| matches!(kind, Kind::Text | Kind::EncodedText | Kind::Empty);
    if !is_text(before) || !is_text(live) {
        return Err(Reason::Binary);
    }
    if after != before {
        return Err(Reason::AfterIsNoBase);
    }
    let [before, after, live] = contents.map(|bytes| sniff::text(bytes).ok_or(Reason::Binary));
    Ok([before?, after?, live?])
}
