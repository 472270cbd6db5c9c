//! The commands of Recoup itself: the one file to adapt when the command line changes.
//!
//! The default set-up is measured: a key file with 256 random bits, as bupstash has one; restic, rustic
//! and borg stretch a password, which is a good part of their shortest rows. Configuration, cache and
//! state lie in the lab folder.

use super::run::Step;
use super::tools::{Kind, Place, Tool, Work};
use crate::workspace;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// The binary `given`, or one that is built now.
pub(crate) fn find(given: Option<&Path>) -> Result<Option<Tool>> {
    let program = match given {
        Some(path) => path.canonicalize()?,
        None => workspace::build_recoup("release")?,
    };
    let output = Command::new(&program).arg("--version").output()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if version.is_empty() {
        eprintln!("recoup can't be measured yet: `recoup --version` prints nothing");
        return Ok(None);
    }
    Ok(Some(Tool {
        kind: Kind::Recoup,
        name: "recoup",
        program,
        version,
    }))
}

pub(crate) fn steps(tool: &Tool, work: &Work<'_>, place: &Place) -> Vec<Step> {
    let step = base(tool, place);
    let step = match work {
        Work::Init => step.arg("init"),
        Work::Backup => step.arg("backup").arg(&place.source),
        Work::Restore { target } => step.args(["restore", "latest", "--to"]).arg(target),
        Work::File { path, target } => {
            let place_inside = format!("latest:{}", path.display());
            step.arg("restore")
                .arg(place_inside)
                .arg("--to")
                .arg(target)
        }
        Work::List => step.args(["ls", "latest", "--recursive"]),
        Work::Log { path } => step.arg("log").arg(place.source.join(path)),
        Work::Check => step.args(["check", "--read-data"]),
    };
    vec![step]
}

fn base(tool: &Tool, place: &Place) -> Step {
    Step::new(&tool.program)
        .arg("--repo")
        .arg(&place.repository)
        .env("HOME", &place.home)
        .env("XDG_CONFIG_HOME", place.home.join("config"))
        .env("XDG_CACHE_HOME", place.home.join("cache"))
        .env("XDG_STATE_HOME", place.home.join("state"))
}
