//! A watcher that runs, and what it has said.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for something that is promised within 30 s: builds and other tests run beside this one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A watcher, and what it has said.
pub(crate) struct Watching {
    child: Child,
    said: Arc<Mutex<Vec<(Instant, Value)>>>,
}

impl Watching {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let out = child.stdout.take().unwrap();
        let theirs = Arc::clone(&said);
        std::thread::spawn(move || {
            // A line that was cut off by a kill was never acknowledged.
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line) {
                    theirs.lock().unwrap().push((Instant::now(), value));
                }
            }
        });
        Self { child, said }
    }

    pub(crate) fn said(&self) -> Vec<(Instant, Value)> {
        self.said.lock().unwrap().clone()
    }

    /// Lines of a type, oldest first.
    pub(crate) fn lines(&self, kind: &str) -> Vec<Value> {
        let said = self.said();
        let lines = said.into_iter().map(|(_, value)| value);
        lines.filter(|value| value["type"] == kind).collect()
    }

    /// Waits until there are more than so many lines of a type.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, kind: &str, more_than: usize) -> Value {
        let began = Instant::now();
        loop {
            let lines = self.lines(kind);
            if lines.len() > more_than {
                return lines[lines.len() - 1].clone();
            }
            if began.elapsed() > PATIENCE || self.child.try_wait().unwrap().is_some() {
                panic!("no {kind} line; it said {:?}", self.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn ready(&mut self) -> Value {
        self.wait_for("ready", 0)
    }

    /// The last state that was said to be durable.
    pub(crate) fn last_point(&self) -> Option<String> {
        let said = self.said();
        let is_state = |value: &Value| value["type"] == "point" || value["type"] == "ready";
        let last = said.iter().rev().find(|(_, value)| is_state(value))?;
        last.1["id"].as_str().map(str::to_owned)
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Asks it to stop, and gives its exit code and what it said to people.
    pub(crate) fn stop(mut self) -> (i32, String) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            let _ = std::io::Read::read_to_string(&mut errors, &mut text);
        }
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, text)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.kill();
    }
}
