//! `recoup protect`: one command from nothing to continuous protection.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::service::{self, Manager};
use super::watched_lock;
use crate::access::busy::Busy;
use crate::commands::backup;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory
    #[arg(value_name = "PATH", required_unless_present = "list")]
    path: Option<PathBuf>,
    /// List what is protected
    #[arg(long)]
    list: bool,
    /// End the protection of the directory; what is stored stays
    #[arg(long)]
    stop: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let Some(path) = arguments.path.as_ref().filter(|_| !arguments.list) else {
        return super::status::list(context);
    };
    let root = std::fs::canonicalize(path)
        .map_err(|error| Failure::io(format!("protect {}", path.display()), &error))?;
    if arguments.stop {
        return stop(&root, context);
    }
    let exit = backup::run(&backup::Arguments::of(&root), context)?;
    let source = root.as_os_str().as_bytes();
    let state = &context.settings.directories.state;
    if Busy::try_take(state, &watched_lock(source))?.is_none() {
        let line = json!({ "watched": true, "service": null });
        context.sink.json("protect", &line)?;
        context.sink.report("Watched   already; nothing to do")?;
        return Ok(exit);
    }
    let arguments = watch_arguments(&root, context);
    let program =
        std::env::current_exe().map_err(|error| Failure::io("find the program itself", &error))?;
    let manager = service::manager();
    if manager == Manager::None {
        let words: Vec<String> = std::iter::once(program.display().to_string())
            .chain(arguments)
            .map(|word| text::shell_word(&word))
            .collect();
        let command = words.join(" ");
        let line = json!({ "watched": false, "service": null, "command": command });
        context.sink.json("protect", &line)?;
        context
            .sink
            .report("Watch     no service manager runs here; this watches as long as it runs:")?;
        context.sink.report(&format!("          {command}"))?;
        return Ok(exit);
    }
    let name = service::unit_name(source);
    let unit = service::unit_text(manager, &program, &arguments, &root);
    let path = service::install(manager, &config_home(), &name, &unit)?;
    let line = json!({ "watched": true, "service": name });
    context.sink.json("protect", &line)?;
    context.sink.report(&format!(
        "Watched   by the service {name} ({})",
        path.display()
    ))?;
    Ok(exit)
}

/// The command line of the watcher: with all that this one was told about repository and key.
fn watch_arguments(root: &Path, context: &Context) -> Vec<String> {
    let settings = &context.settings;
    let mut words = vec!["watch".to_owned(), root.display().to_string()];
    if let Some(repo) = &settings.repo {
        words.extend(["--repo".to_owned(), repo.clone()]);
    }
    match &settings.secret {
        Some(crate::settings::SecretSource::KeyFile(path)) => {
            words.extend(["--key-file".to_owned(), path.display().to_string()]);
        }
        Some(crate::settings::SecretSource::PasswordFile(path)) => {
            words.extend(["--password-file".to_owned(), path.display().to_string()]);
        }
        _ => {}
    }
    words
}

fn config_home() -> PathBuf {
    std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
        .unwrap_or_default()
}

fn stop(root: &Path, context: &mut Context) -> Result<Exit> {
    let source = root.as_os_str().as_bytes();
    let manager = service::manager();
    let name = service::unit_name(source);
    let removed = manager != Manager::None && service::remove(manager, &config_home(), &name)?;
    let state = &context.settings.directories.state;
    let runs = Busy::try_take(state, &watched_lock(source))?.is_none();
    let line = json!({ "stopped": removed, "watched": runs });
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
