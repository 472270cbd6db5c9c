//! Secrets: passwords, key files, recovery codes.

use std::io::IsTerminal;
use std::path::Path;

use codec::{Secret, recovery};
use model::Entropy;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure, Result};
use crate::settings::SecretSource;
use crate::settings::directories::make_private;

/// Longest key file or password that is read.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Bytes from the operating system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }
}

/// A secret and the word for its kind that a key slot remembers.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) secret: Secret,
    pub(crate) kind: &'static str,
}

/// Fetches the secret from where it is said to be.
pub(crate) fn fetch(source: &SecretSource) -> Result<Given> {
    match source {
        SecretSource::Password(text) => Ok(from_text(text.as_str())),
        SecretSource::PasswordFile(path) => Ok(from_text(first_line(
            &read_file(path)?,
            &source.describe(),
        )?)),
        SecretSource::PasswordCommand(command) => {
            Ok(from_text(first_line(&run(command)?, &source.describe())?))
        }
        SecretSource::KeyFile(path) => Ok(Given {
            secret: Secret::Raw(read_key_file(path)?),
            kind: "key-file",
        }),
    }
}

/// What a person typed or stored: a recovery code, or else a password.
pub(crate) fn from_text(text: &str) -> Given {
    match recovery::parse(text) {
        Ok(code) => Given {
            secret: Secret::Raw(code),
            kind: "recovery-code",
        },
        Err(_) => Given {
            secret: Secret::Password(Zeroizing::new(text.to_owned())),
            kind: "password",
        },
    }
}

/// Whether there is somebody to ask for a password.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a secret on the terminal.
pub(crate) fn ask(prompt: &str) -> Result<Given> {
    Ok(from_text(&ask_text(prompt)?))
}

/// Asks for a new password, twice.
pub(crate) fn ask_new() -> Result<Given> {
    let first = ask_text("New password: ")?;
    let second = ask_text("Again: ")?;
    if *first != *second {
        return Err(Failure::failed("set the password: the two differ"));
    }
    Ok(Given {
        secret: Secret::Password(first),
        kind: "password",
    })
}

fn ask_text(prompt: &str) -> Result<Zeroizing<String>> {
    let text = rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| Failure::io("ask for the password", &error))?;
    if text.is_empty() {
        return Err(Failure::new(
            Exit::WrongKey,
            "open the repository: no password was given",
        ));
    }
    Ok(text)
}

/// 256 random bits.
pub(crate) fn random() -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    OsEntropy.fill(secret.as_mut_slice());
    secret
}

/// Reads a key file: comments, and a recovery code.
pub(crate) fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>> {
    let text = read_file(path)?;
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let code = Zeroizing::new(lines.collect::<Vec<_>>().join(" "));
    if let Some(bytes) = format::config::from_hex(code.trim()).map(Zeroizing::new)
        && let Ok(secret) = <[u8; 32]>::try_from(bytes.as_slice())
    {
        return Ok(Zeroizing::new(secret));
    }
    recovery::parse(&code).map_err(|error| {
        Failure::new(
            Exit::WrongKey,
            format!("read key file {}: {error}", path.display()),
        )
    })
}

/// Makes a key file that only its owner can read, durably; the name must be free.
pub(crate) fn write_key_file(path: &Path, secret: &[u8; 32], comment: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    make_private(folder)?;
    let code = recovery::format(secret);
    let text = Zeroizing::new(format!(
        "# {comment}\n# Whoever has this file can read the repository. Keep a copy elsewhere.\n{}\n",
        code.as_str()
    ));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::File::open(folder)?.sync_all()
        })
        .map_err(|error| Failure::io(format!("write key file {}", path.display()), &error))
}

fn read_file(path: &Path) -> Result<Zeroizing<String>> {
    use std::io::Read;
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| {
            Failure::new(Exit::WrongKey, format!("read {}: {error}", path.display()))
        })?;
    Ok(text)
}

fn first_line<'a>(text: &'a str, from: &str) -> Result<&'a str> {
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line),
        _ => Err(Failure::new(
            Exit::WrongKey,
            format!("open the repository: the {from} gave no password"),
        )),
    }
}

fn run(command: &str) -> Result<Zeroizing<String>> {
    let failed =
        |why: String| Failure::new(Exit::WrongKey, format!("run the password command: {why}"));
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", command])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("{command}: {}", output.status)));
    }
    String::from_utf8(output.stdout)
        .map(Zeroizing::new)
        .map_err(|_| failed("its output is not text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_round_trip_and_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/a.key");
        let secret = random();
        write_key_file(&path, &secret, "a key").unwrap();
        assert_eq!(*read_key_file(&path).unwrap(), *secret);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_key_file(&path, &secret, "again").is_err());
        std::fs::write(&path, format::config::to_hex(secret.as_slice())).unwrap();
        assert_eq!(*read_key_file(&path).unwrap(), *secret);
    }

    #[test]
    fn a_recovery_code_is_taken_for_one() {
        let code = recovery::format(&[7; 32]);
        assert_eq!(from_text(&code.to_lowercase()).kind, "recovery-code");
        assert_eq!(from_text("correct horse").kind, "password");
    }
}
