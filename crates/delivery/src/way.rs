//! The ways in which people can be told.

use crate::error::Undelivered;
use crate::mail::Mail;
use crate::message::Message;
use crate::webhook::Webhook;
use crate::{command, desktop};

/// One way of telling.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    /// A line of shell.
    Command(String),
    /// An HTTP request.
    Webhook(Box<Webhook>),
    /// A mail.
    Mail(Mail),
    /// A note on the desktop.
    Desktop,
}

/// Without secrets.
impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Way {
    /// In a few words, without secrets.
    pub fn describe(&self) -> String {
        match self {
            Self::Command(line) => command::describe(line),
            Self::Webhook(hook) => hook.describe(),
            Self::Mail(mail) => mail.describe(),
            Self::Desktop => "desktop".to_owned(),
        }
    }

    /// What tells it from every other way: may hold secrets, not to be shown.
    pub fn identity(&self) -> String {
        match self {
            Self::Command(line) => format!("command {line}"),
            Self::Webhook(hook) => hook.identity(),
            Self::Mail(_) | Self::Desktop => self.describe(),
        }
    }

    /// Tells, once, and waits for the outcome. A trial waits for a command no longer than a person would.
    pub fn deliver(&self, message: &Message, is_trial: bool) -> Result<(), Undelivered> {
        match self {
            Self::Command(line) => command::deliver(line, message, is_trial),
            Self::Webhook(hook) => hook.deliver(message),
            Self::Mail(mail) => mail.deliver(message),
            Self::Desktop => desktop::deliver(message),
        }
    }
}
