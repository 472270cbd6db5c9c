//! Standard error: warnings, notes, questions, and the line of progress that they must not tear.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Mutex;

/// Standard error.
#[derive(Debug)]
pub(crate) struct Terminal {
    color: bool,
    quiet: bool,
    is_terminal: bool,
    /// How wide the line of progress is that stands there now.
    line: Mutex<usize>,
}

const AMBER: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Columns when the terminal does not say.
const COLUMNS: usize = 80;

impl Terminal {
    pub(crate) fn new(no_color: bool, quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self {
            color: is_terminal && !no_color,
            quiet,
            is_terminal,
            line: Mutex::new(0),
        }
    }

    /// Whether progress is shown.
    pub(crate) fn shows_progress(&self) -> bool {
        self.is_terminal && !self.quiet
    }

    /// Something that went well.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.print("", "", text);
        }
    }

    /// Something that must not be missed, whatever was asked for.
    pub(crate) fn important(&self, text: &str) {
        self.print("", "", text);
    }

    /// Something that the user should look at.
    pub(crate) fn warn(&self, text: &str) {
        self.print(AMBER, "warning: ", text);
    }

    /// Something worth a thought, unless quiet was asked for.
    pub(crate) fn advise(&self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Why the command ended.
    pub(crate) fn error(&self, text: &str) {
        self.print(RED, "recoup: ", text);
    }

    /// Asks a question that is answered with yes or no. Only on a terminal; elsewhere there is nobody
    /// to ask, and the answer is `None`.
    pub(crate) fn ask(&self, question: &str) -> Option<bool> {
        if !self.is_terminal || !std::io::stdin().is_terminal() {
            return None;
        }
        let _line = self.clear();
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        let _ = std::io::stdin().lock().read_line(&mut answer);
        let answer = answer.trim().to_ascii_lowercase();
        Some(answer == "y" || answer == "yes")
    }

    /// Shows the line of progress in place of the one before.
    pub(crate) fn progress(&self, text: &str) {
        let columns = rustix::termios::tcgetwinsize(std::io::stderr())
            .map_or(COLUMNS, |size| usize::from(size.ws_col));
        let columns = if columns == 0 { COLUMNS } else { columns };
        let text: String = text.chars().take(columns.saturating_sub(1)).collect();
        let mut line = self.clear();
        eprint!("{text}");
        let _ = std::io::stderr().flush();
        *line = text.chars().count();
    }

    /// Takes the line of progress away.
    pub(crate) fn finish_progress(&self) {
        drop(self.clear());
    }

    fn print(&self, color: &str, label: &str, text: &str) {
        let _line = self.clear();
        let stderr = std::io::stderr();
        let mut stderr = stderr.lock();
        let _ = if self.color && !color.is_empty() {
            let label = label.trim_end();
            writeln!(
                stderr,
                "{color}{label}{PLAIN}{}{text}",
                if label.is_empty() { "" } else { " " }
            )
        } else {
            writeln!(stderr, "{label}{text}")
        };
    }

    fn clear(&self) -> std::sync::MutexGuard<'_, usize> {
        let mut line = self
            .line
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *line > 0 {
            eprint!("\r\x1b[K");
            *line = 0;
        }
        line
    }
}
