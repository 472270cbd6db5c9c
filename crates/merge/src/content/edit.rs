//! The smallest edits that make live's bytes say what the merge says; all else stays byte for byte.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::three_way::order;
use super::tree::{Member, Node, Shape, Value, id_field, item_id};

mod commas;
mod line_blocks;

/// How the members of a container are held apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// By commas, between brackets.
    Commas,
    /// By lines.
    Lines,
}

/// A document and its text.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) root: &'a Node,
}

/// Live's text, changed so that it says `merged`; `None` where that can't be done by plain edits. The
/// caller must parse the result and compare.
pub(super) fn apply(
    layout: Layout,
    before: Document<'_>,
    after: Document<'_>,
    live: Document<'_>,
    merged: &Value,
) -> Option<String> {
    let mut editor = Editor {
        layout,
        before: before.text,
        after: after.text,
        live: live.text,
        before_lines: before.text.lines().map(str::trim).collect(),
        live_lines: live.text.lines().map(str::trim).collect(),
        edits: Vec::new(),
    };
    editor.node(Some(before.root), Some(after.root), live.root, merged)?;
    editor.finish()
}

struct Editor<'a> {
    layout: Layout,
    before: &'a str,
    after: &'a str,
    live: &'a str,
    before_lines: HashSet<&'a str>,
    live_lines: HashSet<&'a str>,
    /// Places in live and what to put there. They never overlap.
    edits: Vec<(Range<usize>, String)>,
}

/// The children of a container by key, in order.
struct Children<'n> {
    order: Vec<String>,
    by_key: HashMap<String, usize>,
    members: &'n [Member],
}

impl<'n> Children<'n> {
    fn of(node: Option<&'n Node>, field: Option<&str>) -> Self {
        let mut children = Self {
            order: Vec::new(),
            by_key: HashMap::new(),
            members: node.map(members).unwrap_or_default(),
        };
        for (place, member) in children.members.iter().enumerate() {
            let key = match field {
                None => member.key.clone(),
                Some(field) => match item_id(&member.node.value(), field) {
                    Some(id) => id.to_owned(),
                    None => continue,
                },
            };
            children.order.push(key.clone());
            children.by_key.insert(key, place);
        }
        children
    }

    fn keys(&self) -> Vec<&str> {
        self.order.iter().map(String::as_str).collect()
    }

    fn get(&self, key: &str) -> Option<&'n Member> {
        self.by_key.get(key).map(|&place| &self.members[place])
    }
}

fn members(node: &Node) -> &[Member] {
    match &node.shape {
        Shape::Map(members) | Shape::List(members) => members,
        Shape::Scalar(_) => &[],
    }
}

/// One place in the new order of a container.
enum Slot<'n> {
    /// A member of live, by its place there.
    Kept(usize),
    /// A member of before.
    Inserted(&'n Member),
}

impl<'a> Editor<'a> {
    fn node(
        &mut self,
        before: Option<&Node>,
        after: Option<&Node>,
        live: &Node,
        merged: &Value,
    ) -> Option<()> {
        if live.says(merged) {
            return Some(());
        }
        let items = |node: Option<&Node>| match node.map(Node::value) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        };
        match (&live.shape, merged) {
            (Shape::Map(_), Value::Map(map)) => {
                let values = map.iter().map(|(key, value)| (key.as_str(), value));
                self.container(None, [before, after], live, &values.collect())
            }
            (Shape::List(_), Value::List(list)) => {
                let (old, base, new) = (items(before), items(after), items(Some(live)));
                match id_field([&old, &base, &new]) {
                    Some(field) => {
                        let values = list
                            .iter()
                            .filter_map(|item| Some((item_id(item, field)?, item)));
                        self.container(Some(field), [before, after], live, &values.collect())
                    }
                    None => self.replace(before?, live, merged),
                }
            }
            _ => self.replace(before?, live, merged),
        }
    }

    fn replace(&mut self, before: &Node, live: &Node, merged: &Value) -> Option<()> {
        if !before.says(merged) {
            return None;
        }
        let (old, new) = (
            &self.before[before.span.clone()],
            &self.live[live.span.clone()],
        );
        // Spaces before a value stay as live has them, where a value follows on the line.
        let [old_spaces, new_spaces] = [old, new].map(|text| {
            let rest = text.trim_start_matches([' ', '\t']);
            let is_inline = !rest.is_empty() && !rest.starts_with(['\r', '\n', '#']);
            is_inline.then_some(text.len() - rest.len())
        });
        let (from, text) = match (old_spaces, new_spaces) {
            (Some(old_spaces), Some(spaces)) => (spaces, &old[old_spaces..]),
            _ => (0, old),
        };
        self.edits
            .push((live.span.start + from..live.span.end, text.to_owned()));
        Some(())
    }

    fn container(
        &mut self,
        field: Option<&str>,
        [before, after]: [Option<&Node>; 2],
        live: &Node,
        merged: &HashMap<&str, &Value>,
    ) -> Option<()> {
        let (old, base, new) = (
            Children::of(before, field),
            Children::of(after, field),
            Children::of(Some(live), field),
        );
        let is_kept = |key: &str| merged.contains_key(key);
        let mut slots = Vec::with_capacity(merged.len());
        for key in order(&new.keys(), &old.keys(), is_kept) {
            let value = merged.get(key)?;
            match new.by_key.get(key) {
                Some(&place) => {
                    let member = &new.members[place];
                    let old = old.get(key);
                    // What is put in place of a value stands at the depth of its key.
                    if old.is_some_and(|old| old.indent != member.indent) {
                        return None;
                    }
                    self.node(
                        old.map(|member| &member.node),
                        base.get(key).map(|member| &member.node),
                        &member.node,
                        value,
                    )?;
                    slots.push(Slot::Kept(place));
                }
                None => slots.push(Slot::Inserted(old.get(key)?)),
            }
        }
        let is_same = slots.iter().all(|slot| matches!(slot, Slot::Kept(_)));
        if is_same && slots.len() == new.order.len() {
            return Some(());
        }
        match self.layout {
            Layout::Commas => self.commas(before, live, &slots),
            Layout::Lines => {
                let removed = new
                    .order
                    .iter()
                    .filter(|key| !is_kept(key))
                    .filter_map(|key| Some((new.get(key)?, base.get(key)?)));
                for (member, base) in removed {
                    self.remove_lines(member, base)?;
                }
                self.insert_lines(live, &slots)
            }
        }
    }

    fn finish(mut self) -> Option<String> {
        // Stable: of two edits at one place, the one that was made first stands first.
        self.edits
            .sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = String::with_capacity(self.live.len());
        let mut at = 0;
        for (range, new) in &self.edits {
            text.push_str(self.live.get(at..range.start)?);
            text.push_str(new);
            at = range.end;
        }
        text.push_str(self.live.get(at..)?);
        Some(text)
    }
}
