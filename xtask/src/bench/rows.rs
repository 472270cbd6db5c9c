//! The rows of the table: what is prepared, what is measured, in which order.

use super::data::Data;
use super::edit;
use super::lab::{Group, Lab, Row};
use super::tools::{Kind, Place, Tool, Work};
use super::tree;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The size of the one file that comes back: large enough to be real, small enough to be one chunk.
const ONE_FILE_BYTES: std::ops::Range<u64> = 20_000..60_000;
/// What a million tiny files take on tmpfs, with their inodes.
const MILLION_BYTES: u64 = 6 << 30;

pub(crate) fn small(data: &Data, lab: &Lab, tools: &[Tool]) -> Result<Vec<Row>> {
    let source = lab.working_copy(&data.small()?)?;
    let mut group = lab.group("small", &source, tools);
    let memory = lab
        .memory(tree::count(&source)?.bytes * 5 / 4)?
        .join("restored");
    let mut rows = vec![
        first(lab, &mut group)?,
        again(lab, &mut group, "unchanged")?,
    ];
    rows.push(changed(lab, &mut group, "1 % changed", &|seed| {
        edit::edit_tree(&source, seed)
    })?);
    rows.push(restore(lab, &mut group, "full restore, tmpfs", &memory)?);
    rows.push(restore(lab, &mut group, "full restore, disk", &lab.disk())?);
    let file = one_file(&source)?;
    rows.push(one_file_back(lab, &mut group, &file)?);
    rows.push(lab.row(&mut group, "list all", nothing, &Work::List)?);
    rows.push(lab.row(
        &mut group,
        "log of a path",
        nothing,
        &Work::Log { path: &file },
    )?);
    rows.push(lab.row(&mut group, "check, all data read", nothing, &Work::Check)?);
    lab.forget(&group)?;
    Ok(rows)
}

pub(crate) fn big(data: &Data, lab: &Lab, tools: &[Tool]) -> Result<Vec<Row>> {
    let source = lab.working_copy(&data.big()?)?;
    let mut group = lab.group("big", &source, tools);
    let image = source.join("disk.img");
    let memory = lab.memory(fs::metadata(&image)?.len())?.join("restored");
    let mut rows = vec![
        first(lab, &mut group)?,
        again(lab, &mut group, "unchanged")?,
    ];
    rows.push(changed(lab, &mut group, "2 % changed", &|seed| {
        edit::edit_image(&image, seed)
    })?);
    rows.push(restore(lab, &mut group, "full restore, tmpfs", &memory)?);
    lab.forget(&group)?;
    Ok(rows)
}

pub(crate) fn media(data: &Data, lab: &Lab, tools: &[Tool]) -> Result<Vec<Row>> {
    let source = lab.working_copy(&data.media()?)?;
    let mut group = lab.group("media", &source, tools);
    let memory = lab.memory(tree::count(&source)?.bytes)?.join("restored");
    let mut rows = vec![first(lab, &mut group)?];
    rows.push(restore(lab, &mut group, "full restore, tmpfs", &memory)?);
    lab.forget(&group)?;
    Ok(rows)
}

/// Only the fastest peers: the others would take minutes a run.
pub(crate) fn million(data: &Data, lab: &Lab, tools: &[Tool]) -> Result<Vec<Row>> {
    let fast = |tool: &&Tool| matches!(tool.kind, Kind::Recoup | Kind::Bupstash | Kind::Rustic);
    let tools: Vec<Tool> = tools.iter().filter(fast).cloned().collect();
    let source = lab.memory(MILLION_BYTES)?.join("million");
    eprintln!("making million …");
    let count = data.million(&source)?;
    eprintln!(
        "million: {} files, {} MB",
        count.files,
        count.bytes / 1_000_000
    );
    let mut group = lab.group("million", &source, &tools);
    let rows = vec![
        first(lab, &mut group)?,
        again(lab, &mut group, "unchanged")?,
    ];
    lab.forget(&group)?;
    Ok(rows)
}

fn first(lab: &Lab, group: &mut Group) -> Result<Row> {
    let prepare = |_, at: Option<(&Tool, &mut Place)>| match at {
        Some((tool, place)) => lab.fresh(tool, place),
        None => Ok(()),
    };
    lab.row(group, "first backup", prepare, &Work::Backup)
}

fn again(lab: &Lab, group: &mut Group, title: &'static str) -> Result<Row> {
    let prepare = |run, at: Option<(&Tool, &mut Place)>| {
        if let Some((_, place)) = at {
            place.snapshot = format!("{}-{run}", title.split(' ').next_back().unwrap_or_default());
        }
        Ok(())
    };
    lab.row(group, title, prepare, &Work::Backup)
}

/// Each run changes the source once more, then every tool backs up that same change.
fn changed(
    lab: &Lab,
    group: &mut Group,
    title: &'static str,
    edit: &dyn Fn(u64) -> Result<()>,
) -> Result<Row> {
    let prepare = |run, at: Option<(&Tool, &mut Place)>| match at {
        None => edit(run + 1),
        Some((_, place)) => {
            place.snapshot = format!("changed-{run}");
            Ok(())
        }
    };
    lab.row(group, title, prepare, &Work::Backup)
}

fn restore(lab: &Lab, group: &mut Group, title: &'static str, target: &Path) -> Result<Row> {
    let prepare = |_, at: Option<(&Tool, &mut Place)>| empty(target, at.is_some());
    let row = lab.row(group, title, prepare, &Work::Restore { target })?;
    tree::remove(target)?;
    Ok(row)
}

fn one_file_back(lab: &Lab, group: &mut Group, path: &Path) -> Result<Row> {
    let target = &lab.disk();
    let prepare = |_, at: Option<(&Tool, &mut Place)>| empty(target, at.is_some());
    lab.row(
        group,
        "one file back",
        prepare,
        &Work::File { path, target },
    )
}

fn nothing(_: u64, _: Option<(&Tool, &mut Place)>) -> Result<()> {
    Ok(())
}

fn empty(target: &Path, needed: bool) -> Result<()> {
    if needed {
        tree::remove(target)?;
        fs::create_dir_all(target)?;
    }
    Ok(())
}

/// The first file of ordinary size in the second half of the tree, relative to its root.
fn one_file(source: &Path) -> Result<PathBuf> {
    let half = tree::count(source)?.files / 2;
    let (mut seen, mut found) = (0, None);
    tree::visit_files(source, &mut |path| {
        seen += 1;
        if seen > half && found.is_none() && ONE_FILE_BYTES.contains(&fs::metadata(path)?.len()) {
            found = Some(path.strip_prefix(source)?.to_owned());
        }
        Ok(())
    })?;
    found.context("no file of ordinary size")
}
