//! Every kind of stored object is damaged in every way; then it is listed, read, checked, backed up to.
//!
//! Never a wrong byte in silence; the check finds what was changed; the rest can be read. A few
//! thousand cases by default, every byte of the repository with `RECOUP_LONG=1`.

mod cases;
mod subject;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use cases::Case;
use cases::Way;
use storage::ObjectKind;
use subject::Subject;
use subject::Verdict;

/// What came of the cases of one kind of object and one way of damage.
#[derive(Default)]
struct Row {
    cases: usize,
    found: usize,
    silent: usize,
    restorable: usize,
    backups: usize,
    backups_whole: usize,
    cached_whole: usize,
}

/// What a check can't find with the repository alone: nothing that is left names what is gone, or only
/// the key's own secret opens what was changed. The program's memory of the last visit finds the first,
/// opening with that key the second.
fn may_be_missed(case: &Case, verdict: &Verdict) -> bool {
    match (case.name.kind(), &case.way) {
        (ObjectKind::Key, Way::Delete) => true,
        (ObjectKind::Key, _) => verdict.slot_refused || verdict.slot_same,
        (ObjectKind::Snapshot, Way::Delete) => case.is_newest,
        _ => false,
    }
}

/// Whether the next backup, which reads every file again, must be whole. What lies in a pack that is
/// there at its full length is taken for good: only reading it would show.
fn next_backup_must_be_whole(case: &Case) -> bool {
    match case.name.kind() {
        ObjectKind::Pack => matches!(case.way, Way::Truncate(_) | Way::Extend(_) | Way::Delete),
        ObjectKind::Key => false,
        _ => true,
    }
}

/// All verdicts, on as many threads as the tests get; a backup follows each case but most flips.
fn judge_all<'c>(subject: &Subject, cases: &'c [Case]) -> Vec<(&'c Case, Verdict)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(number) else {
                return judged;
            };
            let with_backup = !matches!(case.way, Way::Flip(_)) || number.is_multiple_of(16);
            judged.push((case, subject.judge(case, with_backup)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let verdicts = workers.into_iter().map(|worker| worker.join().unwrap());
        verdicts.flatten().collect()
    })
}

#[test]
fn no_damage_goes_unnoticed() {
    let subject = Subject::new();
    let cases = cases::all(&subject);
    let mut rows: BTreeMap<(ObjectKind, &'static str), Row> = BTreeMap::new();
    let began = std::time::Instant::now();
    let mut failures = Vec::new();
    for (case, verdict) in judge_all(&subject, &cases) {
        if !verdict.wrong.is_empty() {
            failures.push(format!("{case:?}: wrong in silence: {:?}", verdict.wrong));
        }
        if !verdict.found && !may_be_missed(case, &verdict) {
            failures.push(format!("{case:?}: the check found nothing"));
        }
        if !verdict.lost.is_empty() {
            failures.push(format!(
                "{case:?}: undamaged, not readable: {:?}",
                verdict.lost
            ));
        }
        if verdict.backup_whole == Some(false) && next_backup_must_be_whole(case) {
            failures.push(format!("{case:?}: the next backup is not whole"));
        }
        let row = rows.entry((case.name.kind(), case.way.word())).or_default();
        row.cases += 1;
        row.found += usize::from(verdict.found);
        row.silent += verdict.wrong.len();
        row.restorable += usize::from(verdict.all_readable);
        row.backups += usize::from(verdict.backup_whole.is_some());
        row.backups_whole += usize::from(verdict.backup_whole == Some(true));
        row.cached_whole += usize::from(verdict.cached_whole);
    }
    print(&rows, began.elapsed().as_secs_f64());
    let shown = failures[..failures.len().min(20)].join("\n");
    assert!(
        failures.is_empty(),
        "{} cases failed:\n{shown}",
        failures.len()
    );
}

fn print(rows: &BTreeMap<(ObjectKind, &'static str), Row>, secs: f64) {
    println!(
        "object    damage     cases  found  silent  all readable  next backup whole, with cache"
    );
    let mut total = Row::default();
    for ((kind, way), row) in rows {
        println!(
            "{:9} {way:9} {:6} {:6} {:7} {:13} {:9} of {}, {} of {}",
            kind.word(),
            row.cases,
            row.found,
            row.silent,
            row.restorable,
            row.backups_whole,
            row.backups,
            row.cached_whole,
            row.backups
        );
        total.cases += row.cases;
        total.found += row.found;
    }
    println!(
        "damage cases: {}, found by check: {}, wrong in silence: 0, in {secs:.1} s",
        total.cases, total.found
    );
}
