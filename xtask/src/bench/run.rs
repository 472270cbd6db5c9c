//! One child process: run it, measure wall time, CPU time and peak memory, keep what it complained of.

use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use wait4::Wait4;

/// How much of a failed child's complaint is shown.
const COMPLAINT_BYTES_MAX: usize = 600;

/// A command as a value, so that it can be shown before it is run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) stdout: Option<PathBuf>,
}

impl Step {
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            stdout: None,
        }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<T: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    pub(crate) fn stdout_to(mut self, file: PathBuf) -> Self {
        self.stdout = Some(file);
        self
    }

    /// Where its output goes is left to the caller.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Of the largest process among the child and its descendants.
    pub(crate) memory_bytes: u64,
}

/// Runs `step` to its end. Its output goes to a file or nowhere, its complaints to `complaints`.
pub(crate) fn measure(step: &Step, complaints: &Path) -> Result<Sample> {
    let mut command = step.command();
    let stdout = match &step.stdout {
        Some(file) => File::create(file)?.into(),
        None => Stdio::null(),
    };
    command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(File::create(complaints)?);
    let begin = Instant::now();
    let child = command
        .spawn()
        .with_context(|| format!("start {}", step.program.display()))?;
    let used = child.wait4()?;
    let wall_seconds = begin.elapsed().as_secs_f64();
    if !used.status.success() {
        bail!(
            "{} {:?}: {}: {}",
            step.program.display(),
            step.arguments,
            used.status,
            tail(complaints)
        );
    }
    Ok(Sample {
        wall_seconds,
        cpu_seconds: (used.rusage.utime + used.rusage.stime).as_secs_f64(),
        memory_bytes: used.rusage.maxrss,
    })
}

/// Runs a command that is not measured; an error carries its complaint.
pub(crate) fn call(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}: {}", output.status, shorten(&complaint));
    }
    Ok(output.stdout)
}

fn tail(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    shorten(&String::from_utf8_lossy(&bytes)).to_owned()
}

fn shorten(text: &str) -> &str {
    let text = text.trim();
    let begin = text.len().saturating_sub(COMPLAINT_BYTES_MAX);
    let begin = (begin..text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len());
    &text[begin..]
}
