//! The ordered Merkle map
