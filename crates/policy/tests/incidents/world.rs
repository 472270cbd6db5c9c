//! A tree in memory that answers as a stock, before and after a point.

use std::collections::{BTreeMap, BTreeSet};

use model::incident::{Facts, Looks};
use model::{BlobId, PathKey};
use recoup_policy::Stock;

/// splitmix64 (Steele, Lea, Flood 2014): enough for fixtures.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

pub(crate) fn key(path: &str) -> PathKey {
    PathKey::from_path(path.as_bytes()).unwrap()
}

pub(crate) fn blob(content: u64) -> BlobId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&content.to_le_bytes());
    BlobId(bytes)
}

/// A file of this content number; the head follows from it.
pub(crate) fn file(content: u64, size: u64, looks: Looks) -> Facts {
    Facts {
        is_directory: false,
        size,
        content: Some(blob(content)),
        metadata: 0o644,
        head: (size >= 512).then_some(content),
        magic_ok: Some(true),
        looks,
    }
}

pub(crate) type Tree = BTreeMap<PathKey, Facts>;

/// The answers for one point.
pub(crate) struct Answers<'a> {
    pub(crate) before: &'a Tree,
    pub(crate) live: &'a BTreeMap<BlobId, usize>,
    pub(crate) seen: &'a BTreeSet<BlobId>,
}

impl Stock for Answers<'_> {
    fn count(&self, key: &PathKey) -> (u64, u64) {
        self.before
            .range(key.clone()..)
            .take_while(|(one, _)| key.contains(one.as_bytes()))
            .filter(|(_, facts)| !facts.is_directory)
            .fold((0, 0), |sum, (_, facts)| (sum.0 + 1, sum.1 + facts.size))
    }

    fn is_live(&self, content: &BlobId) -> bool {
        self.live.get(content).is_some_and(|count| *count > 0)
    }

    fn was_seen(&self, content: &BlobId) -> bool {
        self.seen.contains(content)
    }
}

fn add(tree: &mut Tree, dice: &mut Dice, path: &str, size: u64, looks: Looks, mode: u64) {
    let facts = Facts {
        metadata: mode,
        ..file(dice.next(), size, looks)
    };
    let path = key(path);
    let mut above = path.parent();
    while let Some(dir) = above.filter(|dir| !dir.is_root() && !tree.contains_key(dir)) {
        let directory = Facts {
            is_directory: true,
            metadata: 0o755,
            ..Facts::default()
        };
        above = dir.parent();
        tree.insert(dir, directory);
    }
    tree.insert(path, facts);
}

/// A home with documents, pictures, two projects, mail, logs, a system, a store.
pub(crate) fn home(dice: &mut Dice) -> Tree {
    use Looks::{Compressible, KnownPacked};
    let mut tree = Tree::new();
    let kinds = [
        ("docx", KnownPacked),
        ("pdf", KnownPacked),
        ("txt", Compressible),
        ("md", Compressible),
        ("csv", Compressible),
    ];
    for at in 0..400 {
        let (extension, looks) = kinds[at % kinds.len()];
        let size = 2_000 + dice.below(80_000);
        add(
            &mut tree,
            dice,
            &format!("docs/d{}/f{at}.{extension}", at % 8),
            size,
            looks,
            0o644,
        );
    }
    for at in 0..300 {
        let size = 1_000_000 + dice.below(2_000_000);
        add(
            &mut tree,
            dice,
            &format!("photos/y{}/img_{at}.jpg", at % 4),
            size,
            KnownPacked,
            0o600,
        );
    }
    for at in 0..300 {
        let size = 500 + dice.below(20_000);
        let mode = if at % 9 == 0 { 0o755 } else { 0o644 };
        add(
            &mut tree,
            dice,
            &format!("work/app/src/m{}/c{at}.rs", at % 6),
            size,
            Compressible,
            mode,
        );
        add(
            &mut tree,
            dice,
            &format!("work/app/target/debug/deps/o{at}.o"),
            size * 20,
            Compressible,
            0o644,
        );
        add(
            &mut tree,
            dice,
            &format!("work/web/node_modules/p{}/i{at}.js", at % 40),
            size,
            Compressible,
            0o644,
        );
        add(
            &mut tree,
            dice,
            &format!("work/app/.git/objects/{:02x}/{at:038}", at % 256),
            size / 3 + 1,
            Looks::KnownPacked,
            0o444,
        );
        add(
            &mut tree,
            dice,
            &format!("mail/cur/{at}.host,S={size}"),
            size,
            Compressible,
            0o600,
        );
        add(
            &mut tree,
            dice,
            &format!("usr/share/p{}/s{at}.so", at % 20),
            size * 3,
            Compressible,
            0o644,
        );
    }
    for at in 0..12 {
        add(
            &mut tree,
            dice,
            &format!("var/log/s{at}.log"),
            50_000,
            Compressible,
            0o640,
        );
        add(
            &mut tree,
            dice,
            &format!("var/log/s{at}.log.1"),
            60_000,
            Compressible,
            0o640,
        );
        for old in 2..5 {
            add(
                &mut tree,
                dice,
                &format!("var/log/s{at}.log.{old}.gz"),
                9_000,
                KnownPacked,
                0o640,
            );
        }
    }
    for at in 0..60 {
        add(
            &mut tree,
            dice,
            &format!("db/{at:06}.sst"),
            2_000_000,
            Compressible,
            0o600,
        );
    }
    for path in [
        "work/app/Cargo.toml",
        "work/web/package.json",
        "work/app/.git/index",
        "work/app/.git/HEAD",
        "var/lib/dpkg/status",
        "mail/cur-index",
        "mail/draft",
        "db/data.sqlite",
    ] {
        add(&mut tree, dice, path, 4_000, Compressible, 0o644);
    }
    tree
}

/// A control plane's keys.
pub(crate) fn control_plane(dice: &mut Dice) -> Tree {
    let mut tree = Tree::new();
    for at in 0..2_000 {
        for part in ["spec", "state", "targets"] {
            let facts = file(dice.next(), 500, Looks::Compressible);
            tree.insert(key(&format!("services/lb/lb-{at:05}/{part}")), facts);
        }
    }
    for at in 0..200 {
        tree.insert(
            key(&format!("registry/pods/shop/web-{at}")),
            file(dice.next(), 900, Looks::Compressible),
        );
        tree.insert(
            key(&format!("registry/secrets/ns{}/s{at}", at % 10)),
            file(dice.next(), 300, Looks::Compressible),
        );
    }
    for at in 0..10 {
        tree.insert(
            key(&format!("registry/namespaces/ns{at}")),
            file(dice.next(), 100, Looks::Compressible),
        );
    }
    tree
}
