//! The edits between two backups: seeded, so that every tool and every machine sees the same ones.

use super::random::Random;
use super::tree;
use anyhow::Result;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Shares of the files, in thousandths.
const EDITED_PER_MILLE: u64 = 10;
const DELETED_PER_MILLE: u64 = 5;
const ADDED_PER_MILLE: u64 = 5;

const BLOCK_BYTES: u64 = 4096;
/// One block in fifty is changed, in runs of this many blocks on average.
const CHANGED_PART: u64 = 50;
const RUN_BLOCKS: u64 = 16;

/// Edits 1 % of the files below `root`, deletes 0.5 % and adds 0.5 %, scattered over the tree.
pub(crate) fn edit_tree(root: &Path, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    tree::visit_files(root, &mut |path| {
        let dice = random.below(1000);
        if dice < EDITED_PER_MILLE {
            insert_line(path, &mut random)?;
        } else if dice < EDITED_PER_MILLE + DELETED_PER_MILLE {
            fs::remove_file(path)?;
        } else if dice < EDITED_PER_MILLE + DELETED_PER_MILLE + ADDED_PER_MILLE {
            add_neighbour(path, seed, &mut random)?;
        }
        Ok(())
    })
}

/// Changes 2 % of the blocks of the file, in runs: half become new data, half differ in a few bytes.
pub(crate) fn edit_image(image: &Path, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    let file = File::options().read(true).write(true).open(image)?;
    let blocks = file.metadata()?.len() / BLOCK_BYTES;
    let mut left = blocks / CHANGED_PART;
    let mut buffer = vec![0; (2 * RUN_BLOCKS * BLOCK_BYTES) as usize];
    while left > 0 {
        let run = (1 + random.below(2 * RUN_BLOCKS - 1)).min(left);
        let begin = random.below(blocks - run) * BLOCK_BYTES;
        let bytes = &mut buffer[..(run * BLOCK_BYTES) as usize];
        if random.below(2) == 0 {
            random.fill(bytes);
        } else {
            file.read_exact_at(bytes, begin)?;
            bytes
                .chunks_mut(BLOCK_BYTES as usize)
                .for_each(|block| random.fill(&mut block[..16]));
        }
        file.write_all_at(bytes, begin)?;
        left -= run;
    }
    Ok(file.sync_all()?)
}

/// Adds a line in the middle of a file, as an editor would.
fn insert_line(path: &Path, random: &mut Random) -> Result<()> {
    let content = fs::read(path)?;
    let (head, tail) = content.split_at(content.len() / 2);
    let line = format!("\n/* edited: {:x} */\n", random.next());
    Ok(fs::write(path, [head, line.as_bytes(), tail].concat())?)
}

/// Adds a file with new text beside `path`.
fn add_neighbour(path: &Path, seed: u64, random: &mut Random) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{seed}.new"));
    let mut content = fs::read(path)?;
    content.extend(format!("\n/* added: {:x} */\n", random.next()).bytes());
    Ok(fs::write(PathBuf::from(name), content)?)
}
