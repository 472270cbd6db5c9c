//! How to enter an etcd, and how patient to be: everything that does not name it.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

/// Name and password.
#[derive(Clone)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// The password; overwritten when dropped.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Encrypted connections.
#[derive(Clone)]
pub struct Tls {
    /// Certificates, as PEM, of the authorities that may vouch for the server. Clusters have an authority
    /// of their own; those of the web are not asked.
    pub authority: Vec<u8>,
    /// Certificate and key of the client, as PEM, where the server wants to see them.
    pub identity: Option<Identity>,
    /// The name that the server's certificate must carry, if it is not the host of the address.
    pub server_name: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// What a client shows of itself.
#[derive(Clone)]
pub struct Identity {
    /// The chain of certificates, as PEM.
    pub certificate: Vec<u8>,
    /// The private key, as PEM; overwritten when dropped.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// How to talk to an etcd.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who we are, where the server asks.
    pub login: Option<Login>,
    /// Encryption; without it everything goes in the clear.
    pub tls: Option<Tls>,
    /// How long a connection may take to come about.
    pub connect_time: Duration,
    /// How long one answer may take.
    pub answer_time: Duration,
    /// How long a call is tried again, at one endpoint after the other, before it fails.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            login: None,
            tls: None,
            // etcd's own client waits as long for a connection (etcdctl --dial-timeout 2s) and for an
            // answer (--command-timeout 5s) or shorter; pages are larger than its answers.
            connect_time: Duration::from_secs(3),
            answer_time: Duration::from_secs(30),
            // An election takes about a second, the restart of a member a few.
            patience: Duration::from_secs(20),
        }
    }
}
