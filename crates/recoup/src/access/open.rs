//! Opening the repository that was asked for, with the secret that fits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use codec::Keyset;
use format::{Config, FormatError, KeySlot};
use model::{KeyId, RepositoryId};
use repository::{Repository, RepositoryError, keys};
use storage::{LocalStorage, ObjectKind, ObjectName, Storage, StorageError};

use crate::access::memory::Memory;
use crate::access::secret::{self, Given, OsEntropy};
use crate::exit::{Exit, Failure, Result};
use crate::output::terminal::Terminal;
use crate::output::text;
use crate::settings::Settings;

/// Where the repository is.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    pub(crate) path: PathBuf,
    /// Nobody named it: it is where first use puts it.
    pub(crate) usual: bool,
}

/// An opened repository.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) repository: Repository,
    pub(crate) storage: Arc<LocalStorage>,
    /// The key that opened it.
    pub(crate) key: KeyId,
}

impl Opened {
    /// What this machine remembers of it.
    pub(crate) fn memory(&self, settings: &Settings) -> Memory {
        Memory::open(&settings.directories.state, self.repository.id())
    }
}

/// Where the repository is, whether or not it is there.
pub(crate) fn location(settings: &Settings) -> Result<Location> {
    match &settings.repo {
        Some(repo) => Ok(Location {
            path: path_of(repo)?,
            usual: false,
        }),
        None => Ok(Location {
            path: settings.directories.repository(),
            usual: true,
        }),
    }
}

/// The directory that a path or URL names.
pub(crate) fn path_of(repo: &str) -> Result<PathBuf> {
    let path = match repo.split_once("://") {
        Some(("file", path)) => Path::new(path),
        Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            return Err(Failure::usage(format!(
                "repositories at {scheme}:// are not known to this version; name a directory"
            )));
        }
        _ => Path::new(repo),
    };
    if path.as_os_str().is_empty() {
        return Err(Failure::usage("the repository has an empty name"));
    }
    std::path::absolute(path).map_err(|error| Failure::io(format!("find {repo}"), &error))
}

/// Opens the repository.
pub(crate) fn open(settings: &Settings, terminal: &Terminal) -> Result<Opened> {
    let storage = open_storage(&location(settings)?)?;
    let (keyset, key) = unlock(settings, &storage)?;
    match keys::check_config(&*storage, &keyset) {
        Ok(()) => {}
        // The key set says all that the config says: nothing depends on it.
        Err(error @ RepositoryError::ConfigAltered { .. }) => terminal.warn(&error.to_string()),
        Err(error) => return Err(error.into()),
    }
    let shared: Arc<dyn Storage> = Arc::<LocalStorage>::clone(&storage);
    let repository = Repository::with_keyset(shared, keyset, Arc::new(OsEntropy))?;
    for warning in repository.warnings() {
        terminal.warn(&warning.0);
    }
    Ok(Opened {
        repository,
        storage,
        key,
    })
}

fn open_storage(location: &Location) -> Result<Arc<LocalStorage>> {
    match LocalStorage::open(&location.path) {
        Ok(storage) => Ok(Arc::new(storage)),
        Err(StorageError::NotARepository { path }) if location.usual && !path.exists() => {
            Err(Failure::new(
                Exit::NoRepository,
                format!(
                    "open the repository: there is none yet at {}",
                    path.display()
                ),
            )
            .hint("`recoup backup PATH` makes it; --repo or RECOUP_REPO names another one"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens the key set with the secret that was given, or with a key file of this user.
pub(crate) fn unlock(settings: &Settings, storage: &dyn Storage) -> Result<(Keyset, KeyId)> {
    let id = repository_id(storage)?;
    if let Some(source) = &settings.secret {
        let given = secret::fetch(source)?;
        let from = source.describe();
        return try_secret(storage, &given).map_err(|failure| {
            let is_wrong = failure.exit == Exit::WrongKey;
            if is_wrong {
                failure.hint(format!("the secret came from: {from}"))
            } else {
                failure
            }
        });
    }
    let keys = settings.directories.keys();
    let mut files = key_files(&keys, id);
    // Once more at the end: a first use that runs now may have renamed its file since it was listed.
    files.extend(id.map(|id| own_key_file(&keys, id)));
    let mut wrong = None;
    for path in files.iter().filter(|path| path.exists()) {
        let given = secret::read_key_file(path).map(|raw| Given {
            secret: codec::Secret::Raw(raw),
            kind: "key-file",
        });
        match given.and_then(|given| try_secret(storage, &given)) {
            Err(failure) if failure.exit == Exit::WrongKey => {
                let tried = failure.hint(format!("tried key file {}", path.display()));
                wrong.get_or_insert(tried);
            }
            // Another key may open what this one would.
            Err(failure) if failure.exit == Exit::RepositoryDamaged => wrong = Some(failure),
            opened => return opened,
        }
    }
    if secret::can_ask() {
        return try_secret(storage, &secret::ask("Password or recovery code: ")?);
    }
    Err(wrong.unwrap_or_else(|| no_secret(&keys)))
}

fn try_secret(storage: &dyn Storage, given: &Given) -> Result<(Keyset, KeyId)> {
    match keys::unlock(storage, &given.secret) {
        Err(RepositoryError::WrongKey { .. }) => Err(fits_none(storage, given)?),
        Err(
            error @ (RepositoryError::Damaged { .. }
            | RepositoryError::Storage(
                StorageError::TooLarge { .. }
                | StorageError::Truncated { .. }
                | StorageError::PermissionDenied { .. }
                | StorageError::Io { .. },
            )),
        ) => Err(slot_damaged(given, &error)),
        unlocked => Ok(unlocked?),
    }
}

/// What fits nothing, and what would: by the kinds of keys there are.
fn fits_none(storage: &dyn Storage, given: &Given) -> Result<Failure> {
    let (slots, _) = keys::list(storage)?;
    let kinds = [
        ("password", "password", "passwords"),
        ("key-file", "key file", "key files"),
        ("recovery-code", "recovery code", "recovery codes"),
    ];
    let count = |kind: &str| slots.iter().filter(|slot| slot.key.kind == kind).count() as u64;
    let known: u64 = kinds.iter().map(|(kind, ..)| count(kind)).sum();
    let there = kinds.iter().filter(|(kind, ..)| count(kind) > 0);
    let mut there: Vec<String> = there
        .map(|(kind, one, many)| text::counted(count(kind), one, many))
        .collect();
    match slots.len() as u64 - known {
        0 => {}
        others => there.push(text::counted(others, "other key", "other keys")),
    }
    let there = match there.as_slice() {
        [] => "no key".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let said = match given.kind {
        "password" if count("password") == 0 && known == slots.len() as u64 => {
            "it has no password key".to_owned()
        }
        kind => format!("the {} fits none of its keys", kind.replace('-', " ")),
    };
    let message = format!("open the repository: {said}; it has {there}");
    Ok(Failure::new(Exit::WrongKey, message).hint(
        "is it the right repository? `recoup config show` tells where it and the key are taken from",
    ))
}

/// The secret fits no slot that can be read, and one can't be.
fn slot_damaged(given: &Given, error: &RepositoryError) -> Failure {
    let kind = given.kind.replace('-', " ");
    let why = crate::exit::chain(error);
    let message = format!(
        "open the repository: the {kind} fits no key that can be read, and its own may be the damaged one: failed to {why}"
    );
    Failure::new(Exit::RepositoryDamaged, message).hint(
        "nothing stored is lost: another key still opens it, or the recovery code \
         (--key-file FILE with the code in it)",
    )
}

fn no_secret(keys: &Path) -> Failure {
    Failure::new(
        Exit::WrongKey,
        "open the repository: no password or key was given",
    )
    .hint(format!(
        "set RECOUP_PASSWORD_FILE or use --password-file, --password-command or --key-file; \
         {} holds no key file for it; a recovery code is given like a password",
        keys.display()
    ))
}

/// Which repository it is, by its config, or by its key slots when the config can't be read.
fn repository_id(storage: &dyn Storage) -> Result<Option<RepositoryId>> {
    let config = match storage.read(&ObjectName::Config) {
        Ok(bytes) => Some(Config::decode(&bytes)),
        Err(error) if error.is_missing() => None,
        Err(error @ StorageError::TooLarge { .. }) => {
            drop(error);
            None
        }
        Err(error) => return Err(error.into()),
    };
    match config {
        Some(Ok(config)) => return Ok(Some(config.repository)),
        Some(Err(FormatError::Newer { found, known, .. })) => {
            return Err(RepositoryError::Newer {
                object: ObjectName::Config.to_string(),
                found,
                known,
            }
            .into());
        }
        _ => {}
    }
    for (name, _) in storage.list(ObjectKind::Key)? {
        if let Ok(bytes) = storage.read(&name)
            && let Ok(slot) = KeySlot::decode(&bytes)
        {
            return Ok(Some(slot.repository));
        }
    }
    Ok(None)
}

/// Key files of this user that may fit: the repository's own, and those that an interrupted first use
/// left without its name.
fn key_files(keys: &Path, id: Option<RepositoryId>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(keys).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("new-") && name.ends_with(".key") {
            files.push(entry.path());
        }
    }
    if let Some(id) = id {
        files.insert(0, own_key_file(keys, id));
    }
    files
}

fn own_key_file(keys: &Path, id: RepositoryId) -> PathBuf {
    keys.join(format!("{id}.key"))
}
