//! Where a way of sensing does not work, the next one is taken, and why is said.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use recoup_source::SourceError;
use recoup_source::files::watch::{BlurReason, Capture, Settle, WatchOptions, Watcher};

use crate::rig::{self, Disk, Place};

/// The child: says how it would watch.
pub(crate) fn probe(root: &Path) {
    let (_, info) = Watcher::open(root, &WatchOptions::default()).unwrap();
    println!("\ncapture {} {:?}", info.capture.word(), info.refusals);
}

#[test]
fn without_privileges_inotify_is_taken() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP dropping privileges: not root");
        return;
    }
    let place = Place::new();
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    open(place.root.parent().unwrap());
    // The program may lie where nobody else may look.
    let program = place.outside.join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    open(&program);
    let mut command = Command::new(&program);
    let like = rig::child("probe", &[place.root.to_str().unwrap()]);
    command.args(like.get_args());
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command.uid(65_534).gid(65_534).current_dir("/");
    let told = rig::run(command);
    assert!(told.contains("capture inotify"), "{told}");
    assert!(told.contains("rights of root"), "{told}");
}

#[test]
fn when_watches_run_out_only_scans_are_left() {
    let place = Place::new();
    rig::shell(&place.root, "mkdir {1..50}");
    // A user namespace has limits of its own, which can be set without touching anybody else's.
    let like = rig::child("probe", &[place.root.to_str().unwrap()]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c"]);
    command
        .arg("echo 20 > /proc/sys/user/max_inotify_watches && exec \"$@\"")
        .arg("sh");
    command.arg(like.get_program()).args(like.get_args());
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        println!("SKIP running out of watches: no user namespace, or no limits in it");
        return;
    };
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("capture scan"), "{told}");
    assert!(told.contains("after 20 of them"), "{told}");
}

#[test]
fn file_systems_that_refuse_are_named() {
    if let Some(disk) = Disk::new("btrfs") {
        let at = disk.path().join("sub");
        let made = Command::new("btrfs")
            .args(["-q", "subvolume", "create"])
            .arg(&at)
            .status();
        if made.is_ok_and(|status| status.success()) {
            let (watcher, info) = Watcher::open(&at, &WatchOptions::default()).unwrap();
            assert_eq!(info.capture, Capture::Inotify, "{info:?}");
            assert!(info.refusals[0].contains("subvolume"), "{info:?}");
            rig::shell(&at, ": > x");
            assert!(
                rig::settled(&watcher)
                    .dirty
                    .iter()
                    .any(|dirty| dirty.key == b"x")
            );
            // From the top level the subvolume is seen.
            if let Some(watcher) = rig::watch(disk.path(), Capture::Fanotify) {
                rig::shell(&at, ": > y");
                let batch = rig::settled(&watcher);
                assert!(
                    batch.dirty.iter().any(|dirty| dirty.key == b"sub\0y"),
                    "{batch:?}"
                );
            }
        }
    }
    let place = Place::new();
    let script = "mkdir lower upper work at; mount -t overlay o -o lowerdir=lower,upperdir=upper,workdir=work at";
    let mut mount = Command::new("bash");
    mount.current_dir(&place.outside).args(["-ec", script]);
    if mount.output().is_ok_and(|output| output.status.success()) {
        let at = place.outside.join("at");
        let (watcher, info) = Watcher::open(&at, &WatchOptions::default()).unwrap();
        println!("overlay: {info:?}");
        assert_eq!(info.capture, Capture::Inotify);
        assert!(info.refusals[0].contains("overlay"), "{info:?}");
        rig::shell(&at, ": > x");
        assert!(
            rig::settled(&watcher)
                .dirty
                .iter()
                .any(|dirty| dirty.key == b"x")
        );
        drop(watcher);
        // What is mounted within the tree is said to be unseen.
        if rustix::process::geteuid().is_root() {
            let (_, info) = Watcher::open(&place.outside, &WatchOptions::default()).unwrap();
            assert!(
                info.blind.iter().any(|text| text.contains("/at: ")),
                "{info:?}"
            );
        }
        assert!(Command::new("umount").arg(&at).status().unwrap().success());
    } else {
        println!("SKIP overlay: not allowed to mount");
    }
}

#[test]
fn only_scanning_is_never_silence() {
    let place = Place::new();
    let watcher = rig::watch(&place.root, Capture::Scan).unwrap();
    for _ in 0..2 {
        let batch = watcher.drain(Duration::from_millis(20), Settle::default());
        assert_eq!(batch.blurred.unwrap().reasons, [BlurReason::NotWatched]);
    }
    assert!(!watcher.catch_up(Duration::ZERO));
}

#[test]
fn a_root_that_is_no_directory_is_an_error() {
    let place = Place::new();
    rig::shell(&place.root, ": > file; ln -s . link");
    for (name, expected) in [
        ("file", "is not a directory"),
        ("link", "is not a directory"),
        ("nothing", "does not exist"),
    ] {
        let error = Watcher::open(&place.root.join(name), &WatchOptions::default()).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    let options = WatchOptions {
        ignore: vec![b"a\0..".to_vec()],
        ..WatchOptions::default()
    };
    let error = Watcher::open(&place.root, &options).unwrap_err();
    assert!(matches!(error, SourceError::Pattern { .. }), "{error}");
}
