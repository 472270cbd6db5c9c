//! A parsed document: values by key, and where each stands in the bytes.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Nesting below which a document is taken apart; deeper ones count as not understood. Deeper than
/// what people write, shallow enough for the smallest stack.
pub(super) const DEPTH_MAX: usize = 64;

/// What a document says, without where and how. Scalars are lexemes: `1.0`, `1.00` and `1` differ, and
/// so do `"a"` and `a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Scalar(String),
    Map(BTreeMap<String, Value>),
    List(Vec<Value>),
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The bytes to replace when the value is replaced as a whole.
    pub(super) span: Range<usize>,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Scalar(String),
    Map(Vec<Member>),
    List(Vec<Member>),
}

/// A child of a map or a list.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Empty in a list.
    pub(super) key: String,
    /// Everything that goes when the member goes. Whole lines in formats of lines.
    pub(super) whole: Range<usize>,
    /// The comment lines directly above; empty in JSON.
    pub(super) lead: Range<usize>,
    /// Columns before the key in formats where they mean something, else 0.
    pub(super) indent: usize,
    /// It shares its line with what holds it, so that it can't be removed by lines.
    pub(super) is_pinned: bool,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn value(&self) -> Value {
        match &self.shape {
            Shape::Scalar(lexeme) => Value::Scalar(lexeme.clone()),
            Shape::Map(members) => Value::Map(
                members
                    .iter()
                    .map(|member| (member.key.clone(), member.node.value()))
                    .collect(),
            ),
            Shape::List(members) => {
                Value::List(members.iter().map(|member| member.node.value()).collect())
            }
        }
    }

    /// Whether the node says `value`; cheaper than making its value.
    pub(super) fn says(&self, value: &Value) -> bool {
        match (&self.shape, value) {
            (Shape::Scalar(lexeme), Value::Scalar(other)) => lexeme == other,
            (Shape::Map(members), Value::Map(map)) => {
                members.len() == map.len()
                    && members.iter().all(|member| {
                        map.get(&member.key)
                            .is_some_and(|value| member.node.says(value))
                    })
            }
            (Shape::List(members), Value::List(list)) => {
                members.len() == list.len()
                    && members
                        .iter()
                        .zip(list)
                        .all(|(member, value)| member.node.says(value))
            }
            _ => false,
        }
    }
}

/// Whether a key stands twice among `members`: then nobody knows which one counts.
pub(super) fn has_duplicates(members: &[Member]) -> bool {
    let mut seen = HashSet::with_capacity(members.len());
    !members.iter().all(|member| seen.insert(&*member.key))
}

/// Fields by which the items of a list are told apart, in the order in which they are tried.
pub(super) const ID_FIELDS: [&str; 4] = ["id", "name", "key", "uid"];

/// The field that is present, a scalar and unique in every item of all `lists`, if there is one.
pub(super) fn id_field(lists: [&[Value]; 3]) -> Option<&'static str> {
    if lists.iter().all(|list| list.is_empty()) {
        return None;
    }
    ID_FIELDS.into_iter().find(|field| {
        lists.iter().all(|list| {
            let mut seen = HashSet::with_capacity(list.len());
            list.iter()
                .all(|item| item_id(item, field).is_some_and(|id| seen.insert(id)))
        })
    })
}

/// The lexeme of an item's id field.
pub(super) fn item_id<'a>(item: &'a Value, field: &str) -> Option<&'a str> {
    match item {
        Value::Map(map) => match map.get(field) {
            Some(Value::Scalar(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}
