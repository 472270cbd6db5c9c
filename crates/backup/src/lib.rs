//! Scan, chunk, seal, pack
