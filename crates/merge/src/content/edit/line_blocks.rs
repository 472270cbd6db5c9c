//! Members that own whole lines.

use std::collections::HashSet;

use super::{Editor, Slot, members};
use crate::content::lines;
use crate::content::tree::{Member, Node};

impl Editor<'_> {
    /// Removes a member of live that the event had added; `after` is the same member as the event left
    /// it. Comments above it go along only if the event brought them.
    pub(super) fn remove_lines(&mut self, live: &Member, after: &Member) -> Option<()> {
        if live.is_pinned {
            return None;
        }
        let brought: HashSet<&str> = self.after[after.lead.clone()]
            .lines()
            .map(str::trim)
            .filter(|line| !self.before_lines.contains(line))
            .collect();
        let mut start = live.whole.start;
        for line in lines::split(&self.live[live.lead.clone()]).iter().rev() {
            if !brought.contains(line.trim()) {
                break;
            }
            start -= line.len();
        }
        // Of the blank lines around a block one side is enough.
        let end = live.whole.end;
        let follows_blank = blank_line_before(self.live, start);
        let next = &self.live[end..lines::end_of_line(self.live, end)];
        if let (Some(blank), true) = (follows_blank, next.trim().is_empty()) {
            start = blank;
        }
        self.edits.push((start..end, String::new()));
        Some(())
    }

    /// Brings members of before into live, each with the comments that stood above it and are gone.
    pub(super) fn insert_lines(&mut self, live: &Node, slots: &[Slot<'_>]) -> Option<()> {
        let olds = members(live);
        // The members of one container share their indent: the parsers refuse any other.
        let indent = olds.first().map(|old| old.indent);
        let mut anchor = None;
        for slot in slots {
            match slot {
                Slot::Kept(place) => anchor = Some(*place),
                Slot::Inserted(member) => {
                    if member.is_pinned || indent.is_some_and(|indent| indent != member.indent) {
                        return None;
                    }
                    let at = match (anchor, olds.first()) {
                        (Some(place), _) => olds[place].whole.end,
                        (None, None) => live.span.end,
                        (None, Some(first)) if first.is_pinned => return None,
                        // A comment at the very top belongs to the file.
                        (None, Some(first)) if first.lead.start == 0 => first.whole.start,
                        (None, Some(first)) => first.lead.start,
                    };
                    let text = self.block(member, at);
                    self.edits.push((at..at, text));
                }
            }
        }
        Some(())
    }

    /// The lines of a member of before, to be put into live at `at`.
    fn block(&self, member: &Member, at: usize) -> String {
        let mut start = member.whole.start;
        for line in lines::split(&self.before[member.lead.clone()]).iter().rev() {
            if self.live_lines.contains(line.trim()) {
                break;
            }
            start -= line.len();
        }
        let mut text = String::new();
        if let Some(blank) = blank_line_before(self.before, start)
            && at > 0
            && blank_line_before(self.live, at).is_none()
        {
            text.push_str(&self.before[blank..start]);
        }
        text.push_str(&self.before[start..member.whole.end]);
        text
    }
}

/// Start of the blank line directly before the line that starts at `at`, if there is one.
fn blank_line_before(text: &str, at: usize) -> Option<usize> {
    let end = at.checked_sub(1)?;
    let start = lines::start_of_line(text, end);
    text[start..at].trim().is_empty().then_some(start)
}
