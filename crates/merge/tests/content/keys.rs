//! Merging by keys: what the result says is decided leaf by leaf, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use recoup_merge::content::{How, Reason, Verdict, merge};

use crate::cases;
use crate::model::{Doc, FORMATS, Format, Leaves, write};
use crate::random::Random;
use crate::reading;

fn merged(format: Format, [before, after, live]: [&str; 3]) -> Result<(String, How), Reason> {
    let name = format.name().as_bytes();
    match merge(name, before.as_bytes(), after.as_bytes(), live.as_bytes()) {
        Verdict::Merged { bytes, how, .. } => Ok((String::from_utf8(bytes).expect("text"), how)),
        Verdict::Refused(reason) => Err(reason),
    }
}

/// What must come out, leaf by leaf; `None` where one leaf was changed twice.
fn expected(before: &Leaves, after: &Leaves, live: &Leaves) -> Option<Leaves> {
    let paths: BTreeSet<&String> = before
        .keys()
        .chain(after.keys())
        .chain(live.keys())
        .collect();
    let mut leaves = Leaves::new();
    for path in paths {
        let (old, base, new) = (before.get(path), after.get(path), live.get(path));
        let lexeme = if base == old || new == old {
            new
        } else if new == base {
            old
        } else {
            return None;
        };
        leaves.extend(lexeme.map(|lexeme| (path.clone(), lexeme.clone())));
    }
    Some(leaves)
}

fn comments(text: &str) -> HashSet<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| line.starts_with('#'))
        .collect()
}

#[test]
fn every_leaf_is_decided_by_the_rule_of_three() {
    let wanted = cases(400, 5_000);
    for format in FORMATS {
        let mut random = Random::new(10 + format as u64);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_keys = 0;
        while by_keys < wanted {
            let style = random.below(4);
            let after = Doc::random(&mut random, format, 2);
            let before = after.changed(&mut random, format, 3, "b");
            let live = after.changed(&mut random, format, 3, "l");
            let live_style = if format == Format::Json && random.chance(30) {
                style + 1
            } else {
                style
            };
            let texts = [(&before, style), (&after, style), (&live, live_style)]
                .map(|(doc, style)| write(format, doc, style));
            let [before_text, after_text, live_text] = texts.each_ref().map(String::as_str);
            let expected = expected(&before.leaves(), &after.leaves(), &live.leaves());
            if [&before, &after, &live]
                .iter()
                .any(|doc| doc.leaves().is_empty())
            {
                continue;
            }
            for (doc, text) in [
                (&before, before_text),
                (&after, after_text),
                (&live, live_text),
            ] {
                assert_eq!(
                    reading::leaves(format, text),
                    Some(doc.leaves()),
                    "the test itself: {text}"
                );
            }
            let state = format!("before:\n{before_text}\nafter:\n{after_text}\nlive:\n{live_text}");
            let outcome = match merged(format, [before_text, after_text, live_text]) {
                Ok((text, how)) => {
                    let said = reading::leaves(format, &text);
                    let expected = expected.expect("a leaf that was changed twice is refused");
                    assert_eq!(said, Some(expected), "{state}\nmerged ({how:?}):\n{text}");
                    let (base, new) = (comments(after_text), comments(live_text));
                    for line in new.difference(&base) {
                        let stays = comments(&text).contains(line);
                        assert!(stays, "{line} is lost: {state}\nmerged:\n{text}");
                    }
                    let again = merged(format, [before_text, after_text, &text]);
                    assert_eq!(again.map(|(text, _)| text), Ok(text), "again: {state}");
                    by_keys += usize::from(!matches!(how, How::Whole | How::Text));
                    format!("merged {how:?}")
                }
                Err(reason) => {
                    let kind = format!("{reason:?}");
                    let kind = kind.split('(').next().unwrap_or_default();
                    let is_needed = if expected.is_none() {
                        "conflict"
                    } else {
                        "no leaf twice"
                    };
                    format!("refused {kind}, {is_needed}")
                }
            };
            *counts.entry(outcome).or_default() += 1;
        }
        println!("{format:?}: {counts:?}");
    }
}

#[test]
fn one_changed_value_changes_nothing_else() {
    let (mut counted, mut random) = (0, Random::new(20));
    for case in 0..cases(300, 5_000) {
        let format = FORMATS[case % 4];
        let after = Doc::random(&mut random, format, 2);
        let text = write(format, &after, random.below(4));
        // Values hold random numbers: take one whose text stands there once.
        let leaves = after.leaves();
        let Some(lexeme) = leaves
            .values()
            .find(|lexeme| lexeme.len() > 5 && text.matches(lexeme.as_str()).count() == 1)
        else {
            continue;
        };
        let before = text.replace(lexeme.as_str(), "77777");
        // Live says the same as after in other white space, with a word for people.
        let live = match format {
            Format::Json => text.replace(": ", "  :   "),
            Format::Ini => text.replace('=', "  =  ").replace('\n', "\n\n# w\n"),
            _ => text.replace('\n', "\n\n# w\n"),
        };
        if live.matches(lexeme.as_str()).count() != 1 {
            continue;
        }
        let (result, _) = merged(format, [&before, &text, &live])
            .unwrap_or_else(|reason| panic!("{reason:?}\n{before}\n{text}\n{live}"));
        assert_eq!(result, live.replace(lexeme.as_str(), "77777"));
        counted += 1;
    }
    println!("{counted} single values changed, every other byte kept");
    assert!(counted > 50);
}
