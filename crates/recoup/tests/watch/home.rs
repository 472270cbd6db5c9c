//! A home with a tree, and a watcher that runs in it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::Picture;

use crate::schema;

/// Longest wait for something that is promised within 30 s: builds and other tests run beside this one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path("tree")).unwrap();
        home
    }

    /// With an empty repository.
    pub(crate) fn with_repository() -> Self {
        let home = Self::new();
        home.ok(&["init"], "a new repository");
        home
    }

    pub(crate) fn path(&self, inner: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(inner)
    }

    pub(crate) fn write(&self, inner: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(inner);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn environment(&self, command: &mut Command) {
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.path(""))
            .env("RECOUP_REPO", self.path("repository"));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_by(&[], arguments)
    }

    /// Recoup, run by another program where there is one.
    pub(crate) fn command_by(&self, runner: &[&str], arguments: &[&str]) -> Command {
        let mut words = runner.to_vec();
        words.push(env!("CARGO_BIN_EXE_recoup"));
        words.extend_from_slice(arguments);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.environment(&mut command);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str], what: &str) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{what}: {arguments:?}: {out}{text}"
        );
        out.into_owned()
    }

    /// Lines of JSON, each of which fits the schema.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["--json"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            schema::check(&value);
            value
        });
        lines.collect()
    }

    /// Runs a script in the tree.
    pub(crate) fn shell(&self, script: &str) {
        let mut command = Command::new("sh");
        command.args(["-ec", script]);
        self.environment(&mut command);
        let output = command.current_dir(self.path("tree")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {text}");
    }

    /// Gives the home to a user without privileges, and says how a program is run as that one; nothing
    /// where that can't be done.
    pub(crate) fn as_nobody(&self) -> Option<Vec<&'static str>> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIP: another user: needs root");
            return None;
        }
        let mut chown = Command::new("chown");
        chown.args(["-R", "65534:65534"]).arg(self.path(""));
        assert!(chown.status().unwrap().success());
        let runner = vec![
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        let mut command = Command::new(runner[0]);
        command.args(&runner[1..]).arg("true");
        if !command.status().is_ok_and(|status| status.success()) {
            println!("SKIP: another user: there is no setpriv");
            return None;
        }
        Some(runner)
    }

    /// Watches once more: the last state is what is there, and everything is whole.
    pub(crate) fn ends_as_it_is(&self) {
        let mut watching = self.watch(&[]);
        watching.ready();
        let last = watching.last_point().unwrap();
        self.live()
            .assert_same(&self.restored(&last, "the last"), "the last");
        watching.stop();
        self.ok(&["check"], "afterwards");
    }

    pub(crate) fn live(&self) -> Picture {
        self.picture("tree")
    }

    /// Holes are not compared: zeros that were allocated come back as holes.
    pub(crate) fn picture(&self, inner: &str) -> Picture {
        let mut picture = Picture::take(&self.path(inner)).unwrap();
        picture.0.values_mut().for_each(|shot| shot.holes.clear());
        picture
    }

    /// What a point restores to.
    #[track_caller]
    pub(crate) fn restored(&self, point: &str, what: &str) -> Picture {
        let to = self.path("restored");
        let _ = std::fs::remove_dir_all(&to);
        self.ok(&["restore", point, "--to", "restored"], what);
        self.picture("restored")
    }

    pub(crate) fn watch(&self, arguments: &[&str]) -> Watching {
        self.watch_by(&[], arguments)
    }

    /// Begins to watch, run by another program where there is one.
    pub(crate) fn watch_by(&self, runner: &[&str], arguments: &[&str]) -> Watching {
        let words = [&["watch", "tree", "--json"], arguments].concat();
        Watching::start(self.command_by(runner, &words))
    }
}

/// A watcher, and what it has said.
pub(crate) struct Watching {
    child: Child,
    said: Arc<Mutex<Vec<(Instant, Value)>>>,
}

impl Watching {
    fn start(mut command: Command) -> Self {
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
