//! What can go wrong between us and an etcd, in words that say what it means.

use tonic::{Code, Status};

/// Why something could not be done with an etcd.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EtcdError {
    /// The text is not the address of an etcd.
    #[error("can't understand the address {text:?}: {reason}")]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Certificates, keys or limits that can't be used.
    #[error("can't use the settings for etcd: {reason}")]
    Settings {
        /// What is wrong with them.
        reason: String,
    },
    /// No endpoint answered in time. Nothing is known about what was asked.
    #[error("no etcd answers at {endpoints}: {reason}")]
    Unreachable {
        /// The endpoints that were tried.
        endpoints: String,
        /// What the last of them said.
        reason: String,
    },
    /// Name or password is wrong, or a name is needed and none was given.
    #[error("etcd does not accept the user: {reason}")]
    AuthenticationFailed {
        /// What the server said.
        reason: String,
    },
    /// The user may not do this.
    #[error("etcd denies the permission for these keys")]
    PermissionDenied,
    /// The revision is no longer kept.
    #[error("revision {revision} of etcd is compacted and can't be read any more")]
    Compacted {
        /// The revision that was asked for.
        revision: i64,
    },
    /// The revision does not exist yet: this member has not seen it, or the store went back.
    #[error("etcd has not reached revision {revision}")]
    FutureRevision {
        /// The revision that was asked for.
        revision: i64,
    },
    /// The store is behind what it has shown before: it was restored from an older snapshot.
    #[error(
        "etcd went back to revision {now} after it had shown {seen}: it was restored or replaced"
    )]
    WentBack {
        /// The last revision that was seen.
        seen: i64,
        /// Its revision now.
        now: i64,
    },
    /// Another cluster answers at this address.
    #[error("another etcd cluster answers: {now:016x} instead of {expected:016x}")]
    OtherCluster {
        /// The cluster that answered before.
        expected: u64,
        /// The cluster that answers now.
        now: u64,
    },
    /// A request or an answer is larger than one side takes.
    #[error("a request or answer of etcd is too large: {reason}")]
    TooLarge {
        /// What was said about it.
        reason: String,
    },
    /// More operations in one transaction than the server takes.
    #[error("etcd takes fewer operations in one transaction")]
    TooManyOperations,
    /// The server's quota for its database is used up: it takes no more writes.
    #[error(
        "the database of etcd has no space left: it refuses writes until it is made larger or cleaned"
    )]
    NoSpace,
    /// The server asks for patience.
    #[error("etcd is overloaded: {reason}")]
    Overloaded {
        /// What the server said.
        reason: String,
    },
    /// An answer that makes no sense.
    #[error("can't understand what etcd answered: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Any other refusal.
    #[error("etcd refused: {reason}")]
    Refused {
        /// What the server said.
        reason: String,
    },
    /// The work was asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

/// What a failed call means for whoever wants to call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// The same call fails again.
    Never,
    /// The token is used up: log in again; the call had no effect.
    LogIn,
    /// Another endpoint, or the same a little later, may answer; whether the call had an effect is
    /// not known.
    Elsewhere,
    /// The server was too busy to begin: the call had no effect.
    Later,
}

/// The error for a status, and what it means for another try. `revision` is the one that was asked
/// for, or 0.
pub(crate) fn classify(status: &Status, revision: i64) -> (EtcdError, Retry) {
    let message = status.message();
    let says = |part: &str| message.contains(part);
    let reason = || message.to_owned();
    // The texts are those of etcd's rpctypes, the same from 3.4 to 3.6; its codes alone are too coarse.
    if says("required revision has been compacted") {
        return (EtcdError::Compacted { revision }, Retry::Never);
    }
    if says("required revision is a future revision") {
        return (EtcdError::FutureRevision { revision }, Retry::Never);
    }
    if says("too many operations") {
        return (EtcdError::TooManyOperations, Retry::Never);
    }
    if says("request is too large") || says("larger than max") || says("length too large") {
        return (EtcdError::TooLarge { reason: reason() }, Retry::Never);
    }
    if says("database space exceeded") {
        return (EtcdError::NoSpace, Retry::Never);
    }
    if says("permission denied") {
        return (EtcdError::PermissionDenied, Retry::Never);
    }
    if says("invalid auth token") || says("revision in header is old") {
        let reason = reason();
        return (EtcdError::AuthenticationFailed { reason }, Retry::LogIn);
    }
    let refused = [
        "authentication failed",
        "user name is empty",
        "authentication is not enabled",
    ];
    if status.code() == Code::Unauthenticated || refused.iter().any(|part| says(part)) {
        let reason = reason();
        return (EtcdError::AuthenticationFailed { reason }, Retry::Never);
    }
    if says("too many requests") {
        return (EtcdError::Overloaded { reason: reason() }, Retry::Later);
    }
    let reason = with_causes(status);
    // What the server itself says with these codes it says again; without its words it is the line.
    let is_servers = says("etcdserver: ") || says("auth: ");
    match status.code() {
        Code::Unknown | Code::Internal if is_servers => {
            (EtcdError::Refused { reason }, Retry::Never)
        }
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::Aborted => {
            let endpoints = String::new();
            (
                EtcdError::Unreachable { endpoints, reason },
                Retry::Elsewhere,
            )
        }
        _ => (EtcdError::Refused { reason }, Retry::Never),
    }
}

/// The message with what lies beneath it: `transport error` alone tells nobody anything.
fn with_causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_become_errors() {
        let of = |code: Code, text: &str| classify(&Status::new(code, text), 7);
        let (error, retry) = of(
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        );
        assert!(matches!(error, EtcdError::Compacted { revision: 7 }));
        assert_eq!(retry, Retry::Never);
        let (error, _) = of(Code::InvalidArgument, "etcdserver: request is too large");
        assert!(matches!(error, EtcdError::TooLarge { .. }));
        let (error, _) = of(
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        );
        assert!(matches!(error, EtcdError::NoSpace));
        let (_, retry) = of(Code::Unauthenticated, "etcdserver: invalid auth token");
        assert_eq!(retry, Retry::LogIn);
        let (_, retry) = of(Code::ResourceExhausted, "etcdserver: too many requests");
        assert_eq!(retry, Retry::Later);
        let (_, retry) = of(Code::Unavailable, "etcdserver: leader changed");
        assert_eq!(retry, Retry::Elsewhere);
        let (error, retry) = of(
            Code::InvalidArgument,
            "etcdserver: duplicate key given in txn request",
        );
        assert!(matches!(error, EtcdError::Refused { .. }));
        assert_eq!(retry, Retry::Never);
    }
}
