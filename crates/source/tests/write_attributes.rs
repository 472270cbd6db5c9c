//! What a file is given is what it has: owner, mode, times, extended attributes.

use std::fs::{File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use model::entry::{Kind, Xattr};
use model::time::Timestamp;
use recoup_source::files::attributes::{Attributes, Rights, apply_to_file};
use recoup_source::files::write::TreeWriter;
use rustix::fs::XattrFlags;

/// `user::rw-, user:1234:r--, group::r--, mask::rw-, other::---`, as the kernel keeps it.
const ACCESS_ACL: &[u8] = &[
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xd2, 4, 0, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];
/// `cap_net_bind_service=ep`, revision 2.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIP: needs root to set owners and trusted attributes");
    }
    root
}

fn rights() -> Rights {
    Rights::for_user(rustix::process::geteuid().is_root(), false)
}

fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr {
        name: name.into(),
        value: value.into(),
    }
}

fn mine<'a>(kind: Kind, mode: u32, xattrs: &'a [Xattr]) -> Attributes<'a> {
    Attributes {
        kind,
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Timestamp::new(1_600_000_000, 123_456_789),
        xattrs,
    }
}

fn value(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    let len = rustix::fs::lgetxattr(path, name, &mut buffer[..]).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

/// Applies and asserts that everything asked for is there and nothing was refused.
fn check(path: &Path, wanted: &Attributes<'_>) {
    let writer = TreeWriter::open(path.parent().unwrap()).unwrap();
    let name = path.file_name().unwrap().as_encoded_bytes();
    let not_set = writer
        .directory(b"")
        .unwrap()
        .apply(name, wanted, &rights())
        .unwrap();
    assert!(not_set.is_empty(), "{not_set:?}");
    let found = path.symlink_metadata().unwrap();
    if wanted.kind != Kind::Symlink {
        assert_eq!(
            found.mode() & 0o7777,
            wanted.mode,
            "mode of {}",
            path.display()
        );
    }
    assert_eq!((found.uid(), found.gid()), (wanted.uid, wanted.gid));
    let mtime = Timestamp::new(found.mtime(), found.mtime_nsec() as u32);
    assert_eq!(mtime, wanted.mtime);
    for xattr in wanted.xattrs {
        let name = std::str::from_utf8(&xattr.name).unwrap();
        assert_eq!(
            value(path, name).as_deref(),
            Some(&xattr.value[..]),
            "{name}"
        );
    }
}

fn make(directory: &Path, kind: Kind) -> std::path::PathBuf {
    let path = directory.join(kind.word());
    let writer = TreeWriter::open(directory).unwrap();
    let root = writer.directory(b"").unwrap();
    let name = kind.word().as_bytes();
    match kind {
        Kind::File => drop(root.create_file(name).unwrap()),
        Kind::Directory => root.make_directory(name, 0o700).unwrap(),
        Kind::Symlink => root.symlink(name, b"/nowhere/at all").unwrap(),
        kind => root.make_special(name, kind, None).unwrap(),
    }
    path
}

#[test]
fn modes_and_times_of_every_kind() {
    let temp = tempfile::tempdir().unwrap();
    for kind in [
        Kind::File,
        Kind::Directory,
        Kind::Symlink,
        Kind::Fifo,
        Kind::Socket,
    ] {
        let path = make(temp.path(), kind);
        for (mode, mtime) in [
            (0o644, Timestamp::new(0, 0)),
            (0o4755, Timestamp::new(-1, 999_999_999)),
            (0o2711, Timestamp::new(-1_000_000_000, 1)),
            (0o1777, Timestamp::new(1_999_999_999, 7)),
            (0o000, Timestamp::new(5_000_000_000, 999_999_999)),
            (0o7777, Timestamp::new(1, 2)),
        ] {
            check(
                &path,
                &Attributes {
                    mode,
                    mtime,
                    ..mine(kind, mode, &[])
                },
            );
        }
    }
}

#[test]
fn a_read_only_file_still_takes_attributes() {
    let temp = tempfile::tempdir().unwrap();
    for kind in [Kind::File, Kind::Directory] {
        let path = make(temp.path(), kind);
        let list = [xattr("user.a", b"1"), xattr("user.empty", b"")];
        check(&path, &mine(kind, 0o400, &list));
        // And again, now that it is read-only, with one changed and one gone.
        let list = [xattr("user.a", b"2")];
        check(&path, &mine(kind, 0o500, &list));
        assert_eq!(value(&path, "user.empty"), None);
        check(&path, &mine(kind, 0o000, &[]));
        assert_eq!(value(&path, "user.a"), None);
    }
}

#[test]
fn access_acl_and_mode_agree() {
    let temp = tempfile::tempdir().unwrap();
    let path = make(temp.path(), Kind::File);
    let list = [
        xattr("system.posix_acl_access", ACCESS_ACL),
        xattr("user.z", b"after the ACL"),
    ];
    check(&path, &mine(Kind::File, 0o660, &list));
    // Without it the group has its own bits back.
    check(&path, &mine(Kind::File, 0o640, &[]));
    assert_eq!(value(&path, "system.posix_acl_access"), None);
}

#[test]
fn default_acl_is_set_and_what_children_inherit_is_not_kept() {
    let temp = tempfile::tempdir().unwrap();
    let path = make(temp.path(), Kind::Directory);
    let list = [xattr("system.posix_acl_default", ACCESS_ACL)];
    check(&path, &mine(Kind::Directory, 0o755, &list));
    let child = make(&path, Kind::File);
    assert!(
        value(&child, "system.posix_acl_access").is_some(),
        "the kernel gives it"
    );
    check(&child, &mine(Kind::File, 0o664, &[]));
    assert_eq!(value(&child, "system.posix_acl_access"), None);
}

#[test]
fn capability_and_setuid_survive_a_change_of_owner() {
    if !is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let path = make(temp.path(), Kind::File);
    let list = [xattr("security.capability", CAPABILITY)];
    let wanted = Attributes {
        uid: 4321,
        gid: 8765,
        ..mine(Kind::File, 0o6755, &list)
    };
    check(&path, &wanted);
    check(&path, &Attributes { uid: 1, ..wanted });
    check(&path, &mine(Kind::File, 0o755, &[]));
    assert_eq!(value(&path, "security.capability"), None);
}

#[test]
fn trusted_attributes_on_what_can_not_be_opened() {
    if !is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    for kind in [Kind::Symlink, Kind::Fifo, Kind::Socket] {
        let path = make(temp.path(), kind);
        let list = [xattr("trusted.recoup", b"\0\xff")];
        check(
            &path,
            &Attributes {
                uid: 7,
                gid: 8,
                ..mine(kind, 0o640, &list)
            },
        );
        check(&path, &mine(kind, 0o600, &[]));
        assert_eq!(value(&path, "trusted.recoup"), None);
    }
}

#[test]
fn an_untrusted_snapshot_gives_no_powers() {
    let temp = tempfile::tempdir().unwrap();
    let path = make(temp.path(), Kind::File);
    let list = [
        xattr("security.capability", CAPABILITY),
        xattr("trusted.x", b"1"),
        xattr("user.x", b"1"),
    ];
    let file = File::open(&path).unwrap();
    let wanted = mine(Kind::File, 0o7755, &list);
    let not_set = apply_to_file(file.as_fd(), &wanted, &Rights::for_user(true, true)).unwrap();
    let what: Vec<_> = not_set
        .iter()
        .map(|not| (&*not.what, not.by_choice))
        .collect();
    assert_eq!(
        what,
        [
            ("xattr security.capability", true),
            ("xattr trusted.x", true),
            ("setuid bit", true),
            ("setgid bit", true)
        ]
    );
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o1755);
    assert_eq!(value(&path, "user.x").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(&path, "security.capability"), None);
}

#[test]
fn nonsense_is_listed_and_the_rest_is_set() {
    let temp = tempfile::tempdir().unwrap();
    let path = make(temp.path(), Kind::File);
    let list = [
        xattr("nonsense", b""),
        xattr("system.posix_acl_access", b"no ACL at all"),
        xattr("user.huge", &vec![1; 70_000]),
        xattr("user.\0zero", b"1"),
        xattr(&format!("user.{}", "n".repeat(300)), b"1"),
        xattr("user.good", b"1"),
    ];
    let wanted = Attributes {
        uid: u32::MAX,
        mtime: Timestamp::new(1, 1_073_741_822),
        ..mine(Kind::File, 0o4640, &list)
    };
    let file = File::open(&path).unwrap();
    let not_set = apply_to_file(file.as_fd(), &wanted, &rights()).unwrap();
    let what: Vec<_> = not_set.iter().map(|not| &*not.what).collect();
    assert_eq!(
        what[..5],
        [
            "owner",
            "xattr nonsense",
            "xattr user.huge",
            "xattr user.\\x00zero",
            &format!("xattr user.{}", "n".repeat(300)),
        ]
    );
    assert_eq!(
        what[5..],
        [
            "xattr system.posix_acl_access",
            "setuid bit",
            "modification time"
        ]
    );
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640);
    assert_eq!(value(&path, "user.good").as_deref(), Some(&b"1"[..]));
}

#[test]
fn another_kind_than_expected_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = make(temp.path(), Kind::File);
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&path, temp.path().join("link")).unwrap();
    let writer = TreeWriter::open(temp.path()).unwrap();
    let root = writer.directory(b"").unwrap();
    for (name, kind) in [
        (&b"link"[..], Kind::File),
        (b"link", Kind::Directory),
        (b"file", Kind::Fifo),
        (b"file", Kind::Symlink),
        (b"file", Kind::Directory),
        (b"..", Kind::Directory),
        (b"none", Kind::File),
    ] {
        assert!(
            root.apply(name, &mine(kind, 0o777, &[]), &rights())
                .is_err()
        );
    }
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
}

/// Runs in a thread of its own, whose user is another from then on.
#[test]
fn a_plain_user_gets_no_setuid_of_another_owner() {
    if !is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let path = make(temp.path(), Kind::File);
    rustix::fs::chown(
        &path,
        Some(rustix::fs::Uid::from_raw(65534)),
        Some(rustix::fs::Gid::from_raw(65534)),
    )
    .unwrap();
    rustix::fs::lsetxattr(&path, "user.old", b"1", XattrFlags::empty()).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let list = [xattr("trusted.x", b"1"), xattr("user.x", b"1")];
    let wanted = Attributes {
        uid: 0,
        gid: 0,
        ..mine(Kind::File, 0o6755, &list)
    };
    let what = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let nobody = rustix::process::Uid::from_raw(65534);
                let group = rustix::process::Gid::from_raw(65534);
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(group, group, group).unwrap();
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
                let not_set =
                    apply_to_file(file.as_fd(), &wanted, &Rights::for_user(false, false)).unwrap();
                not_set
                    .into_iter()
                    .map(|not| not.what.into_owned())
                    .collect::<Vec<_>>()
            })
            .join()
            .unwrap()
    });
    assert_eq!(
        what,
        [
            "group",
            "owner",
            "xattr trusted.x",
            "setuid bit",
            "setgid bit"
        ]
    );
    let found = path.metadata().unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o755, 65534));
    assert_eq!(value(&path, "user.x").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(&path, "user.old"), None);
}
