//! Laws: neither the order inside a point nor where points are cut changes the verdict.

use proptest::prelude::*;
use recoup_policy::incident::Mode;

use super::attacks::ATTACKS;
use super::benign::BENIGN;
use super::play::{Cut, WHOLE, play};
use super::script::Script;
use super::stores::STORES;
use super::world::{Dice, Tree, control_plane, home};

fn cases() -> Vec<fn(&mut Script)> {
    let honest = BENIGN.iter().map(|(_, write)| *write);
    honest
        .chain(ATTACKS.iter().map(|(_, _, write)| *write))
        .collect()
}

fn written(case: usize, seed: u64) -> (Tree, Script) {
    let mut dice = Dice(seed);
    let tree = home(&mut dice);
    let mut script = Script::new(tree.clone(), dice);
    cases()[case](&mut script);
    (tree, script)
}

/// 60 in a few seconds; 200 in the long form.
fn cases_to_play() -> u32 {
    let long = std::env::var_os("RECOUP_LONG").is_some_and(|value| value != "0");
    if long { 200 } else { 60 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases_to_play(), max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn order_inside_a_point_does_not_matter(case in 0..cases().len(), seed in any::<u64>()) {
        let (tree, script) = written(case, seed);
        let one = play(&tree, &script, Mode::Tree, &WHOLE);
        let other = play(&tree, &script, Mode::Tree, &Cut { reverse: true, halve: None });
        prop_assert_eq!(one.verdict(), other.verdict());
        prop_assert_eq!(one.delay, other.delay);
    }

    #[test]
    fn a_point_in_two_halves_is_judged_alike(case in 0..cases().len(), seed in any::<u64>(), salt in any::<u64>()) {
        let (tree, script) = written(case, seed);
        let one = play(&tree, &script, Mode::Tree, &WHOLE);
        let other = play(&tree, &script, Mode::Tree, &Cut { reverse: false, halve: Some(salt) });
        prop_assert_eq!(one.verdict(), other.verdict(), "case {}", case);
    }

    #[test]
    fn a_store_is_judged_alike_however_it_is_cut(case in 0..STORES.len(), seed in any::<u64>(), salt in any::<u64>()) {
        let mut dice = Dice(seed);
        let tree = control_plane(&mut dice);
        let mut script = Script::new(tree.clone(), dice);
        STORES[case].1(&mut script);
        let one = play(&tree, &script, Mode::KeyValue, &WHOLE);
        for cut in [Cut { reverse: true, halve: None }, Cut { reverse: true, halve: Some(salt) }] {
            let other = play(&tree, &script, Mode::KeyValue, &cut);
            prop_assert_eq!(one.verdict(), other.verdict(), "{}", STORES[case].0);
        }
    }
}
