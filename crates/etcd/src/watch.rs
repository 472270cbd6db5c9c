//! Following an etcd revision by revision, over lost connections and restarts.
//!
//! What is yielded was seen, whole and in order; what was not seen is never passed over in silence. When
//! a connection breaks, another member is asked from the next revision on. Where compaction has taken
//! revisions that were not seen, the watch ends with a [`Gap`]: the caller reads everything anew.
//!
//! Two habits of servers before 3.4.37 and 3.5.19 are guarded against. A delete at exactly the revision of a
//! compaction can be missing from a watch that begins there (etcd issue 19179): after each connection it
//! is asked whether the revision before the first is still kept, and without that nothing is believed.
//! Progress that is asked for can run ahead of the events (etcd issue 15220): it is not asked for, only
//! what the server tells of its own accord counts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tonic::{Code, Status, Streaming};

use crate::address::range_of;
use crate::client::{Client, RANGE};
use crate::connection::{Call, Failed, Patience};
use crate::error::{EtcdError, Retry, classify};
use crate::event::{Event, Gap, Revision, Seen};
use crate::value::KeyValue;
use crate::wire::{RangeRequest, RangeResponse};
use crate::wire_watch::{WatchAsk, WatchCreateRequest, WatchRequest, WatchResponse, WireEvent};

const WATCH: &str = "/etcdserverpb.Watch/Watch";

/// A running watch. Nothing is fetched while [`Watch::next`] is not called, save what fits in the
/// connection's window.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    prefix: Vec<u8>,
    with_previous: bool,
    /// Everything before it was received.
    next: i64,
    /// Everything before it was yielded.
    yielded: i64,
    state: State,
    ready: VecDeque<Seen>,
    /// A revision of which more may come.
    held: Option<Revision>,
    gap: Option<Gap>,
}

#[derive(Debug)]
enum State {
    Connecting(JoinHandle<Result<Open, EtcdError>>),
    /// Nothing was said yet since the connection came about.
    Fresh(Open),
    Believed(Open),
    Lost,
}

#[derive(Debug)]
struct Open {
    at: usize,
    stream: Streaming<WatchResponse>,
}

impl Client {
    /// Watches the keys with this prefix from revision `start` on, which may be past. With
    /// `with_previous`, events carry what stood there before; for the deletion of very many keys that
    /// takes the server fifty times as long as reading them at the revision before.
    pub fn watch(&self, prefix: &[u8], start: i64, with_previous: bool) -> Watch {
        let mut watch = Watch {
            client: self.clone(),
            prefix: prefix.to_vec(),
            with_previous,
            // Revision 1 is the empty store.
            next: start.max(2),
            yielded: start.max(2),
            state: State::Lost,
            ready: VecDeque::new(),
            held: None,
            gap: None,
        };
        watch.connect(None);
        watch
    }
}

impl Watch {
    /// The revision that comes next: every one before it was yielded, so a later watch can begin here.
    pub fn next_revision(&self) -> i64 {
        self.yielded
    }

    /// What happened next, or `None` if nothing did for so long. Lost connections are no errors; what is
    /// returned as one can't be mended by waiting.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Seen>, EtcdError> {
        let end = Instant::now() + wait;
        loop {
            if let Some(seen) = self.ready.pop_front() {
                match &seen {
                    Seen::Revision(seen) => self.yielded = seen.revision + 1,
                    Seen::Progress(revision) => self.yielded = revision + 1,
                    _ => {}
                }
                return Ok(Some(seen));
            }
            if let Some(gap) = self.gap {
                return Ok(Some(Seen::Gap(gap)));
            }
            let client = self.client.clone();
            let time = end.saturating_duration_since(Instant::now());
            match std::mem::replace(&mut self.state, State::Lost) {
                State::Lost => self.connect(None),
                State::Connecting(mut work) => {
                    // Made on the runtime: a timer needs one.
                    let ended = client.wait(async { tokio::time::timeout(time, &mut work).await });
                    let Ok(ended) = ended else {
                        self.state = State::Connecting(work);
                        return Ok(None);
                    };
                    let reason = "the work of connecting ended before its time";
                    let open = ended.map_err(|_| EtcdError::Protocol { reason })??;
                    self.ready
                        .push_back(Seen::Connected(client.members().name(open.at)));
                    self.state = State::Fresh(open);
                }
                State::Fresh(mut open) => match self.receive(&mut open, time) {
                    None => {
                        self.state = State::Fresh(open);
                        return Ok(None);
                    }
                    Some(answer) => self.take_first(open, answer)?,
                },
                State::Believed(mut open) => match self.receive(&mut open, time) {
                    None => {
                        self.state = State::Believed(open);
                        return Ok(None);
                    }
                    Some(answer) => self.take(open, answer)?,
                },
            }
        }
    }

    fn receive(&self, open: &mut Open, time: Duration) -> Option<Result<WatchResponse, Status>> {
        let stream = &mut open.stream;
        let received = async { tokio::time::timeout(time, stream.message()).await };
        match self.client.wait(received) {
            Err(_) => None,
            Ok(Ok(Some(answer))) => Some(Ok(answer)),
            Ok(Ok(None)) => Some(Err(Status::unavailable("the server closed the watch"))),
            Ok(Err(status)) => Some(Err(status)),
        }
    }

    /// The first answer that tells something is believed only while the revision before ours is kept.
    fn take_first(
        &mut self,
        open: Open,
        answer: Result<WatchResponse, Status>,
    ) -> Result<(), EtcdError> {
        let tells = |answer: &WatchResponse| {
            !answer.events.is_empty() || !(answer.created || answer.canceled)
        };
        if !answer.as_ref().is_ok_and(tells) {
            let is_fine = answer.as_ref().is_ok_and(|answer| !answer.canceled);
            if is_fine {
                self.state = State::Fresh(open);
                return Ok(());
            }
            return self.take(open, answer);
        }
        let (key, range_end) = range_of(&self.prefix);
        let question = RangeRequest {
            key,
            range_end,
            limit: 1,
            revision: self.next - 1,
            keys_only: true,
            ..RangeRequest::default()
        };
        match self.client.range(&question) {
            Ok(_) => self.take(open, answer),
            Err(EtcdError::Compacted { .. }) => {
                let header = answer.ok().and_then(|answer| answer.header);
                let now = header.map_or(self.next, |header| header.revision);
                self.end_with_gap(now);
                Ok(())
            }
            Err(EtcdError::Unreachable { reason, .. }) => {
                self.lose(open.at, reason);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, open: Open, answer: Result<WatchResponse, Status>) -> Result<(), EtcdError> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => return self.take_failure(open.at, classify(&status, self.next)),
        };
        if answer.canceled {
            return self.take_end(open.at, &answer);
        }
        let is_progress = answer.events.is_empty() && !answer.created && answer.watch_id >= 0;
        for event in answer.events {
            self.take_event(event)?;
        }
        if !answer.fragment {
            self.release();
        }
        let now = answer.header.map_or(0, |header| header.revision);
        if is_progress && now >= self.next {
            self.next = now + 1;
            self.ready.push_back(Seen::Progress(now));
        }
        self.state = State::Believed(open);
        Ok(())
    }

    fn take_event(&mut self, event: WireEvent) -> Result<(), EtcdError> {
        let reason = "an event has no key";
        let kv = event.kv.ok_or(EtcdError::Protocol { reason })?;
        let revision = kv.mod_revision;
        if revision < self.next {
            return Ok(());
        }
        if self
            .held
            .as_ref()
            .is_some_and(|held| held.revision != revision)
        {
            self.release();
        }
        let event = Event {
            key: kv.key.clone(),
            now: (event.kind == 0).then(|| kv.into()),
            previous: event.prev_kv.map(KeyValue::from),
        };
        let new = || Revision {
            revision,
            events: Vec::new(),
        };
        self.held.get_or_insert_with(new).events.push(event);
        Ok(())
    }

    /// Nothing more belongs to the revision that was held.
    fn release(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        // Every revision changes a key; who watches all of them misses none, or something was lost.
        if self.gap.is_some() || (self.prefix.is_empty() && held.revision != self.next) {
            self.end_with_gap(held.revision);
            return;
        }
        self.next = held.revision + 1;
        self.ready.push_back(Seen::Revision(held));
    }

    /// The server ended the watch.
    fn take_end(&mut self, at: usize, answer: &WatchResponse) -> Result<(), EtcdError> {
        if answer.compact_revision > 0 {
            self.held = None;
            self.end_with_gap(answer.compact_revision);
            return Ok(());
        }
        let says = &answer.cancel_reason;
        let text = if says.is_empty() {
            "the server ended the watch"
        } else {
            says
        };
        // Its own words are all there is, so what is not known may pass.
        self.take_failure(
            at,
            classify(&Status::new(Code::Unavailable, text), self.next),
        )
    }

    fn take_failure(&mut self, at: usize, (error, retry): Failed) -> Result<(), EtcdError> {
        match retry {
            Retry::Never => return Err(error),
            Retry::LogIn => self.client.members().forget_token(),
            Retry::Elsewhere | Retry::Later => {}
        }
        let reason = match error {
            EtcdError::Unreachable { reason, .. } => reason,
            other => other.to_string(),
        };
        self.lose(at, reason);
        Ok(())
    }

    fn lose(&mut self, at: usize, reason: String) {
        // Half a revision is none.
        self.held = None;
        self.ready.push_back(Seen::Disconnected(reason));
        self.connect(Some(at));
    }

    fn end_with_gap(&mut self, to: i64) {
        let from = self.next;
        self.gap.get_or_insert(Gap {
            from,
            to: to.max(from),
        });
    }

    fn connect(&mut self, lost: Option<usize>) {
        let members = self.client.members().clone();
        if let Some(at) = lost {
            members.move_on(at);
        }
        let (key, range_end) = range_of(&self.prefix);
        let create = WatchCreateRequest {
            key,
            range_end,
            start_revision: self.next,
            progress_notify: true,
            prev_kv: self.with_previous,
            fragment: true,
        };
        self.state = State::Connecting(self.client.spawn(async move {
            // Ends when the watch is dropped.
            let mut patience = Patience::new(Duration::from_secs(u64::from(u32::MAX)));
            loop {
                let at = members.current();
                let (error, retry) = match open(&members, at, &create).await {
                    Ok(stream) => return Ok(Open { at, stream }),
                    Err(failed) => failed,
                };
                match retry {
                    Retry::Never => return Err(error),
                    Retry::LogIn => {}
                    Retry::Elsewhere | Retry::Later => members.move_on(at),
                }
                patience.wait(members.len()).await;
            }
        }));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let State::Connecting(work) = &self.state {
            work.abort();
        }
    }
}

/// Opens a watch at one member, after the cluster has shown that it is the one we know and not older.
async fn open(
    members: &crate::connection::Members,
    at: usize,
    create: &WatchCreateRequest,
) -> Result<Streaming<WatchResponse>, Failed> {
    let question = RangeRequest {
        key: create.key.clone(),
        count_only: true,
        ..RangeRequest::default()
    };
    let answer: RangeResponse = members.try_once(at, &Call::new(RANGE, &question)).await?;
    let never = |error| (error, Retry::Never);
    let now = members.check(answer.header.as_ref()).map_err(never)?;
    let seen = create.start_revision - 1;
    if now < seen {
        return Err(never(EtcdError::WentBack { seen, now }));
    }
    let ask = WatchAsk::Create(create.clone());
    members
        .open(at, WATCH, WatchRequest { ask: Some(ask) })
        .await
}
