//! The classes of malice, by name.

use std::path::Path;

use codec::Compressor;
use format::entry::encode_xattrs;
use format::extents::encode_extents;
use model::BlobId;
use model::Content;
use model::Device;
use model::Entry;
use model::Extent;
use model::Kind;
use model::LinkId;
use model::Snapshot;
use model::Xattr;
use model::Xattrs;

use crate::kit::Kit;
use crate::kit::Raw;
use crate::kit::directory;
use crate::kit::file;
use crate::kit::header;
use crate::kit::inner;
use crate::kit::leaf;
use crate::kit::snapshot;
use crate::kit::value;

/// Whether a class may pass without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An error, or a problem in the report.
    Refusal,
    /// It is harmless.
    Anything,
}
use Expected::Anything;
use Expected::Refusal;

/// One kind of malice.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) expected: Expected,
    pub(crate) make: Box<dyn Fn(&mut Kit) -> Snapshot>,
    /// Looks at what was restored.
    pub(crate) afterwards: Option<fn(&Path)>,
}

fn class(
    name: &'static str,
    expected: Expected,
    make: impl Fn(&mut Kit) -> Snapshot + 'static,
) -> Class {
    Class {
        name,
        expected,
        make: Box::new(make),
        afterwards: None,
    }
}

fn then(mut class: Class, look: fn(&Path)) -> Class {
    class.afterwards = Some(look);
    class
}

fn one(key: &[u8], entry: &Entry) -> Raw {
    vec![(key.to_vec(), value(entry))]
}

fn link(target: &[u8]) -> Entry {
    Entry {
        target: target.to_vec(),
        ..Entry::new(Kind::Symlink)
    }
}

fn canary_bytes(kit: &Kit) -> Vec<u8> {
    kit.canary.as_os_str().as_encoded_bytes().to_vec()
}

/// Every class.
pub(crate) fn all() -> Vec<Class> {
    [
        names(),
        structure(),
        contents(),
        attributes(),
        nodes(),
        segments(),
        records(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn names() -> Vec<Class> {
    let named = |name, key: &'static [u8]| {
        class(name, Refusal, move |kit| kit.tree(one(key, &file(b"evil"))))
    };
    vec![
        named("name: ..", b".."),
        named("name: .", b"."),
        named("name: .. within", b"a\0..\0canary\0evil"),
        named("name: ../canary/evil", b"../canary/evil"),
        named("name: a/b", b"a/b"),
        named("name: absolute", b"/canary/evil"),
        named("name: empty first", b"\0x"),
        named("name: empty last", b"x\0"),
        named("name: empty within", b"a\0\0b"),
        class("name: 256 bytes", Refusal, |kit| {
            kit.tree(one(&[b'n'; 256], &file(b"evil")))
        }),
        class("depth: 100,001 names", Refusal, |kit| {
            let key = b"d\0".repeat(100_001);
            kit.tree(one(&key[..key.len() - 1], &file(b"evil")))
        }),
        class("depth: 2,000 directories", Anything, |kit| {
            let keys = (1..2_000).map(|depth| b"d\0".repeat(depth)[..2 * depth - 1].to_vec());
            kit.tree(keys.map(|key| (key, value(&directory()))).collect())
        }),
        class("key: 2 MiB", Refusal, |kit| {
            kit.tree(one(&b"ab\0".repeat(700_000), &file(b"evil")))
        }),
    ]
}

fn structure() -> Vec<Class> {
    vec![
        class("symlink to outside, then a file beneath", Refusal, |kit| {
            let target = canary_bytes(kit);
            let mut raw = one(b"link", &link(&target));
            raw.extend(one(b"link\0evil", &file(b"evil")));
            kit.tree(raw)
        }),
        class("symlink .., then a file beneath", Refusal, |kit| {
            let mut raw = one(b"link", &link(b"../canary"));
            raw.extend(one(b"link\0inner\0file", &file(b"evil")));
            kit.tree(raw)
        }),
        class("file with children", Refusal, |kit| {
            let mut raw = one(b"f", &file(b"file"));
            raw.extend(one(b"f\0child", &file(b"evil")));
            kit.tree(raw)
        }),
        class("fifo with children", Refusal, |kit| {
            let mut raw = one(b"f", &Entry::new(Kind::Fifo));
            raw.extend(one(b"f\0child", &file(b"evil")));
            kit.tree(raw)
        }),
        class("children without their directory", Refusal, |kit| {
            kit.tree(one(b"none\0child", &file(b"evil")))
        }),
        class("root is a symlink to outside", Refusal, |kit| {
            let target = canary_bytes(kit);
            let mut raw = one(b"", &link(&target));
            raw.extend(one(b"evil", &file(b"evil")));
            kit.raw(&raw)
        }),
        class("root is a file with children", Refusal, |kit| {
            let mut raw = one(b"", &file(b"root"));
            raw.extend(one(b"evil", &file(b"evil")));
            kit.raw(&raw)
        }),
        // A safety snapshot of a part has none: what there is goes to its place.
        class("no root entry", Anything, |kit| {
            kit.raw(&one(b"evil", &file(b"evil")))
        }),
        class("duplicate keys", Refusal, |kit| {
            let mut raw = one(b"", &directory());
            raw.extend(one(b"twice", &link(b"../canary")));
            raw.extend(one(b"twice", &directory()));
            kit.raw(&raw)
        }),
        class("keys out of order", Refusal, |kit| {
            let mut raw = one(b"", &directory());
            raw.extend(one(b"b", &file(b"b")));
            raw.extend(one(b"a", &file(b"a")));
            kit.raw(&raw)
        }),
        class("hard links of a directory and a file", Anything, |kit| {
            let link = Some(LinkId([1; 16]));
            let mut raw = one(
                b"a",
                &Entry {
                    link,
                    ..directory()
                },
            );
            raw.extend(one(b"b", &Entry { link, ..file(b"b") }));
            kit.tree(raw)
        }),
        class("hard link to a symlink to outside", Anything, |kit| {
            let twins = Some(LinkId([2; 16]));
            let target = [canary_bytes(kit), b"/inner/file".to_vec()].concat();
            let mut raw = one(
                b"a",
                &Entry {
                    link: twins,
                    ..link(&target)
                },
            );
            raw.extend(one(
                b"b",
                &Entry {
                    link: twins,
                    ..file(b"evil")
                },
            ));
            kit.tree(raw)
        }),
        class("symlink without a target", Refusal, |kit| {
            kit.tree(one(b"l", &link(b"")))
        }),
        class("symlink of 8,000 bytes", Refusal, |kit| {
            kit.tree(one(b"l", &link(&[b'x'; 8000])))
        }),
        class("symlink with a zero byte", Refusal, |kit| {
            kit.tree(one(b"l", &link(b"a\0b")))
        }),
    ]
}

fn sized(size: u64, content: Content) -> Entry {
    Entry {
        size,
        content,
        ..file(b"")
    }
}

fn contents() -> Vec<Class> {
    let entry = |name, make: fn(&Kit) -> Entry| {
        class(name, Refusal, move |kit| {
            let entry = make(kit);
            kit.tree(one(b"evil", &entry))
        })
    };
    vec![
        entry("size larger than its blob", |kit| {
            sized(1 << 40, Content::Blob(kit.store_one(&[7; 500])))
        }),
        entry("size smaller than its blob", |kit| {
            sized(3, Content::Blob(kit.store_one(&[7; 500])))
        }),
        entry("inline content of another length", |_| {
            sized(9, Content::Inline(b"four".to_vec()))
        }),
        entry("content on a directory", |_| Entry {
            size: 4,
            content: Content::Inline(b"four".to_vec()),
            ..directory()
        }),
        entry("blob that is not there", |_| {
            sized(5, Content::Blob(BlobId([9; 32])))
        }),
        entry("extents whose sum overflows", |kit| {
            let id = kit.store_one(&[7; 500]);
            let holes = [Extent::Hole { len: (1 << 62) - 1 }; 5];
            let list = [holes.to_vec(), vec![Extent::Data { id, len: 500 }]].concat();
            sized(500, Content::Extents(list))
        }),
        entry("extents whose sum is not the size", |_| {
            sized(5, Content::Extents(vec![Extent::Hole { len: 6 }]))
        }),
        entry("a million equal extents: 100 TB", |kit| {
            let id = kit.store_one(&vec![7; 1 << 20]);
            let list = encode_extents(&vec![Extent::Data { id, len: 100 << 20 }; 1_000_000]);
            sized(100_000_000 << 20, Content::ExtentList(kit.store_one(&list)))
        }),
        entry("zeros: 1 EiB", |_| {
            sized(
                1 << 60,
                Content::Extents(vec![Extent::Zeros { len: 1 << 60 }]),
            )
        }),
        entry("list that is no list", |kit| {
            sized(500, Content::ExtentList(kit.store_one(&[7; 500])))
        }),
        entry("list longer than its file", |kit| {
            let list = encode_extents(&[Extent::Hole { len: 600 }]);
            sized(500, Content::ExtentList(kit.store_one(&list)))
        }),
        class("hole: 4 EiB", Refusal, |kit| {
            let len = 1 << 62;
            kit.tree(one(
                b"evil",
                &sized(len, Content::Extents(vec![Extent::Hole { len }])),
            ))
        }),
    ]
}

fn attributes() -> Vec<Class> {
    let xattr = |name: &[u8], value: Vec<u8>| Xattr {
        name: name.to_vec(),
        value,
    };
    let with = move |list: Vec<Xattr>| Entry {
        xattrs: Xattrs::Inline(list),
        ..file(b"x")
    };
    vec![
        class("attribute of 10 MiB", Refusal, move |kit| {
            let list = encode_xattrs(&[xattr(b"user.huge", vec![1; 10 << 20])]);
            let xattrs = Xattrs::Blob(kit.store_one(&list));
            kit.tree(one(
                b"evil",
                &Entry {
                    xattrs,
                    ..file(b"x")
                },
            ))
        }),
        class("100,000 attributes", Refusal, move |kit| {
            let names =
                (0..100_000).map(|n| xattr(format!("user.{n:06}").as_bytes(), vec![1; 100]));
            let xattrs = Xattrs::Blob(kit.store_one(&encode_xattrs(&names.collect::<Vec<_>>())));
            kit.tree(one(
                b"evil",
                &Entry {
                    xattrs,
                    ..file(b"x")
                },
            ))
        }),
        class("attribute with a zero byte", Refusal, move |kit| {
            kit.tree(one(b"evil", &with(vec![xattr(b"user.a\0b", vec![])])))
        }),
        class("attributes twice", Refusal, move |kit| {
            let twice = vec![xattr(b"user.a", vec![]), xattr(b"user.a", vec![])];
            kit.tree(one(b"evil", &with(twice)))
        }),
        class("capability, untrusted", Anything, move |kit| {
            let all =
                b"\x01\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00";
            kit.tree(one(
                b"evil",
                &with(vec![xattr(b"security.capability", all.to_vec())]),
            ))
        }),
        class("trusted attribute, untrusted", Anything, move |kit| {
            kit.tree(one(
                b"evil",
                &with(vec![xattr(b"trusted.overlay.opaque", b"y".to_vec())]),
            ))
        }),
        then(
            class("setuid, untrusted", Anything, |kit| {
                kit.tree(one(
                    b"evil",
                    &Entry {
                        mode: 0o6755,
                        ..file(b"#!")
                    },
                ))
            }),
            |target| {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::metadata(target.join("evil"))
                    .unwrap()
                    .permissions()
                    .mode();
                assert_eq!(mode & 0o6000, 0, "setuid came back");
            },
        ),
        then(
            class("device, untrusted", Anything, |kit| {
                let device = Some(Device { major: 1, minor: 1 });
                kit.tree(one(
                    b"evil",
                    &Entry {
                        device,
                        ..Entry::new(Kind::CharDevice)
                    },
                ))
            }),
            |target| assert!(!target.join("evil").exists(), "the device came back"),
        ),
        class("mode beyond twelve bits", Refusal, |kit| {
            kit.tree(one(
                b"evil",
                &Entry {
                    mode: 0o170_777,
                    ..file(b"x")
                },
            ))
        }),
        class("time beyond all time", Anything, |kit| {
            let mut entry = file(b"x");
            entry.mtime.secs = i64::MAX;
            kit.tree(one(b"evil", &entry))
        }),
        class("nanoseconds beyond a second", Refusal, |kit| {
            let mut entry = file(b"x");
            entry.mtime.nanos = u32::MAX;
            kit.tree(one(b"evil", &entry))
        }),
        class("entry that is noise", Refusal, |kit| {
            kit.tree(vec![(b"evil".to_vec(), vec![0x5f; 90])])
        }),
    ]
}

fn nodes() -> Vec<Class> {
    let good = || leaf(&one(b"", &directory()));
    vec![
        class("node that names itself", Refusal, |kit| {
            // Its id would have to be in it: with a keyed hash that is a guess, and this one is wrong.
            let guess = kit.id(b"guess");
            kit.root(&inner(1, &[(b"z", 1, guess)]))
        }),
        class("child of the same level", Refusal, move |kit| {
            let low = kit.store_one(&good());
            let same = kit.store_one(&inner(1, &[(b"", 1, low)]));
            kit.root(&inner(1, &[(b"", 1, same)]))
        }),
        class("child that is a file", Refusal, |kit| {
            let data = kit.store_one(&[7; 300]);
            kit.root(&inner(1, &[(b"z", 1, data)]))
        }),
        class("child with keys of its neighbour", Refusal, |kit| {
            let mut raw = one(b"", &directory());
            raw.extend(one(b"x", &file(b"x")));
            let (a, b) = (
                kit.store_one(&leaf(&raw)),
                kit.store_one(&leaf(&one(b"a", &file(b"a")))),
            );
            kit.root(&inner(1, &[(b"x", 2, a), (b"z", 1, b)]))
        }),
        class("count that lies", Refusal, move |kit| {
            let low = kit.store_one(&good());
            kit.root(&inner(1, &[(b"", u64::MAX, low)]))
        }),
        class("the same child a thousand times", Refusal, move |kit| {
            let low = kit.store_one(&good());
            let keys: Vec<_> = (0..1000).map(|n| format!("{n:04}")).collect();
            let children: Vec<_> = keys.iter().map(|key| (key.as_bytes(), 1, low)).collect();
            kit.root(&inner(1, &children))
        }),
        class("63 levels of one child", Anything, move |kit| {
            let mut id = kit.store_one(&good());
            for level in 1..=63 {
                id = kit.store_one(&inner(level, &[(b"", 1, id)]));
            }
            kit.keep(snapshot(Some(id)))
        }),
        class("level 64", Refusal, move |kit| {
            let low = kit.store_one(&good());
            kit.root(&inner(64, &[(b"", 1, low)]))
        }),
        class("node without entries", Refusal, |kit| {
            kit.root(&header(0, 0))
        }),
        class("node of four billion entries", Refusal, |kit| {
            kit.root(&header(0, u32::MAX))
        }),
        class("prefixes that unfold beyond all limits", Refusal, |kit| {
            let mut node = header(0, 150);
            node.extend_from_slice(&[0, 0x80, 0x80, 0x40, 0]);
            node.extend_from_slice(&vec![b'a'; 1 << 20]);
            for last in 1..150 {
                // Shares all but the last byte of a key of one MiB, and is one byte greater.
                node.extend_from_slice(&[0xff, 0xff, 0x3f, 1, 0, b'a' + last]);
            }
            kit.root(&node)
        }),
        class("root that is a file", Refusal, |kit| kit.root(&[7; 300])),
        class("root that is not there", Refusal, |kit| {
            kit.keep(snapshot(Some(BlobId([3; 32]))))
        }),
    ]
}

/// A snapshot of one file whose blob is told.
fn of_blob(kit: &Kit, id: BlobId, len: u64) -> Snapshot {
    kit.tree(one(b"evil", &sized(len, Content::Blob(id))))
}

fn segments() -> Vec<Class> {
    let plain = || vec![5u8; 4000];
    let stored = move || [vec![0], plain()].concat();
    let lying = move |name,
                      lie: fn(
        &mut format::index::IndexedPack,
        &mut format::index::IndexedSegment,
        &mut [format::index::IndexedBlob],
    )| {
        class(name, Refusal, move |kit: &mut Kit| {
            let id = kit.id(&plain());
            kit.segment(stored(), &[(id, 4000)], lie);
            of_blob(kit, id, 4000)
        })
    };
    vec![
        class("decompression bomb: 512 MiB", Refusal, |kit| {
            let mut sealed = vec![1];
            Compressor::new(3).compress(&vec![0; 512 << 20], &mut sealed);
            let id = kit.id(b"bomb");
            kit.segment(sealed, &[(id, 60 << 20)], |_, _, _| {});
            of_blob(kit, id, 60 << 20)
        }),
        class("segment of unknown encoding", Refusal, move |kit| {
            let id = kit.id(&plain());
            kit.segment([vec![77], plain()].concat(), &[(id, 4000)], |_, _, _| {});
            of_blob(kit, id, 4000)
        }),
        class("segment that is no compressed data", Refusal, move |kit| {
            let id = kit.id(&plain());
            kit.segment([vec![1], plain()].concat(), &[(id, 4000)], |_, _, _| {});
            of_blob(kit, id, 4000)
        }),
        class("blob with other content than its id", Refusal, move |kit| {
            let id = kit.id(b"promised");
            kit.segment(stored(), &[(id, 4000)], |_, _, _| {});
            of_blob(kit, id, 4000)
        }),
        lying("index: plain length too long", |_, segment, _| {
            segment.plain_len = 60 << 20;
        }),
        lying("index: plain length too short", |_, segment, _| {
            segment.plain_len = 10;
        }),
        lying("index: stored length too long", |_, segment, _| {
            segment.stored_len = 5000;
        }),
        lying("index: stored length 4 GiB", |_, segment, _| {
            segment.stored_len = u32::MAX;
        }),
        lying("index: segment beyond its pack", |_, segment, _| {
            segment.offset = u32::MAX;
        }),
        lying("index: blob beyond its segment", |_, _, blobs| {
            blobs[0].offset = u32::MAX;
        }),
        lying("index: blob longer than its segment", |_, _, blobs| {
            blobs[0].len = u32::MAX;
        }),
        lying("index: pack that is not there", |pack, _, _| {
            pack.id.0 = [8; 16];
        }),
        lying("index: data pack called a map pack", |pack, _, _| {
            pack.is_map = true;
        }),
    ]
}

fn records() -> Vec<Class> {
    vec![
        class("totals beyond all disks", Anything, |kit| {
            let mut snapshot = kit.tree(Raw::new());
            snapshot.totals.bytes = u64::MAX;
            snapshot.totals.files = u64::MAX;
            kit.keep(snapshot)
        }),
        class("source with .. and a zero byte", Anything, |kit| {
            let mut snapshot = kit.tree(Raw::new());
            snapshot.source = b"../../canary\0evil".to_vec();
            kit.keep(snapshot)
        }),
        class("parent that is itself unknown", Anything, |kit| {
            let mut snapshot = kit.tree(Raw::new());
            snapshot.parent = Some(model::SnapshotId([4; 32]));
            kit.keep(snapshot)
        }),
        class("terminal escapes in every text", Anything, |kit| {
            let mut snapshot = kit.tree(one(b"\x1b]0;evil\x07\x1b[2J", &file(b"x")));
            snapshot.host = "\x1b[2J".to_owned();
            kit.keep(snapshot)
        }),
    ]
}
