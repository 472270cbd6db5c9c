//! Repositories sealed with valid keys that mean harm.

use model::{BlobId, Content, Entry, Extent, Kind};

use super::fixture::{Fixture, listing, noise};

#[test]
fn nothing_is_written_below_what_is_no_directory() {
    let mut f = Fixture::new();
    let outside = f.target.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    f.symlink("link", outside.to_str().unwrap());
    f.file("link/evil", b"evil");
    f.file("file", b"file");
    f.file("file/evil", b"evil");
    f.file("none/evil", b"evil");
    f.directory("link/dir");
    f.file("link/dir/evil", b"evil");
    f.file("ok", b"ok");
    let report = f.restore();
    let mut paths: Vec<_> = report.problems.iter().map(|p| p.path.clone()).collect();
    paths.sort();
    let refused = [
        "file/evil",
        "link/dir",
        "link/dir/evil",
        "link/evil",
        "none/evil",
    ];
    assert_eq!(paths, refused.map(|path| path.as_bytes().to_vec()));
    assert!(listing(&outside).is_empty());
    assert_eq!(listing(&f.path()).len(), 3);
}

#[test]
fn a_live_symlink_is_not_followed() {
    let mut f = Fixture::new();
    let outside = f.target.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir(f.path()).unwrap();
    std::os::unix::fs::symlink(&outside, f.path().join("dir")).unwrap();
    f.directory("dir");
    f.file("dir/file", b"file");
    let report = f.restore();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert!(listing(&outside).is_empty());
    assert_eq!(f.read("dir/file"), b"file");
}

#[test]
fn sizes_that_lie_and_blobs_that_are_not_there() {
    let mut f = Fixture::new();
    f.file("long", &noise(1, 100)).size = 1 << 62;
    f.file("short", &noise(2, 100)).size = 1;
    f.file("missing", &noise(3, 100)).content = Content::Blob(BlobId([7; 32]));
    let list = format::extents::encode_extents(&[Extent::Hole { len: 5 }]);
    let id = f.store(&[&list])[0];
    let mut entry = Entry::new(Kind::File);
    (entry.size, entry.content) = (1 << 60, Content::ExtentList(id));
    f.put("list", entry);
    let mut entry = Entry::new(Kind::File);
    entry.size = (1 << 62) - 1;
    entry.content = Content::Extents(vec![Extent::Hole { len: entry.size }]);
    f.put("bomb", entry);
    f.file("ok", &noise(4, 100));
    let report = f.restore();
    let mut paths: Vec<_> = report.problems.iter().map(|p| p.path.clone()).collect();
    paths.sort();
    // Some file systems take a hole of this length.
    paths.retain(|path| path != b"bomb");
    let lying = ["list", "long", "missing", "short"];
    assert_eq!(
        paths,
        lying.map(|path| path.as_bytes().to_vec()),
        "{:?}",
        report.problems
    );
    assert!(f.path().join("ok").exists() && !f.path().join("long").exists());
    std::fs::remove_file(f.path().join("bomb")).ok();
}
