//! What can be wrong with a way of telling, and why a message did not arrive. No secret is in either: of an
//! address only scheme and host are named, of headers only their names.

/// A way of telling that can't be used as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeliveryError(pub(crate) String);

impl DeliveryError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// A message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undelivered {
    /// Why, in one line.
    pub reason: String,
    /// Whether it may arrive a little later.
    pub may_pass: bool,
}

impl Undelivered {
    /// It may arrive a little later.
    pub(crate) fn for_now(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_pass: true,
        }
    }

    /// It will not arrive whatever is waited for.
    pub(crate) fn for_good(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_pass: false,
        }
    }
}
