//! Writes the seeds of the fuzz targets: what a small repository really holds, decoded layer by layer.
//! Usage: cargo run -p recoup-testkit --example seeds -- fuzz/seeds

use std::error::Error;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use codec::Compressor;
use model::Content;
use model::Extent;
use model::PathKey;
use model::Xattr;
use recoup_testkit::Lab;
use recoup_testkit::Tree;
use recoup_testkit::build;
use recoup_testkit::options;
use repository::MapReader;
use storage::MemoryStorage;
use storage::ObjectKind;
use storage::ObjectName;
use storage::Storage;

/// Seeds of one target that are kept: more of them teach the fuzzer nothing.
const SEEDS_MAX: usize = 12;

struct Seeds(PathBuf);

impl Seeds {
    fn put(&self, target: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        let number = fs::read_dir(&folder)?.count();
        if number < SEEDS_MAX {
            fs::write(folder.join(number.to_string()), bytes)?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    let seeds = Seeds(Path::new(&folder).to_owned());
    let root = tempfile::tempdir()?;
    build(
        root.path(),
        &Tree {
            large_bytes: 2000,
            ..Tree::small(3)
        },
    )?;
    let (lab, storage) = (Lab::new(3), Arc::new(MemoryStorage::new()));
    lab.create(&*storage)?;
    let repository = lab.open(storage.clone())?;
    let report = lab.backup(&repository, &options(root.path()))?;
    for (name, bytes) in storage.objects() {
        seeds.put("object_name", name.to_string().as_bytes())?;
        match name.kind() {
            ObjectKind::Config => seeds.put("config", &bytes)?,
            ObjectKind::Key => seeds.put("slot", &bytes)?,
            _ => seeds.put("header", &bytes[..bytes.len().min(1300)])?,
        }
        if let ObjectName::Pack(id) = name {
            let len = storage.size(&name)?;
            let (key, _) = repository::pack::open_any(&*storage, id, len, repository.keyset())?;
            let (segments, trailer) = repository::pack::read_footer(&*storage, id, len, &key)?;
            seeds.put("footer", &format::pack::encode_footer(&segments))?;
            seeds.put("trailer", &trailer.encode())?;
        }
    }
    for run in repository.index().runs() {
        seeds.put("directory", &run.directory.encode())?;
        for at in 0..run.directory.blocks.len() {
            let block = run.read_block(at, &*storage)?;
            seeds.put("block", &format::index::encode_block(&block))?;
        }
    }
    seeds.put(
        "snapshot",
        &format::snapshot::encode_snapshot(&report.snapshot),
    )?;
    seeds.put("keyset", &repository.keyset().to_cbor())?;
    seeds.put("recovery", codec::recovery::format(&[7; 32]).as_bytes())?;
    seed_map(&seeds, &repository, &report.snapshot)?;
    for plain in [vec![0; 3000], b"letters and ledgers ".repeat(90)] {
        let mut seed = vec![1, plain.len() as u8, (plain.len() >> 8) as u8, 0];
        Compressor::new(3).compress(&plain, &mut seed);
        seeds.put("decompress", &seed)?;
    }
    Ok(())
}

/// Nodes, keys, entries and the lists that belong to them.
fn seed_map(
    seeds: &Seeds,
    repository: &repository::Repository,
    snapshot: &model::Snapshot,
) -> Result<(), Box<dyn Error>> {
    let reader = MapReader::new(repository);
    let map = reader.map(snapshot.root);
    let mut ids = Vec::new();
    prolly::walk(&map, |_| true, |id, _| ids.push(*id))?;
    for id in ids {
        seeds.put("node", &repository.read_blob(&id)?)?;
    }
    let mut entries = reader.entries(snapshot.root, &PathKey::root());
    while let Some((key, entry)) = entries.next()? {
        seeds.put("path_key", key.as_bytes())?;
        if entry.content != Content::Empty || !entry.target.is_empty() {
            let mut value = Vec::new();
            format::entry::encode_entry(&entry, &mut value);
            seeds.put("entry", &value)?;
        }
        let extents = repository.extents(&entry)?;
        if extents.len() > 1 {
            seeds.put("extents", &format::extents::encode_extents(&extents))?;
        }
        let list: Vec<Xattr> = repository.xattrs(&entry)?;
        if !list.is_empty() {
            seeds.put("xattrs", &format::entry::encode_xattrs(&list))?;
        }
    }
    let extents = [Extent::Hole { len: 9 }, Extent::Zeros { len: 1 << 40 }];
    seeds.put("extents", &format::extents::encode_extents(&extents))?;
    Ok(())
}
