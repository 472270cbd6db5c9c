//! The byte vectors of `FORMAT.md`: made again from the code and compared.
//!
//! With `RECOUP_BLESS` set in the environment, the document's blocks are written anew instead. Before
//! version 1 is released that may be right; afterwards a difference means that repositories no longer open.

#[path = "vectors/document.rs"]
mod document;
#[path = "vectors/keys.rs"]
mod keys;
#[path = "vectors/logs.rs"]
mod logs;
#[path = "vectors/map.rs"]
mod map;
#[path = "vectors/objects.rs"]
mod objects;
#[path = "vectors/records.rs"]
mod records;

use document::Vector;

/// `K` of the document.
fn k() -> [u8; 32] {
    std::array::from_fn(|index| index as u8)
}

#[test]
fn every_vector_of_the_document_is_what_the_code_makes() {
    let vectors: Vec<Vector> = [
        keys::vectors(),
        objects::vectors(),
        records::vectors(),
        map::vectors(),
        logs::vectors(),
    ]
    .into_iter()
    .flatten()
    .collect();
    document::compare(&vectors);
}
