//! The command line of Recoup.
fn main() {}
