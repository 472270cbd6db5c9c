//! How fast many small files and one large one come back: `speed DIRECTORY [FILES]`.
//!
//! Makes a repository in `DIRECTORY/repository` by hand, restores it to `DIRECTORY/out`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use format::entry::{encode_entry, entry_bytes};
use model::{
    BlobId, Cancel, Content, Entropy, Entry, Extent, Kind, Names, PathKey, Silent, Snapshot,
    Timestamp, Totals,
};
use recoup_restore::RestoreOptions;
use repository::{MapWriter, Packer, Repository, RepositoryError};
use storage::LocalStorage;

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            *byte = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8;
        }
    }
}

/// About three times compressible.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&(state & 0x0000_0f0f_0f00_0f0f).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn entry(kind: Kind, size: usize, content: Content) -> Entry {
    let mut entry = Entry::new(kind);
    entry.mode = if kind == Kind::Directory {
        0o755
    } else {
        0o644
    };
    entry.mtime = Timestamp::new(1_700_000_000, 42);
    (entry.size, entry.content) = (size as u64, content);
    entry
}

fn build(repository: &Repository, entries: &[(Vec<u8>, usize)]) -> Option<BlobId> {
    let params = repository.map_params();
    let work = |session: &repository::Session<'_>| {
        let (mut data, mut map) = (Packer::data(session), Packer::map(session));
        let mut writer = MapWriter(&mut map);
        let mut builder = prolly::Builder::new(params, entry_bytes, &mut writer);
        let mut value = Vec::new();
        for (seed, (key, size)) in entries.iter().enumerate() {
            let entry = match *size {
                0 => entry(Kind::Directory, 0, Content::Empty),
                size if size <= 1 << 20 => {
                    let id = data.add(&bytes(seed as u64, size))?.id;
                    entry(Kind::File, size, Content::Blob(id))
                }
                size => {
                    let extents: Result<Vec<_>, RepositoryError> = (0..size >> 20)
                        .map(|n| {
                            let id = data.add(&bytes((seed + n) as u64, 1 << 20))?.id;
                            Ok(Extent::Data { id, len: 1 << 20 })
                        })
                        .collect();
                    let list = format::extents::encode_extents(&extents?);
                    let id = data.add(&list)?.id;
                    entry(Kind::File, size, Content::ExtentList(id))
                }
            };
            value.clear();
            encode_entry(&entry, &mut value);
            builder.push(key, &value).expect("entries are in order");
        }
        let root = builder.finish().expect("the map is built");
        data.finish()?;
        map.finish()?;
        Ok::<_, RepositoryError>(root)
    };
    repository.write(&Silent, work).expect("written").0
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let place = PathBuf::from(arguments.next().expect("a directory"));
    let files: usize = arguments
        .next()
        .and_then(|count| count.to_str()?.parse().ok())
        .unwrap_or(100_000);
    let entropy: Arc<dyn Entropy> = Arc::new(Counting(AtomicU64::new(1)));
    let storage = LocalStorage::create(place.join("repository")).expect("storage");
    let (keyset, _) =
        repository::keys::create(&storage, &[], Timestamp::default(), &*entropy).expect("keys");
    let repository =
        Repository::with_keyset(Arc::new(storage), keyset, entropy).expect("repository");
    let mut small = vec![(Vec::new(), 0)];
    for n in 0..files {
        if n % 100 == 0 {
            small.push((format!("d{:06}", n / 100).into_bytes(), 0));
        }
        let key = format!("d{:06}\0f{n:08}", n / 100).into_bytes();
        small.push((key, 100 + (n * 7919) % 32_000));
    }
    let large = vec![(Vec::new(), 0), (b"image".to_vec(), 1 << 30)];
    for (name, entries) in [("small", small), ("image", large)] {
        let snapshot = snapshot(build(&repository, &entries), &entries);
        let options = RestoreOptions {
            root_user: true,
            ..RestoreOptions::new(place.join("out").join(name))
        };
        for round in ["new", "again"] {
            let begin = Instant::now();
            let (root, cancel) = (PathKey::root(), Cancel::default());
            let report =
                recoup_restore::run(&repository, &snapshot, &root, &options, &Silent, &cancel)
                    .expect("restored");
            let seconds = begin.elapsed().as_secs_f64();
            println!(
                "{name} {round}: {seconds:.2} s, {:.0} files/s, {:.0} MB/s, {} problems, {} bytes written",
                report.files as f64 / seconds,
                report.bytes as f64 / seconds / 1e6,
                report.problems_total,
                report.written_bytes,
            );
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or("")
    );
}

fn snapshot(root: Option<BlobId>, entries: &[(Vec<u8>, usize)]) -> Snapshot {
    let directories = entries.iter().filter(|entry| entry.1 == 0).count() as u64;
    Snapshot {
        time: Timestamp::default(),
        finished: Timestamp::default(),
        host: String::new(),
        user: String::new(),
        source: b"/".to_vec(),
        tags: Vec::new(),
        root,
        parent: None,
        totals: Totals {
            files: entries.len() as u64 - directories,
            directories,
            bytes: entries.iter().map(|entry| entry.1 as u64).sum(),
            stored_bytes: 0,
        },
        errors: 0,
        safety: false,
        names: Names::default(),
        program: String::new(),
    }
}
