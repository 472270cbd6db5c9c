//! Running a program that is handed something, for so long and no longer.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::Undelivered;
use crate::message::one_line;

/// What a program says when it fails is shown up to here.
const SAID_CHARS: usize = 200;

/// How a program ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// The last line of its standard error.
    pub(crate) said: String,
}

/// Runs a program with `input` on its standard input. `None` if there is no such program.
pub(crate) fn run(
    command: &mut Command,
    input: Vec<u8>,
    timeout: Duration,
) -> Result<Option<Ended>, Undelivered> {
    let started = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Undelivered::for_now(format!("can't start it: {error}"))),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // In a thread: a program that does not read must not keep us. It may well be content without.
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let (sender, said) = mpsc::channel();
    if let Some(mut stderr) = child.stderr.take() {
        // In a thread, and not joined: what the program has started may hold the pipe for ever.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.by_ref().take(1 << 16).read_to_end(&mut text);
            let _ = sender.send(last_line(&text));
        });
    }
    let status = wait(&mut child, timeout)?;
    let said = said.recv_timeout(Duration::from_millis(500));
    let said = said.unwrap_or_default();
    Ok(Some(Ended { status, said }))
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let shown = last.unwrap_or_default().trim().chars().take(SAID_CHARS);
    one_line(&shown.collect::<String>())
}

fn wait(child: &mut Child, timeout: Duration) -> Result<ExitStatus, Undelivered> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if began.elapsed() < timeout => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                let seconds = timeout.as_secs();
                return Err(Undelivered::for_now(format!(
                    "it did not end within {seconds} s"
                )));
            }
            Err(error) => return Err(Undelivered::for_now(format!("can't wait for it: {error}"))),
        }
    }
}

impl Ended {
    /// Success, or what is told of the failure.
    pub(crate) fn check(self, program: &str) -> Result<(), Undelivered> {
        if self.status.success() {
            return Ok(());
        }
        let said = if self.said.is_empty() {
            String::new()
        } else {
            format!(": {}", self.said)
        };
        let how = self.status;
        Err(Undelivered::for_now(format!(
            "{program} failed ({how}){said}"
        )))
    }
}
