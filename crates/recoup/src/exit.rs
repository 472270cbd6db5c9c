//! How a run ends: exit codes, and what a person is told when something failed.
//!
//! The only place that turns errors of the other crates into exit codes and hints.

use std::io;

use backup::BackupError;
use etcd::EtcdError;
use keyspace::KeyspaceError;
use repository::RepositoryError;
use restore::RestoreError;
use source::SourceError;
use storage::StorageError;
use timeline::TimelineError;
use undo::UndoError;

/// Exit codes. Numbers are a contract with scripts: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    Partial = 3,
    Damage = 4,
    Incomplete = 5,
    Open = 8,
    NoRepository = 10,
    Busy = 11,
    WrongKey = 12,
    Unreachable = 13,
    Full = 14,
    RepositoryDamaged = 15,
    Newer = 16,
    Interrupted = 130,
    Terminated = 143,
}

/// The table that help and manual show.
pub(crate) const TABLE: &str = "\
Exit codes:
   0  done
   1  failed
   2  the command was not understood
   3  backed up, but something could not be read: the snapshot is partial
   4  check found damage
   5  restored, but content is missing
   8  undone, but conflicts or deferred paths are left to decide
  10  there is no repository
  11  another operation is running there: try again later
  12  the password or key does not fit
  13  the repository can't be reached: try again later
  14  the disk is full
  15  the repository is damaged
  16  the repository was written by a newer Recoup
 130  interrupted (Ctrl-C)
 143  terminated";

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// One line, as a person reads it after `recoup: `; empty when nothing is to be said.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure whose `what` fits after "failed to".
    pub(crate) fn new(exit: Exit, what: impl std::fmt::Display) -> Self {
        Self {
            exit,
            message: format!("failed to {what}"),
            hint: None,
        }
    }

    /// A general failure.
    pub(crate) fn failed(what: impl std::fmt::Display) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// The command line or a setting is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.into(),
            hint: None,
        }
    }

    /// Refused by the system.
    pub(crate) fn io(what: impl std::fmt::Display, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::Full,
            _ => Exit::Failed,
        };
        Self::new(exit, format!("{what}: {error}"))
    }

    /// Somebody asked to stop.
    pub(crate) fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            message: "interrupted; nothing stored was lost; run it again".to_owned(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error and what lies behind it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        next = source.source();
    }
    text
}

/// Writing to stdout: a reader that has gone away is no failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self {
                exit: Exit::Ok,
                message: String::new(),
                hint: None,
            },
            _ => Self::io("write the output", &error),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let failure = |exit| Self::new(exit, chain(&error));
        match &error {
            StorageError::Missing { .. }
            | StorageError::Truncated { .. }
            | StorageError::TooLarge { .. } => damaged(failure(Exit::RepositoryDamaged)),
            StorageError::NotARepository { path } => {
                failure(Exit::NoRepository).hint(no_repository_hint(path))
            }
            StorageError::Unreachable { .. } => failure(Exit::Unreachable)
                .hint("is the disk plugged in and mounted? Nothing was lost; run it again"),
            StorageError::Full { .. } => failure(Exit::Full).hint(
                "free some space, then run it again; earlier snapshots are whole, nothing is half-stored",
            ),
            StorageError::AlreadyExists { .. } => {
                failure(Exit::Failed).hint("another program may have made it just now; run it again")
            }
            _ => failure(Exit::Failed),
        }
    }
}

fn no_repository_hint(path: &std::path::Path) -> String {
    if path.join("keys").is_dir() && path.join("packs").is_dir() {
        return "it has keys and packs: `recoup repair config` makes its config anew".to_owned();
    }
    format!(
        "`recoup init {0}` makes one, if the disk is mounted; --repo names another place",
        path.display()
    )
}

fn damaged(failure: Failure) -> Failure {
    failure.hint("`recoup check` lists what is damaged; everything else can still be restored")
}

impl From<RepositoryError> for Failure {
    fn from(error: RepositoryError) -> Self {
        let failure = |exit| Self::new(exit, chain(&error));
        match error {
            RepositoryError::Storage(error) => error.into(),
            RepositoryError::Cancelled => Self::interrupted(),
            RepositoryError::WrongKey { .. } => {
                failure(Exit::WrongKey).hint("is it the right repository? `recoup config show` tells where it and the key are taken from")
            }
            RepositoryError::WriteOnlyKey => failure(Exit::WrongKey)
                .hint("use the key file, password or recovery code of a full key (--key-file, --password-file)"),
            RepositoryError::Newer { .. } | RepositoryError::NewerField { .. } => failure(Exit::Newer).hint("install a newer Recoup"),
            RepositoryError::ConfigAltered { .. } => failure(Exit::RepositoryDamaged),
            RepositoryError::BlobMissing { .. } => failure(Exit::RepositoryDamaged)
                .hint("`recoup repair index` finds packs that the index does not list; `recoup check` lists what is damaged"),
            _ if error.is_damage() => damaged(failure(Exit::RepositoryDamaged)),
            _ => failure(Exit::Failed),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let exit = match error {
            SourceError::Cancelled => return Self::interrupted(),
            SourceError::Full { .. } => Exit::Full,
            SourceError::Pattern { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        Self {
            exit,
            message: chain(&error),
            hint: None,
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Repository(error) => error.into(),
            BackupError::Source(error) => {
                let failure = Self::from(error);
                Self {
                    message: format!("failed to back up: {}", failure.message),
                    ..failure
                }
            }
            BackupError::Cancelled => Self::interrupted(),
            _ => Self::failed(chain(&error)),
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let exit = if error.is_full() {
            Exit::Full
        } else {
            Exit::Failed
        };
        match error {
            RestoreError::Repository(error) => error.into(),
            RestoreError::Cancelled => Self {
                message: "interrupted; files are restored whole or not at all; run it again"
                    .to_owned(),
                ..Self::interrupted()
            },
            _ => Self::new(exit, chain(&error)),
        }
    }
}

impl From<UndoError> for Failure {
    fn from(error: UndoError) -> Self {
        match error {
            UndoError::Repository(error) => error.into(),
            UndoError::Backup(error) => error.into(),
            UndoError::Restore(error) => error.into(),
            UndoError::Tree(error) => error.into(),
            UndoError::NoRoom(_) => Self::new(Exit::Full, chain(&error))
                .hint("free some space, or take back a part: --path or --only"),
            UndoError::Cancelled { .. } => Self {
                message: chain(&error),
                ..Self::interrupted()
            },
            UndoError::Interrupted { number, source } => {
                let inner = Self::from(*source);
                Self {
                    message: format!("operation {number} broke off: {}", inner.message),
                    ..inner
                }
            }
            UndoError::TwoSources { .. } | UndoError::Backwards { .. } => {
                Self::new(Exit::Usage, chain(&error))
                    .hint("`recoup snapshots` lists times and sources")
            }
            _ => Self::failed(chain(&error)),
        }
    }
}

impl From<EtcdError> for Failure {
    fn from(error: EtcdError) -> Self {
        let failure = Self::failed(format!("work on etcd: {}", chain(&error)));
        match error {
            EtcdError::Cancelled => Self::interrupted(),
            EtcdError::Address { .. } | EtcdError::Settings { .. } => Self {
                exit: Exit::Usage,
                ..failure
            },
            EtcdError::Unreachable { reason, .. } => failure.hint(unreachable_hint(&reason)),
            EtcdError::AuthenticationFailed { reason } if reason.contains("not enabled") => {
                failure.hint("it has no users: leave out --etcd-user and etcd-user")
            }
            EtcdError::AuthenticationFailed { .. } => {
                failure.hint("--etcd-user names the user; RECOUP_ETCD_PASSWORD holds the password")
            }
            EtcdError::PermissionDenied => failure.hint(
                "the user needs a role that may read these keys, and write them for an undo; or name a \
                 prefix that it may read: etcd://HOST/PREFIX",
            ),
            _ => failure,
        }
    }
}

/// What may be wrong where nobody answers, by what was heard last. The texts are those of rustls.
fn unreachable_hint(reason: &str) -> &'static str {
    if reason.contains("invalid peer certificate") {
        return "does --etcd-ca name the authority of this etcd, and is its certificate for this host?";
    }
    if reason.contains("CertificateRequired") || reason.contains("received fatal alert") {
        return "this etcd wants to see a certificate: --etcd-cert and --etcd-key";
    }
    if reason.contains("refused") || reason.contains("lookup") {
        return "is it running, and is the address right? Nothing was lost; run it again";
    }
    "is it running, and is the address right? Where it is encrypted: --etcd-ca, and --etcd-cert where it \
     asks for one. Nothing was lost; run it again"
}

impl From<KeyspaceError> for Failure {
    fn from(error: KeyspaceError) -> Self {
        let failure = Self::failed(chain(&error));
        match error {
            KeyspaceError::Etcd(error) => error.into(),
            KeyspaceError::Repository(error) => error.into(),
            KeyspaceError::Backup(error) => error.into(),
            KeyspaceError::Timeline(error) => error.into(),
            KeyspaceError::Cancelled => Self::interrupted(),
            KeyspaceError::NotEmpty { .. } => failure.hint(
                "name an empty store; or take back what happened to this one: recoup undo etcd://HOST",
            ),
            KeyspaceError::Outside { .. } => {
                failure.hint("keys keep their names: name the store without a prefix, or that of the keys")
            }
            _ => failure,
        }
    }
}

impl From<TimelineError> for Failure {
    fn from(error: TimelineError) -> Self {
        match error {
            TimelineError::Repository(error) => error.into(),
            TimelineError::Backup(error) => error.into(),
            TimelineError::Source(error) => error.into(),
            _ => Self::failed(chain(&error)),
        }
    }
}
