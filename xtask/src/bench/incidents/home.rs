//! The tree that is worked on and attacked: a home of someone who writes programs, letters and takes
//! pictures. The same on every machine; each file begins as its name promises.

use super::super::random::Random;
use anyhow::Result;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How many files of each kind lie in how many folders, and how large they are.
struct Shelf {
    folder: &'static str,
    extension: &'static str,
    files: u64,
    folders: u64,
    bytes: (u64, u64),
    make: fn(&mut Random, u64) -> Vec<u8>,
}

/// About 2,900 files. Sizes are those of usual homes, pictures and archives made smaller so that a case
/// begins within seconds.
const SHELVES: [Shelf; 15] = [
    shelf("documents/letters", "txt", 300, 12, (1_000, 9_000), text),
    shelf("documents/notes", "md", 200, 8, (500, 6_000), text),
    shelf("documents/office", "odt", 150, 6, (6_000, 40_000), archive),
    shelf("documents/tables", "xlsx", 100, 4, (5_000, 30_000), archive),
    shelf("documents/papers", "pdf", 100, 5, (8_000, 50_000), pdf),
    shelf("pictures/camera", "jpg", 300, 10, (12_000, 60_000), jpeg),
    shelf("pictures/screen", "png", 100, 4, (6_000, 40_000), png),
    shelf("mail/inbox", "eml", 400, 8, (800, 8_000), text),
    shelf("projects/app/src", "rs", 300, 12, (600, 12_000), text),
    shelf("projects/tools", "py", 200, 8, (400, 7_000), text),
    shelf("projects/native", "h", 200, 8, (300, 5_000), text),
    shelf("projects/settings", "json", 200, 5, (200, 3_000), text),
    shelf("data/measured", "csv", 200, 5, (2_000, 30_000), table),
    shelf("data/backups", "gz", 40, 2, (8_000, 50_000), gzip),
    shelf("logs", "log", 60, 3, (8_000, 60_000), log),
];

const fn shelf(
    folder: &'static str,
    extension: &'static str,
    files: u64,
    folders: u64,
    bytes: (u64, u64),
    make: fn(&mut Random, u64) -> Vec<u8>,
) -> Shelf {
    Shelf {
        folder,
        extension,
        files,
        folders,
        bytes,
        make,
    }
}

/// Any fixed value: the tree must not differ from machine to machine.
const SEED: u64 = 20_121_224;

/// Makes the tree below `root`, with a `share`-th of the files of each kind.
pub(super) fn make(root: &Path, share: u64) -> Result<()> {
    let mut random = Random::new(SEED);
    for shelf in &SHELVES {
        for number in 0..shelf.files / share {
            let inner = number % shelf.folders;
            let folder = root.join(shelf.folder).join(format!("{inner:02}"));
            fs::create_dir_all(&folder)?;
            let (least, most) = shelf.bytes;
            let length = least + random.below(most - least);
            let name = format!("{}-{number:04}.{}", word(&mut random), shelf.extension);
            let file = folder.join(name);
            fs::write(&file, (shelf.make)(&mut random, length))?;
            // Several kinds of permissions, as in every home.
            let mode = match shelf.extension {
                "py" => 0o755,
                "eml" => 0o600,
                _ => 0o644,
            };
            fs::set_permissions(&file, Permissions::from_mode(mode))?;
        }
    }
    // Where somebody goes on working whatever happens to the rest.
    for number in 0..40 {
        let folder = root.join("desk");
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join(format!("draft-{number:02}.txt")),
            text(&mut random, 3_000),
        )?;
    }
    Ok(())
}

const WORDS: [&str; 32] = [
    "balance", "region", "state", "winter", "letter", "return", "bridge", "server", "engine",
    "market", "garden", "number", "window", "paper", "signal", "kitchen", "morning", "between",
    "without", "travel", "copper", "yellow", "method", "record", "second", "future", "answer",
    "island", "summer", "ticket", "motor", "planet",
];

fn word(random: &mut Random) -> &'static str {
    WORDS[random.below(WORDS.len() as u64) as usize]
}

fn text(random: &mut Random, length: u64) -> Vec<u8> {
    let mut text = String::new();
    while (text.len() as u64) < length {
        for _ in 0..4 + random.below(8) {
            let number = random.below(1_000);
            let _ = write!(text, "{} ", word(random));
            if number < 80 {
                let _ = write!(text, "({number}) ");
            }
        }
        text.push('\n');
    }
    text.into_bytes()
}

fn table(random: &mut Random, length: u64) -> Vec<u8> {
    let mut text = String::from("time,value,unit\n");
    while (text.len() as u64) < length {
        let (time, value) = (random.below(1 << 30), random.below(10_000));
        let _ = writeln!(text, "{time},{value},{}", word(random));
    }
    text.into_bytes()
}

fn log(random: &mut Random, length: u64) -> Vec<u8> {
    let mut text = String::new();
    while (text.len() as u64) < length {
        let second = random.below(86_400);
        let (one, two) = (word(random), word(random));
        let _ = writeln!(
            text,
            "2024-05-01 {second:05} INFO {one}: {two} took {} ms",
            random.below(900)
        );
    }
    text.into_bytes()
}

/// `head`, then what compression leaves, then `tail`.
fn packed(random: &mut Random, head: &[u8], length: u64, tail: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    random.fill(&mut bytes);
    [head, &bytes, tail].concat()
}

/// JFIF: start of image, its header, scan data, end of image.
fn jpeg(random: &mut Random, length: u64) -> Vec<u8> {
    let head = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x48\x00\x48\x00\x00";
    packed(random, head, length, b"\xff\xd9")
}

fn png(random: &mut Random, length: u64) -> Vec<u8> {
    let head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x04\x00\x00\x00\x03\x00\x08\x02\x00\x00\x00";
    packed(random, head, length, b"\x00\x00\x00\x00IEND\xaeB`\x82")
}

fn gzip(random: &mut Random, length: u64) -> Vec<u8> {
    packed(
        random,
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        length,
        b"",
    )
}

fn pdf(random: &mut Random, length: u64) -> Vec<u8> {
    let head = b"%PDF-1.5\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n4 0 obj\n<< /Filter /FlateDecode >>\nstream\n";
    packed(random, head, length, b"\nendstream\nendobj\n%%EOF\n")
}

/// One member as office programs write it: deflated, so its bytes are even.
fn archive(random: &mut Random, length: u64) -> Vec<u8> {
    let mut head = b"PK\x03\x04\x14\x00\x08\x08\x08\x00".to_vec();
    head.extend([0; 16]);
    head.extend(b"\x0b\x00\x00\x00content.xml");
    packed(
        random,
        &head,
        length,
        b"PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    )
}
