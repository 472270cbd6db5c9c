//! Writes the files of a window: every segment is read, opened and decompressed once, by one worker,
//! which writes all pieces that it holds.
//!
//! A file whose pieces all lie in one segment is made and finished in one go. Of other files whoever
//! writes the last piece finishes it.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use model::{Content, Extent, Kind};
use repository::blobs::Scratch;
use source::files::write::{punch_hole, set_len, write_at};

use crate::content::Comparer;
use crate::context::Context;
use crate::finish::{Failure, count, finish, note_failure, only_attributes};
use crate::guard::WHY;
use crate::job::{Decision, Job, Piece, extents_of};
use crate::ledger::Tally;
use crate::output::{Output, Progress};
use crate::remove::{holds_kept, remove};

/// Paths without pieces that a worker takes at once.
const BATCH: usize = 64;

/// What one worker takes at once.
enum Task {
    /// Pieces of one segment.
    Pieces(Range<usize>),
    /// Jobs that need no segment.
    Jobs(Range<usize>),
}

/// What a worker keeps.
#[derive(Default)]
struct Worker {
    scratch: Scratch,
    plain: Vec<u8>,
    comparer: Comparer,
}

/// Does all jobs of a window.
pub(crate) fn write(context: &Context<'_>, jobs: &[Job], mut pieces: Vec<Piece>) {
    pieces.sort_unstable_by_key(|piece| (piece.location.segment, piece.job, piece.offset));
    let tasks = tasks(jobs, &pieces);
    context.in_parallel(
        tasks.len(),
        Worker::default,
        |worker, tally, at| match &tasks[at].1 {
            Task::Pieces(range) => worker.segment(context, jobs, &pieces[range.clone()], tally),
            Task::Jobs(range) => {
                for job in &jobs[range.clone()] {
                    if job.pieces == 0 && !context.ledger.stopped() {
                        worker.job(context, job, tally);
                    }
                }
            }
        },
    );
}

/// Tasks in the order in which the window needs them: files then end soon after they begin, and
/// storage is read about in the order in which it was written.
fn tasks(jobs: &[Job], pieces: &[Piece]) -> Vec<(usize, Task)> {
    let mut tasks = Vec::new();
    let mut from = 0;
    for segment in pieces.chunk_by(|a, b| a.location.segment == b.location.segment) {
        let to = from + segment.len();
        tasks.push((segment[0].job as usize, Task::Pieces(from..to)));
        from = to;
    }
    for from in (0..jobs.len()).step_by(BATCH) {
        let to = jobs.len().min(from + BATCH);
        if jobs[from..to].iter().any(|job| job.pieces == 0) {
            tasks.push((from, Task::Jobs(from..to)));
        }
    }
    tasks.sort_by_key(|&(job, _)| job);
    tasks
}

impl Worker {
    /// Writes all pieces that a segment holds.
    fn segment(
        &mut self,
        context: &Context<'_>,
        jobs: &[Job],
        pieces: &[Piece],
        tally: &mut Tally,
    ) {
        let segment = &pieces[0].location.segment;
        let read = context
            .repository
            .read_segment(segment, &mut self.scratch, &mut self.plain);
        let damage = match read {
            Ok(()) => None,
            Err(error) if error.is_damage() => Some(error.to_string()),
            Err(error) => return context.ledger.fail(error),
        };
        for pieces in pieces.chunk_by(|a, b| a.job == b.job) {
            if context.ledger.stopped() {
                return;
            }
            let job = &jobs[pieces[0].job as usize];
            let whole = pieces.len() == job.pieces as usize;
            let mut done = match (&damage, whole) {
                (Some(damage), _) => Err(Failure::Damaged(damage.clone())),
                (None, true) => self.whole(context, job, pieces, tally),
                (None, false) => self.part(context, job, pieces, tally),
            };
            // Before the pieces are counted: whoever counts the last one would finish the file.
            if !whole && done.is_err() {
                done = give_up(context, job, done);
            }
            let ended = whole || {
                let count = pieces.len() as u32;
                job.remaining.fetch_sub(count, Ordering::AcqRel) == count
            };
            self.settle(context, job, done, whole, ended, tally);
        }
    }

    /// Notes what came of some pieces of a file, and finishes it after the last.
    fn settle(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        mut done: Result<(), Failure>,
        whole: bool,
        ended: bool,
        tally: &mut Tally,
    ) {
        if !whole && ended {
            let progress = std::mem::replace(&mut *progress(job), Progress::Ended);
            // Otherwise somebody wrote it alone, or has said why it failed.
            if let Progress::Open(output) = progress {
                context.open_files.fetch_sub(1, Ordering::Relaxed);
                // Every other worker gave its share back before it counted its pieces.
                if let Some(output) = Arc::into_inner(output) {
                    done = finish(context, job, output, &mut self.comparer, tally);
                }
            }
        }
        if ended {
            tally.done_files += 1;
            tally.done_bytes += job.entry.size;
        }
        if let Err(failure) = done {
            note_failure(context, &job.key, failure);
        }
    }

    /// A file all of whose pieces lie in the segment at hand.
    fn whole(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        pieces: &[Piece],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let output = open(context, job)?;
        self.put(context, &output, pieces, tally)?;
        finish(context, job, output, &mut self.comparer, tally)
    }

    /// Some pieces of a file.
    fn part(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        pieces: &[Piece],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let output = {
            let mut progress = progress(job);
            match &*progress {
                Progress::Ended => return Ok(()),
                Progress::Open(output) => Arc::clone(output),
                Progress::Waiting => {
                    let open_files = context.open_files.fetch_add(1, Ordering::Relaxed);
                    if open_files >= context.limits.open_files {
                        context.open_files.fetch_sub(1, Ordering::Relaxed);
                        *progress = Progress::Ended;
                        // Said here: to everybody else the file has ended.
                        if let Err(failure) = self.alone(context, job, tally) {
                            note_failure(context, &job.key, failure);
                        }
                        return Ok(());
                    }
                    match open(context, job) {
                        Ok(output) => {
                            let output = Arc::new(output);
                            *progress = Progress::Open(Arc::clone(&output));
                            output
                        }
                        Err(failure) => {
                            context.open_files.fetch_sub(1, Ordering::Relaxed);
                            return Err(failure);
                        }
                    }
                }
            }
        };
        self.put(context, &output, pieces, tally)
    }

    /// Too many files are open to begin another that others would have to continue: writes all of it
    /// at once, whatever it takes to read.
    fn alone(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let output = open(context, job)?;
        let wanted = match &job.decision {
            Decision::Rewrite(differing) => Some(differing),
            _ => None,
        };
        let mut offset = 0;
        for (at, extent) in extents_of(context.repository, &job.entry)?
            .iter()
            .enumerate()
        {
            let wants = wanted.is_none_or(|wanted| wanted.binary_search(&(at as u32)).is_ok());
            if let (Extent::Data { id, .. }, true) = (extent, wants) {
                let bytes = context.repository.read_blob(id)?;
                put(&output, offset, &bytes, tally)?;
            }
            offset += extent.len();
        }
        finish(context, job, output, &mut self.comparer, tally)
    }

    fn put(
        &self,
        context: &Context<'_>,
        output: &Output,
        pieces: &[Piece],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        for piece in pieces {
            let bytes = piece
                .location
                .slice(&self.plain, &piece.id, context.repository)?;
            put(output, piece.offset, bytes, tally)?;
        }
        Ok(())
    }

    /// A job that needs no segment.
    fn job(&mut self, context: &Context<'_>, job: &Job, tally: &mut Tally) {
        let done = match &job.decision {
            Decision::Same => {
                count(job, tally);
                Ok(())
            }
            Decision::Attributes => only_attributes(context, job, tally),
            Decision::LeftOut(what) => {
                context.ledger.left_out(&job.key, what);
                Ok(())
            }
            Decision::Guarded { absent } => {
                context.ledger.problem(&job.key, WHY.to_owned(), *absent);
                Ok(())
            }
            Decision::Damaged(message) => Err(Failure::Damaged(message.clone())),
            Decision::Refused(message) => Err(Failure::Missing(message.clone())),
            Decision::Create
            | Decision::RemoveTree
            | Decision::Replace { .. }
            | Decision::Rewrite(_) => self.without_pieces(context, job, tally),
        };
        tally.done_files += 1;
        tally.done_bytes += job.entry.size;
        if let Err(failure) = done {
            note_failure(context, &job.key, failure);
        }
    }

    fn without_pieces(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let output = open(context, job)?;
        if let Content::Inline(bytes) = &job.entry.content {
            put(&output, 0, bytes, tally)?;
        }
        finish(context, job, output, &mut self.comparer, tally)
    }
}

/// Ends a file of which a piece could not be written. The failure is told by the first to meet one.
fn give_up(context: &Context<'_>, job: &Job, done: Result<(), Failure>) -> Result<(), Failure> {
    match std::mem::replace(&mut *progress(job), Progress::Ended) {
        Progress::Ended => return Ok(()),
        Progress::Open(_) => {
            context.open_files.fetch_sub(1, Ordering::Relaxed);
        }
        Progress::Waiting => {}
    }
    done
}

/// The state of a job, which a panic elsewhere has not broken.
fn progress(job: &Job) -> MutexGuard<'_, Progress> {
    job.progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(output: &Output, offset: u64, bytes: &[u8], tally: &mut Tally) -> Result<(), Failure> {
    write_at(output.file()?, offset, bytes).map_err(|errno| output.error("write", errno.into()))?;
    tally.written_bytes += bytes.len() as u64;
    Ok(())
}

/// Makes what the job is to be, as far as it needs no bytes.
fn open(context: &Context<'_>, job: &Job) -> Result<Output, Failure> {
    let (directory, name) = context.parent(&job.key)?;
    let entry = &job.entry;
    let hidden = matches!(job.decision, Decision::Replace { .. });
    if job.decision == Decision::RemoveTree {
        let (parent, name) = context.place.split(&job.key);
        // It may have come to hold something since it was looked at.
        if let Some(why) = holds_kept(context, parent, name)? {
            return Err(Failure::Missing(why.to_owned()));
        }
        tally_removed(context, remove(context, parent, name)?.names);
    }
    Ok(match (entry.kind, &job.decision, hidden) {
        (Kind::File, Decision::Rewrite(differing), _) => {
            let output = Output::live(directory, name)?;
            cut(context, job, &output, differing)?;
            output
        }
        (Kind::File, _, hidden) => {
            let output = if hidden {
                Output::hidden(directory.create_temporary(name)?, name)
            } else {
                Output::create(directory, name)?
            };
            if is_sparse(&entry.content) {
                set_len(output.file()?, entry.size)
                    .map_err(|errno| output.error("lengthen", errno.into()))?;
            }
            output
        }
        (Kind::Symlink, _, true) => {
            Output::hidden(directory.temporary_symlink(name, &entry.target)?, name)
        }
        (Kind::Symlink, _, false) => Output::make(directory, name, |directory| {
            directory.symlink(name, &entry.target)
        })?,
        (kind, _, true) => {
            Output::hidden(directory.temporary_special(name, kind, entry.device)?, name)
        }
        (kind, _, false) => Output::make(directory, name, |directory| {
            directory.make_special(name, kind, entry.device)
        })?,
    })
}

/// Whether a new file of this content must be given its length: bytes are written to the rest.
fn is_sparse(content: &Content) -> bool {
    match content {
        Content::Extents(extents) => extents
            .iter()
            .any(|extent| !matches!(extent, Extent::Data { .. })),
        Content::ExtentList(_) => true,
        Content::Empty | Content::Inline(_) | Content::Blob(_) => false,
    }
}

/// Gives a file that is changed in place its length and its holes.
fn cut(
    context: &Context<'_>,
    job: &Job,
    output: &Output,
    differing: &[u32],
) -> Result<(), Failure> {
    let file = output.file()?;
    let extents = extents_of(context.repository, &job.entry)?;
    set_len(file, job.entry.size).map_err(|errno| output.error("cut", errno.into()))?;
    let mut offset = 0;
    for (at, extent) in extents.iter().enumerate() {
        let hole = matches!(extent, Extent::Hole { .. } | Extent::Zeros { .. });
        if hole && differing.binary_search(&(at as u32)).is_ok() {
            punch_hole(file, offset, extent.len())
                .map_err(|errno| output.error("cut a hole into", errno.into()))?;
        }
        offset += extent.len();
    }
    Ok(())
}

fn tally_removed(context: &Context<'_>, names: u64) {
    context.ledger.tell(&mut Tally {
        deleted: names,
        ..Tally::default()
    });
}
