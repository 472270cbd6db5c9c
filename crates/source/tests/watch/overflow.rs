//! When the kernel throws events away, that is said; afterwards nothing is missed again.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use recoup_source::files::watch::{BlurReason, Capture, Settle, WatchOptions, Watcher};
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{self, Place};

/// More than the queue holds by default (16,384).
const FILES: usize = 20_000;

/// The child: watches until its input ends, and prints what it was told.
pub(crate) fn watch_until_end(root: &Path, best: Capture) {
    let options = WatchOptions {
        best,
        system_queue: true,
        ..WatchOptions::default()
    };
    let (watcher, info) = Watcher::open(root, &options).unwrap();
    println!("\ncapture {} {:?}", info.capture.word(), info.refusals);
    let mut line = [0];
    // One byte: catch up and tell. The end: the same, and end.
    loop {
        let more = std::io::stdin().read(&mut line).unwrap();
        assert!(watcher.catch_up(rig::PATIENCE));
        let batch = watcher.drain(Duration::ZERO, Settle::AT_ONCE);
        let reasons = batch.blurred.map_or(Vec::new(), |blurred| {
            assert!(blurred.since < blurred.until);
            blurred.reasons
        });
        println!(
            "told {} events, {} keys, blurred {reasons:?}",
            batch.events,
            batch.dirty.len()
        );
        for dirty in batch
            .dirty
            .iter()
            .filter(|dirty| dirty.key.starts_with(b"after"))
        {
            println!(
                "key {}",
                String::from_utf8_lossy(&dirty.key).replace('\0', "/")
            );
        }
        if more == 0 {
            return;
        }
    }
}

fn overflow(best: Capture) {
    let most =
        std::fs::read_to_string("/proc/sys/fs/fanotify/max_queued_events").unwrap_or_default();
    if most.trim().parse().is_ok_and(|most: usize| most >= FILES) {
        println!("SKIP overflow: this system's queue holds {}", most.trim());
        return;
    }
    let place = Place::new();
    rig::shell(&place.root, "mkdir before");
    let mut command = rig::child("watch", &[place.root.to_str().unwrap(), best.word()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut find = |word: &str| loop {
        let line = lines.next().expect("the child goes on");
        if line.starts_with(word) {
            break line;
        }
    };
    let capture = find("capture ");
    if !capture.contains(best.word()) {
        println!("SKIP overflow by {}: {capture}", best.word());
        let _ = child.kill();
        child.wait().unwrap();
        return;
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    // Renames among what is lost: keys of directories must not be believed afterwards.
    let script = format!(
        "for i in $(seq {FILES}); do : > f$i; done; mv before after; mkdir after/new; mkdir before"
    );
    rig::shell(&place.root, &script);
    kill_process(pid, Signal::CONT).unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"1").unwrap();
    let told = find("told ");
    println!("{}: {told}", best.word());
    assert!(
        told.contains(&format!("blurred [{:?}]", BlurReason::Overflow)),
        "{told}"
    );
    // Then it works as before, at the new places too.
    rig::shell(&place.root, ": > after/x; : > after/new/y");
    drop(input);
    let told = find("told ");
    assert!(told.ends_with("blurred []"), "{told}");
    let mut keys: Vec<String> = lines.filter(|line| line.starts_with("key ")).collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "key after",
            "key after/new",
            "key after/new/y",
            "key after/x"
        ]
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_overflow_of_fanotify_is_told() {
    overflow(Capture::Fanotify);
}

#[test]
fn an_overflow_of_inotify_is_told() {
    overflow(Capture::Inotify);
}
