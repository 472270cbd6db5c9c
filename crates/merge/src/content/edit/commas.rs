//! Members between brackets, held apart by commas.

use super::{Editor, Slot, members};
use crate::content::tree::Node;

impl Editor<'_> {
    /// Rewrites the bytes between the members that stay: brackets, commas and white space. What stood
    /// between two members that still follow each other stays as it is.
    pub(super) fn commas(
        &mut self,
        before: Option<&Node>,
        live: &Node,
        slots: &[Slot<'_>],
    ) -> Option<()> {
        let style = Commas::of(self.live, live)
            .or_else(|| before.and_then(|before| Commas::of(self.before, before)))?;
        let olds = members(live);
        let mut from = live.span.start + 1;
        let mut gap = String::new();
        for (place, slot) in slots.iter().enumerate() {
            let is_first = place == 0;
            match slot {
                Slot::Inserted(member) => {
                    gap.push_str(if is_first { &style.first } else { &style.next });
                    gap.push_str(&self.before[member.whole.clone()]);
                }
                &Slot::Kept(old) => {
                    let member = &olds[old];
                    gap.push_str(match old.checked_sub(1) {
                        _ if is_first => &style.first,
                        Some(previous) => &self.live[olds[previous].whole.end..member.whole.start],
                        None => &style.next,
                    });
                    self.replace_gap(from..member.whole.start, &gap);
                    gap.clear();
                    from = member.whole.end;
                }
            }
        }
        if !slots.is_empty() {
            gap.push_str(&style.last);
        }
        self.replace_gap(from..live.span.end - 1, &gap);
        Some(())
    }

    fn replace_gap(&mut self, range: std::ops::Range<usize>, text: &str) {
        if &self.live[range.clone()] != text {
            self.edits.push((range, text.to_owned()));
        }
    }
}

/// What stands between the members of a container.
struct Commas {
    /// Before the first.
    first: String,
    /// Before every other, with its comma.
    next: String,
    /// After the last.
    last: String,
}

impl Commas {
    /// The style of a container; `None` if it has no members.
    fn of(text: &str, node: &Node) -> Option<Self> {
        let members = members(node);
        let (head, tail) = (members.first()?, members.last()?);
        let first = text[node.span.start + 1..head.whole.start].to_owned();
        let next = match members.get(1) {
            Some(second) => text[head.whole.end..second.whole.start].to_owned(),
            // With one member only: a line of its own for the next where that one has a line.
            None if first.contains('\n') => format!(",{first}"),
            None => ", ".to_owned(),
        };
        Some(Self {
            first,
            next,
            last: text[tail.whole.end..node.span.end - 1].to_owned(),
        })
    }
}
