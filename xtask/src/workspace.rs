//! Where the workspace is, what cargo says about it, and how to call cargo.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace's own `Cargo.toml`.
pub(crate) fn root() -> Result<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    Ok(parent.context("xtask lies outside a workspace")?.to_owned())
}

/// `cargo metadata` of the members, without their dependencies.
pub(crate) fn metadata() -> Result<Value> {
    let output = cargo()?
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("read what cargo metadata printed")
}

pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let directory = metadata["target_directory"].as_str();
    Ok(directory
        .context("cargo metadata names no target directory")?
        .into())
}

/// Builds the `recoup` binary with `profile` and returns its path.
pub(crate) fn build_recoup(profile: &str) -> Result<PathBuf> {
    build(&["--package", "recoup", "--profile", profile])?;
    Ok(target_directory()?.join(profile).join("recoup"))
}

/// Builds a release of an example that needs the feature `testing`, and returns its path.
pub(crate) fn build_example(package: &str, name: &str) -> Result<PathBuf> {
    let example = ["--features", "testing", "--example", name];
    build(&[&["--release", "--package", package], &example[..]].concat())?;
    Ok(target_directory()?.join("release/examples").join(name))
}

fn build(arguments: &[&str]) -> Result<()> {
    let mut command = cargo()?;
    command.arg("build").args(arguments);
    let status = command.status().context("run cargo build")?;
    if !status.success() {
        bail!("cargo build {}: {status}", arguments.join(" "));
    }
    Ok(())
}

fn cargo() -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()?);
    Ok(command)
}
