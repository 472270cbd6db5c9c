//! Messages on their way: whoever hands one over is never kept waiting.
//!
//! Each way of telling has a thread and a short queue of its own, so that a mail does not wait for a web
//! hook that does not answer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Undelivered;
use crate::message::Message;
use crate::way::Way;

/// Messages that wait for one way of telling. Somebody who has sixteen unread ones is not helped by more.
const QUEUE: usize = 16;

/// How long to wait before each further attempt: a restart of the service, then an outage of the network.
pub const WAITS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// How long the end of a run waits for messages that are still on their way.
const GRACE: Duration = Duration::from_secs(2);

/// What became of one attempt to tell.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// How it was told; the place in the list that the outbox was made of.
    pub way: usize,
    /// What was told.
    pub message: &'a Message,
    /// How it went.
    pub result: Result<(), &'a Undelivered>,
    /// How many attempts there were before.
    pub earlier: usize,
    /// When it is tried again; `None` if that was all.
    pub again: Option<Duration>,
}

type Report = Arc<dyn Fn(&Attempt<'_>) + Send + Sync>;

/// Messages on their way.
pub struct Outbox {
    lanes: Vec<Lane>,
    report: Report,
}

/// One way of telling.
struct Lane {
    queue: Arc<Queue>,
    /// Without one nothing is sent, and that is told.
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// `report` is called from other threads, after every attempt.
    pub fn new(
        ways: Vec<Way>,
        waits: &'static [Duration],
        report: impl Fn(&Attempt<'_>) + Send + Sync + 'static,
    ) -> Self {
        let report: Report = Arc::new(report);
        let start = |(number, way)| {
            let queue = Arc::new(Queue::default());
            let worker = Arc::new(Worker {
                number,
                way,
                waits,
                queue: Arc::clone(&queue),
                report: Arc::clone(&report),
            });
            let thread = std::thread::Builder::new().name("delivery".to_owned());
            let thread = thread.spawn(move || worker.run()).ok();
            Lane { queue, thread }
        };
        let lanes = ways.into_iter().enumerate().map(start).collect();
        Self { lanes, report }
    }

    /// Hands a message over to one way of telling.
    pub fn send(&self, way: usize, message: Message) {
        let Some(lane) = self.lanes.get(way) else {
            return;
        };
        if lane.thread.is_none() {
            self.give_up(way, &message, "the system has no thread for it");
        } else if let Some(message) = lane.queue.push(message) {
            self.give_up(way, &message, "too many messages wait already");
        }
    }

    fn give_up(&self, way: usize, message: &Message, reason: &str) {
        (self.report)(&Attempt {
            way,
            message,
            result: Err(&Undelivered::for_good(reason)),
            earlier: 0,
            again: None,
        });
    }
}

/// What is on its way gets a little time, no more: a watcher that is stopped has to end.
impl Drop for Outbox {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.queue.end();
        }
        let began = Instant::now();
        for (way, lane) in self.lanes.iter().enumerate() {
            let Some(thread) = &lane.thread else {
                continue;
            };
            while !thread.is_finished() && began.elapsed() < GRACE {
                std::thread::sleep(Duration::from_millis(10));
            }
            if !thread.is_finished() {
                for message in lane.queue.lock().waiting.drain(..) {
                    self.give_up(way, &message, "the program ended before it arrived");
                }
            }
        }
    }
}

struct Worker {
    number: usize,
    way: Way,
    waits: &'static [Duration],
    queue: Arc<Queue>,
    report: Report,
}

impl Worker {
    fn run(self: &Arc<Self>) {
        let mut commands: Vec<JoinHandle<()>> = Vec::new();
        while let Some(message) = self.queue.front() {
            commands.retain(|thread| !thread.is_finished());
            if matches!(self.way, Way::Command(_)) && commands.len() < QUEUE {
                // A command may take as long as it likes, and the next one does not wait for it.
                let worker = Arc::clone(self);
                commands.push(std::thread::spawn(move || worker.tell(&message)));
            } else {
                self.tell(&message);
            }
            self.queue.lock().waiting.pop_front();
        }
        for thread in commands {
            let _ = thread.join();
        }
    }

    fn tell(&self, message: &Message) {
        for earlier in 0.. {
            let result = self.way.deliver(message, false);
            let wait = self.waits.get(earlier).copied();
            let again = match &result {
                Err(error) if error.may_pass && !self.queue.lock().is_ending => wait,
                _ => None,
            };
            (self.report)(&Attempt {
                way: self.number,
                message,
                result: result.as_ref().copied(),
                earlier,
                again,
            });
            match again {
                Some(wait) => self.queue.pause(wait),
                None => return,
            }
        }
    }
}

/// What one thread has to send.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// The first one is being told, the others wait.
    waiting: VecDeque<Message>,
    /// The program ends: what waits to be tried again is tried at once, and for the last time.
    is_ending: bool,
}

impl Queue {
    /// Puts a message at the end; gives it back where the queue is full.
    fn push(&self, message: Message) -> Option<Message> {
        let mut state = self.lock();
        if state.waiting.len() > QUEUE {
            return Some(message);
        }
        state.waiting.push_back(message);
        self.news.notify_all();
        None
    }

    /// Waits for a message, which stays in the queue; `None` if there will be none.
    fn front(&self) -> Option<Message> {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.is_ending;
        let state = self.news.wait_while(self.lock(), idle);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.waiting.front().cloned()
    }

    /// Waits so long, or until the program ends.
    fn pause(&self, time: Duration) {
        let goes_on = |state: &mut State| !state.is_ending;
        drop(self.news.wait_timeout_while(self.lock(), time, goes_on));
    }

    fn end(&self) {
        self.lock().is_ending = true;
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
