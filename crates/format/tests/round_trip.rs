//! Laws of the encodings: what goes in comes out, and hostile bytes never panic.

use model::*;
use proptest::prelude::*;
use recoup_format::FormatError;
use recoup_format::entry::{
    ENTRY_BYTES_MAX, decode_entry, decode_xattrs, encode_entry, encode_xattrs, entry_bytes,
};
use recoup_format::extents::{decode_extents, encode_extents};
use recoup_format::snapshot::{SNAPSHOT_BYTES_MAX, decode_snapshot, encode_snapshot};

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..max)
}

fn extent() -> impl Strategy<Value = Extent> {
    (0..3u8, any::<[u8; 32]>(), 1..1u64 << 40).prop_map(|(kind, id, len)| match kind {
        0 => Extent::Data {
            id: BlobId(id),
            len,
        },
        1 => Extent::Zeros { len },
        _ => Extent::Hole { len },
    })
}

fn file() -> impl Strategy<Value = Entry> {
    let content = prop_oneof![
        Just((Content::Empty, 0)),
        bytes(100).prop_map(|b| (Content::Inline(b.clone()), b.len() as u64)),
        (any::<[u8; 32]>(), 1..u64::MAX).prop_map(|(id, n)| (Content::Blob(BlobId(id)), n)),
        (any::<[u8; 32]>(), 1..u64::MAX).prop_map(|(id, n)| (Content::ExtentList(BlobId(id)), n)),
        proptest::collection::vec(extent(), 1..9).prop_map(|list| {
            let sum = list.iter().map(Extent::len).sum();
            (Content::Extents(list), sum)
        }),
    ];
    (
        content,
        0..0o10000u32,
        any::<(u32, u32, i64, bool)>(),
        0..1_000_000_000u32,
        xattrs(),
    )
        .prop_map(
            |((content, size), mode, (uid, gid, secs, unsettled), nanos, xattrs)| Entry {
                mode,
                uid,
                gid,
                mtime: Timestamp::new(secs, nanos),
                size,
                content,
                xattrs,
                unsettled,
                link: (uid % 3 == 0).then_some(LinkId([uid as u8; 16])),
                ..Entry::new(Kind::File)
            },
        )
}

fn xattrs() -> impl Strategy<Value = Xattrs> {
    let name = proptest::collection::vec(1..=255u8, 1..20);
    prop_oneof![
        Just(Xattrs::default()),
        any::<[u8; 32]>().prop_map(|id| Xattrs::Blob(BlobId(id))),
        proptest::collection::btree_map(name, bytes(50), 1..5).prop_map(|map| Xattrs::Inline(
            map.into_iter()
                .map(|(name, value)| Xattr { name, value })
                .collect()
        )),
    ]
}

fn other() -> impl Strategy<Value = Entry> {
    (2..8u8, bytes(60), any::<(u32, u32)>()).prop_map(|(code, target, (major, minor))| {
        let kind = Kind::from_code(code).unwrap();
        let mut entry = Entry {
            mode: 0o644,
            ..Entry::new(kind)
        };
        match kind {
            Kind::Symlink => entry.target = target,
            Kind::CharDevice | Kind::BlockDevice => entry.device = Some(Device { major, minor }),
            _ => {}
        }
        entry
    })
}

proptest! {
    #[test]
    fn entries_round_trip(entry in prop_oneof![file(), other()]) {
        let mut out = Vec::new();
        encode_entry(&entry, &mut out);
        prop_assert_eq!(entry_bytes(b"", &out), entry.size);
        prop_assert_eq!(decode_entry(&out), Ok(entry));
    }

    #[test]
    fn cut_and_flipped_entries_never_panic(entry in file(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut out = Vec::new();
        encode_entry(&entry, &mut out);
        let at = at.index(out.len());
        prop_assert!(decode_entry(&out[..at]).is_err());
        out[at] ^= 1 << bit;
        if let Ok(other) = decode_entry(&out) {
            prop_assert_ne!(other, entry);
        }
    }

    #[test]
    fn noise_never_panics(noise in bytes(300)) {
        let _ = decode_entry(&noise);
        let _ = decode_snapshot(&noise);
        let _ = recoup_format::log::decode_log_record(&noise);
        let _ = recoup_format::plan::decode_plan(&noise);
        let _ = recoup_format::operation::decode_begun(&noise);
        let _ = recoup_format::operation::decode_ended(&noise);
        let _ = recoup_format::timeline::decode_keys(&noise);
        for kind in 0..5 {
            let _ = recoup_format::timeline::decode_record(kind, &noise);
        }
        let _ = decode_extents(&noise);
        let _ = decode_xattrs(&noise);
        let _ = recoup_format::pack::decode_footer(&noise);
        let _ = recoup_format::index::decode_block(&noise);
        let _ = recoup_format::index::Directory::decode(&noise);
        let _ = recoup_format::Header::decode(&noise);
        let _ = recoup_format::Config::decode(&noise);
        let _ = recoup_format::KeySlot::decode(&noise);
    }

    #[test]
    fn lists_round_trip(list in proptest::collection::vec(extent(), 0..200)) {
        prop_assert_eq!(decode_extents(&encode_extents(&list)), Ok(list));
    }
}

#[test]
fn attributes_round_trip() {
    let list = vec![
        Xattr {
            name: b"system.posix_acl_access".to_vec(),
            value: vec![2; 44],
        },
        Xattr {
            name: b"user.note".to_vec(),
            value: vec![],
        },
    ];
    assert_eq!(decode_xattrs(&encode_xattrs(&list)), Ok(list));
}

#[test]
fn snapshots_round_trip() {
    let snapshot = Snapshot {
        time: Timestamp::new(1_356_350_640, 5),
        finished: Timestamp::new(1_356_350_650, 0),
        host: "lb-1".into(),
        user: "ops".into(),
        source: b"/srv/state\xff".to_vec(),
        tags: vec!["nightly".into()],
        root: Some(BlobId([1; 32])),
        parent: None,
        totals: Totals {
            files: 1,
            directories: 2,
            bytes: 3,
            stored_bytes: 4,
        },
        errors: 5,
        safety: true,
        names: Names {
            users: vec![(0, "root".into())],
            groups: vec![],
        },
        program: "recoup 0.1.0".into(),
    };
    let bytes = encode_snapshot(&snapshot);
    assert_eq!(decode_snapshot(&bytes), Ok(snapshot));
    for len in 0..bytes.len() {
        assert!(decode_snapshot(&bytes[..len]).is_err());
    }
}

/// A CBOR map of these fields, each a number and the encoding of a value.
fn record(fields: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut out);
    encoder.map(fields.len() as u64).unwrap();
    for (number, value) in fields {
        encoder.u64(*number).unwrap();
        encoder.writer_mut().extend_from_slice(value);
    }
    out
}

/// The fields of a snapshot without a root, by hand.
fn snapshot_fields() -> Vec<(u64, Vec<u8>)> {
    let (uint, text, list, time) = (vec![1], vec![0x61, b'x'], vec![0x80], vec![0x82, 1, 2]);
    let null = vec![0xf6];
    [
        uint.clone(), // version
        time.clone(),
        time,
        text.clone(), // machine
        text.clone(),
        vec![0x41, b'/'],
        list.clone(), // tags
        null.clone(),
        null,
        uint.clone(), // totals
        uint.clone(),
        uint.clone(),
        uint.clone(),
        uint,       // errors
        vec![0xf4], // safety
        vec![0x82, 0, 0x61, b'r'],
        list, // groups
        text,
    ]
    .into_iter()
    .enumerate()
    .map(|(number, value)| (number as u64, value))
    .collect()
}

/// Fields of later programs: their numbers say whether this one may pass them over.
#[test]
fn unknown_fields_are_passed_over_unless_they_are_critical() {
    let entry = vec![(0, vec![2]), (1, vec![0])];
    let value = vec![0x82, 1, 0x61, b'x'];
    for (number, critical) in [
        (50, false),
        (127, false),
        (128, true),
        (255, true),
        (70_000, true),
    ] {
        let with = |mut fields: Vec<(u64, Vec<u8>)>| {
            fields.push((number, value.clone()));
            record(&fields)
        };
        let newer = |what| FormatError::NewerField {
            what,
            field: number,
        };
        let expected = |what| if critical { Err(newer(what)) } else { Ok(()) };
        let found = decode_entry(&with(entry.clone())).map(|_| ());
        assert_eq!(found, expected("entry"), "{number}");
        let found = decode_snapshot(&with(snapshot_fields())).map(|_| ());
        assert_eq!(found, expected("snapshot"), "{number}");
    }
}

#[test]
fn an_entry_that_no_kind_of_thing_has_is_refused() {
    let entry = |kind: Kind, more: &[(u64, &[u8])]| {
        let mut fields = vec![(0, vec![kind as u8]), (1, vec![0])];
        fields.extend(more.iter().map(|(number, value)| (*number, value.to_vec())));
        decode_entry(&record(&fields))
    };
    let target: (u64, &[u8]) = (13, &[0x41, b'x']);
    let device: (u64, &[u8]) = (14, &[0x82, 1, 3]);
    for code in 1..8 {
        let kind = Kind::from_code(code).unwrap();
        let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
        assert_eq!(entry(kind, &[]).is_ok(), !is_device, "{kind:?}");
        assert_eq!(entry(kind, &[device]).is_ok(), is_device, "{kind:?}");
        if !is_device {
            let is_link = kind == Kind::Symlink;
            assert_eq!(entry(kind, &[target]).is_ok(), is_link, "{kind:?}");
        }
    }
    let no_extents: (u64, &[u8]) = (9, &[0x80]);
    assert!(entry(Kind::File, &[no_extents]).is_err());
}

#[test]
fn the_longest_link_fits_an_entry_and_nothing_longer_than_its_limit_does() {
    let name = |n: u8| Xattr {
        name: vec![n; 100],
        value: vec![0; 150],
    };
    let longest = Entry {
        target: vec![b'x'; 4096],
        xattrs: Xattrs::Inline(vec![name(1), name(2)]),
        mode: 0o777,
        uid: u32::MAX,
        gid: u32::MAX,
        mtime: Timestamp::new(i64::MIN, 999_999_999),
        link: Some(LinkId([1; 16])),
        ..Entry::new(Kind::Symlink)
    };
    let mut out = Vec::new();
    encode_entry(&longest, &mut out);
    assert_eq!(decode_entry(&out), Ok(longest.clone()));
    let room = ENTRY_BYTES_MAX - out.len();
    for (more, fits) in [(room, true), (room + 1, false)] {
        let target = vec![b'x'; 4096 + more];
        let longer = Entry {
            target,
            ..longest.clone()
        };
        out.clear();
        encode_entry(&longer, &mut out);
        assert_eq!(decode_entry(&out).is_ok(), fits, "{} bytes", out.len());
    }
}

#[test]
fn a_snapshot_has_every_field_once_and_in_order() {
    let good = snapshot_fields();
    let snapshot = decode_snapshot(&record(&good)).unwrap();
    assert_eq!(encode_snapshot(&snapshot), record(&good));
    for at in 0..good.len() {
        let mut missing = good.clone();
        missing.remove(at);
        assert!(decode_snapshot(&record(&missing)).is_err(), "without {at}");
        let mut twice = good.clone();
        twice.insert(at, good[at].clone());
        assert!(decode_snapshot(&record(&twice)).is_err(), "{at} twice");
        let mut swapped = good.clone();
        swapped.swap(at, (at + 1) % good.len());
        assert!(decode_snapshot(&record(&swapped)).is_err(), "{at} swapped");
    }
    let mut odd = good.clone();
    odd[15].1 = vec![0x81, 0];
    assert!(decode_snapshot(&record(&odd)).is_err());
    let mut zero = good.clone();
    zero[0].1 = vec![0];
    assert!(decode_snapshot(&record(&zero)).is_err());
    let mut later = good;
    later.push((18, vec![0x82, 1, 0x61, b'x']));
    assert_eq!(decode_snapshot(&record(&later)), Ok(snapshot));
}

#[test]
fn records_beyond_their_limits_are_refused() {
    let mut fields = snapshot_fields();
    let text = |len: usize| {
        let mut out = Vec::new();
        minicbor::Encoder::new(&mut out)
            .str(&"x".repeat(len))
            .unwrap();
        out
    };
    fields[3].1 = text(1 << 20);
    let rest = record(&fields).len() - (1 << 20);
    for (len, fits) in [
        (SNAPSHOT_BYTES_MAX as usize - rest, true),
        (SNAPSHOT_BYTES_MAX as usize - rest + 1, false),
    ] {
        fields[3].1 = text(len);
        assert_eq!(decode_snapshot(&record(&fields)).is_ok(), fits);
    }
}
