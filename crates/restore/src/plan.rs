//! Says what a restore would do, without doing it.

use std::path::Path;
use std::sync::atomic::AtomicUsize;

use model::key::to_path;
use model::{Cancel, Content, Monitor, PathKey, Silent, Snapshot};
use repository::{MapReader, Repository};
use source::files::attributes::Rights;
use source::files::write::TreeWriter;

use crate::context::{Context, Place};
use crate::error::{RestoreError, Result};
use crate::gap::kind_of;
use crate::gather::{Gatherer, Groups, Note};
use crate::guard::{Guard, WHY, check_target};
use crate::job::{Decision, Job, Piece, Window};
use crate::ledger::Ledger;
use crate::links::look;
use crate::options::{Limits, RestoreOptions};
use crate::prepare::prepare;
use crate::report::Problem;

/// What would be done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Action {
    /// It would be made: there is nothing.
    Create,
    /// It would take the place of another of its kind.
    Replace,
    /// It would take the place of something of another kind.
    ReplaceOtherKind,
    /// Stretches of it would be written.
    Rewrite,
    /// Its attributes would be set, of which some may differ.
    Attributes,
    /// Nothing: it is the same.
    Same,
    /// It would be removed, with everything beneath it.
    Delete,
    /// It can't be restored, or is left out.
    Skip,
}

impl Action {
    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::ReplaceOtherKind => "replace-kind",
            Self::Rewrite => "rewrite",
            Self::Attributes => "attributes",
            Self::Same => "same",
            Self::Delete => "delete",
            Self::Skip => "skip",
        }
    }
}

/// What would be done at one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'s> {
    /// What.
    pub action: Action,
    /// Relative to the root of the snapshot, with slashes.
    pub path: &'s [u8],
    /// Bytes that would be written, or removed.
    pub bytes: u64,
}

/// How much of an action there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Paths, directories among them.
    pub paths: u64,
    /// Bytes that would be written, or removed.
    pub bytes: u64,
}

/// What a restore would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be made.
    pub create: Amount,
    /// To be replaced by another of the same kind.
    pub replace: Amount,
    /// To be replaced by something of another kind.
    pub replace_other_kind: Amount,
    /// To be written in part.
    pub rewrite: Amount,
    /// Given attributes, of which some may differ.
    pub attributes: Amount,
    /// Left as they are.
    pub same: Amount,
    /// To be removed.
    pub delete: Amount,
    /// That can't be restored or are left out.
    pub skip: Amount,
    /// What would go wrong.
    pub problems: Vec<Problem>,
    /// Bytes free in the target, where that could be found out.
    pub available_bytes: Option<u64>,
    /// The target is missing or empty, and everything is to be made.
    pub into_nothing: bool,
}

impl Plan {
    /// Bytes of files that would be written.
    pub fn write_bytes(&self) -> u64 {
        self.create.bytes + self.replace.bytes + self.replace_other_kind.bytes + self.rewrite.bytes
    }

    /// Whether something that is there would be overwritten, changed or removed: reason to keep a
    /// snapshot of it first.
    pub fn touches_existing(&self) -> bool {
        [
            self.replace,
            self.replace_other_kind,
            self.rewrite,
            self.attributes,
            self.delete,
        ]
        .iter()
        .any(|amount| amount.paths > 0)
    }

    /// Refuses what can't fit: of what is replaced nobody knows how much room it leaves.
    pub fn check_room(&self, target: &Path) -> Result<()> {
        let needed = self.create.bytes.saturating_sub(self.delete.bytes);
        match self.available_bytes {
            Some(available) if needed > available => Err(RestoreError::NoRoom {
                path: target.to_path_buf(),
                needed,
                available,
            }),
            _ => Ok(()),
        }
    }

    fn add(&mut self, step: Step<'_>, paths: u64) {
        let amount = match step.action {
            Action::Create => &mut self.create,
            Action::Replace => &mut self.replace,
            Action::ReplaceOtherKind => &mut self.replace_other_kind,
            Action::Rewrite => &mut self.rewrite,
            Action::Attributes => &mut self.attributes,
            Action::Same => &mut self.same,
            Action::Delete => &mut self.delete,
            Action::Skip => &mut self.skip,
        };
        amount.paths += paths;
        amount.bytes += step.bytes;
    }
}

/// What [`crate::run()`] would do. Where the target is missing or empty this costs nothing: the counts
/// are then those of the snapshot, and `from` a part of it is counted without looking further.
pub fn plan(
    repository: &Repository,
    snapshot: &Snapshot,
    from: &PathKey,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<Plan> {
    // The sum of all sizes is too much where there are holes and hard links: it serves where it fits.
    let totals = &snapshot.totals;
    let fits = || available(&options.target).is_none_or(|available| totals.bytes <= available);
    if from.is_root() && is_nothing(&options.target) && fits() {
        repository.require_read()?;
        check(snapshot, options)?;
        return Ok(Plan {
            create: Amount {
                paths: totals.files.saturating_add(totals.directories),
                bytes: totals.bytes,
            },
            available_bytes: available(&options.target),
            into_nothing: true,
            ..Plan::default()
        });
    }
    plan_each(
        repository,
        snapshot,
        from,
        options,
        monitor,
        cancel,
        &mut |_| {},
    )
}

/// The same, looking at every path and handing every step on.
pub fn plan_each(
    repository: &Repository,
    snapshot: &Snapshot,
    from: &PathKey,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(&Step<'_>),
) -> Result<Plan> {
    repository.require_read()?;
    check(snapshot, options)?;
    let reader = MapReader::new(repository);
    let kind = kind_of(&reader, snapshot, from)?;
    let place = crate::context::place(from, kind, options)?;
    let context = Context {
        repository,
        ledger: Ledger::new(monitor, cancel),
        options,
        rights: Rights::for_user(options.root_user, options.untrusted),
        limits: Limits::default(),
        tree: tree(&place, options)?,
        guard: Guard::new(&options.protected, place.root(options)),
        place,
        dry: true,
        open_files: AtomicUsize::new(0),
    };
    let mut plan = Plan {
        available_bytes: available(&options.target),
        into_nothing: is_nothing(&options.target),
        ..Plan::default()
    };
    let mut gatherer = Gatherer::new(&context, &reader, snapshot.root);
    let mut groups = Groups::new();
    loop {
        let mut note = |key: &[u8], note: Note| {
            let (action, paths, bytes) = match note {
                Note::Made => (Action::Create, 1, 0),
                Note::MadeInPlaceOfOther => (Action::ReplaceOtherKind, 1, 0),
                Note::Kept => (Action::Same, 1, 0),
                Note::Removed { names, bytes } => (Action::Delete, names, bytes),
            };
            tell(&mut plan, each, key, action, paths, bytes);
        };
        let Some(mut window) = gatherer.next_window(&mut groups, &mut note)? else {
            break;
        };
        let pieces = prepare(&context, &mut window)?;
        plan_window(&context, &window, &pieces, &groups, &mut plan, each);
        context.ledger.check()?;
    }
    plan.problems.extend(context.ledger.into_report().problems);
    Ok(plan)
}

fn tell(
    plan: &mut Plan,
    each: &mut dyn FnMut(&Step<'_>),
    key: &[u8],
    action: Action,
    paths: u64,
    bytes: u64,
) {
    let step = Step {
        action,
        path: &to_path(key),
        bytes,
    };
    plan.add(step, paths);
    each(&step);
}

/// Refuses what must not be done at all.
pub(crate) fn check(snapshot: &Snapshot, options: &RestoreOptions) -> Result<()> {
    check_target(&options.protected, &options.target)?;
    if options.delete && snapshot.errors > 0 {
        return Err(RestoreError::Partial {
            unread: snapshot.errors,
        });
    }
    Ok(())
}

/// The tree that would be written, if it is there.
fn tree(place: &Place, options: &RestoreOptions) -> Result<Option<TreeWriter>> {
    let root = place.root(options);
    match TreeWriter::open(root) {
        Ok(tree) => Ok(Some(tree)),
        Err(source::SourceError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn plan_window(
    context: &Context<'_>,
    window: &Window,
    pieces: &[Piece],
    groups: &Groups,
    plan: &mut Plan,
    each: &mut dyn FnMut(&Step<'_>),
) {
    let mut bytes = vec![0u64; window.jobs.len()];
    for piece in pieces {
        bytes[piece.job as usize] += u64::from(piece.location.len);
    }
    for (job, mut bytes) in window.jobs.iter().zip(bytes) {
        if let Content::Inline(inline) = &job.entry.content {
            bytes = inline.len() as u64;
        }
        let action = match &job.decision {
            Decision::Create => Action::Create,
            Decision::RemoveTree | Decision::Replace { other_kind: true } => {
                Action::ReplaceOtherKind
            }
            Decision::Replace { other_kind: false } => Action::Replace,
            Decision::Rewrite(_) => Action::Rewrite,
            Decision::Attributes => Action::Attributes,
            Decision::Same => Action::Same,
            Decision::LeftOut(_) => Action::Skip,
            Decision::Guarded { absent } => {
                context.ledger.problem(&job.key, WHY.to_owned(), *absent);
                Action::Skip
            }
            Decision::Refused(message) | Decision::Damaged(message) => {
                context.ledger.problem(&job.key, message.clone(), true);
                Action::Skip
            }
        };
        if matches!(action, Action::Attributes | Action::Same | Action::Skip) {
            bytes = 0;
        }
        tell(plan, each, &job.key, action, 1, bytes);
    }
    for job in &window.followers {
        let action = follower(context, job, groups);
        tell(plan, each, &job.key, action, 1, 0);
    }
}

/// What would be done with a further name of a file.
fn follower(context: &Context<'_>, job: &Job, groups: &Groups) -> Action {
    if job.fresh && !job.guarded {
        return Action::Create;
    }
    let leader = job.entry.link.and_then(|link| groups.get(&link));
    let decide = || {
        let (directory, name) = context.parent(&job.key)?;
        match leader.map(|leader| context.parent(leader)) {
            Some(Ok((from, from_name))) => {
                look(context, &job.key, &directory, name, &from, from_name)
            }
            // The directory of the first name is yet to be made.
            _ => Ok(match directory.stat(name)? {
                None => Decision::Create,
                Some(stat) => Decision::Replace {
                    other_kind: stat.kind != job.entry.kind,
                },
            }),
        }
    };
    match decide() {
        Ok(Decision::Create) => Action::Create,
        Ok(Decision::Same) => Action::Same,
        Ok(Decision::Replace { other_kind: false }) => Action::Replace,
        Ok(_) => Action::ReplaceOtherKind,
        Err(error) => {
            let message: source::SourceError = error;
            context.ledger.problem(&job.key, message.to_string(), true);
            Action::Skip
        }
    }
}

/// Whether nothing stands at the target, or an empty directory.
fn is_nothing(target: &Path) -> bool {
    match std::fs::symlink_metadata(target) {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(_) => std::fs::read_dir(target).is_ok_and(|mut names| names.next().is_none()),
    }
}

/// Bytes free where the target is, or is to be.
fn available(target: &Path) -> Option<u64> {
    let absolute = std::path::absolute(target).ok()?;
    let there = absolute.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses, before anything is written, what can't fit into an empty target. The sum of all sizes is
/// too much where there are holes and hard links: only if it does not fit, everything is looked at.
pub(crate) fn check_room(
    repository: &Repository,
    snapshot: &Snapshot,
    from: &PathKey,
    options: &RestoreOptions,
    cancel: &Cancel,
) -> Result<()> {
    if !is_nothing(&options.target) {
        return Ok(());
    }
    let Some(available) = available(&options.target) else {
        return Ok(());
    };
    if snapshot.totals.bytes <= available {
        return Ok(());
    }
    let plan = plan_each(
        repository,
        snapshot,
        from,
        options,
        &Silent,
        cancel,
        &mut |_| {},
    )?;
    plan.check_room(&options.target)
}
