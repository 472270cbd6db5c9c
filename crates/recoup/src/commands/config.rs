//! `recoup config`.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::access::open;
use crate::exit::{Exit, Result};
use crate::output::sink::Sink;
use crate::settings::config::{KEYS, variable};
use crate::settings::directories::Directories;
use crate::settings::on_incident::Telling;
use crate::settings::{Global, SecretSource, Settings};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check the config file
    Check,
    /// Show where the config file is, or would be
    Path,
    /// Show what holds, and where it was said
    Show,
    /// List every setting, with the variable that overrides it
    Settings,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit> {
    let mut sink = Sink::new(global.json, false);
    match arguments.what {
        What::Path => {
            let usual = Directories::of_user()?.config_file();
            let path = global.config.clone().unwrap_or(usual);
            sink.json("config", &json!({ "path": path.to_string_lossy() }))?;
            sink.line(&path.to_string_lossy())?;
        }
        What::Check => {
            let settings = Settings::resolve(global)?;
            open::location(&settings)?;
            let path = settings.config_file;
            let exists = path.exists();
            let line = json!({ "path": path.to_string_lossy(), "exists": exists, "ok": true });
            sink.json("summary", &line)?;
            let state = if exists {
                "ok"
            } else {
                "not there: the usual settings hold"
            };
            sink.line(&format!("{}: {state}", path.display()))?;
        }
        What::Show => show(&Settings::resolve(global)?, &mut sink)?,
        What::Settings => {
            for (key, _) in KEYS {
                let variable = variable(key);
                sink.json("setting", &json!({ "name": key, "variable": variable }))?;
                sink.line(&format!("{key:<20}  {variable}"))?;
            }
        }
    }
    sink.flush()?;
    Ok(Exit::Ok)
}

fn show(settings: &Settings, sink: &mut Sink) -> Result<()> {
    let repository = open::location(settings)?.path;
    let secret = settings.secret.as_ref().map_or_else(
        || {
            format!(
                "key file in {}, or asked for",
                settings.directories.keys().display()
            )
        },
        SecretSource::describe,
    );
    let cache = settings
        .cache
        .as_ref()
        .map(|path| path.to_string_lossy().into_owned());
    let config = &settings.config;
    let protect = config.protect.iter().flatten();
    let protect: Vec<String> = protect
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let told: Vec<String> = config.tellings().iter().map(Telling::describe).collect();
    let line = json!({
        "config_file": settings.config_file.to_string_lossy(),
        "repo": repository.to_string_lossy(),
        "repo_from": settings.repo_from,
        "secret": secret,
        "threads": settings.threads,
        "cache": cache,
        "exclude": list(&config.exclude),
        "exclude_caches": config.exclude_caches.unwrap_or(false),
        "exclude_if_present": list(&config.exclude_if_present),
        "exclude_larger_than": config.exclude_larger_than,
        "one_file_system": config.one_file_system.unwrap_or(false),
        "host": config.host,
        "tag": list(&config.tag),
        "etcd_user": config.etcd_user,
        "protect": protect,
        "on_incident": told,
    });
    sink.json("config", &line)?;
    let state = if settings.config_file.exists() {
        ""
    } else {
        " (not there)"
    };
    sink.line(&format!(
        "config file  {}{state}",
        settings.config_file.display()
    ))?;
    sink.line(&format!(
        "repo         {} ({})",
        repository.display(),
        settings.repo_from
    ))?;
    sink.line(&format!("secret       {secret}"))?;
    sink.line(&format!("threads      {}", settings.threads))?;
    sink.line(&format!(
        "cache        {}",
        cache.unwrap_or_else(|| "none".to_owned())
    ))?;
    sink.line(&format!(
        "exclude      {}",
        list(&config.exclude).join(", ")
    ))?;
    sink.line(&format!("protect      {}", protect.join(", ")))?;
    sink.line(&format!("on-incident  {}", told.join(", ")))
}
