//! The line of progress: files, bytes, rate, time left, ten times a second.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{Monitor, Step};

use crate::output::terminal::Terminal;
use crate::output::text;

const INTERVAL: Duration = Duration::from_millis(100);

/// Problems that are shown one by one while the work goes on; the rest is counted.
const PROBLEMS_SHOWN_MAX: u64 = 20;

/// What the work has told so far.
#[derive(Debug, Default)]
struct Counters {
    files_found: AtomicU64,
    bytes_found: AtomicU64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    stored: AtomicU64,
    problems: AtomicU64,
    found_all: AtomicBool,
    silent: AtomicBool,
    /// A [`Step`] as a number; 0 before the first one.
    step: AtomicU64,
}

/// What is done with the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Display {
    Shown,
    Hidden,
    Ended,
}

/// Shows what a piece of work tells.
#[derive(Debug)]
pub(crate) struct Progress {
    counters: Arc<Counters>,
    terminal: Arc<Terminal>,
    display: Arc<(Mutex<Display>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Keeps problems to itself: they are told of by the work that follows.
    pub(crate) fn silent(self) -> Self {
        self.counters.silent.store(true, Ordering::Relaxed);
        self
    }

    /// Begins to show progress, if anybody can see it.
    pub(crate) fn start(terminal: &Arc<Terminal>) -> Self {
        let counters = Arc::new(Counters::default());
        let display = Arc::new((Mutex::new(Display::Shown), Condvar::new()));
        let thread = terminal.shows_progress().then(|| {
            let (terminal, counters, display) = (
                Arc::clone(terminal),
                Arc::clone(&counters),
                Arc::clone(&display),
            );
            std::thread::spawn(move || show(&terminal, &counters, &display))
        });
        Self {
            counters,
            terminal: Arc::clone(terminal),
            display,
            thread,
        }
    }

    /// Takes the line away while something else is written.
    pub(crate) fn hide(&self) {
        self.set(Display::Hidden);
        self.terminal.finish_progress();
    }

    /// Goes on with the line.
    pub(crate) fn show(&self) {
        self.set(Display::Shown);
    }

    /// The line is drawn under the same lock: nothing is drawn after this that was not to be.
    fn set(&self, display: Display) {
        let (shared, wake) = &*self.display;
        *shared
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = display;
        wake.notify_all();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.set(Display::Ended);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.terminal.finish_progress();
        let hidden = self
            .counters
            .problems
            .load(Ordering::Relaxed)
            .saturating_sub(PROBLEMS_SHOWN_MAX);
        if hidden > 0 {
            self.terminal
                .warn(&format!("{} more problems", text::count(hidden)));
        }
    }
}

impl Monitor for Progress {
    fn found(&self, files: u64, bytes: u64) {
        self.counters
            .files_found
            .fetch_add(files, Ordering::Relaxed);
        self.counters
            .bytes_found
            .fetch_add(bytes, Ordering::Relaxed);
    }

    fn done(&self, files: u64, bytes: u64) {
        self.counters.files_done.fetch_add(files, Ordering::Relaxed);
        self.counters.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stored(&self, bytes: u64) {
        self.counters.stored.fetch_add(bytes, Ordering::Relaxed);
    }

    fn found_all(&self) {
        self.counters.found_all.store(true, Ordering::Relaxed);
    }

    fn problem(&self, path: &[u8], message: &str) {
        if self.counters.silent.load(Ordering::Relaxed) {
            return;
        }
        if self.counters.problems.fetch_add(1, Ordering::Relaxed) < PROBLEMS_SHOWN_MAX {
            self.terminal.warn(&problem_text(path, message));
        }
    }

    fn step(&self, step: Step) {
        self.counters.step.store(step as u64 + 1, Ordering::Relaxed);
    }
}

/// A problem in one line. The path is said once, whether or not the message says it too.
fn problem_text(path: &[u8], message: &str) -> String {
    let path = text::path(path);
    if path.is_empty() || message.contains(&path) {
        return message.to_owned();
    }
    format!("{path}: {message}")
}

fn show(terminal: &Terminal, counters: &Counters, display: &(Mutex<Display>, Condvar)) {
    let start = Instant::now();
    let (shared, wake) = display;
    let mut guard = shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    while *guard != Display::Ended {
        guard = match wake.wait_timeout(guard, INTERVAL) {
            Ok((guard, _)) => guard,
            Err(_) => return,
        };
        if *guard == Display::Shown {
            terminal.progress(&line(counters, start.elapsed().as_secs_f64()));
        }
    }
}

fn line(counters: &Counters, seconds: f64) -> String {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (files, bytes) = (get(&counters.files_done), get(&counters.bytes_done));
    let verb = match get(&counters.step) {
        1 => "reading",
        2 => "writing",
        3 => "syncing",
        4 => "checking",
        _ => "starting",
    };
    let mut line = format!(
        "{verb}  {} files  {}",
        text::count(files),
        text::size(bytes)
    );
    let (files_all, bytes_all) = (get(&counters.files_found), get(&counters.bytes_found));
    if counters.found_all.load(Ordering::Relaxed) && bytes_all > 0 {
        let share = bytes as f64 / bytes_all as f64;
        line = format!(
            "{verb}  {:>3.0} %  {} of {} files  {} of {}",
            (100.0 * share).min(100.0),
            text::count(files),
            text::count(files_all),
            text::size(bytes),
            text::size(bytes_all)
        );
        if share > 0.02 && share < 1.0 {
            let left = seconds / share * (1.0 - share);
            line.push_str(&format!("  {} left", text::duration(left)));
        }
    }
    if seconds > 0.5 && verb != "syncing" {
        line.push_str(&format!(
            "  {}/s",
            text::size((bytes as f64 / seconds) as u64)
        ));
    }
    let stored = get(&counters.stored);
    if stored > 0 {
        line.push_str(&format!("  {} stored", text::size(stored)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_is_left() {
        let counters = Counters::default();
        counters.files_found.store(10, Ordering::Relaxed);
        counters.bytes_found.store(4096, Ordering::Relaxed);
        counters.files_done.store(5, Ordering::Relaxed);
        counters.bytes_done.store(2048, Ordering::Relaxed);
        counters.step.store(1, Ordering::Relaxed);
        assert_eq!(line(&counters, 0.1), "reading  5 files  2.0 KiB");
        counters.found_all.store(true, Ordering::Relaxed);
        assert_eq!(
            line(&counters, 2.0),
            "reading   50 %  5 of 10 files  2.0 KiB of 4.0 KiB  2.0 s left  1.0 KiB/s"
        );
    }

    #[test]
    fn a_problem_names_its_path_once() {
        assert_eq!(
            problem_text(b"a/b", "permission denied"),
            "a/b: permission denied"
        );
        assert_eq!(
            problem_text(b"a/b", "can't read /x/a/b: no"),
            "can't read /x/a/b: no"
        );
    }
}
