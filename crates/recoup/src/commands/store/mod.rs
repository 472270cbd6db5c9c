//! Key-value stores: what commands do that are given an `etcd://` address.

pub(super) mod connect;
pub(super) mod backup;
pub(super) mod watch;
pub(super) mod log;
pub(super) mod restore;
