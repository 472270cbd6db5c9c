//! Getting at an etcd: its address as typed, the user, the certificates.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use etcd::{Address, Client, Identity, Login, Tls};
use zeroize::Zeroizing;

use crate::context::{self, Context};
use crate::exit::{Failure, Result};
use crate::names::store::source_of;
use crate::settings::Settings;

/// How to enter the etcd that the settings speak of.
pub(crate) fn settings(settings: &Settings) -> Result<etcd::Settings> {
    let config = &settings.config;
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| Failure::io(format!("read {}", path.display()), &error))
    };
    let login = match &config.etcd_user {
        Some(name) => Some(Login {
            name: name.clone(),
            password: password(settings)?,
        }),
        None => None,
    };
    let identity = match (&config.etcd_cert, &config.etcd_key) {
        (Some(certificate), Some(key)) => Some(Identity {
            certificate: read(certificate)?,
            key: Zeroizing::new(read(key)?),
        }),
        (None, None) => None,
        _ => {
            return Err(Failure::usage(
                "etcd-cert and etcd-key go together: one of them is missing",
            ));
        }
    };
    let tls = match &config.etcd_ca {
        Some(authority) => Some(Tls {
            authority: read(authority)?,
            identity,
            server_name: None,
        }),
        None if identity.is_some() => {
            return Err(
                Failure::usage("etcd-cert needs etcd-ca: who vouches for the server")
                    .hint("--etcd-ca, with the certificate of the cluster's authority"),
            );
        }
        None => None,
    };
    let usual = etcd::Settings::default();
    Ok(etcd::Settings {
        login,
        tls,
        patience: config.etcd_wait.map_or(usual.patience, Duration::from_secs),
        ..usual
    })
}

/// What the variable says; nothing when it is empty.
pub(crate) fn password_variable() -> Option<OsString> {
    std::env::var_os("RECOUP_ETCD_PASSWORD").filter(|password| !password.is_empty())
}

fn password(settings: &Settings) -> Result<Zeroizing<String>> {
    if let Some(password) = password_variable() {
        let text = password.into_string();
        let text = text.map_err(|_| Failure::usage("RECOUP_ETCD_PASSWORD is not UTF-8"))?;
        return Ok(Zeroizing::new(text));
    }
    let Some(path) = &settings.config.etcd_password_file else {
        return Err(Failure::usage("the password of the etcd user is not given")
            .hint("set RECOUP_ETCD_PASSWORD, or give --etcd-password-file"));
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::io(format!("read {}", path.display()), &error))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(
        text.lines().next().unwrap_or_default().to_owned(),
    ))
}

/// Connects to where an address says.
pub(crate) fn connect(address: &Address, context: &Context) -> Result<Client> {
    Ok(Client::connect(address, &settings(&context.settings)?)?)
}

/// Connects to a source by its name.
pub(crate) fn connect_source(source: &[u8], context: &Context) -> Result<Client> {
    connect(&address_of_source(source)?, context)
}

/// The address that is the name of a source.
pub(crate) fn address_of_source(source: &[u8]) -> Result<Address> {
    use std::os::unix::ffi::OsStrExt;
    let typed = OsStr::from_bytes(source);
    match source_of(typed)? {
        Some(address) => Ok(address),
        None => Err(Failure::usage(format!(
            "{} is no etcd",
            typed.to_string_lossy()
        ))),
    }
}

/// Of what a backup, an undo or a watcher is, and by whom.
pub(crate) fn options(
    address: &Address,
    tags: Vec<String>,
    context: &Context,
) -> keyspace::Options {
    keyspace::Options {
        source: address.to_string().into_bytes(),
        prefix: address.prefix().to_vec(),
        tags,
        host: context.host(),
        user: context::user(),
        program: context::PROGRAM.to_owned(),
        threads: context.settings.threads,
    }
}
