//! A message to a command of the user.

use std::process::Command;
use std::time::Duration;

use crate::error::Undelivered;
use crate::message::Message;
use crate::program;

/// How long a command is waited for when it is tried. In earnest it may take as long as it likes.
const TRIAL: Duration = Duration::from_secs(60);

/// In earnest: a command that takes longer is told of, and goes on by itself.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Runs a line of shell with the line of JSON on its standard input. What it says is shown to nobody:
/// it may say secrets.
pub(crate) fn deliver(line: &str, message: &Message, is_trial: bool) -> Result<(), Undelivered> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command.envs(
        message
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    let input = format!("{}\n", message.json).into_bytes();
    let patience = if is_trial { TRIAL } else { PATIENCE };
    let ended = program::run(&mut command, input, patience)?;
    let Some(ended) = ended else {
        return Err(Undelivered::for_good("there is no shell (sh)"));
    };
    let how = ended.status;
    if how.success() {
        return Ok(());
    }
    // It was run; running it again might do twice what it did before it failed.
    Err(Undelivered::for_good(format!("it failed ({how})")))
}

/// The first word of a line of shell: the rest may hold secrets.
pub(crate) fn describe(line: &str) -> String {
    match line.split_whitespace().next() {
        Some(word) if !word.contains('=') => {
            format!("command `{}`", crate::message::one_line(word))
        }
        _ => "command".to_owned(),
    }
}
