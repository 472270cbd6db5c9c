//! `cargo xtask tidy`: the rules of the house that a compiler does not check.

mod format_document;
mod layers;
mod lengths;
mod modules;
mod scan;
mod sources;

use crate::workspace;
use anyhow::Result;
use clap::Args;
use std::fs;

const ALLOW_LIST: &str = "xtask/tidy-allow.txt";

#[derive(Args)]
pub(crate) struct Options {
    /// The sections of FORMAT.md are up to date: write the hashes of the files they describe
    #[arg(long)]
    bless: bool,
}

/// Lists every problem; `false` if there is one.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = workspace::root()?;
    let sources = sources::read_all(&root)?;
    if options.bless {
        let changed = format_document::bless(&root, &sources)?;
        println!("FORMAT.md: {changed} hashes written");
    }
    let allowed = fs::read_to_string(root.join(ALLOW_LIST)).unwrap_or_default();
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    layers::check(&workspace::metadata()?, &mut problems);
    modules::check(&sources, &mut problems);
    lengths::check(
        &sources,
        lengths::read_allowed(&allowed),
        &mut notes,
        &mut problems,
    );
    format_document::check(&root, &sources, &mut problems)?;
    for note in &notes {
        println!("note: long: {note}");
    }
    for problem in &problems {
        println!("problem: {problem}");
    }
    println!("tidy: {} files, {} problems", sources.len(), problems.len());
    Ok(problems.is_empty())
}
