//! Large files: their regions are read by several workers and put together here.

use model::Timestamp;
use source::files::Stat;

use crate::batch::{Batch, Item, Long, REGION_BYTES, ReadFailure, RegionRead, State};
use crate::cache::Fingerprint;
use crate::content::push;
use crate::worker::{entry_of, held_still};

/// A large file whose regions are with the workers.
pub(crate) struct Large {
    pub(crate) batch: Batch,
    pub(crate) regions: Vec<Option<Result<RegionRead, ReadFailure>>>,
    pub(crate) missing: usize,
    pub(crate) tries: usize,
}

/// How often a large file is read again that changed meanwhile.
const TRIES: usize = 2;

impl Large {
    /// The file that stands alone in the batch, with no region read.
    pub(crate) fn new(batch: Batch) -> Self {
        Self {
            regions: Vec::new(),
            missing: 0,
            tries: TRIES,
            batch,
        }
        .again()
    }

    /// The same file with no region read.
    fn again(mut self) -> Self {
        let count = self.batch.items[0].stat.size.div_ceil(REGION_BYTES) as usize;
        self.regions = (0..count).map(|_| None).collect();
        self.missing = count;
        self
    }

    /// Puts the regions together; `Err` is the file that has to be read again, since it changed
    /// meanwhile.
    pub(crate) fn finish(mut self, began: Timestamp) -> Result<Batch, Self> {
        let item = &mut self.batch.items[0];
        let joined = join(std::mem::take(&mut self.regions), item, began);
        if let State::Long(long) = &joined
            && long.entry.unsettled
            && self.tries > 0
        {
            item.stat.size = long.entry.size.max(1);
            self.tries -= 1;
            return Err(self.again());
        }
        item.state = joined;
        Ok(self.batch)
    }
}

/// The entry of a large file from its regions.
fn join(
    regions: Vec<Option<Result<RegionRead, ReadFailure>>>,
    item: &Item,
    began: Timestamp,
) -> State {
    let mut extents = Vec::new();
    let mut xattrs = Vec::new();
    let mut settled = true;
    let mut last: Option<Stat> = None;
    for region in regions {
        match region {
            Some(Ok(read)) => {
                let still = last.is_none_or(|last| held_still(&last, &read.before));
                settled &= still && held_still(&read.before, &read.after);
                last = Some(read.after);
                read.extents
                    .into_iter()
                    .for_each(|extent| push(&mut extents, extent));
                if !read.xattrs.is_empty() {
                    xattrs = read.xattrs;
                }
            }
            Some(Err(ReadFailure::Vanished)) | None => return State::Vanished,
            Some(Err(ReadFailure::Failed(message))) => return State::Failed(message),
        }
    }
    let stat = last.unwrap_or(item.stat);
    let size = extents.iter().map(model::Extent::len).sum::<u64>();
    settled &= size == stat.size;
    let mut entry = entry_of(&stat);
    entry.link = item.link;
    entry.size = size;
    entry.unsettled = !settled;
    let fingerprint = if settled {
        Fingerprint::settled(&stat, began)
    } else {
        Fingerprint::UNKNOWN
    };
    State::Long(Box::new(Long {
        entry,
        extents,
        xattrs,
        fingerprint,
    }))
}
