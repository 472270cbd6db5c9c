//! Recoup itself, run as a user runs it: another process, its `--json` lines read.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::scratch::Scratch;
use crate::exit::{Exit, Failure, Result};

/// What is taken over from the environment; everything else might lead to the user's own things.
const KEPT: [&str; 3] = ["PATH", "TZ", "TMPDIR"];

/// The program, with the environment of the scratch directory.
#[derive(Debug)]
pub(in crate::commands::demo) struct Program {
    pub(in crate::commands::demo) path: PathBuf,
    environment: Vec<(&'static str, std::ffi::OsString)>,
    at: PathBuf,
}

/// What a run wrote.
#[derive(Debug)]
pub(in crate::commands::demo) struct Answer {
    lines: Vec<Value>,
    pub(in crate::commands::demo) seconds: f64,
}

impl Program {
    pub(in crate::commands::demo) fn new(scratch: &Scratch) -> Result<Self> {
        let path = std::env::current_exe()
            .map_err(|error| Failure::io("find the program itself", &error))?;
        let mut environment = scratch.environment();
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                environment.push((name, value));
            }
        }
        Ok(Self {
            path,
            environment,
            at: scratch.path().to_owned(),
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .arg("--json")
            .current_dir(&self.at)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Starts it; its lines come while it works.
    pub(in crate::commands::demo) fn start(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command
            .spawn()
            .map_err(|error| Failure::io(format!("run `recoup {}`", arguments[0]), &error))
    }

    /// Runs it; other exit codes than 0 and `also` are failures.
    pub(in crate::commands::demo) fn run(&self, arguments: &[&str], also: Exit) -> Result<Answer> {
        let began = Instant::now();
        let output = self
            .command(arguments)
            .output()
            .map_err(|error| Failure::io(format!("run `recoup {}`", arguments[0]), &error))?;
        let seconds = began.elapsed().as_secs_f64();
        let code = output.status.code().unwrap_or(-1);
        if [Exit::Interrupted, Exit::Terminated]
            .map(|exit| exit as i32)
            .contains(&code)
        {
            return Err(Failure::interrupted());
        }
        if code != 0 && code != also as i32 {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let what = format!(
                "run `recoup {}`: it ended with {code}: {words}",
                arguments.join(" ")
            );
            return Err(Failure::failed(what));
        }
        let lines = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(serde_json::from_slice)
            .collect::<std::result::Result<Vec<Value>, _>>()
            .map_err(|error| {
                Failure::failed(format!(
                    "read what `recoup {}` wrote: {error}",
                    arguments[0]
                ))
            })?;
        Ok(Answer { lines, seconds })
    }
}

impl Answer {
    /// Lines of a type.
    pub(in crate::commands::demo) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let kind = kind.to_owned();
        self.lines
            .iter()
            .filter(move |line| line["type"] == kind.as_str())
    }

    fn summary(&self) -> &Value {
        self.lines.last().unwrap_or(&Value::Null)
    }

    /// A number of the summary.
    pub(in crate::commands::demo) fn number(&self, field: &str) -> Result<u64> {
        let number = self.summary()[field].as_u64();
        number.ok_or_else(|| Failure::failed(format!("find `{field}` in a summary")))
    }

    /// A text of the last line of a type.
    pub(in crate::commands::demo) fn text(&self, kind: &str, field: &str) -> Result<String> {
        let found = self.of(kind).last().and_then(|line| line[field].as_str());
        let missing = || Failure::failed(format!("find `{field}` in a line of type {kind}"));
        found.map(str::to_owned).ok_or_else(missing)
    }

    /// Paths that the summary lists.
    pub(in crate::commands::demo) fn paths(&self, field: &str) -> Vec<String> {
        let listed = self.summary()[field].as_array();
        let text = |path: &Value| path.as_str().map(str::to_owned);
        listed.into_iter().flatten().filter_map(text).collect()
    }
}

/// The path as an argument. The scratch directory's is text unless that of the system's is not.
pub(in crate::commands::demo) fn argument(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Failure::usage(format!("{} is not UTF-8", path.display()))
            .hint("set TMPDIR to another directory for the demo")
    })
}
