//! The real binary in a home of its own.

mod schema;
#[path = "../watch/watching.rs"]
mod watching;
mod home;
mod first_use;
mod contract;
mod codes;
mod names;
mod doubts;
mod restoring;
mod undoing;
mod demo;
mod etcd;
