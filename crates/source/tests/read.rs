//! What a scan found can be read, and nothing else.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use model::{Kind, Xattr};
use recoup_source::SourceError;
use recoup_source::files::{Extents, LinkTable, Stretch, TreeReader, xattrs_of};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};
use tempfile::TempDir;

#[test]
fn only_regular_files_are_opened() {
    let tree = TempDir::new().unwrap();
    fs::write(tree.path().join("file"), b"four").unwrap();
    symlink("file", tree.path().join("link")).unwrap();
    symlink(".", tree.path().join("loop")).unwrap();
    mknodat(
        CWD,
        tree.path().join("fifo"),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let reader = TreeReader::open(tree.path()).unwrap();
    let (file, stat) = reader.open_file(b"file").unwrap();
    assert_eq!((stat.size, stat.kind), (4, Kind::File));
    let mut bytes = [0; 8];
    assert_eq!(rustix::io::pread(&file, &mut bytes, 0).unwrap(), 4);
    for key in [&b"link"[..], b"loop\0file"] {
        assert!(matches!(
            reader.open_file(key),
            Err(SourceError::Symlink { .. })
        ));
    }
    for key in [&b"fifo"[..], b""] {
        let result = reader.open_file(key);
        assert!(
            matches!(result, Err(SourceError::WrongKind { .. })),
            "{result:?}"
        );
    }
    assert!(matches!(
        reader.open_file(b"missing"),
        Err(SourceError::NotFound { .. })
    ));
    assert_eq!(reader.read_link(b"link").unwrap(), b"file");
    assert!(matches!(
        reader.read_link(b"file"),
        Err(SourceError::WrongKind { .. })
    ));
    assert_eq!(reader.stat(b"link").unwrap().kind, Kind::Symlink);
    assert_eq!(reader.stat(b"").unwrap().kind, Kind::Directory);
}

#[test]
fn a_root_that_is_a_file() {
    let tree = TempDir::new().unwrap();
    let path = tree.path().join("file");
    fs::write(&path, b"four").unwrap();
    let reader = TreeReader::open(&path).unwrap();
    assert_eq!(reader.open_file(b"").unwrap().1.size, 4);
    assert_eq!(reader.xattrs(b"").unwrap(), []);
}

#[test]
fn attributes_come_sorted_from_every_kind() {
    let tree = TempDir::new().unwrap();
    let path = tree.path().join("file");
    fs::write(&path, b"").unwrap();
    symlink("file", tree.path().join("link")).unwrap();
    mknodat(CWD, tree.path().join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let reader = TreeReader::open(tree.path()).unwrap();
    for key in [&b"file"[..], b"link", b"fifo", b""] {
        assert_eq!(reader.xattrs(key).unwrap(), [], "{key:?}");
    }
    let long = vec![b'v'; 1000];
    let mut expected = Vec::new();
    for number in (0..40).rev() {
        let name = format!("user.name-long-enough-to-need-room-{number:02}");
        if rustix::fs::setxattr(&path, name.as_str(), &long[..number], XattrFlags::CREATE).is_err()
        {
            println!("SKIP: no room for attributes here");
            return;
        }
        expected.push(Xattr {
            name: name.into_bytes(),
            value: long[..number].to_vec(),
        });
    }
    expected.reverse();
    assert_eq!(reader.xattrs(b"file").unwrap(), expected);
    assert_eq!(
        xattrs_of(reader.open_file(b"file").unwrap().0).unwrap(),
        expected
    );
    let link = tree.path().join("link");
    if rustix::fs::lsetxattr(&link, "trusted.mark", b"link", XattrFlags::CREATE).is_err() {
        println!("SKIP: attributes of links need root");
        return;
    }
    let mark = Xattr {
        name: b"trusted.mark".to_vec(),
        value: b"link".to_vec(),
    };
    assert_eq!(reader.xattrs(b"link").unwrap(), [mark]);
}

#[test]
fn holes_are_found() {
    let tree = TempDir::new().unwrap();
    let path = tree.path().join("sparse");
    let mib = 1 << 20;
    let file = fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&path)
        .unwrap();
    file.set_len(4 * mib).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[1; 65536], 2 * mib).unwrap();
    let reader = TreeReader::open(tree.path()).unwrap();
    let (open, stat) = reader.open_file(b"sparse").unwrap();
    let all: Vec<_> = Extents::new(open.as_fd(), &stat)
        .map(Result::unwrap)
        .collect();
    let expected = [
        (0, 2 * mib, Stretch::Hole),
        (2 * mib, 65536, Stretch::Data),
        (2 * mib + 65536, 2 * mib - 65536, Stretch::Hole),
    ];
    assert_eq!(all, expected);
    // Shorter than it was: the stretches end where the file ends.
    file.set_len(mib).unwrap();
    let short: Vec<_> = Extents::new(open.as_fd(), &stat)
        .map(Result::unwrap)
        .collect();
    assert_eq!(short, [(0, mib, Stretch::Hole)]);
    let dense = recoup_source::files::Stat {
        blocks: 8192,
        ..stat
    };
    let one: Vec<_> = Extents::new(open.as_fd(), &dense)
        .map(Result::unwrap)
        .collect();
    assert_eq!(one, [(0, 4 * mib, Stretch::Data)]);
    let empty = recoup_source::files::Stat { size: 0, ..stat };
    assert_eq!(Extents::new(open.as_fd(), &empty).count(), 0);
}

#[test]
fn the_first_name_leads_its_group() {
    let tree = TempDir::new().unwrap();
    fs::write(tree.path().join("a"), b"").unwrap();
    fs::write(tree.path().join("single"), b"").unwrap();
    fs::hard_link(tree.path().join("a"), tree.path().join("b")).unwrap();
    let reader = TreeReader::open(tree.path()).unwrap();
    let mut links = LinkTable::new();
    let mut leader = |key: &[u8]| {
        links
            .leader(&reader.stat(key).unwrap(), key)
            .map(<[u8]>::to_vec)
    };
    assert_eq!(leader(b"a"), Some(b"a".to_vec()));
    assert_eq!(leader(b"b"), Some(b"a".to_vec()));
    assert_eq!(leader(b"single"), None);
    assert_eq!(leader(b""), None);
}
