//! `recoup key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use codec::{Secret, recovery};
use format::Role;
use model::KeyId;
use repository::{KeyInfo, NewKey, keys};
use serde_json::json;

use crate::access::open::Opened;
use crate::access::secret::{self, Given, OsEntropy};
use crate::context::{self, Context};
use crate::exit::{self, Exit, Failure, Result};
use crate::output::table::{Align, Table};
use crate::output::text;
use crate::settings::SecretSource;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the keys
    List,
    /// Add a password, a key file or a recovery code
    Add(Add),
    /// Remove a key
    Remove {
        /// The first digits of its id
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Add a recovery code and show it, once
    RecoveryCode {
        /// What to call it
        #[arg(long, default_value = "")]
        label: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// A key that backs up, but can't read what is stored
    #[arg(long)]
    write_only: bool,
    /// What to call it
    #[arg(long, default_value = "")]
    label: String,
    /// The new password is the first line of this file; without any of these, it is asked for
    #[arg(long, value_name = "FILE", group = "new")]
    new_password_file: Option<PathBuf>,
    /// The new key is in this file, which is made when it is not there
    #[arg(long, value_name = "FILE", group = "new")]
    new_key_file: Option<PathBuf>,
    /// A recovery code, shown once
    #[arg(long, group = "new")]
    recovery_code: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open()?;
    match &arguments.what {
        What::List => list(&opened, context),
        What::Add(add) => {
            let role = if add.write_only {
                Role::WriteOnly
            } else {
                Role::Full
            };
            let (given, code) = new_secret(add)?;
            store(&opened, &given, code, role, &add.label, context)
        }
        What::Remove { id } => remove(&opened, id, context),
        What::RecoveryCode { label } => {
            let (given, code) = new_code();
            store(&opened, &given, code, Role::Full, label, context)
        }
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Full => "full",
        Role::WriteOnly => "write-only",
    }
}

fn list(opened: &Opened, context: &mut Context) -> Result<Exit> {
    let (keys, damaged) = keys::list(opened.repository.storage())?;
    for error in &damaged {
        let message = format!("failed to {}", exit::chain(error));
        context
            .sink
            .json("damaged", &json!({ "message": message }))?;
        context.terminal.warn(&message);
    }
    let mut memory = opened.memory(&context.settings);
    memory.saw_keys(keys.iter().map(|info| info.id));
    memory.save()?;
    let mut table = Table::new(&[
        ("id", Align::Left),
        ("can", Align::Left),
        ("kind", Align::Left),
        ("made", Align::Left),
        ("label", Align::Left),
        ("", Align::Left),
    ]);
    for KeyInfo { id, key } in &keys {
        let used = *id == opened.key;
        let line = json!({
            "id": id.to_hex(),
            "role": word(key.role),
            "kind": key.kind,
            "label": key.label,
            "created": key.created,
            "current": used,
        });
        context.sink.json("key", &line)?;
        let made: Option<jiff::Timestamp> = key.created.parse().ok();
        table.row([
            id.short(),
            match key.role {
                Role::Full => "read and write".to_owned(),
                Role::WriteOnly => "only back up".to_owned(),
            },
            text::path(key.kind.as_bytes()),
            made.map_or_else(
                || text::path(key.created.as_bytes()),
                |made| text::local(text::timestamp(made)),
            ),
            text::path(key.label.as_bytes()),
            if used {
                "in use now".to_owned()
            } else {
                String::new()
            },
        ]);
    }
    table
        .lines()
        .try_for_each(|line| context.sink.line(&line))?;
    context.sink.json_count(keys.len() as u64)?;
    if damaged.is_empty() {
        return Ok(Exit::Ok);
    }
    let count = text::counted(damaged.len() as u64, "key is", "keys are");
    context.terminal.warn(&format!(
        "{count} damaged and can't be used; those listed still open the repository"
    ));
    Ok(Exit::RepositoryDamaged)
}

/// The secret of a new key, and its recovery code if it is one.
fn new_secret(add: &Add) -> Result<(Given, Option<String>)> {
    if add.recovery_code {
        return Ok(new_code());
    }
    if let Some(path) = &add.new_password_file {
        let source = SecretSource::PasswordFile(path.clone());
        return Ok((secret::fetch(&source)?, None));
    }
    if let Some(path) = &add.new_key_file {
        if !path.exists() {
            secret::write_key_file(path, &secret::random(), "Recoup key")?;
        }
        let source = SecretSource::KeyFile(path.clone());
        return Ok((secret::fetch(&source)?, None));
    }
    if !secret::can_ask() {
        return Err(
            Failure::usage("which key? Nobody is here to type a password")
                .hint("use --new-password-file, --new-key-file or --recovery-code"),
        );
    }
    Ok((secret::ask_new()?, None))
}

fn new_code() -> (Given, Option<String>) {
    let raw = secret::random();
    let code = recovery::format(&raw).to_string();
    let given = Given {
        secret: Secret::Raw(raw),
        kind: "recovery-code",
    };
    (given, Some(code))
}

fn store(
    opened: &Opened,
    given: &Given,
    code: Option<String>,
    role: Role,
    label: &str,
    context: &mut Context,
) -> Result<Exit> {
    let key = NewKey {
        role,
        kind: given.kind.to_owned(),
        label: label.to_owned(),
        created: text::rfc3339(context::timestamp()),
    };
    let repository = &opened.repository;
    let id = keys::add_slot(
        repository.storage(),
        repository.keyset(),
        &given.secret,
        &key,
        &OsEntropy,
    )?;
    let mut memory = opened.memory(&context.settings);
    memory.saw_keys([id]);
    memory.save()?;
    let summary = json!({
        "id": id.to_hex(),
        "role": word(role),
        "kind": key.kind,
        "label": label,
        "recovery_code": code,
    });
    context.sink.json("summary", &summary)?;
    context.sink.line(&format!(
        "Added key {} ({}, {})",
        id.short(),
        word(role),
        key.kind
    ))?;
    if let Some(code) = code {
        context.sink.line(&format!(
            "Recovery code, shown only now:\n\n{code}\n\nPrint it or write it down, and keep it in another place."
        ))?;
    }
    Ok(Exit::Ok)
}

fn remove(opened: &Opened, digits: &str, context: &mut Context) -> Result<Exit> {
    let id = find(opened, digits)?;
    keys::remove_slot(opened.repository.storage(), id)?;
    let mut memory = opened.memory(&context.settings);
    memory.forget_key(id);
    memory.save()?;
    context
        .sink
        .json("summary", &json!({ "id": id.to_hex() }))?;
    context
        .sink
        .report(&format!("Removed key {}", id.short()))?;
    context.terminal.note(
        "Who has copied the key and the repository before can still read what was stored until now.",
    );
    Ok(Exit::Ok)
}

fn find(opened: &Opened, digits: &str) -> Result<KeyId> {
    let digits = digits.to_ascii_lowercase();
    let names = opened.repository.storage().list(storage::ObjectKind::Key)?;
    let mut matching = names.into_iter().filter_map(|(name, _)| match name {
        storage::ObjectName::Key(id) if id.to_hex().starts_with(&digits) => Some(id),
        _ => None,
    });
    match (matching.next(), matching.next()) {
        (Some(id), None) if digits.len() >= 4 => Ok(id),
        (Some(_), _) => Err(Failure::failed(format!(
            "find key {digits}: type more digits"
        ))),
        (None, _) => Err(
            Failure::failed(format!("find key {digits}: there is no such key"))
                .hint("`recoup key list` shows them"),
        ),
    }
}
