//! Lines are checked against `docs/json-schema.json`, as those of the other commands are.

#[path = "../door/schema.rs"]
mod door;

pub(crate) use door::check;
