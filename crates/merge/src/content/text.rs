//! Merging by lines: diff3 on a histogram diff, accepted only behind guards.
//!
//! On diff3 "seemingly natural intuitions are incorrect": even changes far apart may conflict, and it
//! is in general neither idempotent nor stable (Khanna, Kunal, Pierce: "A Formal Investigation of
//! Diff3", 2007). So a result counts only if two diff algorithms agree on it, if merging the other way
//! round and merging once more give it again, and if a common line stands between any two changes,
//! wherever among equal lines they could as well be placed.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput, Token};

use super::lines;
use super::verdict::Reason;

/// Merges lines: `after` is the base, `live` and `before` are the sides.
pub(super) fn merge(before: &str, after: &str, live: &str) -> Result<String, Reason> {
    let merged = diff3(Algorithm::Histogram, after, live, before)?;
    if diff3(Algorithm::Myers, after, live, before).as_ref() != Ok(&merged) {
        return Err(Reason::Ambiguous);
    }
    if diff3(Algorithm::Histogram, after, before, live).as_ref() != Ok(&merged) {
        return Err(Reason::NotSymmetric);
    }
    if diff3(Algorithm::Histogram, after, &merged, before).as_ref() != Ok(&merged) {
        return Err(Reason::NotStable);
    }
    Ok(merged)
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

fn diff3(algorithm: Algorithm, base: &str, ours: &str, theirs: &str) -> Result<String, Reason> {
    let (our_lines, their_lines) = (lines::split(ours), lines::split(theirs));
    let our_changes = changes(algorithm, base, ours, &our_lines);
    let their_changes = changes(algorithm, base, theirs, &their_lines);
    let mut our_changes = our_changes.into_iter().peekable();
    let mut their_changes = their_changes.into_iter().peekable();
    let base_lines = lines::split(base);
    let mut merged = String::with_capacity(ours.len().max(theirs.len()));
    let mut at = 0;
    loop {
        let change = match (our_changes.peek(), their_changes.peek()) {
            (None, None) => break,
            (Some(_), None) => our_changes.next(),
            (None, Some(_)) => their_changes.next(),
            (Some(one), Some(other)) => {
                if one.base == other.base && one.lines == other.lines {
                    their_changes.next();
                    our_changes.next()
                } else if one.reach.end < other.reach.start {
                    our_changes.next()
                } else if other.reach.end < one.reach.start {
                    their_changes.next()
                } else {
                    return Err(Reason::Overlap);
                }
            }
        };
        let Some(change) = change else { break };
        if change.base.start < at {
            return Err(Reason::Overlap);
        }
        merged.extend(base_lines[at..change.base.start].iter().copied());
        merged.extend(change.lines.iter().copied());
        at = change.base.end;
    }
    merged.extend(base_lines[at..].iter().copied());
    Ok(merged)
}

fn changes<'a>(
    algorithm: Algorithm,
    base: &str,
    side: &str,
    side_lines: &'a [&'a str],
) -> Vec<Change<'a>> {
    let input = InternedInput::new(base, side);
    let mut diff = Diff::compute(algorithm, &input);
    diff.postprocess_lines(&input);
    diff.hunks()
        .map(|hunk| {
            let base = hunk.before.start as usize..hunk.before.end as usize;
            let side = hunk.after.start as usize..hunk.after.end as usize;
            Change {
                reach: reach(&input.before, &input.after, &base, &side),
                lines: &side_lines[side],
                base,
            }
        })
        .collect()
}

/// How far an insertion or a removal could slide without changing the outcome: a line above that
/// equals its last line, or a line below that equals its first.
fn reach(
    base: &[Token],
    side: &[Token],
    at: &Range<usize>,
    side_at: &Range<usize>,
) -> Range<usize> {
    let (text, block) = match (at.is_empty(), side_at.is_empty()) {
        (true, false) => (side, side_at),
        (false, true) => (base, at),
        _ => return at.clone(),
    };
    let up = (0..block.start.min(at.start))
        .take_while(|step| text[block.start - 1 - step] == text[block.end - 1 - step])
        .count();
    let down = (0..(text.len() - block.end).min(base.len() - at.end))
        .take_while(|step| text[block.end + step] == text[block.start + step])
        .count();
    at.start - up..at.end + down
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
