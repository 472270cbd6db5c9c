//! Who: processes kept once each, and the groups that they form.
//!
//! An attack may be split over many processes, and a `find -exec rm` is by nature. So marks are grouped
//! by process, by parent and program, by program, and by nothing.

use std::collections::BTreeMap;

use model::Actor;

use super::limits::ACTORS_MAX;

/// Index of an actor.
pub(super) type Who = Option<u32>;

/// Processes that are taken as one, from the finest to the coarsest. Programs by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// One process.
    Process(u32, Option<u32>),
    /// The children of one parent that run the same program.
    Siblings(u32, Option<u32>),
    /// Everybody who runs the same program.
    Program(u32),
    /// Nobody knows.
    Unknown,
}

/// The kinds of groups, finest first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grain {
    Process,
    Siblings,
    Program,
}

pub(super) const GRAINS: [Grain; 3] = [Grain::Process, Grain::Siblings, Grain::Program];

#[derive(Debug, Default)]
pub(super) struct Actors {
    /// Of a process that had ended before its name could be read no program is known.
    known: Vec<(Actor, Option<u32>)>,
    by_value: BTreeMap<(u32, Option<u32>, Option<u32>), u32>,
    /// By the path of the program. Of many short-lived processes only the short name is known: the
    /// first path with that name stands for it, since nobody can tell.
    programs: BTreeMap<String, u32>,
    by_comm: BTreeMap<String, u32>,
}

impl Actors {
    /// The index of this actor. `None` if it says nothing, or too many are known already.
    pub(super) fn intern(&mut self, actor: &Actor) -> Who {
        if actor.pid == 0 && actor.comm.is_empty() && actor.exe.is_empty() {
            return None;
        }
        let program = self.program_of(actor)?;
        let key = (actor.pid, program, actor.ppid);
        if let Some(&index) = self.by_value.get(&key) {
            return Some(index);
        }
        if self.known.len() >= ACTORS_MAX {
            return None;
        }
        let index = u32::try_from(self.known.len()).ok()?;
        self.known.push((actor.clone(), program));
        self.by_value.insert(key, index);
        Some(index)
    }

    /// The number of the program, if it has a name; `None` outside: too many are known already.
    fn program_of(&mut self, actor: &Actor) -> Option<Option<u32>> {
        if actor.exe.is_empty() && actor.comm.is_empty() {
            return Some(None);
        }
        if let Some(&program) = self.programs.get(&actor.exe) {
            return Some(Some(program));
        }
        let named = self.by_comm.get(&actor.comm).copied();
        let first = named.filter(|program| {
            actor.exe.is_empty() || !self.programs.values().any(|known| known == program)
        });
        let program = match first {
            Some(program) => program,
            None if self.programs.len() + self.by_comm.len() < ACTORS_MAX => {
                let next = self.programs.values().chain(self.by_comm.values()).max();
                next.map_or(0, |last| last + 1)
            }
            None => return None,
        };
        if !actor.comm.is_empty() {
            self.by_comm.entry(actor.comm.clone()).or_insert(program);
        }
        if !actor.exe.is_empty() {
            self.programs.insert(actor.exe.clone(), program);
        }
        Some(Some(program))
    }

    pub(super) fn get(&self, who: Who) -> Option<&Actor> {
        self.known.get(who? as usize).map(|(actor, _)| actor)
    }

    /// Which program an actor runs, as a number; `None` for nobody knows.
    pub(super) fn program(&self, who: Who) -> Option<u32> {
        self.known
            .get(who? as usize)
            .and_then(|(_, program)| *program)
    }

    /// Whether one process started both; the first process adopts what lost its parent.
    pub(super) fn are_siblings(&self, one: Who, other: Who) -> bool {
        let parent = |who| {
            self.get(who)
                .and_then(|actor| actor.ppid)
                .filter(|pid| *pid > 1)
        };
        parent(one).is_some_and(|pid| parent(other) == Some(pid))
    }

    /// What the program is called in people's words.
    pub(super) fn class(&self, who: Who) -> String {
        self.get(who).map_or_else(String::new, |actor| {
            if actor.exe.is_empty() {
                actor.comm.clone()
            } else {
                actor.exe.clone()
            }
        })
    }

    pub(super) fn group(&self, who: Who, grain: Grain) -> Group {
        let Some(actor) = self.get(who) else {
            return Group::Unknown;
        };
        let program = self.program(who);
        match grain {
            Grain::Process => Group::Process(actor.pid, program),
            // Process 1 adopts what lost its parent: its children have nothing in common.
            Grain::Siblings => match actor.ppid {
                Some(parent) if parent > 1 => Group::Siblings(parent, program),
                _ => Group::Process(actor.pid, program),
            },
            Grain::Program => program.map_or(Group::Unknown, Group::Program),
        }
    }

    /// Forgets actors that nothing points to any more, if there are many; `used` and the answer map old
    /// indexes to new ones.
    pub(super) fn compact(
        &mut self,
        used: &std::collections::BTreeSet<u32>,
    ) -> Option<BTreeMap<u32, u32>> {
        if self.known.len() < ACTORS_MAX / 2 {
            return None;
        }
        let old = std::mem::take(self);
        let mut moved = BTreeMap::new();
        for index in used {
            if let Some((actor, _)) = old.known.get(*index as usize)
                && let Some(new) = self.intern(actor)
            {
                moved.insert(*index, new);
            }
        }
        Some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(pid: u32, comm: &str, exe: &str) -> Actor {
        Actor {
            pid,
            comm: comm.to_owned(),
            exe: exe.to_owned(),
            ..Actor::default()
        }
    }

    #[test]
    fn who_ended_early_is_known_by_less_but_is_the_same_program() {
        let mut actors = Actors::default();
        let short = actors.intern(&actor(1, "rm", ""));
        let long = actors.intern(&actor(2, "rm", "/usr/bin/rm"));
        let other = actors.intern(&actor(3, "rm", "/opt/bin/rm"));
        let late = actors.intern(&actor(4, "rm", ""));
        let nameless = actors.intern(&actor(5, "", ""));
        assert_eq!(actors.program(short), actors.program(long));
        assert_eq!(actors.program(late), actors.program(long));
        assert_ne!(actors.program(other), actors.program(long));
        assert_eq!(actors.program(nameless), None);
        assert_eq!(
            actors.group(nameless, Grain::Process),
            Group::Process(5, None)
        );
        assert_eq!(actors.group(nameless, Grain::Program), Group::Unknown);
    }
}
