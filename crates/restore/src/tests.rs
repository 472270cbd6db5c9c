//! Tests of the whole, on a repository in memory and snapshots built by hand.

mod fixture;
mod damage;
mod existing;
mod fresh;
mod guarded;
mod hostile;
