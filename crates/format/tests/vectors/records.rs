//! Vectors of entries, lists and snapshots.

use model::{
    BlobId, Content, Device, Entry, Extent, Kind, LinkId, Names, Snapshot, SnapshotId, Timestamp,
    Totals, Xattr, Xattrs,
};
use recoup_format::entry::{decode_entry, encode_entry, encode_xattrs};
use recoup_format::extents::encode_extents;
use recoup_format::snapshot::{decode_snapshot, encode_snapshot};

use super::document::Vector;

fn entry(name: &'static str, entry: &Entry) -> Vector {
    let mut bytes = Vec::new();
    encode_entry(entry, &mut bytes);
    assert_eq!(decode_entry(&bytes).as_ref(), Ok(entry), "{name}");
    Vector::new(name, bytes)
}

fn of(kind: Kind, mode: u32) -> Entry {
    Entry {
        mode,
        uid: 1000,
        gid: 1000,
        mtime: Timestamp::new(1_800_000_000, 123_456_789),
        ..Entry::new(kind)
    }
}

fn file(size: u64, content: Content) -> Entry {
    Entry {
        size,
        content,
        ..of(Kind::File, 0o644)
    }
}

fn device(kind: Kind, major: u32, minor: u32) -> Entry {
    Entry {
        uid: 0,
        gid: 6,
        device: Some(Device { major, minor }),
        ..of(kind, 0o660)
    }
}

fn extents() -> Vec<Extent> {
    vec![
        Extent::Data {
            id: BlobId([0x33; 32]),
            len: 1000,
        },
        Extent::Zeros { len: 65_536 },
        Extent::Hole { len: 1 << 20 },
    ]
}

fn xattrs() -> Vec<Xattr> {
    let xattr = |name: &[u8], value: &[u8]| Xattr {
        name: name.to_vec(),
        value: value.to_vec(),
    };
    vec![xattr(b"user.comment", b"hello"), xattr(b"user.empty", b"")]
}

pub(crate) fn vectors() -> Vec<Vector> {
    let symlink = Entry {
        target: b"../\xff".to_vec(),
        ..of(Kind::Symlink, 0o777)
    };
    let everything = Entry {
        mtime: Timestamp::new(-2, 1),
        xattrs: Xattrs::Inline(xattrs()),
        link: Some(LinkId([9; 16])),
        unsettled: true,
        ..file(5, Content::Inline(b"hello".to_vec()))
    };
    let size = extents().iter().map(Extent::len).sum();
    let blob = BlobId([0x44; 32]);
    let listed = Entry {
        xattrs: Xattrs::Blob(BlobId([0x55; 32])),
        ..file(size, Content::ExtentList(blob))
    };
    vec![
        entry("entry-file-empty", &file(0, Content::Empty)),
        entry(
            "entry-file-inline",
            &file(5, Content::Inline(b"hello".to_vec())),
        ),
        entry("entry-file-blob", &file(1000, Content::Blob(blob))),
        entry(
            "entry-file-extents",
            &file(size, Content::Extents(extents())),
        ),
        entry("entry-file-extent-list", &listed),
        entry("entry-directory", &of(Kind::Directory, 0o1777)),
        entry("entry-symlink", &symlink),
        entry("entry-fifo", &of(Kind::Fifo, 0o600)),
        entry("entry-character-device", &device(Kind::CharDevice, 1, 3)),
        entry(
            "entry-block-device",
            &device(Kind::BlockDevice, 259, 1_048_575),
        ),
        entry("entry-socket", &of(Kind::Socket, 0o755)),
        entry(
            "entry-value",
            &Entry {
                mtime: Timestamp::default(),
                uid: 0,
                gid: 0,
                mode: 0,
                size: 5,
                content: Content::Inline(b"hello".to_vec()),
                ..of(Kind::Value, 0)
            },
        ),
        entry("entry-file-everything", &everything),
        Vector::new("xattrs", encode_xattrs(&xattrs())),
        Vector::new("extents", encode_extents(&extents())),
        snapshot(),
    ]
}

fn snapshot() -> Vector {
    let snapshot = Snapshot {
        time: Timestamp::new(1_800_000_000, 0),
        finished: Timestamp::new(1_800_000_012, 500_000_000),
        host: "attic".to_owned(),
        user: "mira".to_owned(),
        source: b"/home/mira".to_vec(),
        tags: vec!["before-upgrade".to_owned(), "monthly".to_owned()],
        root: Some(BlobId([0x66; 32])),
        parent: Some(SnapshotId([0x77; 32])),
        totals: Totals {
            files: 12,
            directories: 3,
            bytes: 1_234_567,
            stored_bytes: 400_000,
        },
        errors: 1,
        safety: false,
        names: Names {
            users: vec![(0, "root".to_owned()), (1000, "mira".to_owned())],
            groups: vec![(1000, "mira".to_owned())],
        },
        program: "recoup 0.1.0".to_owned(),
    };
    let bytes = encode_snapshot(&snapshot);
    assert_eq!(decode_snapshot(&bytes), Ok(snapshot));
    Vector::new("snapshot", bytes)
}
