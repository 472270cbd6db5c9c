//! How two texts differ, line by line, in bounded time.

use std::collections::HashMap;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput, Token};

/// Pairs of equal lines, outside of the common start and end, above which texts are not compared. Both
/// algorithms take time in proportion to them: 4 * 10^8 pairs (20,000 equal lines in both) measured 0.3 s.
const PAIRS_MAX: u64 = 100_000_000;

/// One stretch of lines that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Lines of the old text that are replaced.
    pub(super) old: Range<usize>,
    /// The lines of the new text that replace them.
    pub(super) new: Range<usize>,
    /// Lines of the old text that it could touch if it were placed elsewhere among equal lines.
    pub(super) reach: Range<usize>,
}

/// How `new` differs from `old`, in order; `None` if so many lines are equal that it would take long.
pub(super) fn differences(algorithm: Algorithm, old: &str, new: &str) -> Option<Vec<Difference>> {
    let input = InternedInput::new(old, new);
    let differing = differing(&input);
    if pairs(
        &input.before[differing.old.clone()],
        &input.after[differing.new.clone()],
    ) > PAIRS_MAX
    {
        return None;
    }
    let mut diff = Diff::compute(algorithm, &input);
    diff.postprocess_lines(&input);
    let differences = diff.hunks().map(|hunk| {
        let old = hunk.before.start as usize..hunk.before.end as usize;
        let new = hunk.after.start as usize..hunk.after.end as usize;
        let reach = reach(&input.before, &input.after, &old, &new);
        Difference { old, new, reach }
    });
    Some(differences.collect())
}

/// Everything between the common start and the common end, as one difference.
pub(super) fn roughly(old: &str, new: &str) -> Difference {
    differing(&InternedInput::new(old, new))
}

fn differing(input: &InternedInput<&str>) -> Difference {
    let (old, new) = (&input.before, &input.after);
    let start = old
        .iter()
        .zip(new)
        .take_while(|(old, new)| old == new)
        .count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let backwards = old_rest.iter().rev().zip(new_rest.iter().rev());
    let end = backwards.take_while(|(old, new)| old == new).count();
    let range = start..old.len() - end;
    Difference {
        old: range.clone(),
        new: start..new.len() - end,
        reach: range,
    }
}

/// How many pairs of one line here and one line there are equal.
fn pairs(old: &[Token], new: &[Token]) -> u64 {
    let mut counts: HashMap<Token, u64> = HashMap::new();
    for &token in old {
        *counts.entry(token).or_default() += 1;
    }
    new.iter().filter_map(|token| counts.get(token)).sum()
}

/// How far an insertion or a removal could slide without changing the outcome: a line above that
/// equals its last line, or a line below that equals its first.
fn reach(old: &[Token], new: &[Token], at: &Range<usize>, new_at: &Range<usize>) -> Range<usize> {
    let (text, block) = match (at.is_empty(), new_at.is_empty()) {
        (true, false) => (new, new_at),
        (false, true) => (old, at),
        _ => return at.clone(),
    };
    let up = (0..block.start.min(at.start))
        .take_while(|step| text[block.start - 1 - step] == text[block.end - 1 - step])
        .count();
    let down = (0..(text.len() - block.end).min(old.len() - at.end))
        .take_while(|step| text[block.end + step] == text[block.start + step])
        .count();
    at.start - up..at.end + down
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_equal_lines_are_compared_only_where_they_differ() {
        let many = "x\n".repeat(20_000);
        let inside = format!("{many}y\n{many}");
        let around = format!("y\n{many}y\n");
        let compare = |new: &str| differences(Algorithm::Histogram, &many, new);
        assert_eq!(compare(&inside).map(|found| found.len()), Some(1));
        assert_eq!(compare(&around), None);
        assert_eq!(roughly(&many, &around).new, 0..20_002);
    }

    #[test]
    fn an_insertion_reaches_over_equal_lines() {
        let found = differences(Algorithm::Histogram, "a\nr\nr\nz\n", "a\nr\nr\nr\nz\n");
        assert_eq!(found.map(|found| found[0].reach.clone()), Some(1..3));
    }
}
