//! Rules over values: which changes are an incident, and which points of a timeline may go.
//!
//! Pure: no disk, no clock, no randomness, no threads. Time is handed in, and so is what the rules must
//! know of the tree ([`incident::Stock`]); the same input always gives the same answer.
//!
//! A detector is not promised to find everything. It points at what people should look at; what it
//! misses can still be undone by naming a time. So a pin may be wrong ten times a day (it costs disk
//! only), a notice is shown, and an alarm stops the thinning of the timeline until somebody has looked.
//!
//! Modules are listed in reading order and import only earlier ones.

pub mod thinning;
pub mod incident;

pub use incident::{Detector, Finding, Point, State, Stock};
