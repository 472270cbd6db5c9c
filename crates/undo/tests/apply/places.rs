//! Real file systems: each in an image of its own, where this user may mount one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory on some file system.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    mounted: bool,
    _temps: Vec<tempfile::TempDir>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.mounted {
            let _ = run(Command::new("umount").arg(&self.path));
        }
    }
}

/// Image sizes in MiB: the least that each will make.
const IMAGES: [(&str, u64, &[&str]); 3] = [
    ("ext4", 32, &["-q", "-F"]),
    ("xfs", 320, &["-q", "-f"]),
    ("btrfs", 120, &["-q", "-f"]),
];

/// Every file system that is to be had here. What is not prints why.
pub(crate) fn all() -> Vec<Place> {
    let temp = tempfile::tempdir().unwrap();
    let mut places = vec![Place {
        name: "the usual",
        path: temp.path().to_path_buf(),
        mounted: false,
        _temps: vec![temp],
    }];
    for (name, mib, options) in IMAGES {
        places.extend(said(name, image(name, mib, options)));
    }
    places.extend(said("tmpfs", memory()));
    places
}

/// A file system of its own in memory.
pub(crate) fn memory() -> Result<Place, String> {
    mount("tmpfs", |path| {
        run(Command::new("mount")
            .args(["-t", "tmpfs", "tmpfs"])
            .arg(path))
    })
}

fn said(name: &str, place: Result<Place, String>) -> Option<Place> {
    place.map_err(|why| println!("SKIP {name}: {why}")).ok()
}

fn image(name: &'static str, mib: u64, options: &[&str]) -> Result<Place, String> {
    let images = tempfile::tempdir().map_err(|error| error.to_string())?;
    let image = images.path().join(name);
    let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
    file.set_len(mib << 20).map_err(|error| error.to_string())?;
    run(Command::new(format!("mkfs.{name}"))
        .args(options)
        .arg(&image))?;
    let mut place = mount(name, |path| {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(path))
    })?;
    place._temps.push(images);
    Ok(place)
}

fn mount(name: &'static str, mount: impl Fn(&Path) -> Result<(), String>) -> Result<Place, String> {
    let temp = tempfile::tempdir().map_err(|error| error.to_string())?;
    mount(temp.path())?;
    let path = temp.path().to_path_buf();
    Ok(Place {
        name,
        path,
        mounted: true,
        _temps: vec![temp],
    })
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(said.lines().last().unwrap_or("it failed").to_string())
}
