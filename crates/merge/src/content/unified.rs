//! A unified diff, for people who are asked whether a proposed merge is right.
//!
//! The diff library has a printer, but where the first change stands four to six lines below the top,
//! its hunk starts at a line that its header doesn't name (imara-diff 0.2.0); so the printing is ours.

use std::fmt::Write;
use std::ops::Range;

use imara_diff::Algorithm;

use super::compare::{self, Difference};
use super::{lines, sniff};

/// Lines of context around a change, as `diff -u` has them.
const CONTEXT_LINES: usize = 3;

/// What changed from `before` to `after`, as a unified diff without file names: hunks with three lines
/// of context, as `patch` takes them. Empty where nothing changed; one sentence where one is no text.
#[must_use]
pub fn unified(before: &[u8], after: &[u8]) -> String {
    if before == after {
        return String::new();
    }
    let (Some(before), Some(after)) = (sniff::text(before), sniff::text(after)) else {
        return "Binary contents differ\n".into();
    };
    let changes = compare::differences(Algorithm::Histogram, before, after)
        .unwrap_or_else(|| vec![compare::roughly(before, after)]);
    let (old, new) = (lines::split(before), lines::split(after));
    let mut text = String::new();
    // Changes with at most twice the context between them share it, and so a hunk.
    let is_near =
        |one: &Difference, next: &Difference| (next.old.start - one.old.end) <= 2 * CONTEXT_LINES;
    for group in changes.chunk_by(is_near) {
        print_hunk(&mut text, group, &old, &new);
    }
    text
}

fn print_hunk(text: &mut String, changes: &[Difference], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
        return;
    };
    let above = CONTEXT_LINES.min(first.old.start);
    let below = CONTEXT_LINES.min(old.len() - last.old.end);
    let start = first.old.start - above;
    let end = last.old.end + below;
    let new_range = first.new.start - above..last.new.end + below;
    let ranges = [place(&(start..end)), place(&new_range)];
    // Writing to a string can't fail.
    let _ = writeln!(text, "@@ -{} +{} @@", ranges[0], ranges[1]);
    let mut at = start;
    for change in changes {
        print_lines(text, ' ', &old[at..change.old.start]);
        at = change.old.end;
        print_lines(text, '-', &old[change.old.start..at]);
        print_lines(text, '+', &new[change.new.start..change.new.end]);
    }
    print_lines(text, ' ', &old[at..end]);
}

/// A range of lines in a header: first and count; one line needs no count, and no line at all is the
/// place behind the line named.
fn place(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        length => format!("{},{length}", lines.start + 1),
    }
}

fn print_lines(text: &mut String, mark: char, lines: &[&str]) {
    for line in lines {
        text.push(mark);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_its_context() {
        let before = b"1\n2\n3\n4\n5\n6\n7\n8\n9";
        let after = b"1\n2\n3\n4\nfive\n6\n7\n8\n9";
        assert_eq!(
            unified(before, after),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        );
        assert_eq!(
            unified(b"a", b"a\n"),
            "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
        );
        assert_eq!(unified(b"", b"a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified(b"a", b"a"), "");
        assert_eq!(unified(b"\0", b"a"), "Binary contents differ\n");
    }
}
