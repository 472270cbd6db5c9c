//! Where the steps that put something beside belong.

use model::plan::Step;
use model::{Action, Kind, PathKey, Plan};

/// The steps of a plan that put something beside, each with the key that gives the name.
///
/// Mostly that is the step's own key: what it leaves goes beside what stands there, as
/// `name.recoup-<op>.<ext>`. Where a whole subtree comes back beneath what is no directory now, the step
/// at that key leaves a *directory* beside it, and the steps of all keys beneath follow with the same
/// root: each goes where it would have been, but inside that directory.
///
/// ```text
///   beside  etc           leaves a directory      ->  etc.recoup-7
///   beside  etc/conf      leaves a file           ->  etc.recoup-7/conf         root: etc
/// ```
pub fn besides(plan: &Plan) -> impl Iterator<Item = (&Step, &PathKey)> {
    let mut root: Option<&PathKey> = None;
    let steps = plan.steps.iter();
    steps
        .filter(|step| step.action == Action::Beside)
        .map(move |step| {
            if let Some(root) = root.filter(|root| root.contains(step.key.as_bytes())) {
                return (step, root);
            }
            let leaves_dir = step
                .leaves
                .as_ref()
                .is_some_and(|entry| entry.kind == Kind::Directory);
            root = leaves_dir.then_some(&step.key);
            (step, &step.key)
        })
}
