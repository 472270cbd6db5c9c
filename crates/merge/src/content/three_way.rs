//! The three-way merge of what documents say, knowing nothing of bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::tree::{Value, id_field, item_id};
use super::verdict::Reason;

/// `live` with the change from `before` to `after` taken back.
pub(super) fn merge(before: &Value, after: &Value, live: &Value) -> Result<Value, Reason> {
    let merged = value(Some(before), Some(after), Some(live), &mut Vec::new())?;
    // None of the three is absent, so neither is the result.
    let merged = merged.ok_or(Reason::Overlap)?;
    let mirrored = value(Some(live), Some(after), Some(before), &mut Vec::new())?;
    if mirrored.as_ref() != Some(&merged) {
        return Err(Reason::NotSymmetric);
    }
    let again = value(Some(before), Some(after), Some(&merged), &mut Vec::new());
    if again != Ok(Some(merged.clone())) {
        return Err(Reason::NotStable);
    }
    Ok(merged)
}

fn value(
    before: Option<&Value>,
    after: Option<&Value>,
    live: Option<&Value>,
    path: &mut Vec<String>,
) -> Result<Option<Value>, Reason> {
    if after == before || live == before {
        return Ok(live.cloned());
    }
    if live == after {
        return Ok(before.cloned());
    }
    match (before, after, live) {
        (Some(Value::Map(before)), Some(Value::Map(after)), Some(Value::Map(live))) => {
            map(before, after, live, path).map(|map| Some(Value::Map(map)))
        }
        (Some(Value::List(before)), Some(Value::List(after)), Some(Value::List(live))) => {
            list(before, after, live, path).map(|list| Some(Value::List(list)))
        }
        _ => Err(same_key(path)),
    }
}

fn same_key(path: &[String]) -> Reason {
    // The top of a file of sections has no name.
    let named: Vec<&str> = path
        .iter()
        .map(String::as_str)
        .filter(|key| !key.is_empty())
        .collect();
    Reason::SameKey(named.join("."))
}

fn map(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    live: &BTreeMap<String, Value>,
    path: &mut Vec<String>,
) -> Result<BTreeMap<String, Value>, Reason> {
    let keys: BTreeSet<&String> = before.keys().chain(live.keys()).collect();
    let mut merged = BTreeMap::new();
    for key in keys {
        path.push(key.clone());
        let child = value(before.get(key), after.get(key), live.get(key), path)?;
        path.pop();
        if let Some(child) = child {
            merged.insert(key.clone(), child);
        }
    }
    Ok(merged)
}

/// Items are merged by their id; a list without unique ids, or in another order, is one value.
fn list(
    before: &[Value],
    after: &[Value],
    live: &[Value],
    path: &mut Vec<String>,
) -> Result<Vec<Value>, Reason> {
    let field = id_field([before, after, live]).ok_or_else(|| same_key(path))?;
    let (before, after, live) = (
        Items::of(before, field),
        Items::of(after, field),
        Items::of(live, field),
    );
    if !(before.agrees(&after) && after.agrees(&live) && live.agrees(&before)) {
        return Err(same_key(path));
    }
    let mut merged = HashMap::new();
    for &id in live.order.iter().chain(&before.order) {
        if merged.contains_key(id) {
            continue;
        }
        path.push(id.into());
        let child = value(before.get(id), after.get(id), live.get(id), path)?;
        path.pop();
        merged.insert(id, child);
    }
    let order = order(&live.order, &before.order, |id| {
        matches!(merged.get(id), Some(Some(_)))
    });
    Ok(order
        .into_iter()
        .filter_map(|id| merged.remove(id).flatten())
        .collect())
}

/// The order of a merged list or map: that of live; what comes back from before follows the one that
/// it followed there, or stands at the front.
pub(super) fn order<'a>(
    live: &[&'a str],
    before: &[&'a str],
    is_kept: impl Fn(&str) -> bool,
) -> Vec<&'a str> {
    let in_live: HashSet<&str> = live.iter().copied().collect();
    let mut followers: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
    let mut anchor = None;
    for &id in before.iter().filter(|id| is_kept(id)) {
        if in_live.contains(id) {
            anchor = Some(id);
        } else {
            followers.entry(anchor).or_default().push(id);
        }
    }
    let mut order = followers.remove(&None).unwrap_or_default();
    for &id in live.iter().filter(|id| is_kept(id)) {
        order.push(id);
        order.extend(followers.remove(&Some(id)).unwrap_or_default());
    }
    order
}

/// A list whose items have ids.
struct Items<'a> {
    order: Vec<&'a str>,
    by_id: HashMap<&'a str, &'a Value>,
}

impl<'a> Items<'a> {
    fn of(list: &'a [Value], field: &str) -> Self {
        let pairs = || {
            list.iter()
                .filter_map(|item| Some((item_id(item, field)?, item)))
        };
        Self {
            order: pairs().map(|(id, _)| id).collect(),
            by_id: pairs().collect(),
        }
    }

    fn get(&self, id: &str) -> Option<&'a Value> {
        self.by_id.get(id).copied()
    }

    /// Whether what both hold stands in the same order.
    fn agrees(&self, other: &Self) -> bool {
        let here = self.order.iter().filter(|id| other.get(id).is_some());
        here.eq(other.order.iter().filter(|id| self.get(id).is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_follows_what_it_followed() {
        let all = |_: &str| true;
        assert_eq!(order(&["a", "c"], &["a", "b", "c"], all), ["a", "b", "c"]);
        assert_eq!(
            order(&["a", "n"], &["x", "y", "a"], all),
            ["x", "y", "a", "n"]
        );
        assert_eq!(
            order(&["a", "n"], &["a", "x", "y"], all),
            ["a", "x", "y", "n"]
        );
        assert_eq!(
            order(&["a", "b"], &["a", "b", "c"], |id| id != "b"),
            ["a", "c"]
        );
    }
}
