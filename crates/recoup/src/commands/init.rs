//! `recoup init`.

use clap::Args;

use crate::access::first_use::{self, Request};
use crate::access::{open, secret};
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::settings::SecretSource;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where: a directory that is empty or not there yet
    #[arg(value_name = "PATH")]
    place: Option<String>,
    /// Ask for a password; without one from anywhere, a key file is made
    #[arg(long)]
    ask_password: bool,
    /// Make no recovery code
    #[arg(long)]
    no_recovery_code: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let path = match &arguments.place {
        Some(place) => open::path_of(place)?,
        None => open::location(&context.settings)?.path,
    };
    let (secret, key_file) = match &context.settings.secret {
        _ if arguments.ask_password => (Some(secret::ask_new()?), None),
        Some(SecretSource::KeyFile(path)) => (None, Some(path.clone())),
        Some(source) => (Some(secret::fetch(source)?), None),
        None => (None, None),
    };
    let request = Request {
        path,
        secret,
        key_file,
        recovery_code: !arguments.no_recovery_code,
        label: context.host(),
    };
    let place = request.path.display().to_string();
    let found_by_itself = open::location(&context.settings)?.path == request.path;
    let created = first_use::create(&context.settings, request)?;
    created.tell(&mut context.sink, &context.terminal)?;
    if !found_by_itself && !context.sink.is_json() {
        context.terminal.note(&format!(
            "Use it with --repo {place}, with RECOUP_REPO, or with `repo = \"{place}\"` in {}",
            context.settings.config_file.display()
        ));
    }
    Ok(Exit::Ok)
}
