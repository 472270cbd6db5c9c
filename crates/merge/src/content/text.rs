//! Merging by lines: diff3 on a histogram diff, accepted only behind guards.
//!
//! On diff3 "seemingly natural intuitions are incorrect": even changes far apart may conflict, and it
//! is in general neither idempotent nor stable (Khanna, Kunal, Pierce: "A Formal Investigation of
//! Diff3", 2007). So a result counts only if two diff algorithms agree on it, if merging the other way
//! round and merging once more give it again, and if a common line stands between any two changes,
//! wherever among equal lines they could as well be placed.

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

fn diff3(base: &[&str], ours: &[Change<'_>], theirs: &[Change<'_>]) -> Result<String, Reason> {
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    let mut merged = String::new();
    let mut at = 0;
    loop {
        let change = match (ours.peek(), theirs.peek()) {
            (None, None) => break,
            (Some(_), None) => ours.next(),
            (None, Some(_)) => theirs.next(),
            (Some(one), Some(other)) => {
                if one.base == other.base && one.lines == other.lines {
                    theirs.next();
                    ours.next()
                } else if one.reach.end < other.reach.start {
                    ours.next()
                } else if other.reach.end < one.reach.start {
                    theirs.next()
                } else {
                    return Err(Reason::Overlap);
                }
            }
        };
        let Some(change) = change else { break };
        if change.base.start < at {
            return Err(Reason::Overlap);
        }
        merged.extend(base[at..change.base.start].iter().copied());
        merged.extend(change.lines.iter().copied());
        at = change.base.end;
    }
    merged.extend(base[at..].iter().copied());
    Ok(merged)
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
