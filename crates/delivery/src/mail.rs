//! A message by mail, through the mail program of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{DeliveryError, Undelivered};
use crate::letter;
use crate::message::Message;
use crate::program;

/// A mail program that talks to a slow server before it ends.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where mail programs put the name that all of them have.
const USUAL: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// To whom a mail goes, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    to: Vec<String>,
    from: Option<String>,
    /// The program that takes the mail, as `sendmail` does; the system's where there is none.
    pub program: Option<PathBuf>,
}

impl Mail {
    /// A mail to these addresses.
    pub fn new(to: &[&str], from: Option<&str>) -> Result<Self, DeliveryError> {
        let named = |key: &str, text: &str| {
            letter::address(text).map_err(|error| DeliveryError::new(format!("`{key}`: {error}")))
        };
        if to.is_empty() {
            return Err(DeliveryError::new("`mail` names nobody: write an address"));
        }
        Ok(Self {
            to: to
                .iter()
                .map(|to| named("mail", to))
                .collect::<Result<_, _>>()?,
            from: from.map(|from| named("from", from)).transpose()?,
            program: None,
        })
    }

    /// To whom it goes.
    pub(crate) fn describe(&self) -> String {
        format!("mail to {}", self.to.join(", "))
    }

    /// Hands a mail to the program, once.
    pub(crate) fn deliver(&self, message: &Message) -> Result<(), Undelivered> {
        let usual = USUAL.map(Path::new);
        let program = match &self.program {
            Some(program) => program,
            None => usual
                .into_iter()
                .find(|path| path.exists())
                .unwrap_or(Path::new("sendmail")),
        };
        let text = letter::write(message, self.from.as_deref(), &self.to);
        let mut command = Command::new(program);
        // -i: a line with a dot alone is no end. Whom it goes to is said here, not left to the header.
        command.arg("-i");
        if let Some(from) = &self.from {
            command.arg("-f").arg(from);
        }
        command.args(&self.to);
        let shown = program.display();
        let ended = program::run(&mut command, text.into_bytes(), TIMEOUT);
        let ended = ended.map_err(|error| Undelivered {
            reason: format!("{shown}: {}", error.reason),
            ..error
        })?;
        match ended {
            Some(ended) => ended.check(&shown.to_string()),
            None => Err(Undelivered::for_good(format!(
                "there is no {shown}: install a mail program (msmtp-mta, postfix), or name one with \
                 `sendmail`"
            ))),
        }
    }
}
