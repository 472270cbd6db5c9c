//! Getting at the repository: the secret, the place, what this machine remembers of it, first use.

pub(crate) mod secret;
pub(crate) mod memory;
pub(crate) mod caches;
pub(crate) mod open;
pub(crate) mod own;
pub(crate) mod busy;
pub(crate) mod first_use;
