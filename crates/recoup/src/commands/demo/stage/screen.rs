//! What a person sees: one row for each step, at the end two nights side by side; for scripts lines of
//! type `demo-step`.

use std::sync::Condvar;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::context::Context;
use crate::exit::Result;
use crate::output::terminal::Terminal;
use crate::output::text;

/// Columns of the labels and of the texts: with the seconds behind them, 100 in all.
const LABEL: usize = 13;
const TEXT: usize = 78;
const SECONDS: usize = 9;

/// Between two looks at the clock, as everywhere.
const TICK: Duration = Duration::from_millis(100);

/// Type `demo-step`.
#[derive(serde::Serialize)]
struct StepLine<'a> {
    step: &'a str,
    seconds: f64,
    #[serde(flatten)]
    facts: &'a Value,
}

/// One step as it is told.
pub(in crate::commands::demo) struct Row<'a> {
    /// For scripts.
    pub(in crate::commands::demo) step: &'a str,
    /// For people.
    pub(in crate::commands::demo) label: &'a str,
    /// One line each.
    pub(in crate::commands::demo) lines: Vec<String>,
    pub(in crate::commands::demo) seconds: f64,
    pub(in crate::commands::demo) facts: Value,
}

/// Seconds as scripts read them: to the millisecond.
pub(in crate::commands::demo) fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Shows a step at once.
pub(in crate::commands::demo) fn show(row: &Row<'_>, context: &mut Context) -> Result<()> {
    context.terminal.finish_progress();
    let line = StepLine {
        step: row.step,
        seconds: rounded(row.seconds),
        facts: &row.facts,
    };
    context.sink.json("demo-step", &line)?;
    for (at, words) in row.lines.iter().enumerate() {
        let (label, seconds) = match at {
            0 => (row.label, text::duration(row.seconds)),
            _ => ("", String::new()),
        };
        let line = format!("{label:<LABEL$}{words:<TEXT$}{seconds:>SECONDS$}");
        context.sink.report(line.trim_end())?;
    }
    context.sink.flush()
}

/// Does something while the line of progress tells what, and for how long already.
pub(in crate::commands::demo) fn during<T>(
    terminal: &Terminal,
    what: &str,
    work: impl FnOnce() -> T,
) -> T {
    if !terminal.shows_progress() {
        return work();
    }
    let (done, wake) = (Mutex::new(false), Condvar::new());
    std::thread::scope(|scope| {
        let _end = Ended(&done, &wake);
        scope.spawn(|| tick(terminal, what, &done, &wake));
        work()
    })
}

/// Ends the ticking, however the work ended.
struct Ended<'a>(&'a Mutex<bool>, &'a Condvar);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }
}

fn tick(terminal: &Terminal, what: &str, done: &Mutex<bool>, wake: &Condvar) {
    let began = Instant::now();
    let mut guard = done.lock().unwrap_or_else(PoisonError::into_inner);
    while !*guard {
        let seconds = text::duration(began.elapsed().as_secs_f64());
        terminal.progress(&format!("{what} … {seconds}"));
        guard = match wake.wait_timeout(guard, TICK) {
            Ok((guard, _)) => guard,
            Err(_) => return,
        };
    }
    drop(guard);
    terminal.finish_progress();
}

/// How long the parts of a night took, in seconds.
pub(in crate::commands::demo) struct Night {
    pub(in crate::commands::demo) know: f64,
    /// To a state that opens; nothing where that and the merge are one command.
    pub(in crate::commands::demo) open: Option<f64>,
    pub(in crate::commands::demo) merge: f64,
}

/// The night of 2012 beside this run. Its figures: aws.amazon.com/message/680587.
pub(in crate::commands::demo) fn nights(night: &Night, context: &mut Context) -> Result<()> {
    let all = night.know + night.open.unwrap_or(0.0) + night.merge;
    let [know, merge, all] = [night.know, night.merge, all].map(text::duration);
    let open = night.open.map(text::duration);
    let braces = match open {
        Some(_) => [" ", " "],
        None => ["\u{2510}", "\u{2518}"],
    };
    let open = open.unwrap_or_default();
    let rows = [
        ["", "24 December 2012", " ", "this run"],
        ["to know what had happened", "4.6 h", " ", &know],
        ["to a state that opens", "9.7 h", braces[0], &open],
        ["to merge in what came since", "2.9 h", braces[1], &merge],
        [
            "to let the service back in",
            "6.4 h",
            " ",
            "it never stopped",
        ],
        ["in all", "23 h 41 min", " ", &all],
    ];
    context.sink.report("")?;
    for [what, then, brace, now] in rows {
        let line = format!("{:LABEL$}{what:<30}{then:>18}   {brace} {now}", "");
        context.sink.report(line.trim_end())?;
    }
    let honest = "One machine is no cloud region: compare the steps, not the machines.";
    context.sink.report(&format!("\n{honest}\n"))
}
