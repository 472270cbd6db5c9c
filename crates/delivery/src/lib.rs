//! Telling people: a message by a web hook, a mail, a note on the desktop, a command.
//!
//! This crate carries messages and says what became of them. It knows nothing of incidents, of
//! repositories or of the terminal: whoever hands a message over has written it. What it is given may come
//! from hostile names; no header, argument or template can be broken out of. Modules are listed in reading
//! order.

pub mod message;
pub mod error;
pub mod template;
pub mod webhook;
mod program;
mod letter;
pub mod mail;
mod desktop;
mod command;
pub mod way;
pub mod outbox;

pub use error::{DeliveryError, Undelivered};
pub use mail::Mail;
pub use message::Message;
pub use outbox::{Attempt, Outbox};
pub use template::Template;
pub use way::Way;
pub use webhook::Webhook;
