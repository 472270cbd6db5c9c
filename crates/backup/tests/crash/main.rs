//! The machine stops, or an operation fails, at every single operation on storage.
//!
//! After each: what was acknowledged is whole, nothing half-done is visible, no repair is needed, the
//! next backup works. `RECOUP_LONG=1` tries every point; otherwise a spread of them.

mod workload;

use std::sync::Arc;

use storage::FaultKind;
use storage::FaultyStorage;
use storage::MemoryStorage;
use storage::Storage;
use testkit::is_long;
use workload::Script;
use workload::Stage;

/// Points that CI tries of each kind of fault.
const POINTS: usize = 320;
const FAILURE_POINTS: usize = 160;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Crash,
    Fail(FaultKind),
    LoseAnswer,
}

/// Every operation of every stage, or a spread of them: stage and number of the operation in it.
fn points(stages: &[Stage], wanted: usize) -> (Vec<(usize, u64)>, usize) {
    let all: Vec<(usize, u64)> = stages
        .iter()
        .enumerate()
        .flat_map(|(number, stage)| (0..stage.operations).map(move |at| (number, at)))
        .collect();
    let total = all.len();
    if is_long() || total <= wanted {
        return (all, total);
    }
    let spread = (0..wanted).map(|n| all[n * total / wanted]).collect();
    (spread, total)
}

fn try_point(script: &Script, stages: &[Stage], (number, at): (usize, u64), fault: Fault) {
    let what = format!("{fault:?} at operation {at} of stage {number}");
    let stage = &stages[number];
    let cache = script.cache_of(stage);
    let storage = Arc::new(FaultyStorage::new(MemoryStorage::from_objects(
        stage.objects.clone(),
    )));
    match fault {
        Fault::Crash => storage.crash_at(at),
        Fault::Fail(kind) => storage.fail_at(at, kind),
        Fault::LoseAnswer => storage.lose_answer_at(at, FaultKind::Io),
    }
    let shared: Arc<dyn Storage> = storage.clone();
    let result = script.run(number, &shared, &cache.path);
    if let (Fault::Fail(kind), Err(failure)) = (fault, &result) {
        assert!(
            workload::is_storage(failure, kind),
            "{what}: unclear error: {failure:?}"
        );
    }
    if matches!(fault, Fault::Crash) && number != workload::LAST {
        // Operations run side by side in other numbers from run to run: the last may not be reached.
        let reached = storage.operations() > at;
        assert!(result.is_err() || !reached, "{what}: nobody noticed");
    }
    let acknowledged = match &result {
        Ok(()) => number + 1,
        Err(_) => number,
    };
    let survived: Arc<dyn Storage> = Arc::new(storage.inner().clone());
    script.verify(acknowledged, &survived, &cache.path, &what);
}

fn sweep(name: &str, seed: u64, fault: Fault, wanted: usize) {
    let script = Script::new(seed);
    let stages = script.record();
    let (points, total) = points(&stages, wanted);
    let began = std::time::Instant::now();
    for point in &points {
        try_point(&script, &stages, *point, fault);
    }
    println!(
        "{name} points tried: {} of {total} in {:.1} s",
        points.len(),
        began.elapsed().as_secs_f64()
    );
}

#[test]
fn a_crash_at_every_operation() {
    sweep("crash", 1, Fault::Crash, POINTS);
}

#[test]
fn a_device_error_at_every_operation() {
    sweep("I/O error", 2, Fault::Fail(FaultKind::Io), FAILURE_POINTS);
}

#[test]
fn no_space_at_every_operation() {
    sweep("no space", 3, Fault::Fail(FaultKind::Full), FAILURE_POINTS);
}

#[test]
fn a_lost_answer_at_every_operation() {
    sweep("lost answer", 4, Fault::LoseAnswer, FAILURE_POINTS);
}
