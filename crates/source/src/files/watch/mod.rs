//! Watching a live tree: which keys are dirty, and who touched them.
//!
//! Events say where to look, never what is there: they are merged, overtaken and, at worst, lost. What
//! is lost is said (a blurred batch), and what can't be seen at all is said at the start
//! ([`CaptureInfo`]). Modules are listed in reading order.

mod report;
mod event;
mod system;
mod range;
mod set;
mod process;
mod forks;
mod actors;
mod places;
mod root;
mod sensor;
mod fanotify;
mod watches;
mod inotify;
mod capture;
mod watcher;

pub use capture::{Capture, CaptureInfo};
pub use report::{
    Actor, ActorId, Batch, BlurReason, Blurred, Dirty, FileId, Moment, Rename, Settle, What,
};
pub use root::{Root, Whereabouts};
pub use watcher::{WatchOptions, Watcher};
