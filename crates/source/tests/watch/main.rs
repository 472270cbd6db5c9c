//! The watcher on real directories: every change another process makes is covered by a dirty key, or
//! the batch is blurred.
//!
//! The doing is in child processes, this very program in another role, since the watcher leaves out
//! what its own process does. What needs a privilege or a tool that is missing prints SKIP.

mod actors;
mod cases;
mod churn;
mod cover;
mod overflow;
mod refusals;
mod rig;

/// Not a test of its own: the others start it as their child.
#[test]
#[ignore = "the child process of the other tests"]
fn child() {
    rig::play_role();
}
