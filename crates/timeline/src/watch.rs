//! The loop: see, gather, look, store, record; and now and then scan everything.

use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use model::point::Class;
use model::{Cancel, Monitor, Timestamp};
use policy::incident::Mode;
use repository::Repository;
use source::files::watch::{CaptureInfo, Root, Whereabouts};

use crate::error::{Result, TimelineError};
use crate::incidents::Incidents;
use crate::options::{Event, WatchOptions};
use crate::run::{Eyes, Run, Unseen, WAIT};
use crate::sight::Waiting;
use crate::state::State;

/// After a refusal of the repository, how long until it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// How long the last point may take when somebody asked to stop: below what service managers wait.
const LAST_POINT: Duration = Duration::from_secs(5);

/// How long is waited for the last events.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// Watches the tree until somebody asks to stop. What was seen up to then becomes a last point.
pub fn watch(
    repository: &Repository,
    options: &WatchOptions,
    clock: &dyn Fn() -> Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    let root = Root::open(&options.backup.root)?;
    let (eyes, info) = Eyes::open(options)?;
    let timeline = repository.timeline(&options.backup.host, &options.backup.source)?;
    let mut run = Run {
        options,
        clock,
        monitor,
        cancel,
        eyes: Some(eyes),
        root,
        away: None,
        state: State::open(repository, timeline)?,
        incidents: None,
        waiting: Waiting::default(),
        passing: VecDeque::new(),
        first: None,
        asked: BTreeSet::new(),
        next_scan: Instant::now(),
        unseen: Unseen::Nothing,
        is_new: true,
    };
    match run.begin(&info, each) {
        // Nothing was promised yet, and the next start finds what this one did not get to.
        Err(error) if error.is_cancelled() => return Ok(()),
        begun => begun?,
    }
    while !cancel.requested() {
        run.step(each)?;
    }
    run.end(each)
}

impl Run<'_> {
    /// The first state: a backup. What happened while nobody watched becomes one blurred point.
    fn begin(&mut self, info: &CaptureInfo, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        // Where the end of the log is damaged nobody knows what happened since: that is told by `check`,
        // and points begin anew.
        let was_watched = !self.state.timeline.is_empty() && !self.state.broken;
        self.state.live((self.clock)());
        if was_watched {
            self.begin_incidents()?;
        }
        let files = self.scan(was_watched, Class::Blurred, each)?;
        let Some(files) = files else {
            return Err(TimelineError::RootGone(self.options.backup.root.clone()));
        };
        self.state.began_at = self.state.last_point;
        self.state.learn_links()?;
        if self.incidents.is_none() {
            self.begin_incidents()?;
        }
        self.is_new = false;
        each(Event::Ready {
            capture: info,
            point: self.state.last_point,
            files,
        });
        Ok(())
    }

    fn begin_incidents(&mut self) -> Result<()> {
        let (repository, now) = (self.state.repository, (self.clock)());
        self.incidents = Some(Incidents::begin(repository, &self.state, Mode::Tree, now)?);
        Ok(())
    }

    fn step(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let tried = if self.away.is_some() {
            self.wait_for_root(each)
        } else {
            self.watch_on(each)
        };
        match tried {
            Err(error) if error.may_pass() => self.bear(&error, each),
            Err(error) if error.is_cancelled() => {}
            // A directory is there again that may not be watched.
            Err(error) if error.is_of_source() && self.away.is_some() => self.bear(&error, each),
            // It went, or was unmounted, while it was looked at: the next step finds out which.
            Err(error) if error.is_of_source() && self.is_root_away() => {}
            done => done?,
        }
        Ok(())
    }

    fn is_root_away(&self) -> bool {
        self.away.is_some() || self.root.look() != Whereabouts::Here
    }

    fn watch_on(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let wait = self.first.map_or(WAIT, |(since, _)| {
            self.options
                .gather
                .saturating_sub(since.elapsed())
                .min(WAIT)
        });
        self.see(wait, self.options.settle);
        match self.root.look() {
            Whereabouts::Here => {}
            elsewhere => return self.lose_root(elsewhere, each),
        }
        let due = self
            .first
            .is_some_and(|(since, _)| since.elapsed() >= self.options.gather);
        let scan = self.unseen > Unseen::Nothing && Instant::now() >= self.next_scan;
        if scan || self.state.is_checkpoint_due(self.options.checkpoint) {
            self.scan(true, self.unseen.class(), each).map(drop)
        } else if due {
            self.point(self.cancel, each)
        } else {
            self.record_waiting(each)
        }
    }

    /// The repository refused, or the tree: everything that waits goes on waiting.
    fn bear(&mut self, error: &TimelineError, each: &mut dyn FnMut(Event<'_>)) {
        self.tell_trouble(error, each);
        let until = Instant::now() + TRY_AGAIN;
        while Instant::now() < until && !self.cancel.requested() {
            self.see(WAIT, self.options.settle);
        }
    }

    fn tell_trouble(&self, error: &TimelineError, each: &mut dyn FnMut(Event<'_>)) {
        each(Event::Trouble {
            message: error.to_string(),
            waiting: self.waiting.len() as u64,
        });
    }

    /// Somebody asked to stop: what was seen up to here is protected too. What takes too long is found by
    /// the next start.
    fn end(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        self.see_the_last(LAST_EVENTS);
        let tried = if self.is_root_away() {
            Ok(())
        } else if self.waiting.is_empty() {
            self.record_waiting(each)
        } else {
            self.last_point(each)
        };
        match tried {
            Err(error) if error.may_pass() => self.tell_trouble(&error, each),
            Err(error) if error.is_cancelled() => {}
            Err(error) if error.is_of_source() && self.is_root_away() => {}
            done => done?,
        }
        Ok(())
    }

    fn last_point(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let enough = &Cancel::default();
        let (done, ended) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if ended.recv_timeout(LAST_POINT) == Err(RecvTimeoutError::Timeout) {
                    enough.request();
                }
            });
            let made = self.point(enough, each);
            drop(done);
            made
        })
    }
}
