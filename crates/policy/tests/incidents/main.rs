//! Incident rules played against synthetic trees: scripted honest work and attacks.
//!
//! `cargo test -p recoup-policy --test incidents -- --nocapture` prints the table.

mod world;
mod script;
mod play;
mod benign;
mod attacks;
mod stores;
mod laws;
mod thresholds;
mod life;
mod amid;
mod table;
mod speed;
