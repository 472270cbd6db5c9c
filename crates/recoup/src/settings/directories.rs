//! Where things of the user belong: the XDG base directories.

use std::path::{Path, PathBuf};

use crate::exit::{Failure, Result};

/// The four directories of Recoup; each may not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directories {
    /// Config file and key files.
    pub(crate) config: PathBuf,
    /// The repository of first use.
    pub(crate) data: PathBuf,
    /// What this machine has seen.
    pub(crate) state: PathBuf,
    /// What can be lost at any time.
    pub(crate) cache: PathBuf,
}

impl Directories {
    pub(crate) fn of_user() -> Result<Self> {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let find = |variable: &str, usual: &str| {
            let given = std::env::var_os(variable).map(PathBuf::from);
            // The specification: a relative path there is to be passed over.
            let base = given
                .filter(|path| path.is_absolute())
                .or_else(|| home.as_ref().map(|home| home.join(usual)));
            base.map(|base| base.join("recoup"))
                .ok_or_else(|| Failure::failed("find your home directory").hint("set HOME"))
        };
        Ok(Self {
            config: find("XDG_CONFIG_HOME", ".config")?,
            data: find("XDG_DATA_HOME", ".local/share")?,
            state: find("XDG_STATE_HOME", ".local/state")?,
            cache: find("XDG_CACHE_HOME", ".cache")?,
        })
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// Where first use puts the repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.data.join("repository")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.config.join("keys")
    }
}

/// Makes a directory, and those above it, that only its owner may enter.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::io(format!("create {}", path.display()), &error))
}

/// Replaces a small file whole: readers see the old one or the new one.
#[expect(
    clippy::disallowed_methods,
    reason = "the file and its folder are synced around the rename"
)]
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |error: std::io::Error| Failure::io(format!("write {}", path.display()), &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        std::fs::File::open(folder)?.sync_all()
    });
    written.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}
