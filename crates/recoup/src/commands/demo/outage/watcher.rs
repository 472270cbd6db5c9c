//! `recoup watch` at work, and what it said so far.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use model::Cancel;
use serde_json::Value;

use crate::commands::demo::stage::NAP;
use crate::commands::demo::stage::program::Program;
use crate::exit::{Failure, Result};

/// How long the watcher may take to end.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Killed when dropped.
pub(super) struct Watcher {
    child: Child,
    lines: Receiver<(Instant, Value)>,
    /// Revision of each point, the newest last.
    points: Vec<(String, i64)>,
}

/// The alarm, as it was when all of the damage was in it.
pub(super) struct Alarm {
    pub(super) incident: Value,
    /// When there was one at all, and when all was in it.
    pub(super) first: Instant,
    pub(super) whole: Instant,
    /// The last revision of its last point.
    pub(super) ended: i64,
}

impl Watcher {
    pub(super) fn start(program: &Program, address: &str) -> Result<Self> {
        let mut child = program.start(&["watch", address])?;
        let (send, lines) = channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let value = serde_json::from_str(&line).unwrap_or(Value::Null);
                    if send.send((Instant::now(), value)).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self {
            child,
            lines,
            points: Vec::new(),
        })
    }

    /// The next line; nothing if none comes within this time.
    fn next(&mut self, within: Duration, cancel: &Cancel) -> Result<Option<(Instant, Value)>> {
        let end = Instant::now() + within;
        while !cancel.requested() {
            match self.lines.recv_timeout(NAP) {
                Ok((at, line)) => {
                    if let (Some(id), Some(revision)) =
                        (line["id"].as_str(), line["revision"].as_i64())
                    {
                        self.points.push((id.to_owned(), revision));
                    }
                    return Ok(Some((at, line)));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let hint = "run `recoup watch` on an etcd of your own to see why";
                    return Err(Failure::failed("watch: it ended by itself").hint(hint));
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= end => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Err(Failure::interrupted())
    }

    /// Waits for the first state to be durable; gives its revision.
    pub(super) fn wait_until_ready(&mut self, within: Duration, cancel: &Cancel) -> Result<i64> {
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some((_, line)) = self.next(left, cancel)? else {
                return Err(Failure::failed(format!(
                    "watch: no first state within {within:?}"
                )));
            };
            if line["type"] == "ready" {
                return Ok(line["revision"].as_i64().unwrap_or(0));
            }
        }
    }

    /// Waits until what was written up to a revision is durable and judged, and there is an alarm.
    pub(super) fn wait_for_alarm(
        &mut self,
        revision: i64,
        (within, settle): (Duration, Duration),
        cancel: &Cancel,
    ) -> Result<Alarm> {
        let end = Instant::now() + within;
        // When it was first told of, and when and how last.
        let mut alarm: Option<(Instant, Instant, Value)> = None;
        loop {
            let covered = self.points.last().is_some_and(|(_, at)| *at >= revision);
            let is_whole = covered && alarm.is_some();
            let patience = match is_whole {
                true => settle,
                false => end.saturating_duration_since(Instant::now()),
            };
            match self.next(patience, cancel)? {
                Some((at, line)) if line["type"] == "incident" && line["level"] == "alarm" => {
                    let first = alarm.map_or(at, |(first, ..)| first);
                    alarm = Some((first, at, line));
                }
                // A point is judged before the next one is told of.
                Some((_, line)) if line["type"] == "point" && is_whole => break,
                Some(_) => {}
                None if is_whole => break,
                None => {
                    alarm = None;
                    break;
                }
            }
        }
        let Some((first, whole, incident)) = alarm else {
            let message = format!("watch: no alarm within {within:?}");
            return Err(Failure::failed(message));
        };
        let after = incident["after"].as_str().unwrap_or_default();
        let point = self.points.iter().rev().find(|(id, _)| id == after);
        Ok(Alarm {
            ended: point.map_or(revision, |(_, at)| *at),
            incident,
            first,
            whole,
        })
    }

    /// Asks the watcher to end, and waits.
    pub(super) fn end(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        let asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        asked.map_err(|errno| Failure::io("ask the watcher to end", &errno.into()))?;
        let end = Instant::now() + END_WITHIN;
        while Instant::now() < end {
            let ended = self.child.try_wait();
            let ended = ended.map_err(|error| Failure::io("wait for the watcher", &error))?;
            match ended.map(|status| status.success()) {
                Some(true) => return Ok(()),
                Some(false) => return Err(Failure::failed("watch: it did not end well")),
                None => thread::sleep(NAP),
            }
        }
        Err(Failure::failed("watch: it does not end when asked to"))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
