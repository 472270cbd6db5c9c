//! An operation from beginning to end: keep what is there, record what is going to be done, do it, look
//! at what came of it, record that.

use std::collections::HashMap;
use std::sync::Arc;

use format::plan::encode_plan;
use model::operation::{Amounts, Begun, Ended, Listed, Operation, Outcome as End};
use model::{
    Action, Conflict, ConflictKind, Deferred, Entry, Kept, Monitor, PathKey, Plan, SnapshotId,
    Timestamp,
};
use repository::{MapReader, Packer, Repository};

use crate::amounts::amounts_of;
use crate::error::{Result, UndoError};
use crate::event::Event;
use crate::ground::{Ground, Proposal, Way};
use crate::outcome::{Outcome, StepResult};

/// Who asked, and what is told of them.
#[derive(Debug, Clone)]
pub struct Who {
    /// Machine.
    pub host: String,
    /// User.
    pub user: String,
    /// Version of the program.
    pub program: String,
}

/// What an operation came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its number.
    pub number: u64,
    /// What it did.
    pub amounts: Amounts,
    /// What stays open, and what was kept: a plan without steps.
    pub open: Plan,
    /// Why conflicts that came up during the work are there: key and words.
    pub notes: Vec<(PathKey, String)>,
    /// What was put beside.
    pub beside: Vec<PathKey>,
    /// What was there before.
    pub safety: SnapshotId,
    /// What was there afterwards.
    pub left: SnapshotId,
    /// Where displaced things are.
    pub quarantine: std::path::PathBuf,
    /// The file system has no guarded moves.
    pub weaker: bool,
}

/// What every part of an operation needs.
pub struct Work<'a> {
    /// Where it is recorded.
    pub repository: &'a Repository,
    /// What is changed.
    pub ground: &'a dyn Ground,
    /// Who asked.
    pub who: Who,
    /// The time.
    pub clock: &'a (dyn Fn() -> Timestamp + Sync),
    /// Told of progress.
    pub monitor: &'a dyn Monitor,
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work")
            .field("who", &self.who)
            .finish_non_exhaustive()
    }
}

impl Work<'_> {
    /// Runs a proposal. When it returns, everything is durable and recorded.
    pub fn run(&self, event: &Event, proposal: &Proposal) -> Result<Report> {
        let plan = &proposal.plan;
        if !proposal.needs.fit() {
            return Err(UndoError::NoRoom(proposal.needs));
        }
        let safety = self.ground.keep(touched(plan).into())?;
        let listed = self.store(plan, &proposal.merged)?;
        let begun = Begun {
            number: 0,
            kind: event.kind,
            host: self.who.host.clone(),
            user: self.who.user.clone(),
            source: self.ground.source().to_vec(),
            about: event.about.clone(),
            before: event.before.as_ref().map(|stored| stored.id),
            after: event.after.as_ref().map(|stored| stored.id),
            of: event.of,
            incident: event.incident,
            safety: Some(safety),
            plan: Some(listed),
            planned: amounts_of(plan),
            work: Vec::new(),
            program: self.who.program.clone(),
            below: PathKey::root(),
        };
        let number = self.repository.begin_operation(&begun, (self.clock)())?;
        let outcome = match self.ground.run(number, plan, Way::Fresh) {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.not_begun(number, safety, error)),
        };
        self.finish(number, plan, safety, &outcome)
    }

    /// Goes on with an operation that was interrupted.
    pub fn resume(&self, operation: &Operation) -> Result<Report> {
        let (plan, safety) = self.planned(operation)?;
        let number = operation.begun.number;
        let outcome = self.ground.run(number, &plan, Way::Resume)?;
        self.finish(number, &plan, safety, &outcome)
    }

    /// Takes back what an interrupted operation did.
    ///
    /// `None` if nothing had been begun.
    pub fn roll_back(&self, operation: &Operation) -> Result<Option<Outcome>> {
        let (plan, safety) = self.planned(operation)?;
        let number = operation.begun.number;
        let outcome = match self.ground.run(number, &plan, Way::RollBack) {
            Err(UndoError::NothingBegun) => None,
            done => Some(done?),
        };
        let quarantine = outcome
            .as_ref()
            .map(|it| it.quarantine.clone())
            .unwrap_or_default();
        self.end(
            number,
            End::RolledBack,
            Amounts::default(),
            None,
            Some(safety),
            quarantine,
        )?;
        Ok(outcome)
    }

    fn planned(&self, operation: &Operation) -> Result<(Plan, SnapshotId)> {
        let begun = &operation.begun;
        match (&begun.plan, begun.safety) {
            (Some(listed), Some(safety)) => Ok((self.repository.plan(listed)?, safety)),
            _ => Err(UndoError::NotUndoable {
                number: begun.number,
                why: "it has no plan that could be gone on with",
            }),
        }
    }

    /// The ground refused before the first step, or broke off in the middle.
    fn not_begun(&self, number: u64, safety: SnapshotId, error: UndoError) -> UndoError {
        let untouched = matches!(
            error,
            UndoError::NoPlace { .. }
                | UndoError::NotOurs { .. }
                | UndoError::Restore(_)
                | UndoError::Live {
                    untouched: true,
                    ..
                }
        );
        if untouched {
            let nothing = Amounts::default();
            let ended = self.end(number, End::Nothing, nothing, None, Some(safety), "".into());
            return ended.err().unwrap_or(error);
        }
        UndoError::Interrupted {
            number,
            source: Box::new(error),
        }
    }

    fn finish(
        &self,
        number: u64,
        plan: &Plan,
        safety: SnapshotId,
        outcome: &Outcome,
    ) -> Result<Report> {
        if outcome.cancelled {
            return Err(UndoError::Cancelled { number });
        }
        let mut keys = touched(plan);
        let beside: Vec<PathKey> = outcome.beside.iter().map(|(_, key)| key.clone()).collect();
        keys.extend(placed_beside(plan, outcome));
        keys.sort();
        keys.dedup();
        let left = self.ground.keep(Arc::from(keys))?;
        let found = self.entries(left)?;
        let (open, notes, done) = open_of(plan, outcome, &found);
        let amounts = Amounts {
            kept: open.kept.len() as u64,
            conflicts: open.conflicts.len() as u64,
            deferred: open.deferred.len() as u64,
            ..done
        };
        let listed = self.store(&open, &HashMap::new())?;
        let quarantine = outcome.quarantine.clone();
        self.end(
            number,
            End::Done,
            amounts,
            Some(listed),
            Some(left),
            quarantine.clone(),
        )?;
        Ok(Report {
            number,
            amounts,
            open,
            notes,
            beside,
            safety,
            left,
            quarantine,
            weaker: outcome.weaker,
        })
    }

    fn end(
        &self,
        number: u64,
        outcome: End,
        amounts: Amounts,
        open: Option<Listed>,
        left: Option<SnapshotId>,
        quarantine: std::path::PathBuf,
    ) -> Result<()> {
        use std::os::unix::ffi::OsStringExt;
        let ended = Ended {
            number,
            outcome,
            amounts,
            open,
            left,
            left_is_whole: true,
            quarantine: quarantine.into_os_string().into_vec(),
        };
        self.repository.end_operation(&ended, (self.clock)())?;
        self.ground.tidy(number)
    }

    /// Stores a plan and the contents that merging made.
    fn store(&self, plan: &Plan, merged: &HashMap<PathKey, Vec<u8>>) -> Result<Listed> {
        let (listed, _) = self.repository.write(self.monitor, |session| {
            let mut contents = Packer::data(session);
            for bytes in merged.values() {
                backup::store_bytes(&mut contents, self.repository, bytes)?;
            }
            contents.finish()?;
            let mut lists = Packer::map(session);
            let listed = self.repository.put_listed(&mut lists, &encode_plan(plan))?;
            lists.finish()?;
            Ok::<_, UndoError>(listed)
        })?;
        Ok(listed)
    }

    fn entries(&self, id: SnapshotId) -> Result<HashMap<PathKey, Entry>> {
        let snapshot = self.repository.snapshot(id)?;
        let reader = MapReader::new(self.repository);
        let mut entries = reader.entries(snapshot.root, &PathKey::root());
        let mut found = HashMap::new();
        while let Some((key, entry)) = entries.next()? {
            found.insert(key, entry);
        }
        Ok(found)
    }
}

/// Everything that the steps of a plan touch, in order.
fn touched(plan: &Plan) -> Vec<PathKey> {
    let mut keys = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        if step.action != Action::Beside {
            keys.push(step.key.clone());
        }
        if let Action::Move { from } = &step.action {
            keys.push(from.clone());
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

/// Every key that something was put beside at: where a whole subtree was, all of it.
fn placed_beside(plan: &Plan, outcome: &Outcome) -> Vec<PathKey> {
    let mut roots: HashMap<&PathKey, &PathKey> = HashMap::new();
    let mut keys = Vec::new();
    for (index, placed) in &outcome.beside {
        roots.insert(&plan.steps[*index].key, placed);
        keys.push(placed.clone());
    }
    for (step, root) in merge::besides(plan).filter(|(step, root)| step.key != **root) {
        let rest = &step.key.as_bytes()[root.as_bytes().len()..];
        let placed = roots
            .get(root)
            .map(|placed| [placed.as_bytes(), rest].concat());
        keys.extend(placed.and_then(|bytes| PathKey::from_bytes(bytes).ok()));
    }
    keys
}

/// What stays open, words on what came up meanwhile, and what was done.
fn open_of(
    plan: &Plan,
    outcome: &Outcome,
    found: &HashMap<PathKey, Entry>,
) -> (Plan, Vec<(PathKey, String)>, Amounts) {
    let mut open = Plan {
        steps: Vec::new(),
        ..plan.clone()
    };
    let mut notes = Vec::new();
    let mut done = Plan::default();
    for (step, result) in plan.steps.iter().zip(&outcome.results) {
        let conflict = |kind| Conflict {
            key: step.key.clone(),
            kind,
            before: step.leaves.clone(),
            after: step.expects.clone(),
            live: found.get(&step.key).cloned(),
        };
        let mut defer = |why: String| {
            open.deferred.push(Deferred {
                key: step.key.clone(),
                why,
            });
        };
        match result {
            StepResult::Done | StepResult::AlreadyDone => {
                let there = found.get(&step.key);
                if step.action == Action::Beside
                    || merge::equality::same_state(there, step.leaves.as_ref())
                    || same_but_kept(there, step.leaves.as_ref())
                {
                    done.steps.push(step.clone());
                } else {
                    open.conflicts
                        .push(conflict(ConflictKind::ChangedMeanwhile));
                    notes.push((step.key.clone(), "changed after the step".to_owned()));
                }
            }
            StepResult::Conflict(kind) => open.conflicts.push(conflict(*kind)),
            StepResult::Kept(why) => open.kept.push(Kept {
                key: step.key.clone(),
                why: why.clone(),
            }),
            StepResult::Deferred(why) => defer(why.clone()),
            StepResult::Failed(why) => defer(why.clone()),
            StepResult::NotStaged => defer("its content could not be read".to_owned()),
            StepResult::NotReached => defer("interrupted before".to_owned()),
        }
    }
    late_writes(plan, outcome, found, &mut open, &mut notes);
    open.conflicts.sort_by(|one, two| one.key.cmp(&two.key));
    open.kept.sort_by(|one, two| one.key.cmp(&two.key));
    open.deferred.sort_by(|one, two| one.key.cmp(&two.key));
    (open, notes, amounts_of(&done))
}

/// What was written to files after they had been displaced.
fn late_writes(
    plan: &Plan,
    outcome: &Outcome,
    found: &HashMap<PathKey, Entry>,
    open: &mut Plan,
    notes: &mut Vec<(PathKey, String)>,
) {
    for late in &outcome.late_writes {
        let step = &plan.steps[late.step];
        open.conflicts.push(Conflict {
            key: late.key.clone(),
            kind: ConflictKind::LateWrite,
            before: step.leaves.clone(),
            after: step.expects.clone(),
            live: found.get(&late.key).cloned(),
        });
        let who = late
            .writer
            .as_ref()
            .map_or_else(String::new, |(pid, command)| {
                format!(" by process {pid} ({command})")
            });
        let words = format!("late write{who}, kept as {}", late.quarantined.display());
        notes.push((late.key.clone(), words));
    }
}

/// Whether a path is as the step leaves it but for what only root may set, or what zeros look like.
fn same_but_kept(there: Option<&Entry>, wanted: Option<&Entry>) -> bool {
    let (Some(there), Some(wanted)) = (there, wanted) else {
        return false;
    };
    let in_pieces = |entry: &Entry| {
        matches!(
            entry.content,
            model::Content::Extents(_) | model::Content::ExtentList(_)
        )
    };
    let same_bytes = there.same_content(wanted)
        || (there.kind == wanted.kind
            && there.size == wanted.size
            && (in_pieces(there) || in_pieces(wanted)));
    same_bytes && (there.mode == wanted.mode || there.kind == model::Kind::Symlink)
}
