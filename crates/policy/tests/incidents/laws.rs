//! Laws: neither the order inside a point nor where points are cut changes the verdict.

use proptest::prelude::*;
use recoup_policy::incident::Mode;

use super::attacks::ATTACKS;
use super::benign::BENIGN;
use super::play::{Cut, WHOLE, play};
use super::script::Script;
use super::world::{Dice, Tree, home};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 0, ..ProptestConfig::default() })]

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
}
