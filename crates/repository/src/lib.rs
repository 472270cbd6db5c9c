//! Packs, index, maps at rest, check, repair: the only writer of stored data
