//! A note on the desktop, by the program that every desktop has for it.

use std::process::Command;
use std::time::Duration;

use crate::error::Undelivered;
use crate::message::{Message, lines, one_line};
use crate::program;
use crate::template::html;

const PROGRAM: &str = "notify-send";

const TIMEOUT: Duration = Duration::from_secs(10);

/// A note is short: whoever wants more asks `recoup incidents`.
const TEXT_CHARS: usize = 600;

pub(crate) fn deliver(message: &Message) -> Result<(), Undelivered> {
    let mut command = Command::new(PROGRAM);
    command.args(arguments(message));
    match program::run(&mut command, Vec::new(), TIMEOUT)? {
        Some(ended) => ended.check(PROGRAM).map_err(|error| {
            let hint = "a desktop is reached only by who is logged in there";
            // Nobody was there to be told; later it would be old.
            Undelivered::for_good(format!("{}; {hint}", error.reason))
        }),
        None => Err(Undelivered::for_good(
            "there is no notify-send: install libnotify (Debian: libnotify-bin), or use another way",
        )),
    }
}

/// The body is read as markup, the title is not.
fn arguments(message: &Message) -> Vec<String> {
    let urgency = if message.is_urgent {
        "critical"
    } else {
        "normal"
    };
    let text: String = message.text.chars().take(TEXT_CHARS).collect();
    vec![
        "--app-name=Recoup".to_owned(),
        format!("--urgency={urgency}"),
        "--".to_owned(),
        one_line(&message.title),
        html(&lines(&text)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_options_and_no_markup() {
        let message = Message {
            title: "--hint=x\n\0".to_owned(),
            text: "<a href=\"http://x\">recoup undo</a>\u{1b}[2J\nnext".to_owned(),
            is_urgent: true,
            ..Message::default()
        };
        assert_eq!(
            arguments(&message),
            [
                "--app-name=Recoup",
                "--urgency=critical",
                "--",
                "--hint=x\u{fffd}\u{fffd}",
                "&lt;a href=\"http://x\"&gt;recoup undo&lt;/a&gt;\u{fffd}[2J\nnext",
            ]
        );
    }
}
