//! Sets owner, mode, times and extended attributes.
