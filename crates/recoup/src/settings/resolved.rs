//! What holds after flags, environment and config file were read.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::exit::{Failure, Result};
use crate::settings::config::Config;
use crate::settings::directories::Directories;
use crate::settings::global::Global;

/// Most threads that may be asked for.
const THREADS_MAX: usize = 1024;

/// Where the secret comes from.
#[derive(Clone)]
pub(crate) enum SecretSource {
    /// The password itself, from the environment.
    Password(Zeroizing<String>),
    PasswordFile(PathBuf),
    PasswordCommand(String),
    KeyFile(PathBuf),
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl SecretSource {
    /// In words, without the secret.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Password(_) => "RECOUP_PASSWORD".to_owned(),
            Self::PasswordFile(path) => format!("password file {}", path.display()),
            Self::PasswordCommand(command) => format!("password command `{command}`"),
            Self::KeyFile(path) => format!("key file {}", path.display()),
        }
    }
}

/// What holds.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) directories: Directories,
    pub(crate) config_file: PathBuf,
    /// Where the repository is, when somebody said so.
    pub(crate) repo: Option<String>,
    /// Who said so: `--repo`, `RECOUP_REPO`, `config file`.
    pub(crate) repo_from: &'static str,
    pub(crate) secret: Option<SecretSource>,
    pub(crate) threads: usize,
    /// Directory of the change caches.
    pub(crate) cache: Option<PathBuf>,
    /// The rest: environment over file.
    pub(crate) config: Config,
}

impl Settings {
    pub(crate) fn resolve(global: &Global) -> Result<Self> {
        let directories = Directories::of_user()?;
        let given = global.config.clone().or_else(|| {
            let variable = std::env::var_os("RECOUP_CONFIG").filter(|path| !path.is_empty());
            variable.map(PathBuf::from)
        });
        let config_file = given.clone().unwrap_or_else(|| directories.config_file());
        let file = Config::read(&config_file, given.is_some())?;
        let environment = Config::of_environment(|name| std::env::var(name).ok())?;
        let password = std::env::var("RECOUP_PASSWORD").ok().map(Zeroizing::new);
        if password.as_ref().is_some_and(|text| text.is_empty()) {
            return Err(Failure::usage("RECOUP_PASSWORD is set, but empty"));
        }
        let flags = Config {
            password_file: global.password_file.clone(),
            password_command: global.password_command.clone(),
            key_file: global.key_file.clone(),
            ..Config::default()
        };
        let secret = secret_of(&flags)
            .or(password.map(SecretSource::Password))
            .or_else(|| secret_of(&environment))
            .or_else(|| secret_of(&file));
        let (repo, repo_from) = match (&global.repo, &environment.repo, &file.repo) {
            (Some(repo), _, _) => (Some(repo.clone()), "--repo"),
            (None, Some(repo), _) => (Some(repo.clone()), "RECOUP_REPO"),
            (None, None, Some(repo)) => (Some(repo.clone()), "config file"),
            (None, None, None) => (None, "usual place"),
        };
        let given = Config {
            etcd_user: global.etcd_user.clone(),
            etcd_password_file: global.etcd_password_file.clone(),
            etcd_ca: global.etcd_ca.clone(),
            etcd_cert: global.etcd_cert.clone(),
            etcd_key: global.etcd_key.clone(),
            ..Config::default()
        };
        let config = over(given, over(environment, file));
        let threads = global.threads.or(config.threads).unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        if !(1..=THREADS_MAX).contains(&threads) {
            return Err(Failure::usage(format!("{threads} threads can't be had")));
        }
        let no_cache = global.no_cache || config.no_cache == Some(true);
        let cache = (!no_cache).then(|| {
            let given = global
                .cache_dir
                .clone()
                .or_else(|| config.cache_dir.clone());
            given.unwrap_or_else(|| directories.cache.clone())
        });
        Ok(Self {
            directories,
            config_file,
            repo,
            repo_from,
            secret,
            threads,
            cache,
            config,
        })
    }
}

/// The secret that one layer gives. Layers are not mixed: a key file in the environment wins over a
/// password file in the config file.
fn secret_of(layer: &Config) -> Option<SecretSource> {
    if let Some(path) = &layer.password_file {
        return Some(SecretSource::PasswordFile(path.clone()));
    }
    if let Some(command) = &layer.password_command {
        return Some(SecretSource::PasswordCommand(command.clone()));
    }
    layer.key_file.clone().map(SecretSource::KeyFile)
}

/// The settings of `upper`, and of `lower` where it has none.
fn over(upper: Config, lower: Config) -> Config {
    Config {
        repo: upper.repo.or(lower.repo),
        password_file: upper.password_file.or(lower.password_file),
        password_command: upper.password_command.or(lower.password_command),
        key_file: upper.key_file.or(lower.key_file),
        exclude: upper.exclude.or(lower.exclude),
        exclude_from: upper.exclude_from.or(lower.exclude_from),
        exclude_caches: upper.exclude_caches.or(lower.exclude_caches),
        exclude_if_present: upper.exclude_if_present.or(lower.exclude_if_present),
        exclude_larger_than: upper.exclude_larger_than.or(lower.exclude_larger_than),
        one_file_system: upper.one_file_system.or(lower.one_file_system),
        on_incident: upper.on_incident.or(lower.on_incident),
        host: upper.host.or(lower.host),
        tag: upper.tag.or(lower.tag),
        threads: upper.threads.or(lower.threads),
        cache_dir: upper.cache_dir.or(lower.cache_dir),
        no_cache: upper.no_cache.or(lower.no_cache),
        etcd_user: upper.etcd_user.or(lower.etcd_user),
        etcd_password_file: upper.etcd_password_file.or(lower.etcd_password_file),
        etcd_ca: upper.etcd_ca.or(lower.etcd_ca),
        etcd_cert: upper.etcd_cert.or(lower.etcd_cert),
        etcd_key: upper.etcd_key.or(lower.etcd_key),
        etcd_wait: upper.etcd_wait.or(lower.etcd_wait),
        protect: upper.protect.or(lower.protect),
    }
}
