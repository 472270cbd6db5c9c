//! Chunking, hashing, compression, sealing and keys
