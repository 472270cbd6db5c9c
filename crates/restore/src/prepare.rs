//! Decides for every path of a window what is to be done, and finds the pieces that this takes.

use model::{Content, Extent, Kind};
use repository::blobs::Scratch;
use repository::{Location, RepositoryError, Segment};

use crate::compare::decide;
use crate::content::Comparer;
use crate::context::Context;
use crate::error::{RestoreError, Result};
use crate::job::{Decision, Job, Piece, Window, extents_of};

/// Jobs that a thread takes at once.
const BATCH: usize = 64;

/// What a thread keeps while it prepares.
#[derive(Default)]
struct Preparer {
    comparer: Comparer,
    pieces: Vec<Piece>,
    checked: Checked,
}

/// The segment that was last read to see whether its blobs are whole.
#[derive(Default)]
struct Checked {
    segment: Option<Segment>,
    scratch: Scratch,
    plain: Vec<u8>,
}

/// Decides everything in the window; the pieces are in no order.
pub(crate) fn prepare(context: &Context<'_>, window: &mut Window) -> Result<Vec<Piece>> {
    let batches: Vec<std::sync::Mutex<&mut [Job]>> = window
        .jobs
        .chunks_mut(BATCH)
        .map(std::sync::Mutex::new)
        .collect();
    let preparers = context.in_parallel(batches.len(), Preparer::default, |preparer, _, at| {
        let mut jobs = batches[at]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (number, job) in jobs.iter_mut().enumerate() {
            let number = (at * BATCH + number) as u32;
            if let Err(error) = preparer.job(context, job, number) {
                context.ledger.fail(error);
                return;
            }
        }
    });
    context.ledger.check()?;
    drop(batches);
    let mut pieces = Vec::new();
    for preparer in preparers {
        pieces.extend(preparer.pieces);
    }
    Ok(pieces)
}

impl Preparer {
    fn job(&mut self, context: &Context<'_>, job: &mut Job, number: u32) -> Result<()> {
        let devices = matches!(job.entry.kind, Kind::CharDevice | Kind::BlockDevice);
        if devices && !context.rights.devices {
            job.decision = Decision::LeftOut("device");
            return Ok(());
        }
        let mut extents = None;
        if !job.fresh || job.guarded {
            (job.decision, extents) = decide(context, &mut self.comparer, job)?;
        }
        let wants = matches!(
            job.decision,
            Decision::Create
                | Decision::RemoveTree
                | Decision::Replace { .. }
                | Decision::Rewrite(_)
        );
        if !wants || job.entry.kind != Kind::File {
            return Ok(());
        }
        let from = self.pieces.len();
        match self.find(context, job, number, extents) {
            Ok(()) => {
                job.pieces = (self.pieces.len() - from) as u32;
                *job.remaining.get_mut() = job.pieces;
                Ok(())
            }
            Err(error) if error.is_damage() => {
                self.pieces.truncate(from);
                job.decision = Decision::Damaged(error.to_string());
                Ok(())
            }
            Err(error) => Err(RestoreError::from(error)),
        }
    }

    /// Finds where the pieces of a file are.
    fn find(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        number: u32,
        extents: Option<Vec<Extent>>,
    ) -> repository::error::Result<()> {
        let repository = context.repository;
        if let (Content::Blob(id), None) = (&job.entry.content, &extents) {
            let location = locate(context, id, job.entry.size)?;
            self.pieces.push(Piece {
                location,
                id: *id,
                job: number,
                offset: 0,
            });
            return Ok(());
        }
        let extents = match extents {
            Some(extents) => extents,
            None => extents_of(repository, &job.entry)?,
        };
        let mut wanted = match &job.decision {
            Decision::Rewrite(differing) => Some(differing.iter().copied().peekable()),
            _ => None,
        };
        let mut offset = 0;
        for (at, extent) in extents.iter().enumerate() {
            let wants = wanted
                .as_mut()
                .is_none_or(|wanted| wanted.next_if_eq(&(at as u32)).is_some());
            if let (Extent::Data { id, len }, true) = (extent, wants) {
                let location = locate(context, id, *len)?;
                if matches!(job.decision, Decision::Rewrite(_)) && !context.dry {
                    // A file that is changed in place must not end half changed.
                    self.checked.check(context, &location, id)?;
                }
                self.pieces.push(Piece {
                    location,
                    id: *id,
                    job: number,
                    offset,
                });
            }
            offset += extent.len();
        }
        Ok(())
    }
}

impl Checked {
    fn check(
        &mut self,
        context: &Context<'_>,
        location: &Location,
        id: &model::BlobId,
    ) -> repository::error::Result<()> {
        if self.segment != Some(location.segment) {
            self.segment = None;
            context.repository.read_segment(
                &location.segment,
                &mut self.scratch,
                &mut self.plain,
            )?;
            self.segment = Some(location.segment);
        }
        location.slice(&self.plain, id, context.repository)?;
        Ok(())
    }
}

/// Where a blob is that must be this long.
fn locate(
    context: &Context<'_>,
    id: &model::BlobId,
    len: u64,
) -> repository::error::Result<Location> {
    let location = context.repository.locate(id)?;
    if u64::from(location.len) == len {
        return Ok(location);
    }
    Err(RepositoryError::Damaged {
        object: format!("blob {id}"),
        why: format!("it is {} bytes long, its file says {len}", location.len),
    })
}
