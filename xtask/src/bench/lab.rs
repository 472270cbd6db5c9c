//! The lab: the folder where tools work on a copy of the data, and the runs themselves.

use super::data::Data;
use super::run::{self, Sample, call};
use super::tools::{Kind, Place, Tool, Work};
use super::tree;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room on tmpfs that must stay free beyond what a row needs.
const MEMORY_SPARE_BYTES: u64 = 2 << 30;

pub(crate) struct Lab {
    folder: PathBuf,
    memory: PathBuf,
    pub(crate) runs: u64,
}

/// The tools at work on one set of data, each in its place.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) tools: Vec<(Tool, Place)>,
}

/// What all tools took for one row, run by run; a tool that can't do the work or failed has no samples.
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) title: &'static str,
    pub(crate) cells: Vec<Cell>,
}

pub(crate) struct Cell {
    pub(crate) tool: &'static str,
    pub(crate) floor: bool,
    pub(crate) samples: Vec<Sample>,
    pub(crate) repository_bytes: Option<u64>,
    /// What a comparison of the restored tree with the source found, or why the tool failed.
    pub(crate) complaint: Option<String>,
}

impl Lab {
    pub(crate) fn open(data: &Data, runs: u64) -> Result<Self> {
        let folder = data.root().join("lab");
        fs::create_dir_all(&folder)?;
        let memory = PathBuf::from(format!("/dev/shm/recoup-bench-{}", std::process::id()));
        Ok(Self {
            folder,
            memory,
            runs,
        })
    }

    /// A folder on tmpfs if `bytes` fit there now, or else on disk.
    pub(crate) fn memory(&self, bytes: u64) -> Result<PathBuf> {
        let room = free_bytes(Path::new("/dev/shm"))
            .unwrap_or(0)
            .min(available_memory());
        let folder = if room > bytes + MEMORY_SPARE_BYTES {
            self.memory.clone()
        } else {
            eprintln!(
                "not enough memory for {} MB on tmpfs: on disk instead",
                bytes / 1_000_000
            );
            self.folder.join("instead-of-memory")
        };
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.join("restored")
    }

    /// A working copy of `pristine`, so that edits never touch the data that is kept.
    pub(crate) fn working_copy(&self, pristine: &Path) -> Result<PathBuf> {
        let copy = self
            .folder
            .join("source")
            .join(pristine.file_name().context("a nameless set")?);
        fs::create_dir_all(&copy)?;
        let from = format!("{}/", pristine.display());
        call(
            Command::new("rsync")
                .args(["-a", "--delete", "--inplace", &from])
                .arg(&copy),
        )?;
        Ok(copy)
    }

    pub(crate) fn group(&self, name: &'static str, source: &Path, tools: &[Tool]) -> Group {
        let place = |tool: &Tool| Place {
            source: source.to_owned(),
            repository: self.folder.join("repositories").join(name).join(word(tool)),
            home: self.folder.join("homes").join(name).join(word(tool)),
            snapshot: "s0".to_owned(),
        };
        let tools = tools
            .iter()
            .map(|tool| (tool.clone(), place(tool)))
            .collect();
        Group { name, tools }
    }

    /// One row: each run lets every tool do `work` in turn. `before` prepares a tool, unmeasured.
    pub(crate) fn row(
        &self,
        group: &mut Group,
        title: &'static str,
        mut before: impl FnMut(u64, Option<(&Tool, &mut Place)>) -> Result<()>,
        work: &Work<'_>,
    ) -> Result<Row> {
        let mut cells: Vec<Cell> = group
            .tools
            .iter()
            .map(|(tool, _)| Cell::new(tool))
            .collect();
        for run in 0..self.runs {
            before(run, None)?;
            for ((tool, place), cell) in group.tools.iter_mut().zip(&mut cells) {
                if tool.steps(work, place).is_empty() || cell.complaint.is_some() {
                    continue;
                }
                eprintln!("{} {title}, run {}: {}", group.name, run + 1, tool.name);
                let outcome = before(run, Some((tool, place)))
                    .and_then(|()| self.measure(tool, place, work))
                    .and_then(|sample| Ok((sample, self.verify(run, tool, place, work)?)));
                match outcome {
                    Ok((sample, complaint)) => {
                        let (wall, cpu) = (sample.wall_seconds, sample.cpu_seconds);
                        eprintln!("  {wall:.3} s wall, {cpu:.3} s CPU");
                        cell.samples.push(sample);
                        cell.complaint = complaint;
                    }
                    Err(error) => cell.complaint = Some(format!("{error:#}")),
                }
                if let Some(complaint) = &cell.complaint {
                    eprintln!("  {}: {complaint}", tool.name);
                }
            }
        }
        for ((_, place), cell) in group.tools.iter().zip(&mut cells) {
            cell.repository_bytes = tree::count(&place.repository).ok().map(|count| count.bytes);
        }
        Ok(Row {
            group: group.name,
            title,
            cells,
        })
    }

    /// An empty repository for `tool`, in an empty home.
    pub(crate) fn fresh(&self, tool: &Tool, place: &mut Place) -> Result<()> {
        tree::remove(&place.repository)?;
        tree::remove(&place.home)?;
        fs::create_dir_all(&place.home)?;
        fs::create_dir_all(
            place
                .repository
                .parent()
                .context("a repository without a folder")?,
        )?;
        for step in tool.steps(&Work::Init, place) {
            run::measure(&step, &self.complaints())?;
        }
        Ok(())
    }

    pub(crate) fn clean(&self) -> Result<()> {
        tree::remove(&self.memory)?;
        tree::remove(&self.disk())?;
        tree::remove(&self.folder.join("instead-of-memory"))
    }

    /// Repositories and homes of one group; they are large, and a later run makes its own.
    pub(crate) fn forget(&self, group: &Group) -> Result<()> {
        tree::remove(&self.folder.join("repositories").join(group.name))?;
        tree::remove(&self.folder.join("homes").join(group.name))
    }

    fn measure(&self, tool: &Tool, place: &Place, work: &Work<'_>) -> Result<Sample> {
        // What earlier tools left to be written must not burden this one.
        call(Command::new("sync").arg("-f").arg(&self.folder))?;
        let step = tool
            .steps(work, place)
            .pop()
            .context("a tool without a command")?;
        run::measure(&step, &self.complaints())
    }

    /// Compares a restored tree with its source, once per tool; `None` when they are equal.
    fn verify(
        &self,
        run: u64,
        tool: &Tool,
        place: &Place,
        work: &Work<'_>,
    ) -> Result<Option<String>> {
        let Work::Restore { target } = work else {
            return Ok(None);
        };
        if run > 0 {
            return Ok(None);
        }
        let restored = tool.restored(target, place);
        let differences = compare(&place.source, &restored)?;
        let Some(first) = differences.first() else {
            return Ok(None);
        };
        let complaint = format!("{} differences, first: {first}", differences.len());
        let content = |line: &&String| line.starts_with(['>', '<', 'c', '*']);
        if tool.kind == Kind::Recoup || differences.iter().any(|line| content(&line)) {
            return Ok(Some(complaint));
        }
        eprintln!("  {}, metadata only: {complaint}", tool.name);
        Ok(None)
    }

    fn complaints(&self) -> PathBuf {
        self.folder.join("complaints.txt")
    }
}

impl Cell {
    fn new(tool: &Tool) -> Self {
        Self {
            tool: tool.name,
            floor: tool.is_floor(),
            samples: Vec::new(),
            repository_bytes: None,
            complaint: None,
        }
    }
}

/// The differences in rsync's itemized form; content is compared, not only size and time.
fn compare(source: &Path, restored: &Path) -> Result<Vec<String>> {
    let from = format!("{}/", source.display());
    let to = format!("{}/", restored.display());
    let output = call(Command::new("rsync").args(["-niaHAXc", "--delete", &from, &to]))?;
    Ok(String::from_utf8_lossy(&output)
        .lines()
        .map(str::to_owned)
        .collect())
}

fn word(tool: &Tool) -> &'static str {
    tool.name.split(['|', ' ']).next().unwrap_or_default()
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let output = call(
        Command::new("df")
            .args(["-B1", "--output=avail"])
            .arg(folder),
    )?;
    let text = String::from_utf8_lossy(&output).into_owned();
    Ok(text.lines().last().unwrap_or_default().trim().parse()?)
}

fn available_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
