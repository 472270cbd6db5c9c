//! The case table as data: every triple of nine states, and what the table says of it.

use model::{Action, ConflictKind, Entry, Kind};
use recoup_merge::ChangeSet;

use crate::world::{State, dir, file, key, plain_tree, plan_of, symlink};
use ConflictKind as C;

/// The states of a key, by letter: nothing, files of three contents, one with another mode, two
/// directories, a link, a pipe.
const STATES: &str = "-fghmdesp";

fn entry(letter: char) -> Option<Entry> {
    Some(match letter {
        'f' => file("one"),
        'g' => file("two"),
        'h' => file("three"),
        'm' => Entry {
            mode: 0o600,
            ..file("one")
        },
        'd' => dir(),
        'e' => Entry {
            mode: 0o700,
            ..dir()
        },
        's' => symlink("there"),
        'p' => Entry::new(Kind::Fifo),
        _ => return None,
    })
}

/// What a plan says of a key: the actions of its steps, and its conflict.
type Said = (&'static [&'static str], Option<ConflictKind>);

const NOTHING: Said = (&[], None);

/// A row: its name, patterns for before, after and live, and what is said.
///
/// Patterns: `*` anything, `-` nothing, `x` anything that is there, `n` anything but a directory, `D` a
/// directory, `F` a file, `B` and `A` the same as before and after, `k` and `j` of the same kind as
/// before and after, `b` and `a` the same bytes as before and after, `Q` and `q` the same mode as before and after; several letters: all
/// of them.
/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[(&str, &str, &str, &str, Said)] = &[
    ("0, 1",                            "*", "B",  "*",   NOTHING),
    ("2",                               "*", "*",  "B",   NOTHING),
    ("3a, 3d",                          "x", "-",  "-",   (&["restore"], None)),
    ("3b, 3e",                          "-", "x",  "A",   (&["remove"], None)),
    ("3f",                              "x", "b",  "A",   (&["metadata"], None)),
    ("3c, 3g, 3h, 3i, 3j",              "x", "x",  "A",   (&["put-back"], None)),
    ("4b",                              "x", "x",  "-",   (&[], Some(C::CleanedUp))),
    ("bytes restored, live mode kept",  "F", "F",  "Fa",  (&["put-back"], None)),
    ("bytes edited, mode restored",     "F", "Fb", "Fq",  (&["metadata"], None)),
    ("bytes edited, mode as before",    "F", "Fb", "F",   NOTHING),
    ("bytes as before, other mode",     "F", "FQ", "Fb",  NOTHING),
    ("bytes as before, mode restored",  "F", "F",  "Fbq", (&["metadata"], None)),
    ("4d",                              "F", "FQ", "F",   (&["beside"], Some(C::EditedAfter))),
    ("4d, mode restored",               "F", "F",  "Fq",  (&["beside", "metadata"], Some(C::EditedAfter))),
    ("4d, mode as before",              "F", "F",  "F",   (&["beside"], Some(C::EditedAfter))),
    ("put back by hand, other mode",    "x", "*",  "b",   (&[], Some(C::Metadata))),
    ("4e, a directory",                 "D", "*",  "n",   (&[], Some(C::DirectoryInTheWay))),
    ("4a",                              "n", "-",  "k",   (&["beside"], Some(C::PathReused))),
    ("4c",                              "-", "x",  "j",   (&[], Some(C::MadeThenEdited))),
    ("4e, made by the event",           "-", "x",  "x",   (&[], Some(C::KindChanged))),
    ("4e",                              "n", "*",  "x",   (&["beside"], Some(C::KindChanged))),
];

fn fits(pattern: &str, letter: char, before: char, after: char) -> bool {
    let kind = |letter| entry(letter).map(|entry| entry.kind);
    let mode = |letter| entry(letter).map(|entry| entry.mode);
    let same_bytes = |other| match (entry(letter), entry(other)) {
        (Some(one), Some(two)) => one.same_content(&two),
        _ => false,
    };
    pattern.chars().all(|sign| match sign {
        '*' => true,
        '-' => letter == '-',
        'x' => letter != '-',
        'n' => letter != '-' && kind(letter) != Some(Kind::Directory),
        'D' => kind(letter) == Some(Kind::Directory),
        'F' => kind(letter) == Some(Kind::File),
        'B' => letter == before,
        'A' => letter == after,
        'k' => kind(letter) == kind(before),
        'j' => kind(letter) == kind(after),
        'b' => same_bytes(before),
        'a' => same_bytes(after),
        'Q' => mode(letter) == mode(before),
        'q' => mode(letter) == mode(after),
        _ => panic!("no pattern: {sign}"),
    })
}

#[test]
fn every_triple_of_states_does_what_its_row_says() {
    let mut counts = vec![0; ROWS.len()];
    let state = |letter| entry(letter).map(|entry| (key("name.txt"), entry));
    for before in STATES.chars() {
        for after in STATES.chars() {
            for live in STATES.chars() {
                let row = ROWS.iter().position(|(_, b, a, l, _)| {
                    fits(b, before, before, after)
                        && fits(a, after, before, after)
                        && fits(l, live, before, after)
                });
                let row = row.unwrap_or_else(|| panic!("{before}{after}{live} has no row"));
                counts[row] += 1;
                let [old, new, now] = [before, after, live]
                    .map(|letter| state(letter).into_iter().collect::<State>());
                let changes = ChangeSet::between(&old, &new);
                let plan = plan_of(&changes, &now, &State::new(), &plain_tree());
                let actions: Vec<&str> = plan.steps.iter().map(|step| step.action.word()).collect();
                let open: Vec<ConflictKind> = plan.conflicts.iter().map(|it| it.kind).collect();
                let (name, .., (said, conflict)) = ROWS[row];
                assert_eq!(
                    (actions.as_slice(), open),
                    (said, conflict.into_iter().collect()),
                    "{before}{after}{live}, row {name}"
                );
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let total: usize = counts.iter().sum();
    println!("case table: {total} triples in {} rows agree", ROWS.len());
}

/// What one file becomes, by content and time.
#[test]
fn a_time_goes_with_the_bytes_and_is_never_a_conflict() {
    let at = |text: &str, secs| Entry {
        mtime: model::Timestamp::new(secs, 0),
        ..file(text)
    };
    // Before, after, live, and what the file is afterwards.
    let rows = [
        // Bytes restored, whatever the time says now: the time comes with them.
        (at("one", 1), at("two", 2), at("two", 9), at("one", 1)),
        // Only touched: the time comes back, unless it went on since.
        (at("one", 1), at("one", 2), at("one", 2), at("one", 1)),
        (at("one", 1), at("one", 2), at("one", 9), at("one", 9)),
        // Edited since it was touched.
        (at("one", 1), at("one", 2), at("two", 9), at("two", 9)),
        // Put back by hand: stays, and keeps its time.
        (at("one", 1), at("two", 2), at("one", 9), at("one", 9)),
    ];
    for (before, after, live, expected) in rows {
        let [old, new, now] =
            [&before, &after, &live].map(|entry| State::from([(key("name"), entry.clone())]));
        let plan = plan_of(
            &ChangeSet::between(&old, &new),
            &now,
            &State::new(),
            &plain_tree(),
        );
        assert!(!plan.leaves_open());
        let result = crate::apply::run(&now, &plan, 1, true).unwrap();
        assert_eq!(result, State::from([(key("name"), expected)]));
    }
    // A directory's time is nobody's work.
    let later = Entry {
        mtime: model::Timestamp::new(7, 0),
        ..dir()
    };
    let states = [dir(), later].map(|entry| State::from([(key("name"), entry)]));
    assert!(ChangeSet::between(&states[0], &states[1]).is_empty());
    assert_eq!(Action::Beside.word(), "beside");
}
