//! Which changes are an incident: what was lost, how bad it is, who did it, and since when.
//!
//! ```text
//!   Point ─ mark ─> ledger (one mark per key: what was there before, what is there now)
//!                      │
//!                   scene (what excuses a mark, pairs, populations)
//!                      │
//!                   rules (a verdict over a set of marks) ── attribution (whose marks) ──> Finding
//! ```
//!
//! A verdict is a function of the *set* of marks of the last day, never of the order in which they came
//! or of how they were cut into points.

mod limits;
mod stock;
mod finding;
mod actors;
mod mark;
mod ledger;
mod population;
mod baseline;
mod windows;
mod pairs;
mod excuse;
mod extensions;
mod scene;
mod words;
mod lost;
mod scrambled;
mod emptied;
mod restyled;
mod renamed;
mod bulk;
mod burst;
mod prefix;
mod rules;
mod attribution;
mod moment;
mod cases;
mod detector;
mod steady;

pub use detector::Detector;
pub use finding::{Finding, Point, State};
pub use rules::Mode;
pub use steady::Steady;
pub use stock::Stock;
