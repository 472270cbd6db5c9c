//! `cargo xtask bench incidents`: does `recoup watch` find what destroys, and is it silent while people
//! work? Real programs on a real file system, in a fresh tree for each case.
//!
//! The harness keeps its own books: a picture of the tree before and after, the time and the process of
//! the attack. Nothing that Recoup says is taken as true.

mod simulator;
mod home;
mod picture;
mod benign;
mod attacks;
mod arena;
mod score;
mod play;
mod table;

use crate::workspace;
use anyhow::Result;
use arena::Arena;
use attacks::{ATTACKS, Attack, Pace};
use benign::{BENIGN, Benign};
use clap::Args;
use score::{Outcome, Sort};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

pub(crate) use simulator::{Attack as Simulated, run as simulate};

#[derive(Args)]
pub(crate) struct Options {
    /// Eight cases on a smaller tree: does the harness work?
    #[arg(long)]
    quick: bool,
    /// Only cases whose name holds one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Cases at a time; they mostly wait
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Where trees and repositories lie [default: target/bench/incidents]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long)]
    recoup: Option<PathBuf>,
    /// Also write each outcome as a line of JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Leave the trees and repositories of cases that missed a target
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy)]
enum Case {
    Benign(&'static Benign),
    Attack(&'static Attack),
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Benign(case) => case.name,
            Self::Attack(case) => case.name,
        }
    }

    fn sort(self) -> Sort {
        match self {
            Self::Benign(_) => Sort::Benign,
            Self::Attack(case) if case.pace == Pace::Slow => Sort::Slow,
            Self::Attack(_) => Sort::Fast,
        }
    }

    fn is_quick(self) -> bool {
        match self {
            Self::Benign(case) => case.quick,
            Self::Attack(case) => case.quick,
        }
    }

    fn play(self, arena: &Arena) -> Result<Outcome> {
        match self {
            Self::Benign(case) => play::benign(case, arena),
            Self::Attack(case) => play::attack(case, arena),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let recoup = match &options.recoup {
        Some(path) => path.canonicalize()?,
        None => workspace::build_recoup("release")?,
    };
    let data = match &options.data {
        Some(folder) => folder.clone(),
        None => workspace::target_directory()?.join("bench/incidents"),
    };
    fs::create_dir_all(&data)?;
    let template = data.join("template");
    super::tree::remove(&template)?;
    home::make(&template, if options.quick { 4 } else { 1 })?;
    let attacks = ATTACKS.iter().map(Case::Attack);
    let mut cases: Vec<Case> = attacks.chain(BENIGN.iter().map(Case::Benign)).collect();
    cases.retain(|case| !options.quick || case.is_quick());
    let wanted = |case: &Case| {
        options
            .only
            .iter()
            .any(|word| case.name().contains(word.as_str()))
    };
    cases.retain(|case| options.only.is_empty() || wanted(case));
    let outcomes = play_all(&cases, options, &data, &template, &recoup)?;
    if let Some(file) = &options.json {
        let lines = outcomes.iter().map(|one| format!("{}\n", one.json()));
        fs::write(file, lines.collect::<String>())?;
    }
    table::print(&outcomes);
    Ok(outcomes.iter().all(Outcome::met))
}

/// Plays the cases, some at a time; the outcomes in their order.
fn play_all(
    cases: &[Case],
    options: &Options,
    data: &Path,
    template: &Path,
    recoup: &Path,
) -> Result<Vec<Outcome>> {
    let next = Mutex::new(0..cases.len());
    let outcomes = Mutex::new(vec![None; cases.len()]);
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(number) = next.lock().ok().and_then(|mut next| next.next()) {
                    let case = cases[number];
                    let folder = data.join(format!("case-{number}"));
                    let played =
                        Arena::open(&folder, template, recoup).and_then(|arena| case.play(&arena));
                    let outcome = played.unwrap_or_else(|error| {
                        Outcome::failed(case.name(), case.sort(), format!("{error:#}"))
                    });
                    eprintln!("{}", outcome.json());
                    if outcome.met() || !options.keep {
                        let _ = super::tree::remove(&folder);
                    }
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes[number] = Some(outcome);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    Ok(outcomes.into_iter().flatten().collect())
}
