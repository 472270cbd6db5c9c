//! Making, replacing, linking, renaming and removing what a tree holds.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;

use model::entry::{Device, Kind};
use model::key::PathKey;
use model::time::Timestamp;
use recoup_source::SourceError;
use recoup_source::files::attributes::{Attributes, Rights, apply_to_file};
use recoup_source::files::write::{
    Directory, Removal, Temporary, TreeWriter, is_temporary, punch_hole, set_len, write_at,
};
use rustix::fs::RenameFlags;

fn root(path: &Path) -> (TreeWriter, Arc<Directory>) {
    let writer = TreeWriter::open(path).unwrap();
    let root = writer.directory(b"").unwrap();
    (writer, root)
}

fn names(directory: &Directory) -> Vec<String> {
    let mut names: Vec<_> = directory
        .names()
        .unwrap()
        .into_iter()
        .map(|name| String::from_utf8(name).unwrap())
        .collect();
    names.sort();
    names
}

fn temporary(directory: &Arc<Directory>, near: &[u8], bytes: &[u8]) -> Temporary {
    let temporary = directory.create_temporary(near).unwrap();
    temporary.file().unwrap().write_all(bytes).unwrap();
    assert!(is_temporary(temporary.name()));
    temporary
}

#[test]
fn publishing_replaces_everything_but_directories() {
    let temp = tempfile::tempdir().unwrap();
    let outside = temp.path().join("outside");
    fs::write(&outside, b"canary").unwrap();
    let tree = temp.path().join("tree");
    let writer = TreeWriter::create(&tree).unwrap();
    let root = writer.directory(b"").unwrap();
    fs::write(tree.join("file"), b"old").unwrap();
    symlink(&outside, tree.join("symlink")).unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    fs::hard_link(&outside, tree.join("hard")).unwrap();
    root.make_special(b"fifo", Kind::Fifo, None).unwrap();
    root.make_special(b"socket", Kind::Socket, None).unwrap();
    for name in [
        "file", "symlink", "dangling", "hard", "fifo", "socket", "absent",
    ] {
        let file = temporary(&root, name.as_bytes(), b"new")
            .publish(name.as_bytes())
            .unwrap();
        file.unwrap().sync_all().unwrap();
        let found = tree.join(name);
        assert!(found.symlink_metadata().unwrap().is_file(), "{name}");
        assert_eq!(fs::read(found).unwrap(), b"new", "{name}");
    }
    for name in ["dir", "full"] {
        fs::create_dir(tree.join(name)).unwrap();
        if name == "full" {
            fs::write(tree.join("full/x"), b"").unwrap();
        }
        let refused = temporary(&root, name.as_bytes(), b"new").publish(name.as_bytes());
        assert!(
            matches!(refused, Err(SourceError::WrongKind { .. })),
            "{refused:?}"
        );
    }
    drop(temporary(&root, b"file", b"never published"));
    let all = [
        "absent", "dangling", "dir", "fifo", "file", "full", "hard", "socket", "symlink",
    ];
    assert_eq!(names(&root), all);
    assert_eq!(fs::read(outside).unwrap(), b"canary");
    root.sync().unwrap();
}

#[test]
fn links_and_special_files_take_a_place_in_one_step() {
    let temp = tempfile::tempdir().unwrap();
    let (writer, root) = root(temp.path());
    let sub = writer.create_directory(b"a\0b").unwrap();
    fs::write(temp.path().join("file"), b"x").unwrap();
    fs::write(temp.path().join("a/b/name"), b"y").unwrap();
    sub.temporary_symlink(b"name", b"../target")
        .unwrap()
        .publish(b"name")
        .unwrap();
    assert_eq!(
        fs::read_link(temp.path().join("a/b/name")).unwrap(),
        Path::new("../target")
    );
    sub.temporary_special(b"name", Kind::Fifo, None)
        .unwrap()
        .publish(b"name")
        .unwrap();
    assert!(
        temp.path()
            .join("a/b/name")
            .metadata()
            .unwrap()
            .file_type()
            .is_fifo()
    );
    // Twice: the second time both names are links to the same file already.
    for _ in 0..2 {
        sub.temporary_link(b"name", &root, b"file")
            .unwrap()
            .publish(b"name")
            .unwrap();
        assert_eq!(temp.path().join("file").metadata().unwrap().nlink(), 2);
        assert_eq!(names(&sub), ["name"]);
    }
    sub.hard_link(b"third", &root, b"file").unwrap();
    assert!(matches!(
        sub.hard_link(b"third", &root, b"file"),
        Err(SourceError::Io { .. })
    ));
    assert_eq!(root.stat(b"file").unwrap().unwrap().nlink, 3);
    // A link to a symbolic link is a second name of the link, not of what it leads to.
    root.symlink(b"link", b"file").unwrap();
    sub.hard_link(b"fourth", &root, b"link").unwrap();
    assert_eq!(sub.stat(b"fourth").unwrap().unwrap().kind, Kind::Symlink);
    assert!(root.make_special(b"dev", Kind::CharDevice, None).is_err());
    if rustix::process::geteuid().is_root() {
        let device = Device { major: 1, minor: 3 };
        root.make_special(b"null", Kind::CharDevice, Some(device))
            .unwrap();
        root.make_special(
            b"loop",
            Kind::BlockDevice,
            Some(Device {
                major: 7,
                minor: 300,
            }),
        )
        .unwrap();
        assert_eq!(root.stat(b"null").unwrap().unwrap().device, Some(device));
    } else {
        eprintln!("SKIP: needs root to make devices");
    }
}

#[test]
fn names_are_renamed_exchanged_and_removed() {
    let temp = tempfile::tempdir().unwrap();
    let (writer, root) = root(temp.path());
    let sub = writer.create_directory(b"sub").unwrap();
    for (name, bytes) in [("a", b"a"), ("b", b"b"), ("sub/c", b"c")] {
        fs::write(temp.path().join(name), bytes).unwrap();
    }
    assert!(
        root.rename(b"a", &sub, b"c", RenameFlags::NOREPLACE)
            .is_err()
    );
    root.rename(b"a", &sub, b"c", RenameFlags::EXCHANGE)
        .unwrap();
    assert_eq!(fs::read(temp.path().join("a")).unwrap(), b"c");
    root.rename(b"b", &sub, b"c", RenameFlags::empty()).unwrap();
    assert_eq!(fs::read(temp.path().join("sub/c")).unwrap(), b"b");
    assert!(root.remove(b"sub", Removal::File).is_err());
    assert!(root.remove(b"sub", Removal::EmptyDirectory).is_err());
    assert!(sub.remove(b"c", Removal::EmptyDirectory).is_err());
    sub.remove(b"c", Removal::File).unwrap();
    writer.forget(b"sub");
    root.remove(b"sub", Removal::EmptyDirectory).unwrap();
    assert!(matches!(
        writer.directory(b"sub"),
        Err(SourceError::NotFound { .. })
    ));
    assert!(matches!(
        root.remove(b"none", Removal::File),
        Err(SourceError::NotFound { .. })
    ));
    assert_eq!(root.stat(b"none").unwrap(), None);
}

#[test]
fn existing_files_are_opened_only_if_regular() {
    let temp = tempfile::tempdir().unwrap();
    let (_writer, root) = root(temp.path());
    fs::write(temp.path().join("file"), b"0123456789").unwrap();
    root.symlink(b"link", b"file").unwrap();
    root.make_special(b"fifo", Kind::Fifo, None).unwrap();
    root.make_directory(b"dir", 0o700).unwrap();
    let file = root.open_existing(b"file", true).unwrap();
    write_at(&file, 3, b"abc").unwrap();
    set_len(&file, 8).unwrap();
    let mut text = String::new();
    root.open_existing(b"file", false)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "012abc67");
    let refused = |name: &[u8]| root.open_existing(name, true).unwrap_err();
    assert!(matches!(refused(b"link"), SourceError::Symlink { .. }));
    assert!(matches!(refused(b"fifo"), SourceError::WrongKind { .. }));
    assert!(matches!(refused(b"dir"), SourceError::WrongKind { .. }));
    assert!(matches!(refused(b"none"), SourceError::NotFound { .. }));
    assert!(matches!(refused(b".."), SourceError::Outside { .. }));
}

#[test]
fn holes_are_punched_and_kept() {
    let temp = tempfile::tempdir().unwrap();
    let (_writer, root) = root(temp.path());
    let file = root.create_file(b"sparse").unwrap();
    let size = 64 << 20;
    set_len(&file, size).unwrap();
    write_at(&file, 1 << 20, &vec![1; 1 << 20]).unwrap();
    punch_hole(&file, 1 << 20, 1 << 19).unwrap();
    punch_hole(&file, size, 1 << 20).unwrap();
    punch_hole(&file, 0, 0).unwrap();
    let stat = root.stat(b"sparse").unwrap().unwrap();
    assert_eq!(stat.size, size);
    assert!(stat.blocks * 512 <= 600 << 10, "{} blocks", stat.blocks);
    let read = root.open_existing(b"sparse", false).unwrap();
    let mut bytes = vec![9; 1 << 20];
    read.read_exact_at(&mut bytes, 1 << 20).unwrap();
    assert!(bytes[..1 << 19].iter().all(|&byte| byte == 0));
    assert!(bytes[1 << 19..].iter().all(|&byte| byte == 1));
}

#[test]
fn deeper_and_longer_than_a_path_can_be() {
    let temp = tempfile::tempdir().unwrap();
    let (writer, root) = root(temp.path());
    let mut key = PathKey::root();
    for _ in 0..40 {
        key = key.child(&[b'd'; 255]).unwrap();
    }
    assert!(key.as_bytes().len() > 10_000);
    let deep = writer.create_directory(key.as_bytes()).unwrap();
    temporary(&deep, &[b'n'; 255], b"deep")
        .publish(&[b'n'; 255])
        .unwrap();
    let again = TreeWriter::open(temp.path()).unwrap();
    let deep = again.directory(key.as_bytes()).unwrap();
    assert_eq!(deep.stat(&[b'n'; 255]).unwrap().unwrap().size, 4);
    assert!(root.create_file(&[b'n'; 256]).is_err());
    assert!(
        root.create_temporary(&[b'n'; 256])
            .unwrap()
            .publish(&[b'n'; 256])
            .is_err()
    );
    assert_eq!(names(&root), ["d".repeat(255)]);
    // The usual way to remove a tree can't reach that deep.
    for _ in 0..40 {
        let (parent, name) = (key.parent().unwrap(), key.name());
        let holder = again.directory(parent.as_bytes()).unwrap();
        let _ = again
            .directory(key.as_bytes())
            .unwrap()
            .remove(&[b'n'; 255], Removal::File);
        holder.remove(name, Removal::EmptyDirectory).unwrap();
        key = parent;
    }
}

#[test]
fn many_directories_share_few_descriptors() {
    let temp = tempfile::tempdir().unwrap();
    let (writer, _root) = root(temp.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let writer = &writer;
            scope.spawn(move || {
                for at in 0..500 {
                    let key = format!("{}\0{}", at % 7, (at + thread) % 500);
                    let directory = writer.create_directory(key.as_bytes()).unwrap();
                    directory
                        .create_file(format!("{thread}").as_bytes())
                        .unwrap();
                }
            });
        }
    });
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 400, "{open} descriptors");
}

/// Prints how fast small files are made, beside the bare system calls. Run it alone, in release:
/// `cargo test --release -p recoup-source --test write_tree -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed_of_small_files() {
    let base = if Path::new("/dev/shm").is_dir() {
        "/dev/shm".into()
    } else {
        std::env::temp_dir()
    };
    let temp = tempfile::tempdir_in(base).unwrap();
    let count = 160_000;
    let bytes = [7; 300];
    for round in 0..2 {
        let bare = temp.path().join(format!("bare{round}"));
        fs::create_dir(&bare).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::PATH;
        let fd = rustix::fs::open(&bare, flags, rustix::fs::Mode::empty()).unwrap();
        let started = std::time::Instant::now();
        for at in 0..count {
            use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&fd, format!("file{at}"), flags, Mode::RUSR | Mode::WUSR)
                .unwrap();
            rustix::io::pwrite(&file, &bytes, 0).unwrap();
            rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644)).unwrap();
            let last_access = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            };
            let last_modification = Timespec {
                tv_sec: 1,
                tv_nsec: 1,
            };
            rustix::fs::futimens(
                &file,
                &Timestamps {
                    last_access,
                    last_modification,
                },
            )
            .unwrap();
        }
        let bare = started.elapsed();
        let (writer, _) = root(temp.path());
        let key = format!("ours{round}");
        writer.create_directory(key.as_bytes()).unwrap();
        let wanted = Attributes {
            kind: Kind::File,
            mode: 0o644,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            mtime: Timestamp::new(1, 1),
            xattrs: &[],
        };
        let rights = Rights::for_user(true, false);
        let started = std::time::Instant::now();
        for at in 0..count {
            let directory = writer.directory(key.as_bytes()).unwrap();
            let file = directory
                .create_file(format!("file{at}").as_bytes())
                .unwrap();
            write_at(&file, 0, &bytes).unwrap();
            apply_to_file(file.as_fd(), &wanted, &rights).unwrap();
        }
        let ours = started.elapsed();
        let rate = |time: std::time::Duration| f64::from(count) / time.as_secs_f64();
        println!(
            "files a second: bare {:.0}, ours {:.0}",
            rate(bare),
            rate(ours)
        );
    }
}
