//! Where protected data lives: scan, read, write
