//! The repository of a command that stores: opened, or made on first use.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::access::first_use::{self, Request};
use crate::access::open::{self, Location, Opened};
use crate::access::secret;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::text;
use crate::settings::SecretSource;

/// Nobody named a repository and there is none: first use makes it.
pub(super) fn is_unmade(location: &Location) -> bool {
    location.usual
        && std::fs::read_dir(&location.path).map_or(true, |mut entries| entries.next().is_none())
}

/// Opens the repository; one that nobody named and that is not there is made.
pub(super) fn open_or_make(location: Location, context: &mut Context) -> Result<(Opened, bool)> {
    let mut is_new = is_unmade(&location);
    let usual = location.usual;
    if is_new {
        let (secret, key_file) = match &context.settings.secret {
            Some(SecretSource::KeyFile(path)) => (None, Some(path.clone())),
            Some(source) => (Some(secret::fetch(source)?), None),
            None => (None, None),
        };
        let request = Request {
            path: location.path,
            secret,
            key_file,
            recovery_code: true,
            label: context.host(),
        };
        match first_use::create_unless_there(&context.settings, request)? {
            Some(created) => created.tell(&mut context.sink, &context.terminal)?,
            None => is_new = false,
        }
    }
    if !is_new && usual {
        return Ok((open_being_made(context)?, false));
    }
    Ok((context.open()?, is_new))
}

/// Opens a repository that another backup may be making now: the config is there last, and only then is
/// the key file named after it.
fn open_being_made(context: &Context) -> Result<Opened> {
    const WAIT: Duration = Duration::from_secs(2);
    const PAUSE: Duration = Duration::from_millis(50);
    let started = Instant::now();
    loop {
        match context.open() {
            Err(failure)
                if failure.exit == Exit::NoRepository
                    && started.elapsed() < WAIT
                    && first_use::is_recent(&open::location(&context.settings)?.path) =>
            {
                std::thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
}

/// The repository itself is no source: what was backed up would change while it is read.
pub(super) fn refuse_repository(root: &Path, repository: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let Ok(place) = std::fs::metadata(repository) else {
        return Ok(());
    };
    // By identity: it is found under another name, too.
    let is_it = |path: &Path| {
        std::fs::metadata(path)
            .is_ok_and(|other| (other.dev(), other.ino()) == (place.dev(), place.ino()))
    };
    if !root.ancestors().any(is_it) {
        return Ok(());
    }
    let root = text::path(root.as_os_str().as_bytes());
    let message = format!(
        "{root} is the repository, or lies inside it: a repository does not back itself up"
    );
    Err(Failure::usage(message)
        .hint("to have it twice, copy it, or back up the same paths with another --repo"))
}
