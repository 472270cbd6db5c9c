//! A root that is not at its path: removed, renamed, unmounted. It is told apart, said once, and waited for.

use std::time::{Duration, Instant};

use model::point::Class;
use source::SourceError;
use source::files::watch::{Root, Settle, Whereabouts};

use crate::error::{Result, TimelineError};
use crate::options::{Event, RootEvent};
use crate::run::{Away, Draft, Eyes, Run, Unseen, WAIT};
use crate::sight::Waiting;

/// How long is waited for the last events of a tree that is gone.
const LAST_EVENTS: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// The root is not at its path. Only where it was really removed is that a change of the source.
    pub(crate) fn lose_root(
        &mut self,
        whereabouts: Whereabouts,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let beneath = self.root.at_path();
        match &whereabouts {
            Whereabouts::Here => return Ok(()),
            Whereabouts::Removed => {
                self.everything_is_gone(each)?;
                self.close_eyes();
                each(Event::Root(RootEvent::Removed));
            }
            // Its events go on: who removes it there removes it.
            Whereabouts::Renamed(to) => {
                let replaced = beneath.is_some();
                each(Event::Root(RootEvent::Renamed { to, replaced }));
            }
            Whereabouts::Hidden => {
                self.close_eyes();
                self.root.let_go();
                each(Event::Root(RootEvent::Hidden));
            }
        }
        self.away = Some(Away {
            whereabouts,
            beneath,
        });
        Ok(())
    }

    /// One look for the root, and a wait if it is not there.
    pub(crate) fn wait_for_root(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        self.record_waiting(each)?;
        let Some(away) = &self.away else {
            return Ok(());
        };
        let is_back = match &away.whereabouts {
            Whereabouts::Hidden => self.root.is_there_again(away.beneath),
            Whereabouts::Renamed(_) if self.root.look() == Whereabouts::Removed => {
                return self.lose_root(Whereabouts::Removed, each);
            }
            _ => self.root.at_path().is_some(),
        };
        if is_back {
            return self.find_root(each);
        }
        self.see(WAIT, Settle::AT_ONCE);
        Ok(())
    }

    /// There is a directory again: it is watched, and what is in it becomes a point by a scan.
    fn find_root(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let opened = Root::open(&self.options.backup.root)
            .map_err(TimelineError::from)
            .and_then(|root| Ok((root, Eyes::open(self.options)?)));
        let (root, (eyes, info)) = match opened {
            Ok(opened) => opened,
            // It went again.
            Err(TimelineError::Source(
                SourceError::NotFound { .. } | SourceError::WrongKind { .. },
            )) => return Ok(()),
            Err(error) => return Err(error),
        };
        (self.root, self.eyes, self.away) = (root, Some(eyes), None);
        self.unseen = Unseen::Anything;
        self.next_scan = Instant::now();
        each(Event::Root(RootEvent::Back(&info)));
        Ok(())
    }

    /// Makes a point of a source that has nothing any more, not even a root, and lets the rules look at it.
    fn everything_is_gone(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        self.see_the_last(LAST_EVENTS);
        while let Some((_, passing)) = self.passing.pop_front() {
            self.waiting.join(passing);
        }
        let (since, first) = self.began();
        let mut changed = self.state.differing_from(None)?;
        let actors = self
            .waiting
            .actors_of(changed.iter().map(|change| &change.key));
        for change in &mut changed {
            change.actor = actors.get(&change.key).copied();
        }
        if !changed.is_empty() {
            // That the root moved is no doubt here: everything is gone.
            let class = match self.unseen {
                Unseen::Anything => Class::Blurred,
                _ => Class::Fuzzy,
            };
            let draft = Draft {
                changed: &changed,
                class,
                times: (first, (self.clock)()),
                since,
                stored_bytes: 0,
            };
            self.record(&draft, each)?;
        }
        self.waiting = Waiting::default();
        self.first = None;
        Ok(())
    }

    /// Lets go of a tree that is not there.
    fn close_eyes(&mut self) {
        self.eyes = None;
        self.passing.clear();
        self.waiting = Waiting::default();
        self.first = None;
    }
}
