//! A script: who changes what when. Writing it applies nothing; it knows the tree as it will be.

use model::Actor;
use model::incident::{Facts, Looks};

use super::world::{Dice, Tree, file, key};

#[derive(Clone)]
pub(crate) struct Act {
    /// Milliseconds from the start.
    pub(crate) at: i64,
    /// Index in the script's actors; `None` where the watcher could not tell.
    pub(crate) who: Option<u32>,
    pub(crate) key: model::PathKey,
    pub(crate) after: Option<Facts>,
    pub(crate) evil: bool,
}

pub(crate) struct Script {
    pub(crate) dice: Dice,
    /// As it will be after all acts so far.
    pub(crate) tree: Tree,
    pub(crate) acts: Vec<Act>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) now: i64,
    pub(crate) evil: bool,
    pub(crate) who: Option<u32>,
    /// Points in these spans of milliseconds lose events.
    pub(crate) blurred: Vec<(i64, i64)>,
}

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;

impl Script {
    pub(crate) fn new(tree: Tree, dice: Dice) -> Self {
        Self {
            dice,
            tree,
            acts: Vec::new(),
            actors: Vec::new(),
            now: 20 * SECOND,
            evil: false,
            who: None,
            blurred: Vec::new(),
        }
    }

    /// From here on this process acts.
    pub(crate) fn by(&mut self, comm: &str, pid: u32, ppid: u32) -> &mut Self {
        let actor = Actor {
            pid,
            ppid: Some(ppid),
            comm: comm.into(),
            exe: format!("/usr/bin/{comm}"),
            ..Actor::default()
        };
        self.actors.push(actor);
        self.who = Some(u32::try_from(self.actors.len()).unwrap() - 1);
        self
    }

    /// From here on nobody knows who acts.
    pub(crate) fn by_nobody(&mut self) -> &mut Self {
        self.who = None;
        self
    }

    /// From here on it is damage.
    pub(crate) fn evil(&mut self) -> &mut Self {
        self.evil = true;
        self
    }

    pub(crate) fn honest(&mut self) -> &mut Self {
        self.evil = false;
        self
    }

    pub(crate) fn wait(&mut self, millis: i64) -> &mut Self {
        self.now += millis;
        self
    }

    pub(crate) fn put(&mut self, path: &str, facts: Facts) {
        self.act(path, Some(facts));
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.act(path, None);
    }

    fn act(&mut self, path: &str, after: Option<Facts>) {
        let key = key(path);
        match after {
            Some(facts) => drop(self.tree.insert(key.clone(), facts)),
            None => drop(self.tree.remove(&key)),
        }
        self.acts.push(Act {
            at: self.now,
            who: self.who,
            key,
            after,
            evil: self.evil,
        });
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let facts = self.facts(from);
        self.put(to, facts);
        self.remove(from);
    }

    pub(crate) fn facts(&self, path: &str) -> Facts {
        self.tree[&key(path)]
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.tree.contains_key(&key(path))
    }

    /// New contents of these looks.
    pub(crate) fn fresh(&mut self, size: u64, looks: Looks) -> Facts {
        let content = self.dice.next();
        file(content, size, looks)
    }

    /// Other contents of about the same kind and size.
    pub(crate) fn edit(&mut self, path: &str) {
        let old = self.facts(path);
        let new = self.fresh(old.size + 10, old.looks);
        self.put(
            path,
            Facts {
                metadata: old.metadata,
                ..new
            },
        );
    }

    /// Files under a directory, in order.
    pub(crate) fn files(&self, dir: &str) -> Vec<String> {
        self.listed(dir, false)
    }

    /// Directories under and with a directory, innermost first.
    pub(crate) fn directories(&self, dir: &str) -> Vec<String> {
        let mut found = self.listed(dir, true);
        found.reverse();
        found
    }

    fn listed(&self, dir: &str, directories: bool) -> Vec<String> {
        let dir = key(dir);
        self.tree
            .range(dir.clone()..)
            .take_while(|(one, _)| dir.contains(one.as_bytes()))
            .filter(|(_, facts)| facts.is_directory == directories)
            .map(|(one, _)| String::from_utf8(one.to_path()).unwrap())
            .collect()
    }

    /// `rm -r`, `each` milliseconds a file.
    pub(crate) fn remove_all(&mut self, dir: &str, each: i64) {
        for path in self.files(dir) {
            self.wait(each);
            self.remove(&path);
        }
        for path in self.directories(dir) {
            self.remove(&path);
        }
    }
}
