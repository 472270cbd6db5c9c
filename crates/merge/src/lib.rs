//! What changed between two maps
