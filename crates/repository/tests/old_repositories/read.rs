//! Reading a repository whole, into the form of `expected.json`.

use codec::{Secret, recovery};
use model::{Content, Entry, Extent, PathKey};
use recoup_repository::{MapReader, Repository, Stored};
use serde_json::{Value, json};

/// The secret that `expected.json` tells of a key.
pub(crate) fn secret(key: &Value) -> Secret {
    let text = key["secret"].as_str().unwrap();
    if key["kind"] == "password" {
        Secret::Password(text.to_owned().into())
    } else {
        Secret::Raw(recovery::parse(text).unwrap())
    }
}

pub(crate) fn assert_same(found: &[Value], expected: &[Value]) {
    assert_eq!(found.len(), expected.len(), "number of snapshots");
    for (found, expected) in found.iter().zip(expected) {
        let entries = |of: &Value| of["entries"].as_array().unwrap().clone();
        for (found, expected) in entries(found).iter().zip(&entries(expected)) {
            assert_eq!(found, expected);
        }
        assert_eq!(found, expected);
    }
}

/// Every snapshot with every entry, oldest first.
pub(crate) fn snapshots(repository: &Repository) -> Vec<Value> {
    let (snapshots, damaged) = repository.snapshots().unwrap();
    assert!(damaged.is_empty());
    snapshots
        .iter()
        .map(|stored| snapshot(repository, stored))
        .collect()
}

fn snapshot(repository: &Repository, stored: &Stored) -> Value {
    let snapshot = &stored.snapshot;
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(snapshot.root, &PathKey::root());
    let mut listed = Vec::new();
    while let Some((key, entry)) = entries.next().unwrap() {
        listed.push(describe(repository, &key, &entry));
    }
    json!({
        "id": stored.id.to_hex(),
        "time": [snapshot.time.secs, snapshot.time.nanos],
        "finished": [snapshot.finished.secs, snapshot.finished.nanos],
        "host": snapshot.host,
        "user": snapshot.user,
        "source": text(&snapshot.source),
        "tags": snapshot.tags,
        "parent": snapshot.parent.map(model::SnapshotId::to_hex),
        "files": snapshot.totals.files,
        "directories": snapshot.totals.directories,
        "bytes": snapshot.totals.bytes,
        "stored_bytes": snapshot.totals.stored_bytes,
        "errors": snapshot.errors,
        "partial": snapshot.is_partial(),
        "safety": snapshot.safety,
        "users": snapshot.names.users,
        "groups": snapshot.names.groups,
        "program": snapshot.program,
        "entries": listed,
    })
}

/// Bytes as text: what is not printable ASCII as `\xNN`.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn describe(repository: &Repository, key: &PathKey, entry: &Entry) -> Value {
    let (content, holes) = content(repository, entry);
    assert_eq!(content.len() as u64, entry.size);
    let mut value = json!({
        "path": text(&key.to_path()),
        "kind": entry.kind.word(),
        "mode": format!("{:04o}", entry.mode),
        "owner": [entry.uid, entry.gid],
        "mtime": [entry.mtime.secs, entry.mtime.nanos],
        "size": entry.size,
    });
    let more = value.as_object_mut().unwrap();
    let mut put = |name: &str, value: Value| more.insert(name.to_owned(), value);
    if entry.size > 0 {
        put("blake3", json!(blake3::hash(&content).to_hex().as_str()));
    }
    if !holes.is_empty() {
        put("holes", json!(holes));
    }
    if !entry.target.is_empty() {
        put("target", json!(text(&entry.target)));
    }
    if let Some(device) = entry.device {
        put("device", json!([device.major, device.minor]));
    }
    if let Some(link) = entry.link {
        put("link", json!(u128::from_be_bytes(link.0).to_string()));
    }
    if entry.unsettled {
        put("unsettled", json!(true));
    }
    let xattrs = repository.xattrs(entry).unwrap();
    if !xattrs.is_empty() {
        let list = xattrs
            .iter()
            .map(|xattr| [text(&xattr.name), blake3::hash(&xattr.value).to_string()]);
        put("xattrs", json!(list.collect::<Vec<_>>()));
    }
    value
}

/// The bytes of a file, and where it has holes: offset and length.
fn content(repository: &Repository, entry: &Entry) -> (Vec<u8>, Vec<[u64; 2]>) {
    if let Content::Inline(bytes) = &entry.content {
        return (bytes.clone(), Vec::new());
    }
    let (mut bytes, mut holes) = (Vec::new(), Vec::new());
    for extent in repository.extents(entry).unwrap() {
        let at = bytes.len();
        if let Extent::Data { id, len } = extent {
            bytes.extend(repository.read_blob(&id).unwrap());
            assert_eq!((bytes.len() - at) as u64, len);
        } else {
            bytes.resize(at + extent.len() as usize, 0);
        }
        if matches!(extent, Extent::Hole { .. }) {
            holes.push([at as u64, extent.len()]);
        }
    }
    (bytes, holes)
}
