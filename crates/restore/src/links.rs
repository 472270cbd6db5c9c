//! Further names of files that have several: linked to the first that was restored.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::Kind;
use source::SourceError;
use source::files::Stat;
use source::files::write::Directory;

use crate::context::{Context, SourceResult};
use crate::finish::count;
use crate::gather::Groups;
use crate::job::{Decision, Job};
use crate::ledger::Tally;
use crate::remove::{holds_kept, remove};

/// Forgets the groups whose first name could not be restored: the next one gets the content.
pub(crate) fn note_leaders(jobs: &[Job], groups: &mut Groups) {
    for job in jobs {
        if let Some(link) = job.entry.link
            && !job.restored.load(Ordering::Acquire)
            && groups.get(&link).is_some_and(|key| **key == *job.key)
        {
            groups.remove(&link);
        }
    }
}

/// Links what can be linked. Gives back what has to be restored by itself, and what has to wait until
/// that is done.
pub(crate) fn link(
    context: &Context<'_>,
    followers: Vec<Job>,
    groups: &mut Groups,
) -> (Vec<Job>, Vec<Job>) {
    let (mut jobs, mut waiting) = (Vec::new(), Vec::new());
    let mut tally = Tally::default();
    let mut leading = std::collections::HashSet::new();
    for mut job in followers {
        if context.ledger.stopped() {
            break;
        }
        let Some(link) = job.entry.link else {
            jobs.push(job);
            continue;
        };
        if leading.contains(&link) {
            waiting.push(job);
            continue;
        }
        let Some(leader) = groups.get(&link) else {
            groups.insert(link, job.key.clone().into());
            leading.insert(link);
            jobs.push(job);
            continue;
        };
        match link_one(context, &mut job, leader) {
            Ok(()) => {
                count(&job, &mut tally);
                tally.done_files += 1;
                tally.done_bytes += job.entry.size;
            }
            Err(error @ SourceError::Full { .. }) => context.ledger.fail(error),
            Err(_) => {
                // Another file system, or too many links: a copy is better than nothing.
                context.ledger.left_out(&job.key, "hard link");
                job.entry.link = None;
                jobs.push(job);
            }
        }
        context.ledger.tell_sometimes(&mut tally);
    }
    context.ledger.tell(&mut tally);
    (jobs, waiting)
}

fn link_one(context: &Context<'_>, job: &mut Job, leader: &[u8]) -> SourceResult<()> {
    let (directory, name) = context.parent(&job.key)?;
    let (from, from_name) = context.parent(leader)?;
    if job.guarded {
        // Not linked: it is compared by itself.
        return Err(left_alone(&directory, name));
    }
    job.decision = if job.fresh {
        Decision::Create
    } else {
        look(context, &job.key, &directory, name, &from, from_name)?
    };
    match job.decision {
        Decision::Same => Ok(()),
        Decision::Replace { .. } => {
            let temporary = directory.temporary_link(name, &from, from_name)?;
            temporary.publish(name)?;
            Ok(())
        }
        Decision::RemoveTree => {
            let (parent, name) = context.place.split(&job.key);
            let removed = remove(context, parent, name)?;
            context.ledger.tell(&mut Tally {
                deleted: removed.names,
                ..Tally::default()
            });
            directory.hard_link(name, &from, from_name)
        }
        _ => directory.hard_link(name, &from, from_name),
    }
}

fn left_alone(directory: &Directory, name: &[u8]) -> SourceError {
    directory.error("replace", name, std::io::Error::other(crate::guard::WHY))
}

/// What is to be done so that a name stands for the same file as another.
pub(crate) fn look(
    context: &Context<'_>,
    key: &[u8],
    directory: &Arc<Directory>,
    name: &[u8],
    from: &Arc<Directory>,
    from_name: &[u8],
) -> SourceResult<Decision> {
    let Some(stat) = directory.stat(name)? else {
        return Ok(Decision::Create);
    };
    let same = |leader: &Stat| (leader.dev, leader.ino) == (stat.dev, stat.ino);
    let (parent, own) = context.place.split(key);
    let guarded = context
        .guard
        .check(context.place.target_key(key), &stat)
        .is_some();
    let kept = match stat.kind {
        Kind::Directory if context.options.delete => holds_kept(context, parent, own)?.is_some(),
        _ => guarded,
    };
    let leader = from.stat(from_name)?;
    if kept && !leader.as_ref().is_some_and(same) {
        return Err(left_alone(directory, name));
    }
    Ok(match stat.kind {
        Kind::Directory if context.options.delete => Decision::RemoveTree,
        Kind::Directory => {
            return Err(SourceError::WrongKind {
                path: directory.path(name),
                expected: "a file",
            });
        }
        _ if leader.as_ref().is_some_and(same) => Decision::Same,
        kind => Decision::Replace {
            other_kind: kind == Kind::Symlink,
        },
    })
}
