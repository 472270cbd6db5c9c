//! Where the bytes of a repository lie
