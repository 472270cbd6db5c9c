//! Nothing outside of the root is touched, whatever stands in the tree or comes to stand there.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::entry::Kind;
use model::time::Timestamp;
use recoup_source::SourceError;
use recoup_source::files::attributes::{Attributes, Rights};
use recoup_source::files::write::{Removal, TreeWriter};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A tree and, beside it, what must not change.
struct Fixture {
    _temp: tempfile::TempDir,
    tree: PathBuf,
    canary: PathBuf,
}

/// Everything about the canary that could tell of a touch.
type Trace = Vec<(PathBuf, u64, u32, u32, u64, i64, i64, i64, Vec<u8>)>;

impl Fixture {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (tree, canary) = (temp.path().join("tree"), temp.path().join("canary"));
        fs::create_dir_all(canary.join("sub")).unwrap();
        fs::write(canary.join("file"), b"do not touch").unwrap();
        fs::write(canary.join("sub/file"), b"nor this").unwrap();
        fs::create_dir(&tree).unwrap();
        Self {
            _temp: temp,
            tree,
            canary,
        }
    }

    fn trace(&self) -> Trace {
        let mut trace = Trace::new();
        let mut todo = vec![self.canary.clone()];
        while let Some(path) = todo.pop() {
            let meta = path.symlink_metadata().unwrap();
            let bytes = if meta.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if meta.is_dir() {
                todo.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            }
            let (secs, nanos) = (meta.mtime(), meta.mtime_nsec());
            let ctime = meta.ctime() * 1_000_000_000 + meta.ctime_nsec();
            trace.push((
                path,
                meta.ino(),
                meta.mode(),
                meta.uid(),
                meta.nlink(),
                secs,
                nanos,
                ctime,
                bytes,
            ));
        }
        trace.sort();
        trace
    }
}

fn attributes(kind: Kind) -> Attributes<'static> {
    let mtime = Timestamp::new(1, 0);
    Attributes {
        kind,
        mode: 0o777,
        uid: 0,
        gid: 0,
        mtime,
        xattrs: &[],
    }
}

/// Every way to write beneath `key`, none of which has to succeed.
fn write_everything(writer: &TreeWriter, key: &[u8]) -> Result<(), SourceError> {
    let directory = writer.directory(key)?;
    let rights = Rights::for_user(true, false);
    drop(directory.create_file(b"new"));
    let _ = directory.make_directory(b"newdir", 0o777);
    let _ = directory.symlink(b"newlink", b"/etc");
    let _ = directory.make_special(b"newfifo", Kind::Fifo, None);
    let _ = directory
        .create_temporary(b"file")
        .and_then(|new| new.publish(b"file"));
    let _ = directory.apply(b"file", &attributes(Kind::File), &rights);
    let _ = directory.apply(b"sub", &attributes(Kind::Directory), &rights);
    let _ = directory
        .open_existing(b"file", true)
        .map(|file| file.set_len(0));
    let _ = directory.remove(b"sub", Removal::EmptyDirectory);
    let _ = directory.remove(b"file", Removal::File);
    Ok(())
}

#[test]
fn a_parent_that_is_a_symbolic_link_is_refused() {
    let fixture = Fixture::new();
    let before = fixture.trace();
    symlink(&fixture.canary, fixture.tree.join("absolute")).unwrap();
    symlink("../canary", fixture.tree.join("relative")).unwrap();
    symlink(".", fixture.tree.join("here")).unwrap();
    symlink("/proc/self/root", fixture.tree.join("magic")).unwrap();
    let writer = TreeWriter::open(&fixture.tree).unwrap();
    for key in [
        "absolute",
        "relative",
        "absolute\0sub",
        "relative\0sub",
        "here",
        "magic",
        "magic\0tmp",
    ] {
        let refused = write_everything(&writer, key.as_bytes());
        assert!(
            matches!(refused, Err(SourceError::Symlink { .. })),
            "{key:?}: {refused:?}"
        );
        assert!(
            writer
                .create_directory(format!("{key}\0more").as_bytes())
                .is_err(),
            "{key:?}"
        );
    }
    assert_eq!(fixture.trace(), before);
}

#[test]
fn no_name_leads_out() {
    let fixture = Fixture::new();
    let before = fixture.trace();
    fs::create_dir(fixture.tree.join("a")).unwrap();
    let writer = TreeWriter::open(&fixture.tree).unwrap();
    let outside = fixture
        .canary
        .join("file")
        .into_os_string()
        .into_encoded_bytes();
    let keys = [
        &b".."[..],
        b"a\0..",
        b"a\0..\0..\0canary",
        b"../canary",
        b"/",
        b".",
        b"a\0\0",
        b"\0a",
    ];
    for key in keys {
        let refused = write_everything(&writer, key);
        assert!(
            matches!(refused, Err(SourceError::Outside { .. })),
            "{}",
            key.escape_ascii()
        );
        assert!(
            writer.create_directory(key).is_err(),
            "{}",
            key.escape_ascii()
        );
    }
    let root = writer.directory(b"").unwrap();
    root.create_file(b"mine").unwrap();
    for name in [
        &b".."[..],
        b".",
        b"",
        b"../canary/file",
        b"../canary/new",
        b"a/../x",
        b"x\0",
        &outside,
    ] {
        assert!(root.create_file(name).is_err());
        assert!(root.create_temporary(name).is_err());
        assert!(root.create_temporary(b"x").unwrap().publish(name).is_err());
        assert!(root.make_directory(name, 0o777).is_err());
        assert!(root.symlink(name, b"x").is_err());
        assert!(root.make_special(name, Kind::Fifo, None).is_err());
        assert!(root.hard_link(name, &root, b"mine").is_err());
        assert!(root.hard_link(b"taken", &root, name).is_err());
        assert!(
            root.rename(name, &root, b"taken", RenameFlags::empty())
                .is_err()
        );
        assert!(
            root.rename(b"mine", &root, name, RenameFlags::empty())
                .is_err()
        );
        assert!(root.remove(name, Removal::File).is_err());
        assert!(root.remove(name, Removal::EmptyDirectory).is_err());
        assert!(root.open_existing(name, true).is_err());
        assert!(root.stat(name).is_err());
        let rights = Rights::for_user(true, false);
        assert!(root.apply(name, &attributes(Kind::File), &rights).is_err());
    }
    let mut names = root.names().unwrap();
    names.sort();
    assert_eq!(names, [b"a".to_vec(), b"mine".to_vec()]);
    assert_eq!(fixture.trace(), before);
}

#[test]
fn a_final_symbolic_link_is_replaced_not_followed() {
    let fixture = Fixture::new();
    let before = fixture.trace();
    let link = fixture.tree.join("link");
    symlink(fixture.canary.join("file"), &link).unwrap();
    symlink(fixture.canary.join("new"), fixture.tree.join("dangling")).unwrap();
    symlink(fixture.canary.join("sub"), fixture.tree.join("dir")).unwrap();
    let writer = TreeWriter::open(&fixture.tree).unwrap();
    let root = writer.directory(b"").unwrap();
    let rights = Rights::for_user(true, false);
    for name in [&b"link"[..], b"dangling", b"dir"] {
        assert!(root.create_file(name).is_err());
        assert!(root.make_directory(name, 0o700).is_err());
        assert!(root.open_existing(name, true).is_err());
        assert!(root.apply(name, &attributes(Kind::File), &rights).is_err());
        assert!(
            root.apply(name, &attributes(Kind::Directory), &rights)
                .is_err()
        );
        root.apply(name, &attributes(Kind::Symlink), &rights)
            .unwrap();
        root.hard_link(b"again", &root, name).unwrap();
        root.remove(b"again", Removal::File).unwrap();
        root.create_temporary(name).unwrap().publish(name).unwrap();
        assert_eq!(root.stat(name).unwrap().unwrap().kind, Kind::File);
    }
    assert!(link.symlink_metadata().unwrap().is_file());
    assert_eq!(fixture.trace(), before);
}

#[test]
fn the_users_own_path_may_lead_through_links() {
    let fixture = Fixture::new();
    let door = fixture.tree.with_file_name("door");
    symlink(&fixture.tree, &door).unwrap();
    let writer = TreeWriter::create(&door.join("x/y")).unwrap();
    writer.directory(b"").unwrap().create_file(b"file").unwrap();
    assert!(fixture.tree.join("x/y/file").exists());
}

/// Swaps a directory of the tree with a symbolic link to the canary for as long as it is let.
fn swap(tree: &Path, canary: &Path, stop: &AtomicBool, swaps: &AtomicU64) {
    let (victim, evil) = (tree.join("a/victim"), tree.join("evil"));
    symlink(canary, &evil).unwrap();
    while !stop.load(Ordering::Relaxed) {
        renameat_with(CWD, &victim, CWD, &evil, RenameFlags::EXCHANGE).unwrap();
        swaps.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_directory_swapped_for_a_link_during_writing_leads_nowhere() {
    let fixture = Fixture::new();
    let before = fixture.trace();
    fs::create_dir_all(fixture.tree.join("a/victim/sub")).unwrap();
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut done, mut refused) = (0_u64, 0_u64);
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&fixture.tree, &fixture.canary, &stop, &swaps));
        let writer = TreeWriter::open(&fixture.tree).unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while (done < 300 || refused < 300 || swaps.load(Ordering::Relaxed) < 2000)
            && std::time::Instant::now() < until
        {
            // Opened anew each time, so that there is something to win.
            writer.forget(b"");
            match write_everything(&writer, b"a\0victim") {
                Ok(()) => done += 1,
                Err(_) => refused += 1,
            }
            let _ = writer.create_directory(b"a\0victim\0sub\0made");
            let rights = Rights::for_user(true, false);
            if let Ok(holder) = writer.directory(b"a") {
                let _ = holder.apply(b"victim", &attributes(Kind::Directory), &rights);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(
        done > 0 && refused > 0,
        "no race: {done} written, {refused} refused"
    );
    assert_eq!(fixture.trace(), before);
}
