//! `cargo xtask dist`: the binary as it is distributed, its man pages and its shell completions.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Each shell, and the file name under which its completions are looked for.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "recoup.bash"),
    ("zsh", "_recoup"),
    ("fish", "recoup.fish"),
    ("elvish", "recoup.elv"),
    ("powershell", "_recoup.ps1"),
];

pub(crate) fn run() -> Result<bool> {
    let binary = workspace::build_recoup("dist")?;
    let folder = binary.parent().context("the binary lies in no folder")?;
    write_man_pages(&binary, &folder.join("man"))?;
    write_completions(&binary, &folder.join("completions"))?;
    let size = fs::metadata(&binary)?.len();
    println!("{}: {:.1} MB", binary.display(), size as f64 / 1e6);
    println!("man pages and completions beside it");
    Ok(true)
}

fn write_man_pages(binary: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let status = Command::new(binary)
        .args(["man", "--out"])
        .arg(folder)
        .status()?;
    if !status.success() || fs::read_dir(folder)?.next().is_none() {
        bail!("recoup man wrote no pages");
    }
    Ok(())
}

fn write_completions(binary: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (shell, name) in SHELLS {
        let output = Command::new(binary).args(["completions", shell]).output()?;
        if !output.status.success() || output.stdout.is_empty() {
            bail!("recoup completions {shell} printed nothing");
        }
        fs::write(folder.join(name), output.stdout)?;
    }
    Ok(())
}
