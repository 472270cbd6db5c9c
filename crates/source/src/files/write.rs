//! Writes entries into a tree.
