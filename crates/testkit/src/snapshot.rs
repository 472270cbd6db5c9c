//! A picture of a stored snapshot, read blob by blob: no restore has a part in it.

use std::collections::BTreeMap;

use model::Content;
use model::Entry;
use model::Extent;
use model::Kind;
use model::PathKey;
use model::Snapshot;
use repository::MapReader;
use repository::Repository;
use repository::RepositoryError;

use crate::picture::Picture;
use crate::picture::Shot;

/// More than any test stores in one file: what claims more is not read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Everything in a snapshot, or the first error.
pub fn picture_of(
    repository: &Repository,
    snapshot: &Snapshot,
) -> Result<Picture, RepositoryError> {
    let (picture, errors) = read_what_can_be(repository, snapshot)?;
    errors
        .into_iter()
        .next()
        .map_or(Ok(picture), |(_, error)| Err(error))
}

/// Everything in a snapshot that can be read, and by key what can't; an error if its map can't be read
/// to the end.
pub fn read_what_can_be(
    repository: &Repository,
    snapshot: &Snapshot,
) -> Result<(Picture, BTreeMap<Vec<u8>, RepositoryError>), RepositoryError> {
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(snapshot.root, &PathKey::root());
    let (mut picture, mut errors) = (Picture::default(), BTreeMap::new());
    let mut links: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
    while let Some((key, entry)) = entries.next()? {
        let key = key.as_bytes().to_vec();
        if let Some(link) = entry.link {
            links.entry(link).or_default().push(key.clone());
        }
        match shot_of(repository, &entry) {
            Ok(shot) => drop(picture.0.insert(key, shot)),
            Err(error) => drop(errors.insert(key, error)),
        }
    }
    links.into_values().for_each(|names| picture.twins(names));
    Ok((picture, errors))
}

/// What the map says of one path, with its bytes.
pub fn shot_of(repository: &Repository, entry: &Entry) -> Result<Shot, RepositoryError> {
    let mut shot = Shot {
        kind: entry.kind.word(),
        mode: if entry.kind == Kind::Symlink {
            0
        } else {
            entry.mode
        },
        owner: (entry.uid, entry.gid),
        mtime: (entry.mtime.secs, entry.mtime.nanos),
        target: entry.target.clone(),
        device: entry.device.map(|device| (device.major, device.minor)),
        ..Shot::default()
    };
    for xattr in repository.xattrs(entry)? {
        shot.xattrs.push((xattr.name, xattr.value));
    }
    let refused = |why: &str| RepositoryError::Damaged {
        object: "file".to_owned(),
        why: why.to_owned(),
    };
    if entry.size > FILE_BYTES_MAX {
        return Err(refused("it is longer than the tests read"));
    }
    if let Content::Inline(bytes) = &entry.content {
        shot.bytes.clone_from(bytes);
    }
    for extent in repository.extents(entry)? {
        let at = shot.bytes.len() as u64;
        match extent {
            Extent::Data { id, len } => {
                let bytes = repository.read_blob(&id)?;
                if bytes.len() as u64 != len {
                    return Err(refused("a blob is not as long as its extent"));
                }
                shot.bytes.extend_from_slice(&bytes);
            }
            Extent::Zeros { len } => shot.bytes.resize((at + len) as usize, 0),
            Extent::Hole { len } => {
                shot.bytes.resize((at + len) as usize, 0);
                match shot.holes.last_mut() {
                    Some((from, before)) if *from + *before == at => *before += len,
                    _ => shot.holes.push((at, len)),
                }
            }
        }
    }
    if shot.bytes.len() as u64 != entry.size {
        return Err(refused("its content is not as long as its size"));
    }
    Ok(shot)
}
