//! Merging the bytes of one file, where before, after and live are all known.
