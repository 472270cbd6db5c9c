//! Plan and write out a snapshot
