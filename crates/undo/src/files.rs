//! File trees as the ground of an undo: looked at and kept by `backup`, staged by `restore`, changed by
//! the executor.

mod live;
mod groups;
mod folding;
mod contents;
mod propose;
mod stage;
mod ground;

pub use ground::{Files, FilesOptions};
