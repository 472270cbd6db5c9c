//! The name that was probably meant.

/// The one of `names` that is nearest, if any is near.
pub(crate) fn nearest<'a>(unknown: &str, names: &[&'a str]) -> Option<&'a str> {
    let distances = names.iter().map(|name| (*name, distance(unknown, name)));
    let (name, distance) = distances.min_by_key(|(_, distance)| *distance)?;
    (distance <= 1 + unknown.len() / 4).then_some(name)
}

/// How many letters have to be changed, added or removed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}
