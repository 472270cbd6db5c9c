//! Making a repository, its key file and its recovery code.

use std::path::{Path, PathBuf};

use codec::{Secret, recovery};
use format::Role;
use model::{KeyId, RepositoryId};
use repository::{NewKey, RepositoryError, keys};
use serde::Serialize;
use storage::{LocalStorage, ObjectName, StorageError};
use zeroize::Zeroizing;

use crate::access::memory::Memory;
use crate::access::secret::{self, Given, OsEntropy};
use crate::exit::{Failure, Result};
use crate::output::sink::Sink;
use crate::output::terminal::Terminal;
use crate::output::text;
use crate::settings::Settings;

/// How a repository is to be made.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) path: PathBuf,
    /// What shall open it; without one, a new key file.
    pub(crate) secret: Option<Given>,
    /// Where the key file goes; without a place, among those of the user.
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) recovery_code: bool,
    pub(crate) label: String,
}

/// Type `init`.
#[derive(Debug, Serialize)]
pub(crate) struct Created {
    repository: String,
    id: String,
    keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_code: Option<String>,
}

/// Makes a repository. The key file is durable before the repository exists.
pub(crate) fn create(settings: &Settings, request: Request) -> Result<Created> {
    let path = request.path.clone();
    create_unless_there(settings, request)?.ok_or_else(|| {
        Failure::failed(format!(
            "create {}: there is a repository already",
            path.display()
        ))
    })
}

/// Makes a repository; `None` when there is one already, which another program may have made just now.
pub(crate) fn create_unless_there(
    settings: &Settings,
    request: Request,
) -> Result<Option<Created>> {
    let storage = match LocalStorage::create(&request.path) {
        Err(StorageError::AlreadyExists { .. }) => return Ok(None),
        // Something is stored already: then somebody has made it in between.
        Err(StorageError::NotEmpty { .. }) if LocalStorage::open(&request.path).is_ok() => {
            return Ok(None);
        }
        created => created?,
    };
    let created = now();
    let key = |kind: &str, label: &str| NewKey {
        role: Role::Full,
        kind: kind.to_owned(),
        label: label.to_owned(),
        created: text::rfc3339(created),
    };
    let mut slots = Vec::new();
    let mut file = None;
    match request.secret {
        Some(given) => slots.push((given.secret, key(given.kind, &request.label))),
        None => {
            let (written, secret) = new_key_file(settings, request.key_file)?;
            slots.push((Secret::Raw(secret), key("key-file", &request.label)));
            file = Some(written);
        }
    }
    let code = request.recovery_code.then(secret::random);
    if let Some(code) = &code {
        slots.push((Secret::Raw(code.clone()), key("recovery-code", "")));
    }
    let made = keys::create(&storage, &slots, created, &OsEntropy);
    let (keyset, ids) = match (made, &file) {
        (Ok(made), _) => made,
        (Err(error), file) => {
            if let Some(KeyFile {
                path, is_new: true, ..
            }) = file
            {
                let _ = std::fs::remove_file(path);
            }
            return match error {
                RepositoryError::Storage(StorageError::AlreadyExists {
                    name: ObjectName::Config,
                }) => Ok(None),
                error => Err(error.into()),
            };
        }
    };
    let id = keyset.repository();
    remember(settings, id, &ids)?;
    let file = file.map(|file| file.named(id)).transpose()?;
    Ok(Some(Created {
        repository: request.path.to_string_lossy().into_owned(),
        id: id.to_hex(),
        keys: ids.into_iter().map(KeyId::to_hex).collect(),
        key_file: file.map(|path| path.to_string_lossy().into_owned()),
        recovery_code: code.map(|code| recovery::format(&code).to_string()),
    }))
}

impl Created {
    /// Says once what has to be known. People read it on the terminal and not in a file of results.
    pub(crate) fn tell(&self, sink: &mut Sink, terminal: &Terminal) -> Result<()> {
        if sink.is_json() {
            return sink.json("init", self);
        }
        terminal.important(&format!("Repository     {}", self.repository));
        if let Some(path) = &self.key_file {
            terminal.important(&format!("Key            {path}"));
        }
        if let Some(code) = &self.recovery_code {
            terminal.important(&format!(
                "Recovery code  shown only now; it opens the repository when this machine is lost:\n\n\
                 {code}\n\n               Print it or write it down, and keep it in another place.\n"
            ));
        }
        Ok(())
    }
}

/// Where a new repository's key lies until the repository has its id.
#[derive(Debug)]
struct KeyFile {
    path: PathBuf,
    /// The user's directory of keys, when the file is to be found by the repository's id.
    among: Option<PathBuf>,
    /// It was not there before: without its repository it is of no use.
    is_new: bool,
}

fn new_key_file(
    settings: &Settings,
    wanted: Option<PathBuf>,
) -> Result<(KeyFile, Zeroizing<[u8; 32]>)> {
    if let Some(path) = wanted {
        let is_new = !path.exists();
        let secret = if is_new {
            let secret = secret::random();
            secret::write_key_file(&path, &secret, "Recoup key")?;
            secret
        } else {
            secret::read_key_file(&path)?
        };
        let among = None;
        let file = KeyFile {
            path,
            among,
            is_new,
        };
        return Ok((file, secret));
    }
    let secret = secret::random();
    let keys = settings.directories.keys();
    let path = keys.join(format!("new-{:08x}.key", std::process::id()));
    secret::write_key_file(&path, &secret, "Recoup key")?;
    let file = KeyFile {
        path,
        among: Some(keys),
        is_new: true,
    };
    Ok((file, secret))
}

impl KeyFile {
    /// Gives the file the name under which the repository's key is looked for.
    #[expect(
        clippy::disallowed_methods,
        reason = "the folder is synced behind the rename, the file was synced when written"
    )]
    fn named(self, id: RepositoryId) -> Result<PathBuf> {
        let Some(keys) = self.among else {
            return Ok(self.path);
        };
        let path = keys.join(format!("{id}.key"));
        std::fs::rename(&self.path, &path)
            .and_then(|()| std::fs::File::open(&keys)?.sync_all())
            .map_err(|error| Failure::io(format!("name key file {}", path.display()), &error))?;
        Ok(path)
    }
}

fn remember(settings: &Settings, id: RepositoryId, keys: &[KeyId]) -> Result<()> {
    let mut memory = Memory::open(&settings.directories.state, id);
    memory.saw_keys(keys.iter().copied());
    memory.save()
}

/// Whether somebody may be making a repository here at this moment.
pub(crate) fn is_recent(path: &Path) -> bool {
    const RECENT: std::time::Duration = std::time::Duration::from_secs(10);
    let made = path.join("keys").metadata().or_else(|_| path.metadata());
    let age = made.and_then(|made| made.modified()).map(|at| at.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age < RECENT))
}

fn now() -> model::Timestamp {
    text::timestamp(jiff::Timestamp::now())
}

/// Whether a file system holds both, so that one dead disk takes the backup too.
pub(crate) fn same_disk_warning(storage: &LocalStorage, source: &Path) -> Option<String> {
    storage.same_device(source).is_ok_and(|same| same).then(|| {
        format!(
            "the repository is on the same disk as {}: it guards against mistakes, not against a dead disk",
            text::path(std::os::unix::ffi::OsStrExt::as_bytes(source.as_os_str()))
        )
    })
}
