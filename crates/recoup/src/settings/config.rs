//! The config file: TOML, checked with line numbers.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::exit::{Failure, Result};
use crate::names::amount;
use crate::names::store::is_store;
use crate::settings::nearest::nearest;
use crate::settings::on_incident::{OnIncident, Telling};

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    Path,
    Number,
    Switch,
    /// In the environment: one on a line.
    List,
}

/// Every setting. The variable that overrides one is `RECOUP_` and its name in capitals.
pub(crate) const KEYS: &[(&str, Holds)] = &[
    ("repo", Holds::Text),
    ("password-file", Holds::Path),
    ("password-command", Holds::Text),
    ("key-file", Holds::Path),
    ("exclude", Holds::List),
    ("exclude-from", Holds::List),
    ("exclude-caches", Holds::Switch),
    ("exclude-if-present", Holds::List),
    ("exclude-larger-than", Holds::Text),
    ("one-file-system", Holds::Switch),
    // In the environment: a command.
    ("on-incident", Holds::Text),
    ("host", Holds::Text),
    ("tag", Holds::List),
    ("threads", Holds::Number),
    ("cache-dir", Holds::Path),
    ("no-cache", Holds::Switch),
    ("etcd-user", Holds::Text),
    ("etcd-password-file", Holds::Path),
    ("etcd-ca", Holds::Path),
    ("etcd-cert", Holds::Path),
    ("etcd-key", Holds::Path),
    ("etcd-wait", Holds::Number),
    ("protect", Holds::List),
];

/// The settings of a file, or of the environment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    pub(crate) repo: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) password_command: Option<String>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) exclude: Option<Vec<String>>,
    pub(crate) exclude_from: Option<Vec<PathBuf>>,
    pub(crate) exclude_caches: Option<bool>,
    pub(crate) exclude_if_present: Option<Vec<String>>,
    pub(crate) exclude_larger_than: Option<String>,
    pub(crate) one_file_system: Option<bool>,
    pub(crate) on_incident: Option<OnIncident>,
    pub(crate) host: Option<String>,
    pub(crate) tag: Option<Vec<String>>,
    pub(crate) threads: Option<usize>,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) no_cache: Option<bool>,
    pub(crate) etcd_user: Option<String>,
    pub(crate) etcd_password_file: Option<PathBuf>,
    pub(crate) etcd_ca: Option<PathBuf>,
    pub(crate) etcd_cert: Option<PathBuf>,
    pub(crate) etcd_key: Option<PathBuf>,
    /// Seconds for which a call is tried again while no member answers.
    pub(crate) etcd_wait: Option<u64>,
    /// What `recoup protect` protects when it is told nothing else.
    pub(crate) protect: Option<Vec<PathBuf>>,
}

impl Config {
    /// Who is told of incidents.
    pub(crate) fn tellings(&self) -> &[Telling] {
        self.on_incident.as_ref().map_or(&[], |all| &all.0)
    }

    /// Reads a file; the empty config if there is none and `required` is not set.
    pub(crate) fn read(path: &Path, required: bool) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Failure::io(format!("read {}", path.display()), &error)),
        };
        let mut config = Self::parse(&text, path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        config.expand(folder);
        Ok(config)
    }

    /// Reads the text of a file; `path` is named in errors.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| refused(text, path, &error))?;
        if let Some(size) = &config.exclude_larger_than {
            amount::size(size).map_err(|why| {
                let line = line_of(text, text.find("exclude-larger-than").unwrap_or(0));
                Failure::usage(format!("{}, line {line}: {why}", path.display()))
            })?;
        }
        Ok(config)
    }

    /// What the environment says.
    pub(crate) fn of_environment(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut table = Table::new();
        for (key, holds) in KEYS {
            let variable = variable(key);
            let Some(text) = get(&variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            let wrong = |what: &str| Failure::usage(format!("{variable} is not {what}: `{text}`"));
            let value = match holds {
                Holds::Text | Holds::Path => Value::String(text),
                Holds::Number => Value::Integer(text.parse().map_err(|_| wrong("a number"))?),
                Holds::Switch => Value::Boolean(match text.as_str() {
                    "1" | "true" | "yes" => true,
                    "0" | "false" | "no" => false,
                    _ => return Err(wrong("true or false")),
                }),
                Holds::List => Value::Array(text.lines().map(Value::from).collect()),
            };
            table.insert((*key).to_owned(), value);
        }
        Self::deserialize(table)
            .map_err(|error| Failure::usage(format!("the environment: {}", error.message())))
    }

    /// Paths in a file are relative to it, or to the home directory with `~/`.
    fn expand(&mut self, folder: &Path) {
        let home = std::env::home_dir();
        let expand = |path: &Path| match (path.strip_prefix("~"), &home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => folder.join(path),
        };
        let paths = [
            &mut self.password_file,
            &mut self.key_file,
            &mut self.cache_dir,
            &mut self.etcd_password_file,
            &mut self.etcd_ca,
            &mut self.etcd_cert,
            &mut self.etcd_key,
        ];
        for path in paths.into_iter().flatten() {
            *path = expand(path);
        }
        for path in self.exclude_from.iter_mut().flatten() {
            *path = expand(path);
        }
        let sources = self.protect.iter_mut().flatten();
        for path in sources.filter(|path| !is_store(path.as_os_str().as_bytes())) {
            *path = expand(path);
        }
        if let Some(on_incident) = &mut self.on_incident {
            on_incident.expand(expand);
        }
        if let Some(repo) = self.repo.as_mut().filter(|repo| !repo.contains("://")) {
            *repo = expand(Path::new(repo)).to_string_lossy().into_owned();
        }
    }
}

/// The variable that overrides a setting.
pub(crate) fn variable(key: &str) -> String {
    format!("RECOUP_{}", key.replace('-', "_").to_ascii_uppercase())
}

fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    1 + text.as_bytes()[..end]
        .iter()
        .filter(|&&b| b == b'\n')
        .count()
}

fn refused(text: &str, path: &Path, error: &toml::de::Error) -> Failure {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let message = error.message();
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next());
    let place = format!("{}, line {line}", path.display());
    let Some(unknown) = unknown else {
        return Failure::usage(format!("{place}: {}", message.lines().next().unwrap_or("")));
    };
    let failure = Failure::usage(format!("{place}: there is no setting `{unknown}`"));
    let keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    match nearest(unknown, &keys) {
        Some(key) => failure.hint(format!("did you mean `{key}`?")),
        None if unknown == "password" => failure
            .hint("a password does not belong in this file: use password-file or password-command"),
        None => failure.hint(format!("settings are: {}", keys.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, message: &str, hint: Option<&str>) {
        let failure = Config::parse(text, Path::new("c.toml")).unwrap_err();
        assert_eq!(failure.message, message);
        assert_eq!(failure.hint.as_deref(), hint);
    }

    #[test]
    fn mistakes_are_named_by_line() {
        check(
            "repo = \"/x\"\n\nexclude-cache = true\n",
            "c.toml, line 3: there is no setting `exclude-cache`",
            Some("did you mean `exclude-caches`?"),
        );
        check(
            "password = \"x\"\n",
            "c.toml, line 1: there is no setting `password`",
            Some("a password does not belong in this file: use password-file or password-command"),
        );
        check(
            "repo = \"/x\"\nthreads = \"many\"\n",
            "c.toml, line 2: invalid type: string \"many\", expected usize",
            None,
        );
        check(
            "\nexclude-larger-than = \"big\"\n",
            "c.toml, line 2: `big` is not a size: write it as 500K, 10M or 2G",
            None,
        );
    }

    #[test]
    fn the_environment_has_every_setting() {
        let get = |name: &str| match name {
            "RECOUP_REPO" => Some("/r".to_owned()),
            "RECOUP_EXCLUDE" => Some("*.o\n*.tmp".to_owned()),
            "RECOUP_EXCLUDE_CACHES" => Some("1".to_owned()),
            "RECOUP_THREADS" => Some("3".to_owned()),
            _ => None,
        };
        let config = Config::of_environment(get).unwrap();
        assert_eq!(config.repo.as_deref(), Some("/r"));
        assert_eq!(config.exclude.unwrap(), ["*.o", "*.tmp"]);
        assert_eq!(
            (config.exclude_caches, config.threads),
            (Some(true), Some(3))
        );
        let wrong = |_: &str| Some("x".to_owned());
        assert!(Config::of_environment(wrong).is_err());
    }
}
