//! Repositories sealed with valid keys by somebody who means harm.
//!
//! Each class is listed, checked and restored beside a canary tree: refused or harmless, nothing written
//! outside the target, no panic, bounded memory.

mod classes;
mod kit;

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use classes::Expected;
use kit::Kit;
use model::Cancel;
use model::PathKey;
use model::Silent;
use model::Snapshot;
use restore::RestoreOptions;
use testkit::Picture;

/// What any class may add to the peak of the process: maps, segments and caches have limits below it.
const GROWTH_BYTES_MAX: u64 = 400 << 20;

/// What came of restoring a class.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(String),
    Listed(usize),
    Quiet,
}

fn restore(kit: &Kit, snapshot: &Snapshot, options: &RestoreOptions) -> Outcome {
    let repository = kit.open();
    let cancel = Cancel::default();
    let root = PathKey::root();
    match restore::run(&repository, snapshot, &root, options, &Silent, &cancel) {
        Err(error) => Outcome::Refused(error.to_string()),
        Ok(report) if report.problems.is_empty() && report.not_set.is_empty() => Outcome::Quiet,
        Ok(report) => Outcome::Listed(report.problems.len() + report.not_set.len()),
    }
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

#[test]
fn nothing_hostile_gets_out_of_the_target() {
    let classes = classes::all();
    let mut taken = Vec::new();
    let (mut refused, mut listed, mut harmless) = (0, 0, 0);
    for class in &classes {
        let home = tempfile::tempdir().unwrap();
        let canary = home.path().join("canary");
        std::fs::create_dir_all(canary.join("inner")).unwrap();
        std::fs::write(canary.join("inner/file"), b"sings").unwrap();
        let before = Picture::take(&canary).unwrap();
        let mut kit = Kit::new(&canary);
        let snapshot = (class.make)(&mut kit);
        // The peak is counted from here: making the class may take more than reading it.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let from = peak_bytes();
        let mut options = RestoreOptions::new(home.path().join("target"));
        options.untrusted = true;
        options.threads = 2;
        options.root_user = rustix::process::geteuid().is_root();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let outcome = restore(&kit, &snapshot, &options);
            kit.look(&snapshot);
            outcome
        }))
        .unwrap_or_else(|_| panic!("{}: panicked", class.name));
        let grown = peak_bytes().saturating_sub(from);
        assert!(
            grown < GROWTH_BYTES_MAX,
            "{}: {grown} bytes of memory",
            class.name
        );
        before.assert_same(&Picture::take(&canary).unwrap(), class.name);
        let mut names: Vec<_> = std::fs::read_dir(home.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names.retain(|name| name != "target");
        assert_eq!(
            names,
            ["canary"],
            "{}: something lies beside the target",
            class.name
        );
        println!("{:46} {outcome:?} ({} MiB)", class.name, grown >> 20);
        match (&outcome, class.expected) {
            (Outcome::Quiet, Expected::Refusal) => taken.push(class.name),
            (Outcome::Quiet, Expected::Anything) => harmless += 1,
            (Outcome::Refused(_), _) => refused += 1,
            (Outcome::Listed(_), _) => listed += 1,
        }
        if let Some(look) = class.afterwards {
            look(&options.target);
        }
    }
    println!(
        "hostile classes: {} ({refused} refused, {listed} listed as problems, {harmless} harmless)",
        classes.len()
    );
    assert_eq!(taken, Vec::<&str>::new(), "taken without a word");
}
