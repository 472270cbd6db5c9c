//! What planning costs: `cargo test -p recoup-merge --release --test laws large -- --ignored --nocapture`.

use std::time::Instant;

use model::{Content, Entry};
use recoup_merge::{ChangeSet, LiveTree, MemoryTree, Rules, plan};

use crate::world::{State, dir, file, key, untouched};

/// Keys of an event.
const KEYS: usize = 100_000;

fn blob(at: usize) -> Entry {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&at.to_le_bytes());
    Entry {
        size: 5000 + at as u64,
        content: Content::Blob(model::BlobId(id)),
        ..file("x")
    }
}

fn one_directory(make: impl Fn(usize) -> Entry) -> State {
    let files = (0..KEYS).map(|at| (key(&format!("home/alice/{at:06}.jpg")), make(at)));
    files
        .chain([(key("home"), dir()), (key("home/alice"), dir())])
        .collect()
}

fn many_directories() -> State {
    let mut state = State::new();
    for at in 0..KEYS / 2 {
        let above = format!("srv/{:02}/{:03}", at % 100, at / 100 % 500);
        state.insert(key(&format!("srv/{:02}", at % 100)), dir());
        state.insert(key(&above), dir());
        state.insert(key(&format!("{above}/{at}")), blob(at));
    }
    state
}

/// Chains of directories, each a thousand deep.
fn deep() -> State {
    let mut state = State::new();
    for chain in 0..KEYS / 1000 {
        let mut path = format!("{chain}");
        for _ in 0..1000 {
            state.insert(key(&path), dir());
            path.push_str("/d");
        }
    }
    state
}

fn measure(name: &str, before: &State, after: &State, live: &State) {
    let changes = ChangeSet::between(before, after);
    let mut tree = MemoryTree {
        entries: live.clone(),
        remembered: before.clone(),
        ..MemoryTree::default()
    };
    let start = Instant::now();
    let answers: Vec<_> = changes
        .changes()
        .iter()
        .map(|it| tree.state(&it.key))
        .collect();
    let asked = start.elapsed();
    drop(answers);
    let start = Instant::now();
    let plan = plan(&changes, &mut tree, &Rules::tree(&untouched)).unwrap();
    let took = start.elapsed();
    println!(
        "{name}: {} keys, {} steps, {} conflicts, {} kept, {:.0} ms, of which {:.0} are the tree's answers",
        changes.len(),
        plan.steps.len(),
        plan.conflicts.len(),
        plan.kept.len(),
        took.as_secs_f64() * 1000.0,
        asked.as_secs_f64() * 1000.0
    );
}

#[test]
#[ignore = "measures; run it in release"]
fn large_events() {
    let full = one_directory(blob);
    let empty = State::from([(key("home"), dir()), (key("home/alice"), dir())]);
    let other = one_directory(|at| blob(at + KEYS));
    let renamed: State = full
        .iter()
        .map(|(at, entry)| {
            let path = String::from_utf8(at.to_path())
                .unwrap()
                .replace(".jpg", ".jpg.locked");
            (key(&path), entry.clone())
        })
        .collect();
    measure("deleted, one directory", &full, &empty, &empty);
    measure("deleted, all gone since", &full, &empty, &State::new());
    measure(
        "deleted with its directory",
        &full,
        &State::new(),
        &State::new(),
    );
    measure("made, one directory", &State::new(), &full, &full);
    measure("overwritten", &full, &other, &other);
    measure(
        "overwritten, all edited since",
        &full,
        &other,
        &one_directory(|at| blob(at + 7)),
    );
    measure("renamed (twice the keys)", &full, &renamed, &renamed);
    measure("put back by hand", &full, &empty, &full);
    let in_the_way = State::from([(key("home"), file("now a file"))]);
    measure("deleted, a file in the way", &full, &empty, &in_the_way);
    let many = many_directories();
    measure(
        "deleted, many directories",
        &many,
        &State::new(),
        &State::new(),
    );
    measure("made, many directories", &State::new(), &many, &many);
    let deep = deep();
    measure(
        "deleted, a thousand deep",
        &deep,
        &State::new(),
        &State::new(),
    );
    measure("made, a thousand deep", &State::new(), &deep, &deep);
}
