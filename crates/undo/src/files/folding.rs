//! How names fold in a directory.

use model::PathKey;
use rustix::fs::{Mode, OFlags};
use source::files::beneath::open_beneath;
use source::files::write::TreeWriter;

/// `FS_CASEFOLD_FL` of linux/fs.h.
const CASEFOLD: u32 = 0x4000_0000;

/// The form under which two names are one in this directory, or `None` where every difference counts.
///
/// The flag is that of ext4 and f2fs. The kernel folds by Unicode's full case folding over NFD; lower case
/// is near enough for finding collisions, and what it misses is refused by the file system itself when
/// the step is run: nothing is overwritten.
pub(super) fn fold(tree: &TreeWriter, directory: &PathKey, name: &[u8]) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let opened = open_beneath(tree.root_fd(), directory.as_bytes(), flags, Mode::empty()).ok()?;
    let flags = rustix::fs::ioctl_getflags(&opened).ok()?;
    if flags.bits() & CASEFOLD == 0 {
        return None;
    }
    let text = std::str::from_utf8(name).ok()?;
    Some(text.to_lowercase().into_bytes())
}
