//! A home with a tree, and a watcher that runs in it.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use testkit::Picture;

use crate::schema;
use crate::watching::Watching;

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
