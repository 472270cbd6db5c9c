//! The executor on real directories: what each kind of step does, what a writer in between finds, what
//! a killed run leaves.

mod kit;
mod chance;
mod cases;
mod killed;
mod places;
mod sigkill;
mod surroundings;
mod writers;
