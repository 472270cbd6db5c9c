//! `recoup protect`: one command from nothing to continuous protection.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::service::{self, Manager};
use super::watched_lock;
use crate::access::busy::Busy;
use crate::commands::backup;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::names::live;
use crate::names::store::{is_store, source_of};
use crate::output::json::SourceText;
use crate::output::text;
use crate::settings::{SecretSource, Settings};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Directories, or `etcd://HOST[:PORT]/PREFIX`; without any: what `protect` in the config file lists
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// List what is protected
    #[arg(long)]
    list: bool,
    /// End the protection; what is stored stays
    #[arg(long)]
    stop: bool,
}

/// Type `protect`.
#[derive(Serialize)]
struct ProtectLine {
    #[serde(flatten)]
    source: SourceText,
    watched: bool,
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<bool>,
}

impl ProtectLine {
    fn new(source: SourceText, watched: bool) -> Self {
        Self {
            source,
            watched,
            service: None,
            command: None,
            stopped: None,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    if arguments.list {
        return super::status::list(context);
    }
    let listed = context.settings.config.protect.clone();
    let paths = match arguments.paths.as_slice() {
        [] => listed.filter(|listed| !listed.is_empty()).ok_or_else(|| {
            Failure::usage("what is to be protected is not said").hint(
                "recoup protect PATH...; or list it in the config file: protect = [\"/home/ann\"]",
            )
        })?,
        paths => paths.to_vec(),
    };
    let sources = paths.iter().map(|path| source(path, arguments.stop));
    let sources = sources.collect::<Result<Vec<_>>>()?;
    let mut exit = Exit::Ok;
    for source in &sources {
        let done = match arguments.stop {
            true => stop(source, context),
            false => protect(source, context),
        };
        match done {
            Ok(Exit::Ok) => {}
            Ok(other) => exit = other,
            // One that can't be protected does not keep the others from it.
            Err(failure) if failure.exit == Exit::Failed && sources.len() > 1 => {
                context.terminal.error(&failure.message);
                exit = Exit::Failed;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(exit)
}

/// The name of the source that was typed.
fn source(path: &Path, is_stop: bool) -> Result<Vec<u8>> {
    if let Some(address) = source_of(path)? {
        return Ok(address.to_string().into_bytes());
    }
    let root = match std::fs::canonicalize(path) {
        Ok(root) => root,
        // What is gone need not be watched on.
        Err(_) if is_stop => live::absolute(path)?,
        Err(error) => return Err(Failure::io(format!("protect {}", path.display()), &error)),
    };
    Ok(root.into_os_string().into_encoded_bytes())
}

fn protect(source: &[u8], context: &mut Context) -> Result<Exit> {
    let manager = service::manager();
    if manager != Manager::None {
        require_password_file(source, &context.settings)?;
    }
    let root = Path::new(OsStr::from_bytes(source));
    let exit = backup::run(&backup::Arguments::of(root), context)?;
    let name = SourceText::new(source);
    let state = &context.settings.directories.state;
    if Busy::try_take(state, &watched_lock(source))?.is_none() {
        let line = ProtectLine::new(name, true);
        context.sink.json("protect", &line)?;
        context.sink.report("Watched   already; nothing to do")?;
        return Ok(exit);
    }
    let arguments = watch_arguments(source, context)?;
    let program =
        std::env::current_exe().map_err(|error| Failure::io("find the program itself", &error))?;
    if manager == Manager::None {
        let words: Vec<String> = std::iter::once(program.display().to_string())
            .chain(arguments)
            .map(|word| text::shell_word(&word))
            .collect();
        let command = words.join(" ");
        context
            .sink
            .report("Watch     no service manager runs here; this watches as long as it runs:")?;
        context.sink.report(&format!("          {command}"))?;
        let line = ProtectLine {
            command: Some(command),
            ..ProtectLine::new(name, false)
        };
        context.sink.json("protect", &line)?;
        return Ok(exit);
    }
    let unit_name = service::unit_name(source);
    let unit = service::unit_text(manager, &program, &arguments, source);
    let path = service::install(manager, &config_home(), &unit_name, &unit)?;
    context.sink.report(&format!(
        "Watched   by the service {unit_name} ({})",
        path.display()
    ))?;
    let line = ProtectLine {
        service: Some(unit_name),
        ..ProtectLine::new(name, true)
    };
    context.sink.json("protect", &line)?;
    Ok(exit)
}

/// A service does not know the variables of whoever installs it, and a password has no place in its unit.
fn require_password_file(source: &[u8], settings: &Settings) -> Result<()> {
    let config = &settings.config;
    let needs_one = is_store(source) && config.etcd_user.is_some();
    if needs_one && config.etcd_password_file.is_none() {
        return Err(Failure::usage(
            "a service can't know the password of the etcd user: it stands in RECOUP_ETCD_PASSWORD only",
        )
        .hint("write it to a file that only you can read, and give --etcd-password-file"));
    }
    Ok(())
}

/// The command line of the watcher: with all that this one was told about repository, key and store.
fn watch_arguments(source: &[u8], context: &Context) -> Result<Vec<String>> {
    let settings = &context.settings;
    let mut words = vec![
        "watch".to_owned(),
        String::from_utf8_lossy(source).into_owned(),
    ];
    let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    if let Some(repo) = &settings.repo {
        match repo.contains("://") {
            true => option("repo", repo.clone()),
            false => option("repo", absolute(Path::new(repo))?),
        }
    }
    match &settings.secret {
        Some(SecretSource::KeyFile(path)) => option("key-file", absolute(path)?),
        Some(SecretSource::PasswordFile(path)) => option("password-file", absolute(path)?),
        _ => {}
    }
    if settings.config_file != settings.directories.config_file() {
        option("config", absolute(&settings.config_file)?);
    }
    let config = &settings.config;
    if is_store(source) {
        if let Some(user) = &config.etcd_user {
            option("etcd-user", user.clone());
        }
        for (name, path) in [
            ("etcd-password-file", &config.etcd_password_file),
            ("etcd-ca", &config.etcd_ca),
            ("etcd-cert", &config.etcd_cert),
            ("etcd-key", &config.etcd_key),
        ] {
            if let Some(path) = path {
                option(name, absolute(path)?);
            }
        }
    }
    Ok(words)
}

/// A service runs elsewhere.
fn absolute(path: &Path) -> Result<String> {
    Ok(live::absolute(path)?.display().to_string())
}

fn config_home() -> PathBuf {
    std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
        .unwrap_or_default()
}

fn stop(source: &[u8], context: &mut Context) -> Result<Exit> {
    let manager = service::manager();
    let name = service::unit_name(source);
    let removed = manager != Manager::None && service::remove(manager, &config_home(), &name)?;
    let state = &context.settings.directories.state;
    let runs = Busy::try_take(state, &watched_lock(source))?.is_none();
    let line = ProtectLine {
        stopped: Some(removed),
        ..ProtectLine::new(SourceText::new(source), runs)
    };
    context.sink.json("protect", &line)?;
    let shown = text::path(source);
    context.sink.report(&match (removed, runs) {
        (true, _) => format!("Stopped   {shown} is watched no more; everything stored stays"),
        (false, true) => {
            format!("Watched   {shown} by a `recoup watch` that somebody started: end that one")
        }
        (false, false) => format!("Nothing   {shown} was not watched"),
    })?;
    Ok(if runs { Exit::Failed } else { Exit::Ok })
}
