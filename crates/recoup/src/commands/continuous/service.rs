//! Running `recoup watch` as a service of the system's service manager.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exit::{Failure, Result};
use crate::names::store::is_store;
use crate::output::text;

/// What manages services here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    /// systemd, for the whole machine.
    System,
    /// systemd, for this user.
    User,
    /// Nothing that is known.
    None,
}

/// Whether systemd runs: it says so with this directory (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

pub(super) fn manager() -> Manager {
    if !Path::new(BOOTED).is_dir() {
        return Manager::None;
    }
    if rustix::process::geteuid().is_root() {
        Manager::System
    } else {
        Manager::User
    }
}

/// The name of the unit for a source: readable, and different for different sources.
pub(super) fn unit_name(source: &[u8]) -> String {
    let readable: String = String::from_utf8_lossy(source)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let readable = readable.trim_matches('-');
    let readable: String = readable.chars().take(60).collect();
    let hash = blake3::hash(source).to_hex();
    format!("recoup-watch-{readable}-{}.service", &hash[..8])
}

/// The text of the unit. Watching needs to see who changes what, and to read everything: it is not
/// sandboxed away from the file system, but gains no new privileges: not for a user, though, whose mail
/// program (`on-incident`) may need its own group to hand a mail over, as that of Postfix does.
pub(super) fn unit_text(
    manager: Manager,
    program: &Path,
    arguments: &[String],
    source: &[u8],
) -> String {
    let words: Vec<String> = std::iter::once(program.display().to_string())
        .chain(arguments.iter().cloned())
        .map(|word| quoted(&word))
        .collect();
    let shown = String::from_utf8_lossy(source);
    let needs = match is_store(source) {
        // On this machine or on another one; without either it is tried again.
        true => "Wants=network-online.target\nAfter=network-online.target etcd.service".to_owned(),
        false => format!("RequiresMountsFor={}", quoted(&shown)),
    };
    let privileges = match manager {
        Manager::System => "NoNewPrivileges=yes\n",
        Manager::User | Manager::None => "",
    };
    format!(
        "[Unit]\n\
         Description=Recoup watches {}\n\
         {needs}\n\
         \n\
         [Service]\n\
         ExecStart={}\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         {privileges}\
         \n\
         [Install]\n\
         WantedBy=default.target multi-user.target\n",
        text::path(source).replace('%', "%%"),
        words.join(" ")
    )
}

/// A word of a unit file: systemd splits at blanks and expands percent signs and dollars.
fn quoted(word: &str) -> String {
    let escaped = word
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    format!("\"{escaped}\"")
}

fn directory(manager: Manager, config_home: &Path) -> PathBuf {
    match manager {
        Manager::System => PathBuf::from("/etc/systemd/system"),
        _ => config_home.join("systemd/user"),
    }
}

/// Writes the unit and starts it.
pub(super) fn install(
    manager: Manager,
    config_home: &Path,
    name: &str,
    text: &str,
) -> Result<PathBuf> {
    let directory = directory(manager, config_home);
    let path = directory.join(name);
    let failed = |error: &std::io::Error| Failure::io(format!("write {}", path.display()), error);
    std::fs::create_dir_all(&directory).map_err(|error| failed(&error))?;
    std::fs::write(&path, text).map_err(|error| failed(&error))?;
    control(manager, &["daemon-reload"])?;
    control(manager, &["enable", "--now", name])?;
    Ok(path)
}

/// Stops the unit and removes it; `false` if there was none.
pub(super) fn remove(manager: Manager, config_home: &Path, name: &str) -> Result<bool> {
    let path = directory(manager, config_home).join(name);
    if !path.exists() {
        return Ok(false);
    }
    control(manager, &["disable", "--now", name])?;
    std::fs::remove_file(&path)
        .map_err(|error| Failure::io(format!("remove {}", path.display()), &error))?;
    control(manager, &["daemon-reload"])?;
    Ok(true)
}

fn control(manager: Manager, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("systemctl");
    if manager == Manager::User {
        command.arg("--user");
    }
    let output = command
        .args(arguments)
        .output()
        .map_err(|error| Failure::io("run systemctl", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::failed(format!(
        "run systemctl {}: {said}",
        arguments.join(" ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_named_and_quoted() {
        let one = unit_name(b"/home/ann/my work");
        assert!(one.starts_with("recoup-watch-home-ann-my-work-"), "{one}");
        assert_ne!(one, unit_name(b"/home/ann/my-work"));
        let text = |manager| {
            unit_text(
                manager,
                Path::new("/usr/bin/recoup"),
                &["watch".to_owned(), "/srv/100% $x".to_owned()],
                b"/srv/100% $x",
            )
        };
        let has_none = |manager| text(manager).contains("RestartSec=5\nNoNewPrivileges=yes\n\n");
        assert!(has_none(Manager::System) && !has_none(Manager::User));
        let text = text(Manager::System);
        assert!(
            text.contains(r#"ExecStart="/usr/bin/recoup" "watch" "/srv/100%% $$x""#),
            "{text}"
        );
        assert!(text.contains("\nRequiresMountsFor=\"/srv/"), "{text}");
        let text = unit_text(
            Manager::System,
            Path::new("/usr/bin/recoup"),
            &[],
            b"etcd://h:2379/a%20b",
        );
        assert!(
            !text.contains("RequiresMountsFor") && text.contains("network-online"),
            "{text}"
        );
        assert!(
            text.contains("watches etcd://h:2379/a%%20b\n"),
            "a percent sign is one: {text}"
        );
    }
}
