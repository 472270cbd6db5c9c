//! Merging by lines: diff3 on a histogram diff, accepted only behind guards.
//!
//! On diff3 "seemingly natural intuitions are incorrect": even changes far apart may conflict, and it
//! is in general neither idempotent nor stable (Khanna, Kunal, Pierce: "A Formal Investigation of
//! Diff3", 2007). So a result counts only if two diff algorithms agree on it, if merging the other way
//! round and merging once more give it again, and if between changes of the two sides, wherever among
//! equal lines they could as well be placed, there is a line that the base has only once.

use std::collections::HashMap;
use std::ops::Range;

use imara_diff::Algorithm;

use super::compare::{self, Difference};
use super::lines;
use super::verdict::Reason;

/// Merges lines: `after` is the base, `live` and `before` are the sides.
pub(super) fn merge(before: &str, after: &str, live: &str) -> Result<String, Reason> {
    let base = lines::split(after);
    let before = Side::of(after, before)?;
    let live = Side::of(after, live)?;
    let merged = agreed(&base, &live, &before)?;
    // Merging once more, with either side, must find nothing left to do.
    let again = Side::of(after, &merged)?;
    for side in [&before, &live] {
        if agreed(&base, &again, side).as_ref() != Ok(&merged) {
            return Err(Reason::NotStable);
        }
    }
    Ok(merged)
}

/// One of two texts that came from the base, and how it differs.
struct Side<'a> {
    lines: Vec<&'a str>,
    histogram: Vec<Difference>,
    myers: Vec<Difference>,
}

impl<'a> Side<'a> {
    fn of(base: &str, text: &'a str) -> Result<Self, Reason> {
        let differences =
            |algorithm| compare::differences(algorithm, base, text).ok_or(Reason::TooRepetitive);
        Ok(Self {
            lines: lines::split(text),
            histogram: differences(Algorithm::Histogram)?,
            myers: differences(Algorithm::Myers)?,
        })
    }

    fn changes<'s>(&'s self, differences: &'s [Difference]) -> Vec<Change<'s>> {
        differences
            .iter()
            .map(|difference| Change {
                base: difference.old.clone(),
                lines: &self.lines[difference.new.clone()],
                reach: difference.reach.clone(),
            })
            .collect()
    }
}

/// One change of one side.
struct Change<'a> {
    /// Lines of the base that it replaces.
    base: Range<usize>,
    /// The lines that it puts there.
    lines: &'a [&'a str],
    /// Lines of the base that it could touch if it were placed elsewhere among equal lines.
    reach: Range<usize>,
}

/// What both algorithms make of the sides, whichever is called ours.
fn agreed(base: &[&str], one: &Side<'_>, other: &Side<'_>) -> Result<String, Reason> {
    let changes = [one, other].map(|side| side.changes(&side.histogram));
    let merged = diff3(base, &changes[0], &changes[1])?;
    if diff3(base, &changes[1], &changes[0]).as_ref() != Ok(&merged) {
        return Err(Reason::NotSymmetric);
    }
    let changes = [one, other].map(|side| side.changes(&side.myers));
    if diff3(base, &changes[0], &changes[1]).as_ref() != Ok(&merged) {
        return Err(Reason::Ambiguous);
    }
    Ok(merged)
}

/// Who made a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    Ours,
    Theirs,
    Both,
}

fn diff3(base: &[&str], ours: &[Change<'_>], theirs: &[Change<'_>]) -> Result<String, Reason> {
    let is_anchor = anchors(base);
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    let mut merged = String::new();
    let mut at = 0;
    // How far the changes of each maker reach.
    let mut reached: [Option<usize>; 3] = [None; 3];
    loop {
        let (maker, change) = match (ours.peek(), theirs.peek()) {
            (None, None) => break,
            (Some(one), Some(other)) if one.base == other.base && one.lines == other.lines => {
                theirs.next();
                (Maker::Both, ours.next())
            }
            (Some(one), Some(other)) if other.base.start < one.base.start => {
                (Maker::Theirs, theirs.next())
            }
            (Some(_), _) => (Maker::Ours, ours.next()),
            (None, Some(_)) => (Maker::Theirs, theirs.next()),
        };
        let Some(change) = change else { break };
        for other in [Maker::Ours, Maker::Theirs, Maker::Both] {
            if let (true, Some(end)) = (other != maker, reached[other as usize]) {
                let between = is_anchor.get(end..change.reach.start);
                if !between.is_some_and(|between| between.contains(&true)) {
                    return Err(Reason::Overlap);
                }
            }
        }
        let end = reached[maker as usize].get_or_insert(0);
        *end = change.reach.end.max(*end);
        merged.extend(
            base.get(at..change.base.start)
                .ok_or(Reason::Overlap)?
                .iter()
                .copied(),
        );
        merged.extend(change.lines.iter().copied());
        at = change.base.end;
    }
    merged.extend(base[at..].iter().copied());
    Ok(merged)
}

/// Which lines stand once only. Those part changes: a line that stands more often could be taken for
/// another one, as the long test against git showed.
fn anchors(base: &[&str]) -> Vec<bool> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in base {
        *counts.entry(line).or_default() += 1;
    }
    base.iter()
        .map(|line| counts.get(line) == Some(&1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        text.split(' ').map(|line| format!("{line}\n")).collect()
    }

    fn merged(before: &str, after: &str, live: &str) -> Result<String, Reason> {
        merge(&lines(before), &lines(after), &lines(live))
    }

    #[test]
    fn changes_apart_are_both_kept() {
        assert_eq!(
            merged("a b c d e", "a X c d e", "a X c d Y"),
            Ok(lines("a b c d Y"))
        );
    }

    #[test]
    fn changes_side_by_side_are_refused() {
        assert_eq!(
            merged("a b c d", "a X c d", "a X Y d"),
            Err(Reason::Overlap)
        );
        assert_eq!(merged("a b c", "a X c", "a Y c"), Err(Reason::Overlap));
    }

    #[test]
    fn an_insertion_among_equal_lines_reaches_over_all_of_them() {
        // Live's new "r" could stand before or after any other "r", so also beside the event's "X".
        assert_eq!(
            merged("q b r r r z", "q X r r r z", "q X r r r r z"),
            Err(Reason::Overlap)
        );
    }

    #[test]
    fn a_missing_last_line_end_is_a_change_of_that_line() {
        assert_eq!(
            merge("a\nb\nc", "x\nb\nc", "x\nb\nc\n"),
            Ok("a\nb\nc\n".into())
        );
        assert_eq!(
            merge("a\nb\n", "a\n", "a"),
            Err(Reason::Overlap),
            "two lines must not be glued together"
        );
    }
}
