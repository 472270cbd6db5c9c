//! The data that every tool is measured on: made once, the same everywhere, kept in the data folder.
//!
//! Layout: `download/` Debian packages, `small/` their content, `big/disk.img`, `media/`, each with a
//! `NAME.json` beside it that says what it is. A set without its `NAME.json` is made again.

use super::random::Random;
use super::run::call;
use super::tree::{self, Count};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian packages of sources and documentation, as patterns: the newest that the release has is taken.
const PACKAGES: [&str; 6] = [
    "^linux-source-[0-9.]+$",
    "^gcc-[0-9]+-source$",
    "^golang-[0-9.]+-src$",
    "^rust-doc$",
    "^python3[.][0-9]+-doc$",
    "^libboost1[.][0-9]+-dev$",
];
const PACKAGES_QUICK: [&str; 2] = ["^golang-[0-9.]+-src$", "^libboost1[.][0-9]+-dev$"];
/// 85,000 files of the compiler's own tests: without them the tree has about 180,000 files, near to what
/// other measurements of these tools used.
const LEFT_OUT: &str = "--exclude=gcc-*/gcc/testsuite";
/// What the file system of the image is filled with: about 62 % of 4 GiB.
const IMAGE_CONTENT: [&str; 4] = ["linux-source", "gcc-", "libboost", "python3"];
const IMAGE_CONTENT_QUICK: [&str; 1] = ["golang-"];
/// Any fixed value: the image must not differ from machine to machine.
const IMAGE_UUID: &str = "4ec0ffee-0000-4000-8000-000000000001";
const GIB: u64 = 1 << 30;

pub(crate) struct Data {
    root: PathBuf,
    quick: bool,
}

impl Data {
    pub(crate) fn open(folder: &Path, quick: bool) -> Result<Self> {
        let root = if quick {
            folder.join("quick")
        } else {
            folder.to_owned()
        };
        fs::create_dir_all(root.join("download"))?;
        Ok(Self {
            root: root.canonicalize()?,
            quick,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Many small files of real content: what Debian's source and documentation packages hold.
    pub(crate) fn small(&self) -> Result<PathBuf> {
        let patterns: &[&str] = if self.quick {
            &PACKAGES_QUICK
        } else {
            &PACKAGES
        };
        self.set("small", |folder| {
            let mut names = Vec::new();
            for pattern in patterns {
                let archive = self.download(pattern)?;
                names.push(unpack(&archive, folder)?);
            }
            Ok(json!({ "packages": names }))
        })
    }

    /// An ext4 disk image, fully allocated as a copy of a device would be.
    pub(crate) fn big(&self) -> Result<PathBuf> {
        let small = self.small()?;
        let bytes = if self.quick { GIB / 4 } else { 4 * GIB };
        let content: &[&str] = if self.quick {
            &IMAGE_CONTENT_QUICK
        } else {
            &IMAGE_CONTENT
        };
        self.set("big", |folder| {
            let stage = self.root.join("big.stage");
            tree::remove(&stage)?;
            fs::create_dir(&stage)?;
            link_packages(&small, &stage, content)?;
            let image = folder.join("disk.img");
            make_image(&stage, &image, bytes)?;
            tree::remove(&stage)?;
            Ok(json!({ "zero_share": zero_share(&image)? }))
        })
    }

    /// Three files that no compressor makes smaller.
    pub(crate) fn media(&self) -> Result<PathBuf> {
        let bytes = if self.quick { 64_000_000 } else { 500_000_000 };
        self.set("media", |folder| {
            for number in 1..=3 {
                let mut file = File::create(folder.join(format!("film-{number}.mkv")))?;
                Random::new(number).write(&mut file, bytes)?;
            }
            Ok(json!({}))
        })
    }

    /// A million tiny files below `folder`; not kept, since it belongs on tmpfs.
    pub(crate) fn million(&self, folder: &Path) -> Result<Count> {
        let width = if self.quick { 20 } else { 100 };
        let mut random = Random::new(1_000_000);
        let mut text = String::new();
        for outer in 0..width {
            for inner in 0..width {
                let shelf = folder.join(format!("{outer:02}/{inner:02}"));
                fs::create_dir_all(&shelf)?;
                for number in 0..100 {
                    text.clear();
                    let words = 1 + random.below(20);
                    (0..words).for_each(|_| text.push_str(&format!("{:x}\n", random.next())));
                    fs::write(shelf.join(format!("note-{number:02}.txt")), &text)?;
                }
            }
        }
        tree::count(folder)
    }

    /// Makes the set `name` in a folder of that name unless it is there, and prints what it is.
    fn set(&self, name: &str, make: impl FnOnce(&Path) -> Result<Value>) -> Result<PathBuf> {
        let folder = self.root.join(name);
        let record = self.root.join(format!("{name}.json"));
        if !record.exists() {
            eprintln!("making {name} …");
            tree::remove(&folder)?;
            fs::create_dir(&folder)?;
            let mut facts = make(&folder)?;
            let count = tree::count(&folder)?;
            facts["files"] = count.files.into();
            facts["bytes"] = count.bytes.into();
            fs::write(&record, serde_json::to_vec_pretty(&facts)?)?;
        }
        Ok(folder)
    }

    /// What is known of the sets that were made.
    pub(crate) fn facts(&self) -> Value {
        let mut facts = json!({ "quick": self.quick });
        for name in ["small", "big", "media"] {
            let record = fs::read(self.root.join(format!("{name}.json")));
            if let Some(value) = record
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            {
                facts[name] = value;
            }
        }
        facts
    }

    fn download(&self, pattern: &str) -> Result<PathBuf> {
        let folder = self.root.join("download");
        let name = newest_package(pattern)?;
        if find_archive(&folder, &name)?.is_none() {
            call(
                Command::new("apt-get")
                    .args(["download", &name])
                    .current_dir(&folder),
            )?;
        }
        find_archive(&folder, &name)?.with_context(|| format!("no archive of {name}"))
    }
}

/// The package with the highest version number in its name.
fn newest_package(pattern: &str) -> Result<String> {
    let output = Command::new("apt-cache")
        .args(["search", "--names-only", pattern])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let newest = names.max_by_key(|name| {
        let numbers = name
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty());
        numbers
            .filter_map(|part| part.parse().ok())
            .collect::<Vec<u64>>()
    });
    newest.map(str::to_owned).with_context(|| {
        format!("no Debian package matches {pattern}: run apt-get update, on a Debian machine")
    })
}

fn find_archive(folder: &Path, package: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with(&format!("{package}_")) && name.ends_with(".deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Unpacks a package and the source archives inside it; returns its name and version.
fn unpack(archive: &Path, folder: &Path) -> Result<String> {
    let stem = archive
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let package = stem.split('_').next().unwrap_or_default();
    let target = folder.join(package);
    call(Command::new("dpkg-deb").arg("-x").args([archive, &target]))?;
    tree::visit_files(&target, &mut |file| {
        if file.to_string_lossy().ends_with(".tar.xz") {
            let place = file.parent().context("an archive without a folder")?;
            call(
                Command::new("tar")
                    .args([LEFT_OUT, "-xf"])
                    .arg(file)
                    .current_dir(place),
            )?;
            fs::remove_file(file)?;
        }
        Ok(())
    })?;
    Ok(stem.replace("%3a", ":"))
}

fn link_packages(small: &Path, stage: &Path, prefixes: &[&str]) -> Result<()> {
    for entry in fs::read_dir(small)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            call(Command::new("cp").arg("-al").arg(&path).arg(stage))?;
        }
    }
    Ok(())
}

fn make_image(stage: &Path, image: &Path, bytes: u64) -> Result<()> {
    let sparse = image.with_extension("sparse");
    File::create(&sparse)?.set_len(bytes)?;
    let options = format!("lazy_itable_init=0,hash_seed={IMAGE_UUID}");
    call(
        Command::new("mkfs.ext4")
            .args([
                "-q", "-F", "-b", "4096", "-U", IMAGE_UUID, "-E", &options, "-d",
            ])
            .args([stage, sparse.as_path()])
            .env("E2FSPROGS_FAKE_TIME", "1700000000")
            .env("PATH", path_with_sbin()),
    )?;
    call(
        Command::new("cp")
            .arg("--sparse=never")
            .args([sparse.as_path(), image]),
    )?;
    fs::remove_file(&sparse)?;
    Ok(())
}

fn path_with_sbin() -> String {
    format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    )
}

fn zero_share(image: &Path) -> Result<f64> {
    let mut file = File::open(image)?;
    let mut block = [0; 4096];
    let (mut zero, mut all) = (0_u64, 0_u64);
    while file.read(&mut block)? == block.len() {
        zero += u64::from(block.iter().all(|&byte| byte == 0));
        all += 1;
    }
    if all == 0 {
        bail!("the image is empty");
    }
    Ok((zero as f64 / all as f64 * 1000.0).round() / 1000.0)
}
