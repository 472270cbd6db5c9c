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
    Process(u32, u32),
    /// The children of one parent that run the same program.
    Siblings(u32, u32),
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
    known: Vec<(Actor, u32)>,
    by_value: BTreeMap<(u32, u32, Option<u32>), u32>,
    programs: BTreeMap<String, u32>,
}

impl Actors {
    /// The index of this actor. `None` if it says nothing, or too many are known already.
    pub(super) fn intern(&mut self, actor: &Actor) -> Who {
        if actor.pid == 0 && actor.comm.is_empty() && actor.exe.is_empty() {
            return None;
        }
        let name = if actor.exe.is_empty() {
            &actor.comm
        } else {
            &actor.exe
        };
        let programs = u32::try_from(self.programs.len()).ok()?;
        let program = match self.programs.get(name) {
            Some(&program) => program,
            None if self.programs.len() < ACTORS_MAX => {
                *self.programs.entry(name.clone()).or_insert(programs)
            }
            None => return None,
        };
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

    pub(super) fn get(&self, who: Who) -> Option<&Actor> {
        self.known.get(who? as usize).map(|(actor, _)| actor)
    }

    /// Which program an actor runs, as a number; `None` for nobody knows.
    pub(super) fn program(&self, who: Who) -> Option<u32> {
        self.known.get(who? as usize).map(|(_, program)| *program)
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
        let (Some(actor), Some(program)) = (self.get(who), self.program(who)) else {
            return Group::Unknown;
        };
        match grain {
            Grain::Process => Group::Process(actor.pid, program),
            // Process 1 adopts what lost its parent: its children have nothing in common.
            Grain::Siblings => match actor.ppid {
                Some(parent) if parent > 1 => Group::Siblings(parent, program),
                _ => Group::Process(actor.pid, program),
            },
            Grain::Program => Group::Program(program),
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
