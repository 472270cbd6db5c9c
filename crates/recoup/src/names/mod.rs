//! How things are named on the command line: times, snapshots, places inside them, sizes.

pub(crate) mod amount;
pub(crate) mod moment;
pub(crate) mod place;
pub(crate) mod live;
pub(crate) mod store;
pub(crate) mod points;
pub(crate) mod select;
