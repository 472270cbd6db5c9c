//! `recoup watch` in the background, and the lines that it prints.

use super::arena::Arena;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the first backup may take; the tree has a few thousand files, but the machine may be busy.
const READY_MOST: Duration = Duration::from_secs(120);

/// A line, and when it came, in seconds since 1970.
pub(super) type Line = (f64, Value);

/// It runs until this is stopped or dropped: a case that fails leaves nobody behind who watches on.
pub(super) struct Watch {
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    reader: Option<JoinHandle<()>>,
}

pub(super) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

impl Watch {
    /// Starts it and waits until it is ready.
    pub(super) fn start(arena: &Arena) -> Result<Self> {
        arena.lines(&["init"])?;
        let mut child = arena
            .recoup()
            .arg("watch")
            .arg(&arena.tree)
            .args(["--json", "--every", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(arena.folder.join("watch.txt"))?)
            .spawn()
            .context("start recoup watch")?;
        let output = child.stdout.take().context("recoup watch has no output")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let (Ok(value), Ok(mut lines)) = (serde_json::from_str(&line), written.lock()) {
                    lines.push((now(), value));
                }
            }
        });
        let watch = Self {
            child,
            lines,
            reader: Some(reader),
        };
        let begin = Instant::now();
        while !watch
            .lines()
            .iter()
            .any(|(_, line)| line["type"] == "ready")
        {
            let ended = watch.reader.as_ref().is_none_or(JoinHandle::is_finished);
            if begin.elapsed() > READY_MOST || ended {
                let complaint = std::fs::read_to_string(arena.folder.join("watch.txt"));
                bail!(
                    "recoup watch is not ready: {}",
                    complaint.unwrap_or_default()
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(watch)
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.lines
            .lock()
            .map_or_else(|_| Vec::new(), |lines| lines.clone())
    }

    /// Waits until nothing new has been said for `quiet`, at most `most`.
    pub(super) fn wait_quiet(&self, quiet: Duration, most: Duration) {
        let begin = Instant::now();
        let (mut seen, mut since) = (self.lines().len(), Instant::now());
        while since.elapsed() < quiet && begin.elapsed() < most {
            thread::sleep(Duration::from_millis(100));
            let lines = self.lines().len();
            if lines != seen {
                (seen, since) = (lines, Instant::now());
            }
        }
    }

    /// Ends it by SIGTERM; it must end well.
    pub(super) fn stop(mut self) -> Result<Vec<Line>> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if !status.success() {
            bail!("recoup watch ended with {status}");
        }
        Ok(self.lines())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both do nothing to a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// An arena in which Recoup is a script: asked to watch, it notes its process and runs `watch`.
    fn arena(folder: &Path, watch: &str) -> Arena {
        let (tree, recoup) = (folder.join("template"), folder.join("recoup"));
        fs::create_dir_all(&tree).unwrap();
        let pid = folder.join("pid");
        let script = format!(
            "#!/bin/sh\n[ \"$3\" = watch ] || exit 0\necho $$ >{}\n{watch}\n",
            pid.display()
        );
        fs::write(&recoup, script).unwrap();
        fs::set_permissions(&recoup, fs::Permissions::from_mode(0o755)).unwrap();
        Arena::open(&folder.join("arena"), &tree, &recoup).unwrap()
    }

    #[test]
    fn a_case_that_fails_leaves_no_watch_running() {
        let folder = std::env::temp_dir().join(format!("harness-watch-{}", std::process::id()));
        let runs = || {
            let pid = fs::read_to_string(folder.join("pid")).unwrap();
            Path::new("/proc").join(pid.trim()).exists()
        };
        let ready = arena(&folder, "echo '{\"type\":\"ready\"}'; exec sleep 600");
        let watch = Watch::start(&ready).unwrap();
        assert!(runs());
        drop(watch);
        assert!(!runs());
        // One that ends well when it is asked to.
        let polite =
            "trap 'exit 0' TERM; echo '{\"type\":\"ready\"}'; while :; do sleep 0.05; done";
        let lines = Watch::start(&arena(&folder, polite))
            .unwrap()
            .stop()
            .unwrap();
        assert_eq!(lines.len(), 1);
        // It is never ready, but goes on.
        let mute = arena(&folder, "exec sleep 600 >&-");
        assert!(Watch::start(&mute).is_err());
        assert!(!runs());
        fs::remove_dir_all(&folder).unwrap();
    }
}
