//! A home directory for one test, and the program run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::schema;

pub(crate) struct Home {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    /// With a small tree of odd things in `tree`, backed up once.
    pub(crate) fn with_backup() -> Self {
        let home = Self::new();
        home.make_tree();
        home.ok(&["backup", "tree"]);
        home
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.environment.retain(|(name, _)| name != variable);
        self.environment
            .push((variable.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, inner: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(inner)
    }

    pub(crate) fn write(&self, inner: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(inner);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, inner: &str) -> String {
        std::fs::read_to_string(self.path(inner)).unwrap()
    }

    pub(crate) fn make_tree(&self) {
        use std::os::unix::ffi::OsStrExt;
        self.write("tree/report.odt", "first\n");
        self.write("tree/letters/2026/a.odt", "letter\n");
        self.write("tree/empty file", "");
        self.write("tree/big", vec![7; 3_000_000]);
        std::fs::create_dir_all(self.path("tree/empty dir")).unwrap();
        std::os::unix::fs::symlink("report.odt", self.path("tree/link")).unwrap();
        let odd = self
            .path("tree")
            .join(std::ffi::OsStr::from_bytes(b"odd\xff\n\x1b[2J"));
        std::fs::write(odd, "x").unwrap();
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.path(".local/share/recoup/repository")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path(""))
            .env("TZ", "Europe/Berlin")
            .envs(self.environment.iter().cloned())
            .stdin(std::process::Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(self.command(arguments).output().unwrap())
    }

    /// Runs what has to succeed, and gives what it wrote.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs with `--json`; every line is checked against the schema.
    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> Vec<Value> {
        let ran = self.run(&[&["--json"], arguments].concat());
        assert_eq!(
            ran.code, code,
            "{arguments:?}: {}{}",
            ran.stdout, ran.stderr
        );
        ran.stdout
            .lines()
            .map(|line| {
                let value = serde_json::from_str(line).unwrap();
                schema::check(&value);
                value
            })
            .collect()
    }

    /// Runs with `--json` what lists: the lines before the summary, which counts them.
    pub(crate) fn list(&self, arguments: &[&str], code: i32) -> Vec<Value> {
        let mut lines = self.json(arguments, code);
        let summary = lines.pop().unwrap();
        assert_eq!(summary["type"], "summary", "{summary}");
        let count = lines
            .iter()
            .filter(|line| line["type"] != "damaged")
            .count();
        if let Some(told) = summary.get("count") {
            assert_eq!(told.as_u64(), Some(count as u64));
        }
        lines
    }

    /// The last line, which is a summary.
    pub(crate) fn summary(&self, arguments: &[&str], code: i32) -> Value {
        let last = self.json(arguments, code).pop().unwrap();
        assert_eq!(last["type"], "summary", "{last}");
        last
    }

    pub(crate) fn same_trees(&self, a: &str, b: &str) {
        let (a, b) = (self.path(a), self.path(b));
        let mut command = Command::new("diff");
        command.args(["-r", "--no-dereference"]).args([&a, &b]);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

impl Ran {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// All files below a directory.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
