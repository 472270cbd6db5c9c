//! Content merge, held to laws, to other programs and to files as people write them.

mod bytes;
mod examples;
mod keys;
mod lines;
mod model;
mod random;
mod reading;

/// How many cases a test runs: few by default, many when `RECOUP_LONG` is `1`.
fn cases(quick: usize, long: usize) -> usize {
    if std::env::var_os("RECOUP_LONG").is_some_and(|value| value == "1") {
        long
    } else {
        quick
    }
}
