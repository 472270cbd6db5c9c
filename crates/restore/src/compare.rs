//! Looks at what stands at a path of the target and says what has to be done about it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use model::{Entry, Extent, Kind, Xattrs};
use source::files::write::Directory;
use source::files::{Stat, xattrs_of};

use crate::content::Comparer;
use crate::context::{Context, SourceResult};
use crate::error::Result;
use crate::guard::Guarded;
use crate::job::{Decision, Job, extents_of};
use crate::remove::holds_kept;

/// Files up to this size are written anew and put in place of the old one; of larger ones only the
/// stretches that differ are written.
pub(crate) const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// What is to be done for a path at which something may stand. The second value are the stretches of
/// the file, where they were needed.
pub(crate) fn decide(
    context: &Context<'_>,
    comparer: &mut Comparer,
    job: &Job,
) -> Result<(Decision, Option<Vec<Extent>>)> {
    match look(context, comparer, job) {
        Ok(decided) => decided.map(|(decision, extents)| (guarded(job, decision), extents)),
        Err(source::SourceError::Full { path, .. }) => Err(crate::RestoreError::Full { path }),
        Err(error) => Ok((Decision::Refused(error.to_string()), None)),
    }
}

/// Beneath what is left alone only attributes may differ in silence.
fn guarded(job: &Job, decision: Decision) -> Decision {
    match decision {
        Decision::Same | Decision::Attributes if job.guarded => Decision::Same,
        Decision::Create if job.guarded => Decision::Guarded { absent: true },
        _ if job.guarded => Decision::Guarded { absent: false },
        decision => decision,
    }
}

fn look(
    context: &Context<'_>,
    comparer: &mut Comparer,
    job: &Job,
) -> SourceResult<Result<(Decision, Option<Vec<Extent>>)>> {
    let (directory, name) = context.parent(&job.key)?;
    let Some(stat) = directory.stat(name)? else {
        return Ok(Ok((Decision::Create, None)));
    };
    let guarded = context
        .guard
        .check(context.place.target_key(&job.key), &stat);
    if guarded == Some(Guarded::Protected) && !job.guarded {
        let decided = compare(context, comparer, job, &directory, name, &stat)?;
        return Ok(decided.map(|(decision, extents)| match decision {
            Decision::Same | Decision::Attributes => (Decision::Same, extents),
            _ => (Decision::Guarded { absent: false }, None),
        }));
    }
    let decided = compare(context, comparer, job, &directory, name, &stat)?;
    let keeps = matches!(
        decided,
        Ok((Decision::Replace { .. } | Decision::Rewrite(_), _))
    );
    if guarded.is_some() && keeps {
        return Ok(Ok((Decision::Guarded { absent: false }, None)));
    }
    Ok(decided)
}

/// What is to be done where this stands.
fn compare(
    context: &Context<'_>,
    comparer: &mut Comparer,
    job: &Job,
    directory: &Arc<Directory>,
    name: &[u8],
    stat: &Stat,
) -> SourceResult<Result<(Decision, Option<Vec<Extent>>)>> {
    let entry = &job.entry;
    let replace = |other_kind| Ok(Ok((Decision::Replace { other_kind }, None)));
    let decision = match (stat.kind, entry.kind) {
        (Kind::Directory, _) if context.options.delete => {
            let (parent, name) = context.place.split(&job.key);
            match holds_kept(context, parent, name)? {
                None => Decision::RemoveTree,
                Some(why) => Decision::Refused(format!("a directory stands in its place: {why}")),
            }
        }
        (Kind::Directory, _) => Decision::Refused(
            "a directory stands in its place, and nothing is to be deleted".to_owned(),
        ),
        (have, want) if have != want => return replace(true),
        (Kind::File, _) => return look_at_file(context, comparer, directory, name, job, stat),
        (Kind::Symlink, _) if read_link(directory, name)? != entry.target => {
            return replace(false);
        }
        (Kind::CharDevice | Kind::BlockDevice, _) if stat.device != entry.device => {
            return replace(false);
        }
        (kind, _)
            if has_xattrs(context, directory, name, entry)
                && (kind == Kind::Symlink || stat.mode == entry.mode)
                && (stat.uid, stat.gid, stat.mtime) == (entry.uid, entry.gid, entry.mtime) =>
        {
            Decision::Same
        }
        _ => Decision::Attributes,
    };
    Ok(Ok((decision, None)))
}

fn look_at_file(
    context: &Context<'_>,
    comparer: &mut Comparer,
    directory: &Directory,
    name: &[u8],
    job: &Job,
    stat: &Stat,
) -> SourceResult<Result<(Decision, Option<Vec<Extent>>)>> {
    let entry = &job.entry;
    let replace = Decision::Replace { other_kind: false };
    let small = entry.size <= WHOLE_BYTES_MAX;
    if small && stat.size != entry.size {
        return Ok(Ok((replace, None)));
    }
    let file = match directory.open_existing(name, false) {
        Ok(file) => file,
        // What can't be read can't be compared: it is replaced.
        Err(_) => return Ok(Ok((replace, None))),
    };
    let extents = match extents_of(context.repository, entry) {
        Ok(extents) => extents,
        Err(error) if error.is_damage() => {
            return Ok(Ok((Decision::Damaged(error.to_string()), None)));
        }
        Err(error) => return Ok(Err(error.into())),
    };
    let failed = |error| directory.error("read", name, error);
    let decision = if small {
        let same = comparer
            .same_file(context.repository, &file, entry, &extents)
            .map_err(failed)?;
        match same {
            true if same_attributes(context, entry, stat, &file) => Decision::Same,
            // The attributes of one name are those of all: only a new file has its own.
            true if stat.nlink == 1 => Decision::Attributes,
            _ => replace,
        }
    } else {
        let differing = differing(context, comparer, &file, &extents).map_err(failed)?;
        let written: u64 = differing.iter().map(|&at| extents[at as usize].len()).sum();
        match differing.is_empty() && stat.size == entry.size {
            true if same_attributes(context, entry, stat, &file) => Decision::Same,
            true if stat.nlink == 1 => Decision::Attributes,
            false if stat.nlink == 1 && written <= entry.size / 2 => Decision::Rewrite(differing),
            _ => replace,
        }
    };
    Ok(Ok((decision, Some(extents))))
}

/// Numbers of the stretches that differ.
fn differing(
    context: &Context<'_>,
    comparer: &mut Comparer,
    file: &File,
    extents: &[Extent],
) -> std::io::Result<Vec<u32>> {
    let mut differing = Vec::new();
    let mut offset = 0;
    for (at, extent) in extents.iter().enumerate() {
        if context.ledger.stopped() {
            break;
        }
        if !comparer.same(context.repository, file, offset, extent)? {
            differing.push(at as u32);
        }
        offset += extent.len();
    }
    Ok(differing)
}

/// Whether mode, owner, time and extended attributes are those of the entry.
fn same_attributes(context: &Context<'_>, entry: &Entry, stat: &Stat, file: &File) -> bool {
    stat.mode == entry.mode
        && stat.uid == entry.uid
        && stat.gid == entry.gid
        && stat.mtime == entry.mtime
        && match (xattrs_of(file), context.repository.xattrs(entry)) {
            (Ok(have), Ok(want)) => have == want,
            _ => false,
        }
}

/// Whether what can't be opened has the extended attributes of the entry. Hardly any has some: where
/// the snapshot has none, none are looked for.
fn has_xattrs(context: &Context<'_>, directory: &Directory, name: &[u8], entry: &Entry) -> bool {
    if entry.xattrs == Xattrs::default() {
        return true;
    }
    let Ok(wanted) = context.repository.xattrs(entry) else {
        return false;
    };
    // The system has no call that takes an open directory and a name.
    let fd = directory.as_fd().as_raw_fd();
    let mut path = std::path::PathBuf::from(format!("/proc/self/fd/{fd}"));
    path.push(std::ffi::OsStr::from_bytes(name));
    wanted.iter().all(|xattr| {
        // One byte more: a longer value is another one.
        let mut value = vec![0; xattr.value.len() + 1];
        rustix::fs::lgetxattr(&path, xattr.name.as_slice(), value.as_mut_slice())
            .is_ok_and(|len| value[..len] == *xattr.value)
    })
}

fn read_link(directory: &Directory, name: &[u8]) -> SourceResult<Vec<u8>> {
    rustix::fs::readlinkat(directory, name, Vec::new())
        .map(std::ffi::CString::into_bytes)
        .map_err(|errno| directory.error("read the link", name, errno))
}
