//! Trees and plans by chance. Knows nothing of how an undo is decided: it draws two trees and takes
//! the way from one to the other.

use std::collections::BTreeSet;

use model::plan::Step;
use model::{Action, Kind};

use crate::kit::{Node, Tree, dir, entry, fifo, file, key, link, steps_between};

/// Repeatable chance (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() {
            return None;
        }
        let at = self.below(from.len());
        from.get(at)
    }
}

/// Draws trees in which no two files are alike.
struct Drawer {
    chance: Chance,
    drawn: usize,
}

impl Drawer {
    fn leaf(&mut self) -> Node {
        self.drawn += 1;
        let text = format!("content {}", self.drawn);
        let mut node = match self.chance.below(8) {
            0 => link(&text),
            1 => fifo(),
            _ => file(&text),
        };
        if node.kind != Kind::Symlink {
            node.mode = [0o644, 0o600, 0o755][self.chance.below(3)];
        }
        node.secs += self.chance.below(1000) as i64;
        node
    }

    fn directory(&mut self) -> Node {
        Node {
            mode: [0o755, 0o711, 0o700][self.chance.below(3)],
            ..dir()
        }
    }

    fn fill(&mut self, tree: &mut Tree, inside: &str, depth: usize) {
        for name in ["a", "b", "c", "d"] {
            let path = join(inside, name);
            if tree.contains_key(&path) || self.chance.one_in(3) {
                continue;
            }
            self.draw(tree, &path, depth);
        }
    }

    fn draw(&mut self, tree: &mut Tree, path: &str, depth: usize) {
        if depth > 0 && self.chance.one_in(3) {
            let node = self.directory();
            tree.insert(path.into(), node);
            self.fill(tree, path, depth - 1);
        } else {
            let node = self.leaf();
            tree.insert(path.into(), node);
        }
    }

    /// Another tree, some way off.
    fn vary(&mut self, live: &Tree) -> Tree {
        let mut wanted = live.clone();
        for path in live.keys() {
            let Some(node) = wanted.get(path).cloned() else {
                continue;
            };
            match self.chance.below(7) {
                0 => remove(&mut wanted, path),
                1 => {
                    remove(&mut wanted, path);
                    self.draw(&mut wanted, path, 2);
                }
                2 if node.kind != Kind::Symlink => {
                    let mode = node.mode ^ 0o070;
                    wanted.insert(path.clone(), Node { mode, ..node });
                }
                3 if node.kind == Kind::Directory => self.fill(&mut wanted, path, 2),
                _ => {}
            }
        }
        self.fill(&mut wanted, "", 2);
        wanted
    }
}

/// What a test starts from, and where it is to end.
pub(crate) struct Drawn {
    pub(crate) live: Tree,
    pub(crate) wanted: Tree,
    pub(crate) steps: Vec<Step>,
}

/// Two trees and the way from one to the other, with moves and versions put beside among the steps.
pub(crate) fn draw(seed: u64) -> Drawn {
    let mut drawer = Drawer {
        chance: Chance::new(seed),
        drawn: 0,
    };
    let mut live = Tree::new();
    drawer.fill(&mut live, "", 3);
    let mut wanted = drawer.vary(&live);
    let (mut stays, mut comes) = (live.clone(), wanted.clone());
    let mut moves = Vec::new();
    for _ in 0..drawer.chance.below(3) {
        moves.extend(one_move(
            &mut drawer.chance,
            &mut stays,
            &mut comes,
            &mut wanted,
            &live,
        ));
    }
    let mut steps = steps_between(&stays, &comes);
    for step in &mut steps {
        // What stands at a key that a move will leave may be named in the step or not.
        let path = crate::kit::path_of(&step.key);
        if step.action == Action::Create && live.contains_key(&path) && drawer.chance.one_in(2) {
            step.action = Action::Replace;
            step.expects = live.get(&path).map(entry);
        }
    }
    steps.extend(moves);
    let unchanged: Vec<String> = comes
        .iter()
        .filter(|(path, node)| node.kind == Kind::File && stays.get(*path) == Some(node))
        .map(|(path, _)| path.clone())
        .collect();
    if let Some(path) = drawer.chance.pick(&unchanged) {
        let node = file("put beside");
        steps.push(Step {
            key: key(path),
            action: Action::Beside,
            expects: Some(entry(&live[path])),
            leaves: Some(entry(&node)),
        });
        wanted.insert(format!("{path}.recoup-7"), node);
    }
    steps.sort_by(|one, two| one.key.cmp(&two.key));
    Drawn {
        live,
        wanted,
        steps,
    }
}

/// Something of the live tree gets another name, which nothing else has.
fn one_move(
    chance: &mut Chance,
    stays: &mut Tree,
    comes: &mut Tree,
    wanted: &mut Tree,
    live: &Tree,
) -> Option<Step> {
    let places: Vec<String> = stays.keys().cloned().collect();
    let from = chance.pick(&places)?.clone();
    let mut homes: Vec<String> = comes
        .iter()
        .filter(|(_, node)| node.kind == Kind::Directory)
        .map(|(path, _)| path.clone())
        .collect();
    homes.push(String::new());
    let name = ["m", "n"][chance.below(2)];
    let to = join(chance.pick(&homes)?, name);
    if live.contains_key(&to) || wanted.contains_key(&to) {
        return None;
    }
    let inside: BTreeSet<String> = stays
        .keys()
        .filter(|path| within(path, &from))
        .cloned()
        .collect();
    // What the way would change in it would have to be said in other words.
    if inside.iter().any(|path| comes.get(path) != stays.get(path)) && !inside.is_empty() {
        let gone = inside.iter().all(|path| !comes.contains_key(path));
        if !gone {
            return None;
        }
    }
    if comes
        .keys()
        .any(|path| within(path, &from) && !inside.contains(path))
    {
        return None;
    }
    if within(&to, &from) {
        return None;
    }
    for path in &inside {
        let node = stays.remove(path)?;
        comes.remove(path);
        wanted.remove(path);
        wanted.insert(format!("{to}{}", &path[from.len()..]), node);
    }
    Some(Step {
        key: key(&to),
        action: Action::Move { from: key(&from) },
        expects: None,
        leaves: Some(entry(&live[&from])),
    })
}

fn remove(tree: &mut Tree, path: &str) {
    tree.retain(|found, _| !within(found, path));
}

pub(crate) fn within(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn join(inside: &str, name: &str) -> String {
    if inside.is_empty() {
        name.into()
    } else {
        format!("{inside}/{name}")
    }
}
