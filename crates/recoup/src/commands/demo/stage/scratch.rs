//! The scratch directory: a tree, a repository and a home of their own. Nothing outside is touched, but
//! for the work directory of undo on the same file system, which goes with it.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use undo::apply;

use crate::exit::{Failure, Result};
use crate::output::text;

/// Threads that remove: they mostly wait.
const REMOVERS: usize = 16;

/// Removed when it is dropped, unless it is kept.
#[derive(Debug)]
pub(in crate::commands::demo) struct Scratch {
    path: PathBuf,
    keep: bool,
    /// The repository's id, when there is one: undo's work directories carry its first digits.
    repository: Option<String>,
}

impl Scratch {
    /// Makes one where temporary things go.
    pub(in crate::commands::demo) fn new(keep: bool) -> Result<Self> {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::failed(format!("choose a name: {error}")))?;
        let name = format!("recoup-demo-{:08x}", u32::from_ne_bytes(bytes));
        let place = std::env::temp_dir();
        let failed = |error| Failure::io(format!("make {name} in {}", place.display()), &error);
        let place = place.canonicalize().map_err(failed)?;
        let path = place.join(&name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let scratch = Self {
            path,
            keep,
            repository: None,
        };
        scratch.make(&scratch.home())?;
        Ok(scratch)
    }

    /// Makes a directory in it.
    pub(in crate::commands::demo) fn make(&self, inner: &Path) -> Result<()> {
        std::fs::create_dir(inner)
            .map_err(|error| Failure::io(format!("make {}", inner.display()), &error))
    }

    pub(in crate::commands::demo) fn path(&self) -> &Path {
        &self.path
    }

    /// The tree that is protected.
    pub(in crate::commands::demo) fn tree(&self) -> PathBuf {
        self.path.join("fleet")
    }

    /// Where the control plane prepares files: outside of the tree, on its file system.
    pub(in crate::commands::demo) fn temporary(&self) -> PathBuf {
        self.path.join("control-plane")
    }

    /// What the job logs that it touched.
    pub(in crate::commands::demo) fn log(&self) -> PathBuf {
        self.path.join("job.log")
    }

    fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    /// The wrapper that runs the program with this environment.
    pub(in crate::commands::demo) fn wrapper(&self) -> PathBuf {
        self.path.join("recoup")
    }

    /// The environment in which the program knows nothing of the user's. The first backup makes key and
    /// repository there, as it would in the user's own home.
    pub(in crate::commands::demo) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let home = self.home();
        vec![
            ("HOME", home.clone().into()),
            ("XDG_CONFIG_HOME", home.join("config").into()),
            ("XDG_DATA_HOME", home.join("data").into()),
            ("XDG_STATE_HOME", home.join("state").into()),
            ("XDG_CACHE_HOME", home.join("cache").into()),
        ]
    }

    pub(in crate::commands::demo) fn know_repository(&mut self, id: &str) {
        self.repository = Some(id.to_owned());
    }

    /// Writes the wrapper: what is kept is to be played with.
    pub(in crate::commands::demo) fn write_wrapper(&self, program: &Path) -> Result<()> {
        use std::io::Write;
        let mut script = String::from(
            "#!/bin/sh\n# Recoup, on what the demo has left; it knows nothing of your own.\n\
             exec env -i PATH=\"$PATH\" TERM=\"$TERM\" \\\n",
        );
        for (name, value) in self.environment() {
            script.push_str(&format!(
                "  {name}={} \\\n",
                text::shell_word(&value.to_string_lossy())
            ));
        }
        script.push_str(&format!(
            "  {} \"$@\"\n",
            text::shell_word(&program.to_string_lossy())
        ));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o700);
        options
            .open(self.wrapper())
            .and_then(|mut file| file.write_all(script.as_bytes()))
            .map_err(|error| Failure::io("write a script to play with", &error))
    }

    /// The work directories of undos in this tree, which hold what was displaced, as a shell names them.
    pub(in crate::commands::demo) fn work_directories(&self) -> Option<String> {
        let work = self.works().pop()?;
        let (short, _) = work.name.split_once('-')?;
        let place = work.path.parent()?;
        Some(format!("{}/{short}-*", place.display()))
    }

    fn works(&self) -> Vec<apply::OldWork> {
        let Some(id) = &self.repository else {
            return Vec::new();
        };
        let mut works = apply::Work::list(&self.tree()).unwrap_or_default();
        works.retain(|work| {
            let short = work.name.split_once('-').map(|(short, _)| short);
            short.is_some_and(|short| !short.is_empty() && id.starts_with(short))
        });
        works
    }

    fn remove(&self) -> std::io::Result<()> {
        for work in self.works() {
            for part in std::fs::read_dir(&work.path)? {
                let part = part?;
                match part.file_type()?.is_dir() {
                    true => remove_all(&part.path())?,
                    false => std::fs::remove_file(part.path())?,
                }
            }
            // The directory above may be of use to others: its owner decides.
            let place = work.path.parent().and_then(Path::parent);
            let emptied = place.map(|place| apply::Work::open_in(place, &work.name));
            if let Some(Ok(Some(emptied))) = emptied {
                emptied
                    .remove_when_empty()
                    .map_err(|error| std::io::Error::other(error.to_string()))?;
            }
        }
        remove_all(&self.path)
    }

    /// Removes everything, if it is not to be kept.
    pub(in crate::commands::demo) fn finish(mut self) -> Result<()> {
        if std::mem::replace(&mut self.keep, true) {
            return Ok(());
        }
        self.remove()
            .map_err(|error| Failure::io(format!("remove {}", self.path.display()), &error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After a failure: that one is told of, not what follows from it.
        if !self.keep {
            let _ = self.remove();
        }
    }
}

/// Removes a directory of very many files, several at a time: where each removal waits for the disk, as
/// with the mount option `discard` of ext4, one thread took minutes for what these do in seconds.
fn remove_all(path: &Path) -> std::io::Result<()> {
    let mut directories = vec![path.to_owned()];
    let mut next = 0;
    while let Some(directory) = directories.get(next) {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            }
        }
        next += 1;
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = || {
            while let Some(directory) = directories.get(next.fetch_add(1, Ordering::Relaxed)) {
                remove_files(directory)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..REMOVERS).map(|_| scope.spawn(work)).collect();
        let broke_off = |_| Err(std::io::Error::other("a thread of the demo broke off"));
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(broke_off))
    })?;
    std::fs::remove_dir_all(path)
}

fn remove_files(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
