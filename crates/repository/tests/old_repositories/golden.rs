//! Makes the golden repository of the current version: always the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use codec::{Kdf, Keyset, LockedKeyset, Secret, recovery};
use format::entry::{encode_entry, encode_xattrs, entry_bytes};
use format::extents::encode_extents;
use format::{KeySlot, Role, SlotKdf};
use model::{
    BlobId, Content, Device, Entropy, Entry, Extent, KeyId, Kind, LinkId, Names, PathKey, Silent,
    Snapshot, SnapshotId, Timestamp, Totals, Xattr, Xattrs,
};
use prolly::Builder;
use recoup_repository::keys::{self, NewKey};
use recoup_repository::{MapWriter, Packer, Repository};
use serde_json::{Value, json};
use storage::{LocalStorage, ObjectName, Storage};

use super::read;

const PASSWORD: &str = "correct horse battery staple";
const CREATED: &str = "2026-11-23T12:00:00Z";

/// Entropy that is always the same.
pub(crate) struct Stream(Mutex<blake3::OutputReader>);

impl Stream {
    pub(crate) fn new(seed: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(seed.as_bytes());
        Self(Mutex::new(hasher.finalize_xof()))
    }

    fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        bytes
    }
}

impl Entropy for Stream {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap().fill(buffer);
    }
}

fn raw(seed: &str) -> [u8; 32] {
    *blake3::hash(seed.as_bytes()).as_bytes()
}

fn new_key(role: Role, kind: &str, label: &str) -> NewKey {
    NewKey {
        role,
        kind: kind.to_owned(),
        label: label.to_owned(),
        created: CREATED.to_owned(),
    }
}

/// What was made, for `expected.json`.
pub(crate) fn make(place: &Path) {
    let storage: Arc<dyn Storage> = Arc::new(LocalStorage::create(place).unwrap());
    let entropy = Arc::new(Stream::new("recoup golden v1"));
    let full = Secret::Raw(raw("golden key file").into());
    let first = [(full, new_key(Role::Full, "key-file", "first"))];
    let created = Timestamp::new(1_795_435_200, 0);
    let (keyset, _) = keys::create(&*storage, &first, created, &*entropy).unwrap();
    add_password(&*storage, &keyset, &entropy);
    let writer = Secret::Raw(raw("golden writer").into());
    let key = new_key(Role::WriteOnly, "recovery-code", "writer \u{e9} \"attic\"");
    keys::add_slot(&*storage, &keyset, &writer, &key, &*entropy).unwrap();

    let repository = Repository::with_keyset(storage, keyset, entropy).unwrap();
    let first = first_snapshot(&repository);
    second_snapshot(&repository, first);
}

/// A password that costs little to try, so that the test is quick.
fn add_password(storage: &dyn Storage, keyset: &Keyset, entropy: &Stream) {
    let salt: [u8; 16] = entropy.bytes(16).try_into().unwrap();
    let (memory_kib, passes, lanes) = (64, 2, 2);
    let mut slot = KeySlot {
        repository: keyset.repository(),
        id: KeyId(entropy.bytes(16).try_into().unwrap()),
        role: Role::Full,
        kind: "password".to_owned(),
        label: "second".to_owned(),
        created: CREATED.to_owned(),
        kdf: SlotKdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        },
        sealed: Vec::new(),
        seal: [0; 32],
    };
    let kdf = Kdf::Argon2id {
        memory_kib,
        passes,
        lanes,
        salt,
    };
    let secret = Secret::Password(PASSWORD.to_owned().into());
    slot.sealed = LockedKeyset::lock_with(kdf, &secret, keyset, &slot.additional_data())
        .unwrap()
        .sealed;
    slot.seal = keyset.commit(&[0; 32], &slot.sealed_record());
    let name = ObjectName::Key(slot.id);
    storage.put_new(&name, slot.encode().as_bytes()).unwrap();
}

/// `expected.json` of what lies there.
pub(crate) fn expected(place: &Path) -> String {
    let storage: Arc<dyn Storage> = Arc::new(LocalStorage::open(place).unwrap());
    let kinds = [
        ("full", "key-file", code("golden key file")),
        ("full", "password", PASSWORD.to_owned()),
        ("write-only", "recovery-code", code("golden writer")),
    ];
    let mut listed = Vec::new();
    let mut opened = None;
    for (role, kind, secret) in kinds {
        let mut key = json!({ "role": role, "kind": kind, "secret": secret });
        let (keyset, id) = keys::unlock(&storage, &read::secret(&key)).unwrap();
        key["id"] = json!(id.to_hex());
        listed.push(key);
        opened = opened.or(Some(keyset));
    }
    let entropy = Arc::new(Stream::new("reading"));
    let repository = Repository::with_keyset(storage, opened.unwrap(), entropy).unwrap();
    let snapshots = read::snapshots(&repository);
    one_line_each(&json!({ "keys": listed, "snapshots": snapshots }))
}

fn code(seed: &str) -> String {
    recovery::format(&raw(seed)).to_string()
}

/// JSON with a line for each key and each entry, so that differences can be read.
fn one_line_each(value: &Value) -> String {
    let text = value.to_string();
    let mut text = text.replace("},{", "},\n{").replace("[{", "[\n{");
    text.push('\n');
    text
}

/// A tree in the making.
struct Tree<'p, 'a, 'r> {
    data: &'p mut Packer<'a, 'r>,
    lists: &'p mut Packer<'a, 'r>,
    repository: &'r Repository,
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl Tree<'_, '_, '_> {
    fn put(&mut self, path: &[u8], kind: Kind, mode: u32) -> &mut Entry {
        let key = PathKey::from_path(path).unwrap().into_bytes();
        let entry = Entry {
            mode,
            uid: 1000,
            gid: 1000,
            mtime: Timestamp::new(1_700_000_000 + self.entries.len() as i64, 987_654_321),
            ..Entry::new(kind)
        };
        self.entries.entry(key).insert_entry(entry).into_mut()
    }

    fn blob(&mut self, bytes: &[u8]) -> BlobId {
        self.data.add(bytes).unwrap().id
    }

    fn file(&mut self, path: &[u8], bytes: &[u8]) -> &mut Entry {
        let content = match bytes.len() {
            0 => Content::Empty,
            1..=96 => Content::Inline(bytes.to_vec()),
            _ => Content::Blob(self.blob(bytes)),
        };
        let entry = self.put(path, Kind::File, 0o644);
        entry.size = bytes.len() as u64;
        entry.content = content;
        entry
    }

    fn extents(&mut self, path: &[u8], extents: Vec<Extent>, in_blob: bool) -> &mut Entry {
        let size = extents.iter().map(Extent::len).sum();
        let content = if in_blob {
            let list = encode_extents(&extents);
            Content::ExtentList(self.lists.add(&list).unwrap().id)
        } else {
            Content::Extents(extents)
        };
        let entry = self.put(path, Kind::File, 0o600);
        (entry.size, entry.content) = (size, content);
        entry
    }

    fn data(&mut self, seed: &str, len: usize) -> Extent {
        let id = self.blob(&Stream::new(seed).bytes(len));
        Extent::Data {
            id,
            len: len as u64,
        }
    }

    /// The root of the map, and what a snapshot says of it.
    fn finish(self) -> (BlobId, Totals) {
        let mut totals = Totals::default();
        let params = self.repository.map_params();
        let mut sink = MapWriter(self.lists);
        let mut builder = Builder::new(params, entry_bytes, &mut sink);
        for (key, entry) in &self.entries {
            match entry.kind {
                Kind::Directory => totals.directories += 1,
                _ => totals.files += 1,
            }
            totals.bytes += entry.size;
            let mut value = Vec::new();
            encode_entry(entry, &mut value);
            builder.push(key, &value).unwrap();
        }
        (builder.finish().unwrap().unwrap(), totals)
    }
}

/// Everything that a user without privileges can restore.
fn common(tree: &mut Tree<'_, '_, '_>) {
    tree.put(b"", Kind::Directory, 0o755);
    for path in [&b"empty"[..], b"many", b"odd", b"sparse"] {
        tree.put(path, Kind::Directory, 0o750);
    }
    tree.file(b"nothing", b"");
    tree.file(b"inline", b"short enough to stand in the entry\n");
    tree.file(
        b"many-beside",
        b"sorts between a directory and what lies beneath it, if one is careless",
    );
    for n in 0..300 {
        let text = format!("file {n} of many\n").repeat(8);
        tree.file(format!("many/{n:03}").as_bytes(), text.as_bytes());
    }
    tree.file(b"large", &b"a segment of its own\n".repeat(30_000));
    odd(tree);
    let extents = vec![
        tree.data("a", 5_000),
        Extent::Hole { len: 1 << 20 },
        tree.data("b", 3_000),
        Extent::Zeros { len: 65_536 },
    ];
    tree.extents(b"sparse/short-list", extents, false);
    let extents = (0..40)
        .flat_map(|n| {
            [
                Extent::Hole { len: 4096 },
                tree.data(&format!("x{}", n % 5), 512),
            ]
        })
        .collect();
    tree.extents(b"sparse/long-list", extents, true);
    tree.extents(b"sparse/hole", vec![Extent::Hole { len: 1 << 21 }], false);
}

fn odd(tree: &mut Tree<'_, '_, '_>) {
    tree.put(b"odd/fifo", Kind::Fifo, 0o600);
    tree.put(b"odd/socket", Kind::Socket, 0o755);
    tree.put(b"odd/symlink", Kind::Symlink, 0o777).target = b"../inline".to_vec();
    tree.put(b"odd/dangling", Kind::Symlink, 0o777).target = b"/nowhere/\xfe".to_vec();
    tree.file(b"odd/not utf-8 \xff\n\t*", b"name of any bytes");
    tree.file(&[b"odd/", &[b'n'; 255][..]].concat(), b"longest name");
    tree.file(b"odd/old", b"before 1970").mtime = Timestamp::new(-1_000_000_000, 1);
    tree.file(b"odd/moving", b"never held still").unsettled = true;
    tree.file(b"odd/program", b"#!/bin/sh\n").mode = 0o4755;
    let id = tree.repository.id_key().blob_id(b"empty\0link-1");
    let mut link = LinkId([0; 16]);
    link.0.copy_from_slice(&id.as_bytes()[..16]);
    for path in [&b"empty/link-1"[..], b"odd/link-2"] {
        let entry = tree.file(path, &b"one file, two names\n".repeat(20));
        entry.link = Some(link);
        entry.mtime = Timestamp::new(1_700_000_500, 0);
    }
    let xattr = |name: &[u8], value: Vec<u8>| Xattr {
        name: name.to_vec(),
        value,
    };
    let short = vec![
        xattr(b"user.comment", b"hello".to_vec()),
        xattr(b"user.empty", vec![]),
    ];
    tree.file(b"odd/xattrs", b"some").xattrs = Xattrs::Inline(short);
    let long = encode_xattrs(&[xattr(b"user.long", Stream::new("long").bytes(3_000))]);
    let id = tree.lists.add(&long).unwrap().id;
    tree.put(b"odd/xattrs-long", Kind::Directory, 0o700).xattrs = Xattrs::Blob(id);
}

fn snapshot(
    repository: &Repository,
    fill: impl FnOnce(&mut Tree<'_, '_, '_>),
    record: impl FnOnce(BlobId, Totals) -> Snapshot,
) -> SnapshotId {
    let ((root, totals), written) = repository
        .write(&Silent, |session| {
            let (mut data, mut lists) = (Packer::data(session), Packer::map(session));
            let mut tree = Tree {
                data: &mut data,
                lists: &mut lists,
                repository,
                entries: BTreeMap::new(),
            };
            fill(&mut tree);
            let made = tree.finish();
            data.finish()?;
            lists.finish()?;
            Ok::<_, recoup_repository::RepositoryError>(made)
        })
        .unwrap();
    let totals = Totals {
        stored_bytes: written.stored_bytes,
        ..totals
    };
    repository.put_snapshot(&record(root, totals)).unwrap()
}

fn first_snapshot(repository: &Repository) -> SnapshotId {
    snapshot(repository, common, |root, totals| Snapshot {
        time: Timestamp::new(1_795_435_300, 0),
        finished: Timestamp::new(1_795_435_301, 250_000_000),
        host: "golden".to_owned(),
        user: "mira".to_owned(),
        source: b"/home/mira".to_vec(),
        tags: Vec::new(),
        root: Some(root),
        parent: None,
        totals,
        errors: 0,
        safety: false,
        names: Names {
            users: vec![(0, "root".to_owned()), (1000, "mira".to_owned())],
            groups: vec![(1000, "mira".to_owned())],
        },
        program: "recoup 0.1.0".to_owned(),
    })
}

/// Later: one file changed, one gone, devices, and something that could not be read.
fn second_snapshot(repository: &Repository, parent: SnapshotId) {
    let fill = |tree: &mut Tree<'_, '_, '_>| {
        common(tree);
        tree.entries.remove(b"nothing".as_slice());
        tree.file(b"inline", b"changed\n");
        tree.file(b"noise", &Stream::new("noise").bytes(40_000));
        tree.put(b"dev", Kind::Directory, 0o755);
        let devices = [
            (&b"dev/null"[..], Kind::CharDevice, 1, 3),
            (b"dev/disk", Kind::BlockDevice, 259, 7),
        ];
        for (path, kind, major, minor) in devices {
            tree.put(path, kind, 0o660).device = Some(Device { major, minor });
        }
    };
    snapshot(repository, fill, |root, totals| Snapshot {
        time: Timestamp::new(1_795_521_700, 5),
        finished: Timestamp::new(1_795_521_702, 0),
        host: "golden".to_owned(),
        user: "root".to_owned(),
        source: b"/home/mira".to_vec(),
        tags: vec!["monthly".to_owned(), "\u{fc}ber".to_owned()],
        root: Some(root),
        parent: Some(parent),
        totals,
        errors: 2,
        safety: true,
        names: Names::default(),
        program: "recoup 0.1.0".to_owned(),
    });
}
