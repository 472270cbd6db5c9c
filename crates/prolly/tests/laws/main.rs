//! The laws of the map, on random contents and against plain sorted maps.

mod build;
mod compare;
mod golden;
mod hostile;
mod read;
mod world;
