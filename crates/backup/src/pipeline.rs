//! The walker's side: scan and change cache in step, batches out to the workers, results back in order.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use model::{Kind, LinkId, PathKey};
use source::files::{LinkTable, ScanOptions, ScanSummary, Scanned, Stat, TreeReader, scan};

use crate::batch::{
    BATCH_BYTES, BATCH_ENTRIES, Batch, Done, Known, REGION_BYTES, Region, State, Task,
};
use crate::cache::{CacheReader, Fingerprint};
use crate::context::Context;
use crate::error::{BackupError, Result};
use crate::large::Large;
use crate::options::{BackupOptions, Selection};
use crate::sink::Sink;
use crate::worker::work;

/// Tasks that may wait for workers, and results that may wait for their turn: bounds the memory.
const WAITING_MAX: usize = 24;

/// Takes what was read, in key order.
pub(crate) trait Collect {
    /// A finished batch.
    fn batch(&mut self, batch: Batch) -> Result<()>;
    /// A path that could not be looked at.
    fn problem(&mut self, key: &[u8], message: String);
    /// A path that the cache knew and the scan did not find.
    fn deleted(&mut self, key: &[u8]);
}

/// Reads the source with one worker for each sink, and hands everything to `collect` in key order.
pub(crate) fn read_source<S: Sink + Send>(
    context: &Context<'_>,
    cache: Option<CacheReader>,
    sinks: Vec<S>,
    collect: &mut dyn Collect,
) -> Result<ScanSummary> {
    let root = scan_root(context.options);
    let tree = TreeReader::open(&context.options.root)?;
    let (task_sender, tasks) = bounded(WAITING_MAX);
    let (done_sender, done) = unbounded();
    std::thread::scope(|scope| {
        let workers: Vec<_> = sinks
            .into_iter()
            .map(|sink| {
                let (tasks, done, tree) = (tasks.clone(), done_sender.clone(), &tree);
                scope.spawn(move || work(context, tree, sink, &tasks, &done))
            })
            .collect();
        drop((tasks, done_sender));
        let mut walker = Walker::new(context, cache, task_sender, done, collect);
        let walked = match &context.options.selection {
            Selection::Keys(keys) => walker.look(&tree, keys),
            _ => walker.walk(&root),
        };
        let walked = walked.and_then(|summary| walker.finish().map(|()| summary));
        drop(walker);
        // A worker's own error says more than the closed channel that the walker saw.
        let mut worked = Ok(());
        for worker in workers {
            worked = worked.and(worker.join().unwrap_or(Err(BackupError::WorkerLost)));
        }
        worked.and(walked)
    })
}

/// Where the scan begins: the root, or the part of it that is asked for.
fn scan_root(options: &BackupOptions) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let base = options.selection.base();
    if base.is_root() {
        options.root.clone()
    } else {
        let path = std::ffi::OsString::from_vec(base.to_path());
        options.root.join(path)
    }
}

struct Walker<'a, 'c> {
    context: &'a Context<'a>,
    cache: Option<CacheReader>,
    prefix: Vec<u8>,
    links: LinkTable,
    tasks: Sender<Task>,
    done: Receiver<Done>,
    collect: &'c mut dyn Collect,
    open: Batch,
    /// Number of the open batch, and of the one that is collected next.
    next_number: u64,
    next_collected: u64,
    /// Finished batches that wait for their turn.
    finished: BTreeMap<u64, Batch>,
    large: HashMap<u64, Large>,
    failed: Option<BackupError>,
    /// Tasks that are with the workers.
    outstanding: usize,
}

impl<'a, 'c> Walker<'a, 'c> {
    fn new(
        context: &'a Context<'a>,
        cache: Option<CacheReader>,
        tasks: Sender<Task>,
        done: Receiver<Done>,
        collect: &'c mut dyn Collect,
    ) -> Self {
        let prefix = context.options.selection.base().into_bytes();
        Self {
            context,
            cache,
            prefix,
            links: LinkTable::new(),
            tasks,
            done,
            collect,
            open: Batch::default(),
            next_number: 0,
            next_collected: 0,
            finished: BTreeMap::new(),
            large: HashMap::new(),
            failed: None,
            outstanding: 0,
        }
    }

    fn walk(&mut self, root: &std::path::Path) -> Result<ScanSummary> {
        let (context, options) = (self.context, self.context.options);
        let scan_options = ScanOptions {
            threads: options.threads,
            one_file_system: options.one_file_system,
            exclude: options.exclude.clone(),
            ..ScanOptions::default()
        };
        let summary = scan(
            root,
            &scan_options,
            context.monitor,
            context.cancel,
            &mut |scanned| match self.take(scanned) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    self.failed = Some(error);
                    ControlFlow::Break(())
                }
            },
        );
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(summary?),
        }
    }

    /// Takes the given keys in place of a scan.
    fn look(&mut self, tree: &TreeReader, keys: &[PathKey]) -> Result<ScanSummary> {
        let mut summary = ScanSummary::default();
        let mut look = tree.look();
        for key in keys {
            if self.context.cancel.requested() {
                return Err(BackupError::Cancelled);
            }
            match look.stat(key.as_bytes()) {
                Ok(Some(stat)) => {
                    match stat.kind {
                        Kind::Directory => summary.directories += 1,
                        _ => summary.files += 1,
                    }
                    self.entry(key.as_bytes(), stat)?;
                }
                Ok(None) => {}
                Err(error) => {
                    summary.problems += 1;
                    self.collect.problem(key.as_bytes(), error.to_string());
                }
            }
        }
        Ok(summary)
    }

    fn take(&mut self, scanned: Scanned) -> Result<()> {
        match scanned {
            Scanned::Entry { key, stat } => self.entry(&self.full_key(key), stat),
            Scanned::Problem { key, error } => {
                let key = self.full_key(key);
                self.collect.problem(&key, error.to_string());
                Ok(())
            }
        }
    }

    /// Keys of a part begin with the key of the part.
    fn full_key(&self, key: Vec<u8>) -> Vec<u8> {
        match (self.prefix.is_empty(), key.is_empty()) {
            (true, _) => key,
            (_, true) => self.prefix.clone(),
            _ => [self.prefix.as_slice(), b"\0", &key].concat(),
        }
    }

    fn entry(&mut self, key: &[u8], stat: Stat) -> Result<()> {
        let checked = match PathKey::check(key) {
            Ok(()) if key.len() > prolly::KEY_BYTES_MAX => Err("the path is too long".to_owned()),
            checked => checked.map_err(|error| error.to_string()),
        };
        if let Err(message) = checked {
            self.collect.problem(key, message);
            return Ok(());
        }
        let link = self.links.leader(&stat, key).map(|leader| {
            let id = self.context.repository.id_key().blob_id(leader);
            let mut link = LinkId([0; 16]);
            link.0.copy_from_slice(&id.as_bytes()[..16]);
            link
        });
        let known = self.known(key, &stat);
        if stat.kind == Kind::File && stat.size > REGION_BYTES && known != Known::Unchanged {
            self.close_batch()?;
            self.open.push(key, stat, link, known);
            return self.start_large();
        }
        self.open.push(key, stat, link, known);
        if known == Known::Unchanged {
            self.keep_cached(&stat);
        } else {
            self.open.has_work = true;
            self.open.file_bytes += if stat.kind == Kind::File {
                stat.size
            } else {
                0
            };
        }
        if self.open.items.len() >= BATCH_ENTRIES
            || self.open.file_bytes >= BATCH_BYTES
            || self.open.bytes.len() >= BATCH_BYTES as usize
        {
            self.close_batch()?;
        }
        Ok(())
    }

    /// What the cache says of a path; its record is left in place when it vouches for it.
    fn known(&mut self, key: &[u8], stat: &Stat) -> Known {
        let Some(cache) = &mut self.cache else {
            return Known::New;
        };
        while let Some(cached) = cache.peek() {
            match cached.key.cmp(key) {
                std::cmp::Ordering::Less => {
                    if self.prefix.is_empty() {
                        self.collect.deleted(cached.key);
                    }
                    cache.advance();
                }
                std::cmp::Ordering::Equal if cached.fingerprint == Fingerprint::of(stat) => {
                    return Known::Unchanged;
                }
                std::cmp::Ordering::Equal => {
                    cache.advance();
                    return Known::Changed;
                }
                std::cmp::Ordering::Greater => return Known::New,
            }
        }
        Known::New
    }

    /// Copies the cached value of the entry that was pushed just now.
    fn keep_cached(&mut self, stat: &Stat) {
        let Some(cache) = &mut self.cache else { return };
        if let Some(cached) = cache.peek() {
            let value = self.open.append(cached.value);
            let fingerprint = Fingerprint::settled(stat, self.context.began);
            if let Some(item) = self.open.items.last_mut() {
                item.state = State::Ready {
                    value,
                    fingerprint,
                    unsettled: false,
                };
            }
        }
        cache.advance();
    }

    fn close_batch(&mut self) -> Result<()> {
        if self.open.items.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.open);
        batch.number = self.next_number;
        self.next_number += 1;
        if batch.has_work {
            return self.send(Task::Batch(batch));
        }
        self.context.monitor.done(batch.items.len() as u64, 0);
        self.finished.insert(batch.number, batch);
        self.collect_ready()
    }

    /// Gives the regions of the large file that stands alone in the open batch to the workers.
    fn start_large(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.open);
        batch.number = self.next_number;
        self.next_number += 1;
        self.context.monitor.done(1, 0);
        self.send_regions(Large::new(batch))
    }

    fn send_regions(&mut self, large: Large) -> Result<()> {
        let number = large.batch.number;
        let key = large.batch.at(large.batch.items[0].key).to_vec();
        let size = large.batch.items[0].stat.size;
        let count = large.regions.len();
        self.large.insert(number, large);
        for index in 0..count {
            let from = index as u64 * REGION_BYTES;
            // The last region goes on to wherever the file ends when it is read.
            let to = if index + 1 == count {
                size
            } else {
                from + REGION_BYTES
            };
            self.send(Task::Region(Region {
                number,
                key: key.clone(),
                index,
                from,
                to,
            }))?;
        }
        Ok(())
    }

    /// Hands a task over, taking results while the workers are busy.
    fn send(&mut self, mut task: Task) -> Result<()> {
        loop {
            // What waits for its turn counts too: a slow batch must not let all others pile up.
            if self.finished.len() < WAITING_MAX * 2 || self.outstanding == 0 {
                match self.tasks.try_send(task) {
                    Ok(()) => {
                        self.outstanding += 1;
                        return self.take_results();
                    }
                    Err(TrySendError::Full(back)) => task = back,
                    Err(TrySendError::Disconnected(_)) => return Err(BackupError::WorkerLost),
                }
            }
            self.take_one()?;
        }
    }

    fn take_results(&mut self) -> Result<()> {
        while let Ok(done) = self.done.try_recv() {
            self.result(done)?;
        }
        Ok(())
    }

    fn take_one(&mut self) -> Result<()> {
        let done = self.done.recv().map_err(|_| BackupError::WorkerLost)?;
        self.result(done)
    }

    fn result(&mut self, done: Done) -> Result<()> {
        self.outstanding -= 1;
        match done {
            Done::Lost => return Err(BackupError::WorkerLost),
            Done::Batch(batch) => _ = self.finished.insert(batch.number, batch),
            Done::Region {
                number,
                index,
                read,
            } => {
                let Some(large) = self.large.get_mut(&number) else {
                    return Ok(());
                };
                large.regions[index] = Some(read);
                large.missing -= 1;
                if large.missing == 0
                    && let Some(large) = self.large.remove(&number)
                {
                    self.finish_large(large)?;
                }
            }
        }
        self.collect_ready()
    }

    /// Puts the regions of a large file together, or has it read again.
    fn finish_large(&mut self, large: Large) -> Result<()> {
        match large.finish(self.context.began) {
            Ok(batch) => _ = self.finished.insert(batch.number, batch),
            Err(again) => self.send_regions(again)?,
        }
        Ok(())
    }

    /// Hands on what is next in order.
    fn collect_ready(&mut self) -> Result<()> {
        while let Some(batch) = self.finished.remove(&self.next_collected) {
            self.next_collected += 1;
            self.collect.batch(batch)?;
        }
        Ok(())
    }

    /// Waits for everything that is with the workers.
    fn finish(&mut self) -> Result<()> {
        self.close_batch()?;
        while self.next_collected < self.next_number {
            self.take_one()?;
        }
        while let Some(cached) = self.cache.as_ref().and_then(CacheReader::peek) {
            if self.prefix.is_empty() {
                self.collect.deleted(cached.key);
            }
            if let Some(cache) = &mut self.cache {
                cache.advance();
            }
        }
        Ok(())
    }
}
