//! The last steps for a path whose bytes are written: read back, attributes, its name.

use model::{Entry, Kind};
use source::SourceError;
use std::sync::atomic::Ordering;

use crate::content::Comparer;
use crate::context::{Context, attributes};
use crate::job::{Decision, Job, extents_of};
use crate::ledger::Tally;
use crate::output::Output;

/// Why one path could not be restored.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The system refused.
    Source(SourceError),
    /// The repository has not got it, or it did not arrive as it was written.
    Missing(String),
    /// What the repository should have is damaged or gone.
    Damaged(String),
    /// Nothing can be restored any more.
    Fatal(repository::RepositoryError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<repository::RepositoryError> for Failure {
    fn from(error: repository::RepositoryError) -> Self {
        if error.is_damage() {
            Self::Damaged(error.to_string())
        } else {
            Self::Fatal(error)
        }
    }
}

/// Notes why a path could not be restored.
pub(crate) fn note_failure(context: &Context<'_>, key: &[u8], failure: Failure) {
    match failure {
        Failure::Source(error) => context.ledger.refused(key, error, true),
        Failure::Missing(message) => context.ledger.problem(key, message, true),
        Failure::Damaged(message) => {
            context.ledger.damaged();
            context.ledger.problem(key, message, true);
        }
        Failure::Fatal(error) => context.ledger.fail(error),
    }
}

/// Finishes a path that was made.
pub(crate) fn finish(
    context: &Context<'_>,
    job: &Job,
    output: Output,
    comparer: &mut Comparer,
    tally: &mut Tally,
) -> Result<(), Failure> {
    if context.options.verify && job.entry.kind == Kind::File {
        verify(context, &job.entry, &output, comparer)?;
        tally.verified += 1;
    }
    set_attributes(context, job, |attributes| {
        output.apply(attributes, &context.rights)
    })?;
    output.publish()?;
    count(job, tally);
    Ok(())
}

/// Sets the attributes of a path whose content is right.
pub(crate) fn only_attributes(
    context: &Context<'_>,
    job: &Job,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let (directory, name) = context.parent(&job.key)?;
    set_attributes(context, job, |attributes| {
        directory.apply(name, attributes, &context.rights)
    })?;
    count(job, tally);
    Ok(())
}

/// Counts a path that is what the snapshot says.
pub(crate) fn count(job: &Job, tally: &mut Tally) {
    job.restored.store(true, Ordering::Release);
    tally.files += 1;
    tally.bytes += job.entry.size;
    tally.unchanged += u64::from(job.decision == Decision::Same);
}

fn set_attributes(
    context: &Context<'_>,
    job: &Job,
    set: impl FnOnce(
        &source::files::attributes::Attributes<'_>,
    ) -> Result<Vec<source::files::attributes::NotSet>, SourceError>,
) -> Result<(), Failure> {
    let xattrs = match context.repository.xattrs(&job.entry) {
        Ok(xattrs) => xattrs,
        Err(error) if error.is_damage() => {
            // The bytes are there: a file without its attributes is better than none.
            context.ledger.damaged();
            context.ledger.problem(&job.key, error.to_string(), false);
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    let not_set = set(&attributes(&job.entry, &xattrs))?;
    if !not_set.is_empty() {
        context.ledger.not_set(&job.key, &not_set);
    }
    Ok(())
}

/// Reads back what was written.
pub(crate) fn verify(
    context: &Context<'_>,
    entry: &Entry,
    output: &Output,
    comparer: &mut Comparer,
) -> Result<(), Failure> {
    let file = output.open_for_reading()?;
    let failed = |error| Failure::Source(output.error("read back", error));
    let extents = extents_of(context.repository, entry)?;
    let same = file.metadata().map_err(failed)?.len() == entry.size
        && comparer
            .same_file(context.repository, &file, entry, &extents)
            .map_err(failed)?;
    if same {
        Ok(())
    } else {
        Err(Failure::Missing(
            "what was read back is not what was written".to_owned(),
        ))
    }
}

/// Sets the attributes of directories in which nothing is to be done any more, innermost first.
pub(crate) fn close_directories(context: &Context<'_>, closed: &[(Vec<u8>, Entry)]) {
    let mut tally = Tally::default();
    for (key, entry) in closed {
        if context.ledger.stopped() {
            break;
        }
        tally.done_files += 1;
        match close_directory(context, key, entry) {
            Ok(()) => tally.directories += 1,
            Err(Failure::Source(error)) => context.ledger.refused(key, error, false),
            Err(failure) => note_failure(context, key, failure),
        }
        context.ledger.tell_sometimes(&mut tally);
    }
    context.ledger.tell(&mut tally);
}

fn close_directory(context: &Context<'_>, key: &[u8], entry: &Entry) -> Result<(), Failure> {
    let (parent, name) = context.place.split(key);
    let xattrs = match context.repository.xattrs(entry) {
        Err(error) if error.is_damage() => {
            context.ledger.damaged();
            context.ledger.problem(key, error.to_string(), false);
            Vec::new()
        }
        xattrs => xattrs?,
    };
    let attributes = attributes(entry, &xattrs);
    let directory = context.directory(parent)?;
    let not_set = if name.is_empty() {
        use rustix::fs::{Mode, OFlags, openat};
        use std::os::fd::AsFd;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |errno| directory.error("set the attributes of", b"", errno);
        let root = openat(&directory, c".", flags, Mode::empty()).map_err(failed)?;
        source::files::attributes::apply_to_file(root.as_fd(), &attributes, &context.rights)
            .map_err(failed)?
    } else {
        directory.apply(name, &attributes, &context.rights)?
    };
    context.ledger.not_set(key, &not_set);
    Ok(())
}
