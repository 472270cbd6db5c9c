//! The peers: how each is found or installed, and its commands with encryption on and default settings.

use super::run::{Step, call};
use super::tools::{Kind, Place, Tool, Work};
use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PASSWORD: &str = "benchmark";
/// Fastest first.
const PEERS: [(Kind, &str); 4] = [
    (Kind::Bupstash, "bupstash"),
    (Kind::Rustic, "rustic"),
    (Kind::Restic, "restic"),
    (Kind::Borg, "borg"),
];

/// The wanted peers that are there or can be had, then the floors.
pub(crate) fn find(wanted: &[String], shelf: &Path) -> Result<Vec<Tool>> {
    let mut tools = Vec::new();
    for (kind, name) in PEERS.into_iter().filter(|(_, name)| wants(wanted, name)) {
        match program(kind, name, shelf).and_then(|program| Ok((version(&program)?, program))) {
            Ok((version, program)) => tools.push(Tool {
                kind,
                name,
                program,
                version,
            }),
            Err(error) => eprintln!("without {name}: {error:#}"),
        }
    }
    for (kind, name) in [(Kind::Tar, "tar|zstd"), (Kind::Copy, "cp -a")] {
        let word = name.split(['|', ' ']).next().unwrap_or_default();
        if wants(wanted, word) {
            let program = PathBuf::from(word);
            let version = version(&program)?;
            tools.push(Tool {
                kind,
                name,
                program,
                version,
            });
        }
    }
    Ok(tools)
}

fn wants(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|word| word == name)
}

fn version(program: &Path) -> Result<String> {
    let flag = if program.ends_with("restic") {
        "version"
    } else {
        "--version"
    };
    let output = call(Command::new(program).arg(flag))?;
    let text = String::from_utf8_lossy(&output).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// In `RECOUP_BENCH_PEERS`, in `PATH`, on our own shelf, or else installed there.
fn program(kind: Kind, name: &str, shelf: &Path) -> Result<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for variable in ["RECOUP_BENCH_PEERS", "PATH"] {
        let value = std::env::var_os(variable).unwrap_or_default();
        folders.extend(std::env::split_paths(&value));
    }
    folders.extend(["bin", "venv/bin", "restic/usr/bin"].map(|folder| shelf.join(folder)));
    let found = folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if let Some(path) = found {
        return Ok(path);
    }
    eprintln!("installing {name} …");
    fs::create_dir_all(shelf)?;
    match kind {
        Kind::Bupstash => cargo_install("bupstash", name, shelf),
        Kind::Rustic => cargo_install("rustic-rs", name, shelf),
        Kind::Borg => install_borg(shelf),
        _ => install_restic(shelf),
    }
}

/// bupstash needs the headers of libsodium.
fn cargo_install(package: &str, name: &str, shelf: &Path) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    call(
        command
            .args(["install", package, "--locked", "--root"])
            .arg(shelf),
    )?;
    Ok(shelf.join("bin").join(name))
}

/// Needs the headers of Python, OpenSSL, libacl, lz4, xxhash and zstd where no wheel fits.
fn install_borg(shelf: &Path) -> Result<PathBuf> {
    let environment = shelf.join("venv");
    call(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )?;
    call(Command::new(environment.join("bin/pip")).args(["install", "-q", "borgbackup<2"]))?;
    Ok(environment.join("bin/borg"))
}

/// Debian's newest restic, unpacked aside: the system's own list of packages is not touched.
fn install_restic(shelf: &Path) -> Result<PathBuf> {
    let folder = shelf.join("restic");
    let apt = shelf
        .join("apt")
        .canonicalize()
        .unwrap_or_else(|_| shelf.join("apt"));
    fs::create_dir_all(&folder)?;
    let newest = unstable_options(&apt).and_then(|options| {
        call(Command::new("apt-get").args(&options).arg("update"))?;
        call(
            Command::new("apt-get")
                .args(&options)
                .args(["download", "restic"])
                .current_dir(&folder),
        )
    });
    if let Err(error) = newest {
        eprintln!("restic from this release of Debian, not the newest: {error:#}");
        call(
            Command::new("apt-get")
                .args(["download", "restic"])
                .current_dir(&folder),
        )?;
    }
    let archives = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let archive = archives
        .into_iter()
        .find(|path| path.extension() == Some(OsStr::new("deb")));
    let archive = archive.context("apt-get brought no package")?;
    call(Command::new("dpkg-deb").arg("-x").args([&archive, &folder]))?;
    Ok(folder.join("usr/bin/restic"))
}

/// Options that give apt a world of its own below `apt` which knows the unstable suite only.
fn unstable_options(apt: &Path) -> Result<Vec<OsString>> {
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(folder))?;
    }
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let source = format!("deb [signed-by={key}] {} unstable main\n", debian_mirror());
    fs::write(apt.join("sources.list"), source)?;
    fs::write(apt.join("status"), "")?;
    let settings = [
        ("Dir::Etc::sourcelist", apt.join("sources.list")),
        ("Dir::Etc::sourceparts", PathBuf::from("/dev/null")),
        ("Dir::Etc::preferencesparts", PathBuf::from("/dev/null")),
        ("Dir::State::lists", apt.join("lists")),
        ("Dir::State::status", apt.join("status")),
        ("Dir::Cache", apt.join("cache")),
    ];
    let options = settings
        .into_iter()
        .map(|(name, path)| format!("-o{name}={}", path.display()));
    Ok(options.map(OsString::from).collect())
}

/// The mirror that this machine uses already.
fn debian_mirror() -> String {
    let deb822 = fs::read_to_string("/etc/apt/sources.list.d/debian.sources").unwrap_or_default();
    let mirror = deb822.lines().find_map(|line| line.strip_prefix("URIs:"));
    mirror
        .and_then(|uris| uris.split_whitespace().next())
        .unwrap_or("http://deb.debian.org/debian")
        .to_owned()
}

pub(crate) fn restic(tool: &Tool, work: &Work<'_>, place: &Place) -> Vec<Step> {
    let step = Step::new(&tool.program)
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("RESTIC_REPOSITORY", &place.repository)
        .env("RESTIC_CACHE_DIR", place.home.join("cache"))
        .env("HOME", &place.home)
        .arg("--quiet");
    let step = match work {
        Work::Init => step.arg("init"),
        Work::Backup => step.arg("backup").arg(&place.source),
        Work::Restore { target } => step.args(["restore", "latest", "--target"]).arg(target),
        Work::File { path, target } => step
            .args(["dump", "latest"])
            .arg(place.source.join(path))
            .stdout_to(target.join("file")),
        Work::List => step.args(["ls", "latest"]),
        Work::Check => step.args(["check", "--read-data"]),
        Work::Log { .. } => return Vec::new(),
    };
    vec![step]
}

pub(crate) fn rustic(tool: &Tool, work: &Work<'_>, place: &Place) -> Vec<Step> {
    let source = place.source.display();
    let step = Step::new(&tool.program)
        .env("RUSTIC_PASSWORD", PASSWORD)
        .env("RUSTIC_REPOSITORY", &place.repository)
        .env("RUSTIC_CACHE_DIR", place.home.join("cache"))
        .env("HOME", &place.home)
        .arg("--no-progress");
    let step = match work {
        Work::Init => step.arg("init"),
        Work::Backup => step.arg("backup").arg(&place.source),
        Work::Restore { target } => step
            .arg("restore")
            .arg(format!("latest:{source}"))
            .arg(target),
        Work::File { path, target } => step
            .arg("dump")
            .arg(format!("latest:{source}/{}", path.display()))
            .stdout_to(target.join("file")),
        Work::List => step.args(["ls", "--recursive", "latest"]),
        Work::Check => step.args(["check", "--read-data"]),
        Work::Log { .. } => return Vec::new(),
    };
    vec![step]
}

/// BLAKE2 is the faster of borg's two authenticated encryptions where the CPU lacks SHA instructions.
pub(crate) fn borg(tool: &Tool, work: &Work<'_>, place: &Place) -> Vec<Step> {
    let archive = format!("{}::{}", place.repository.display(), place.snapshot);
    let inside = place.source.strip_prefix("/").unwrap_or(&place.source);
    let step = Step::new(&tool.program)
        .env("BORG_PASSPHRASE", PASSWORD)
        .env("BORG_BASE_DIR", &place.home)
        .env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
    let step = match work {
        Work::Init => step
            .args(["init", "-e", "repokey-blake2"])
            .arg(&place.repository),
        Work::Backup => step.arg("create").arg(archive).arg(&place.source),
        Work::Restore { target } => step.arg("extract").arg(archive).within(target),
        Work::File { path, target } => step
            .args(["extract", "--stdout"])
            .arg(archive)
            .arg(inside.join(path))
            .stdout_to(target.join("file")),
        Work::List => step.args(["list", "--short"]).arg(archive),
        Work::Check => step.args(["check", "--verify-data"]).arg(&place.repository),
        Work::Log { .. } => return Vec::new(),
    };
    vec![step]
}

/// bupstash has no check; its send log makes unchanged files cheap, as its manual advises. By default it
/// keeps no xattrs and restores no owners: less work than the others do, left as it is.
pub(crate) fn bupstash(tool: &Tool, work: &Work<'_>, place: &Place) -> Vec<Step> {
    let step = Step::new(&tool.program)
        .env("BUPSTASH_REPOSITORY", &place.repository)
        .env("BUPSTASH_KEY", place.home.join("key"))
        .env("XDG_CACHE_HOME", place.home.join("cache"))
        .env("HOME", &place.home);
    let name = format!("name={}", place.snapshot);
    let step = match work {
        Work::Init => {
            let key = step
                .clone()
                .args(["new-key", "-o"])
                .arg(place.home.join("key"));
            return vec![key, step.arg("init")];
        }
        Work::Backup => step
            .args(["put", "--quiet", "--send-log"])
            .arg(place.home.join("send-log"))
            .arg(name)
            .arg(&place.source),
        Work::Restore { target } => step
            .args(["restore", "--quiet", "--into"])
            .arg(target)
            .arg(name),
        Work::File { path, target } => step
            .args(["get", "--quiet", "--pick"])
            .arg(path)
            .arg(name)
            .stdout_to(target.join("file")),
        Work::List => step.args(["list-contents", "--quiet"]).arg(name),
        Work::Check | Work::Log { .. } => return Vec::new(),
    };
    vec![step]
}

pub(crate) fn tar(work: &Work<'_>, place: &Place) -> Vec<Step> {
    let script = match work {
        Work::Init => r#"mkdir -p "$REPO""#,
        Work::Backup => r#"tar -C "$SOURCE" -cf - . | zstd -q -f -1 -T2 -o "$REPO/tar.zst""#,
        Work::Restore { .. } => r#"zstd -q -dc "$REPO/tar.zst" | tar -C "$TARGET" -xf -"#,
        _ => return Vec::new(),
    };
    let step = Step::new("sh").args(["-c", script]);
    let step = step
        .env("REPO", &place.repository)
        .env("SOURCE", &place.source);
    match work {
        Work::Restore { target } => vec![step.env("TARGET", target)],
        _ => vec![step],
    }
}

/// Only for restores: the least that writing the tree can cost.
pub(crate) fn copy(work: &Work<'_>, place: &Place) -> Vec<Step> {
    match work {
        Work::Restore { target } => {
            vec![Step::new("cp").arg("-a").arg(&place.source).arg(target)]
        }
        _ => Vec::new(),
    }
}
