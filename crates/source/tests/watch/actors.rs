//! Who did it: resolved at first sight, kept for as long as it is certain, and never guessed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use recoup_source::files::watch::{Actor, Batch, Capture, Dirty, Settle, What};

use crate::rig::{self, Place};

/// The child: removes every file of a directory, and ends at once.
pub(crate) fn delete_all(root: &Path) {
    for entry in std::fs::read_dir(root).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::process::exit(0);
}

fn make_files(root: &Path, count: usize) {
    for at in 0..count {
        std::fs::write(root.join(format!("f{at}")), b"").unwrap();
    }
}

fn deleted(batch: &Batch) -> Vec<(&Dirty, &Actor)> {
    let dirty = batch
        .dirty
        .iter()
        .filter(|dirty| dirty.what.has(What::DELETED));
    dirty
        .map(|dirty| (dirty, batch.actor(dirty.actor.unwrap()).unwrap()))
        .collect()
}

#[test]
fn an_actor_is_described() {
    let place = Place::new();
    let Some(watcher) = rig::watch(&place.root, Capture::Fanotify) else {
        return;
    };
    // The shell itself writes, without starting anything, and lives on.
    let mut shell = Command::new("bash");
    shell
        .current_dir(&place.root)
        .args(["-c", ": > made; read wait"]);
    let mut shell = shell.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + rig::PATIENCE;
    let batch = loop {
        let left = until.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "the new file is never told");
        let batch = watcher.drain(left, Settle::AT_ONCE);
        if batch.dirty.iter().any(|dirty| dirty.key == b"made") {
            break batch;
        }
    };
    let dirty = batch
        .dirty
        .iter()
        .find(|dirty| dirty.key == b"made")
        .unwrap();
    let actor = batch.actor(dirty.actor.unwrap()).unwrap();
    assert_eq!(
        (actor.pid, actor.ppid),
        (shell.id(), Some(std::process::id()))
    );
    assert_eq!(actor.comm.as_deref(), Some(&b"bash"[..]));
    assert!(actor.exe.as_ref().unwrap().ends_with(b"/bash"));
    assert_eq!(
        actor.cmdline.as_deref(),
        Some(&b"bash\0-c\0: > made; read wait\0"[..])
    );
    assert_eq!(actor.uid, Some(rustix::process::geteuid().as_raw()));
    assert!(actor.started.is_some() && !actor.gone);
    shell.kill().unwrap();
    shell.wait().unwrap();
}

#[test]
fn what_this_process_does_counts_only_if_asked_for() {
    for own_changes in [false, true] {
        let place = Place::new();
        let options = recoup_source::files::watch::WatchOptions {
            own_changes,
            ..Default::default()
        };
        let Some(watcher) = rig::watch_with(&place.root, &options) else {
            return;
        };
        std::fs::create_dir(place.root.join("mine")).unwrap();
        rig::shell(&place.root, "mkdir theirs");
        let batch = rig::settled(&watcher);
        let has = |key: &[u8]| batch.dirty.iter().any(|dirty| dirty.key == key);
        assert_eq!((has(b"mine"), has(b"theirs")), (own_changes, true));
    }
}

/// A process that did its work and ended before anybody read a single event is named as long as one
/// event was read while it lived; here it deletes as fast as it can.
#[test]
fn one_process_that_deletes_many_files() {
    let count = if testkit::is_long() { 100_000 } else { 20_000 };
    let place = Place::new();
    make_files(&place.root, count);
    let Some(watcher) = rig::watch(&place.root, Capture::Fanotify) else {
        return;
    };
    rig::run(rig::child("delete", &[place.root.to_str().unwrap()]));
    let batch = rig::settled(&watcher);
    assert!(batch.blurred.is_none());
    let deleted = deleted(&batch);
    assert_eq!(deleted.len(), count);
    let named = deleted
        .iter()
        .filter(|(_, actor)| actor.exe.is_some())
        .count();
    let who: BTreeSet<u32> = deleted.iter().map(|(_, actor)| actor.pid).collect();
    println!(
        "one process, {count} deletions, {} events: {named} named",
        batch.events
    );
    assert_eq!(who.len(), 1);
    assert_eq!(named, count, "the actor is lost on the way");
}

#[test]
fn many_short_lived_processes() {
    let count = if testkit::is_long() { 2000 } else { 300 };
    let place = Place::new();
    make_files(&place.root, count);
    let Some(watcher) = rig::watch(&place.root, Capture::Fanotify) else {
        return;
    };
    rig::shell(
        &place.root,
        &format!("for i in $(seq 0 {}); do rm f$i; done", count - 1),
    );
    let mut batches = vec![rig::settled(&watcher)];
    batches.push(watcher.drain(Duration::ZERO, Settle::AT_ONCE));
    let deleted: Vec<_> = batches.iter().flat_map(deleted).collect();
    assert_eq!(deleted.len(), count);
    let with_exe = deleted
        .iter()
        .filter(|(_, actor)| actor.exe.is_some())
        .count();
    let with_comm = deleted
        .iter()
        .filter(|(_, actor)| actor.comm.is_some())
        .count();
    println!(
        "{count} rm processes: {with_exe} with program, {with_comm} with name, {} gone",
        count - with_comm
    );
    for (dirty, actor) in &deleted {
        // Whoever is named is the right one: no guess, ever.
        assert!(
            actor.comm.as_deref().is_none_or(|comm| comm == b"rm"),
            "{actor:?}"
        );
        let name = [b"rm\0".as_slice(), &dirty.key, b"\0"].concat();
        assert!(
            actor.cmdline.as_ref().is_none_or(|line| *line == name),
            "{actor:?}"
        );
        assert!(actor.gone || actor.exe.is_some(), "{actor:?}");
    }
}
