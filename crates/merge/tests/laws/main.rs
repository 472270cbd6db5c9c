//! The laws of undo on random maps and trees, against oracles written apart from the engine.

mod world;
mod apply;
mod oracle;
mod maps;
mod trees;
mod sequences;
mod table;
mod peers;
mod renames;
mod groups;
mod ways;
mod large;
