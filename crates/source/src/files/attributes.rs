//! Sets owner, mode, modification time and extended attributes of what was restored.
//!
//! Owns the order in which they are set, since each of these calls undoes part of others. Works on
//! open descriptors and on single names in an open directory; knows nothing of paths. What the system
//! refuses is handed back as a list, since a file without its owner is better than no file.

mod object;
mod xattrs;

use std::borrow::Cow;
use std::io;
use std::os::fd::BorrowedFd;

use model::entry::{Kind, Xattr};
use model::time::Timestamp;
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};
use rustix::io::{Errno, Result};

use object::Object;

use crate::files::stat::Stat;

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const MODE_BITS: u32 = 0o7777;

/// What a file is to have besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// What it is; setting fails where something else stands.
    pub kind: Kind,
    /// The low twelve bits of `st_mode`; symbolic links have none.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of content.
    pub mtime: Timestamp,
    /// All extended attributes: others that are found are removed.
    pub xattrs: &'a [Xattr],
}

/// What may be given to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Owner and group.
    pub owner: bool,
    /// The setuid and setgid bits. The sticky bit only ever takes rights away and is always set.
    pub special_bits: bool,
    /// Attributes that the system itself trusts: `trusted.*`, `security.*` (capabilities among them).
    pub trusted: bool,
    /// Device files. Not looked at here: whoever makes files asks it.
    pub devices: bool,
}

impl Rights {
    /// Root gives everything back, unless the snapshot is not trusted: it then gets no setuid or
    /// setgid bits, no devices, no `trusted.*` and no `security.*`. Others may try everything but
    /// devices and trusted attributes, of which they have nothing to hope.
    pub fn for_user(root: bool, untrusted: bool) -> Self {
        let all = root && !untrusted;
        Self {
            owner: true,
            special_bits: !untrusted,
            trusted: all,
            devices: all,
        }
    }
}

/// Something that was not set.
#[derive(Debug)]
pub struct NotSet {
    /// What, as `owner`, `setuid bit`, `xattr user.comment`.
    pub what: Cow<'static, str>,
    /// Left out because [`Rights`] say so; otherwise the system refused.
    pub by_choice: bool,
    /// The reason.
    pub error: io::Error,
}

impl NotSet {
    fn refused(what: impl Into<Cow<'static, str>>, errno: Errno) -> Self {
        Self {
            what: what.into(),
            by_choice: false,
            error: errno.into(),
        }
    }

    fn left_out(what: impl Into<Cow<'static, str>>) -> Self {
        let error = io::Error::new(io::ErrorKind::PermissionDenied, "left out");
        Self {
            what: what.into(),
            by_choice: true,
            error,
        }
    }
}

/// Sets everything on an open file (or a directory opened for reading). To be called after the last
/// byte was written, since writing takes capabilities and setuid bits away.
pub fn apply_to_file(
    file: BorrowedFd<'_>,
    attributes: &Attributes<'_>,
    rights: &Rights,
) -> Result<Vec<NotSet>> {
    apply(&Object::open_file(file), attributes, rights)
}

/// Sets everything on what `name` is in `directory`, whatever its kind, without following it. Fails
/// where it isn't of the kind that the attributes say.
pub fn apply_to_name(
    directory: BorrowedFd<'_>,
    name: &[u8],
    attributes: &Attributes<'_>,
    rights: &Rights,
) -> Result<Vec<NotSet>> {
    let opened = object::open_name(directory, name, attributes.kind)?;
    apply(&opened.object(), attributes, rights)
}

/// The same, if `is_it` says of the very object that will be changed that it is the one meant: between
/// a look at a name and a change through it, somebody may put another object there. `None` if not.
pub fn apply_to_name_if(
    directory: BorrowedFd<'_>,
    name: &[u8],
    is_it: impl FnOnce(&Stat) -> bool,
    attributes: &Attributes<'_>,
    rights: &Rights,
) -> Result<Option<Vec<NotSet>>> {
    let opened = object::open_name(directory, name, attributes.kind)?;
    if !is_it(&Stat::of(opened.place())?) {
        return Ok(None);
    }
    apply(&opened.object(), attributes, rights).map(Some)
}

/// The order: owner first, since changing it clears setuid bits and capabilities; then extended
/// attributes; then the mode, since setting an access ACL changes it, while its group bits are the
/// ACL's mask and so agree with the ACL; the time last.
fn apply(object: &Object<'_>, wanted: &Attributes<'_>, rights: &Rights) -> Result<Vec<NotSet>> {
    let mut not_set = Vec::new();
    let mut state = State::of(object)?;
    if state.kind != Some(wanted.kind) {
        return Err(Errno::INVAL);
    }
    set_owner(object, &mut state, wanted, rights, &mut not_set)?;
    xattrs::set_all(object, &mut state, wanted.xattrs, rights, &mut not_set)?;
    if wanted.kind != Kind::Symlink {
        set_mode(object, &state, wanted, rights, &mut not_set)?;
    }
    set_mtime(object, wanted.mtime, &mut not_set)?;
    Ok(not_set)
}

/// What an object has now, as far as we know.
struct State {
    kind: Option<Kind>,
    mode: u32,
    uid: u32,
    gid: u32,
    /// Something was done that may have changed the mode.
    mode_unsure: bool,
}

impl State {
    fn of(object: &Object<'_>) -> Result<Self> {
        let stat = object.stat()?;
        Ok(Self {
            kind: object::kind_of(stat.st_mode),
            mode: stat.st_mode & MODE_BITS,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode_unsure: false,
        })
    }
}

fn set_owner(
    object: &Object<'_>,
    state: &mut State,
    wanted: &Attributes<'_>,
    rights: &Rights,
    not_set: &mut Vec<NotSet>,
) -> Result<()> {
    if (state.uid, state.gid) == (wanted.uid, wanted.gid) {
        return Ok(());
    }
    if !rights.owner {
        not_set.push(NotSet::left_out("owner"));
        return Ok(());
    }
    state.mode_unsure = true;
    if object.chown(Some(wanted.uid), Some(wanted.gid)).is_ok() {
        (state.uid, state.gid) = (wanted.uid, wanted.gid);
        return Ok(());
    }
    // One of both may be allowed: a user may hand files to any group they are in.
    if state.gid != wanted.gid {
        match object.chown(None, Some(wanted.gid)) {
            Ok(()) => state.gid = wanted.gid,
            Err(errno) => refuse("group", errno, not_set)?,
        }
    }
    if state.uid != wanted.uid {
        match object.chown(Some(wanted.uid), None) {
            Ok(()) => state.uid = wanted.uid,
            Err(errno) => refuse("owner", errno, not_set)?,
        }
    }
    Ok(())
}

fn set_mode(
    object: &Object<'_>,
    state: &State,
    wanted: &Attributes<'_>,
    rights: &Rights,
    not_set: &mut Vec<NotSet>,
) -> Result<()> {
    let mut mode = wanted.mode & MODE_BITS;
    // With another owner than the one meant, the bits would lend that one's rights to everybody. On
    // a directory, setgid only says which group new files get.
    let owner_stands = state.uid == wanted.uid;
    let group_stands = state.gid == wanted.gid || wanted.kind == Kind::Directory;
    for (bit, stands, what) in [
        (SETUID, owner_stands, "setuid bit"),
        (SETGID, group_stands, "setgid bit"),
    ] {
        if mode & bit == 0 {
            continue;
        }
        if !rights.special_bits {
            mode &= !bit;
            not_set.push(NotSet::left_out(what));
        } else if !stands {
            mode &= !bit;
            not_set.push(NotSet::refused(what, Errno::PERM));
        }
    }
    if mode == state.mode && !state.mode_unsure {
        return Ok(());
    }
    match object.chmod(mode) {
        Ok(()) => {}
        // Some systems refuse the sticky bit on files, or setuid, outright: the rest is still owed.
        Err(errno) if mode & !0o777 != 0 && is_refusal(errno) => {
            not_set.push(NotSet::refused("special mode bits", errno));
            if let Err(errno) = object.chmod(mode & 0o777) {
                refuse("mode", errno, not_set)?;
            }
            return Ok(());
        }
        Err(errno) => return refuse("mode", errno, not_set),
    }
    // The kernel drops setgid without a word where the group is not one of ours.
    if mode & (SETUID | SETGID) != 0 {
        let missing = mode & !object.stat()?.st_mode;
        for (bit, what) in [(SETUID, "setuid bit"), (SETGID, "setgid bit")] {
            if missing & bit != 0 {
                not_set.push(NotSet::refused(what, Errno::PERM));
            }
        }
    }
    Ok(())
}

/// The access time is not ours to say, since no snapshot holds it. It stays what it is: were it set
/// to the modification time, cleaners that go by the last access would take restored files for old.
fn set_mtime(object: &Object<'_>, mtime: Timestamp, not_set: &mut Vec<NotSet>) -> Result<()> {
    // Above a second's nanoseconds lie the special values of the system call.
    if mtime.nanos >= 1_000_000_000 {
        not_set.push(NotSet::refused("modification time", Errno::INVAL));
        return Ok(());
    }
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: mtime.secs,
            tv_nsec: mtime.nanos.into(),
        },
    };
    match object.set_times(&times) {
        Ok(()) => Ok(()),
        Err(errno) => refuse("modification time", errno, not_set),
    }
}

/// Notes a refusal, or fails with what is no refusal but trouble.
fn refuse(
    what: impl Into<Cow<'static, str>>,
    errno: Errno,
    not_set: &mut Vec<NotSet>,
) -> Result<()> {
    if !is_refusal(errno) {
        return Err(errno);
    }
    not_set.push(NotSet::refused(what, errno));
    Ok(())
}

/// Whether the file system or the rights of the user can't take this, while the next file may do
/// well. `ENOSPC` is among them because ext4 says so when an attribute does not fit its one block.
fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::PERM
            | Errno::ACCESS
            | Errno::OPNOTSUPP
            | Errno::NOSYS
            | Errno::INVAL
            | Errno::OVERFLOW
            | Errno::RANGE
            | Errno::TOOBIG
            | Errno::NAMETOOLONG
            | Errno::NODATA
            | Errno::NOSPC
            | Errno::DQUOT
    )
}
