//! Which extended attributes are set and removed, in which order.
//!
//! Owns the rule that an object ends up with the attributes asked for and no others, as far as they
//! are ours to remove: labels that the system gives by itself stay.

use model::entry::{Kind, Xattr};
use rustix::io::{Errno, Result};

use super::object::Object;
use super::{NotSet, Rights, State, refuse};

/// POSIX ACLs: `system.posix_acl_access` and `system.posix_acl_default`.
const ACL: &[u8] = b"system.posix_acl_";

/// Gives the object exactly these attributes.
pub(super) fn set_all(
    object: &Object<'_>,
    state: &mut State,
    wanted: &[Xattr],
    rights: &Rights,
    not_set: &mut Vec<NotSet>,
) -> Result<()> {
    // New files are asked too: they may have inherited an ACL from their directory.
    let present = object.list_xattrs()?;
    for name in present
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        if wanted.iter().any(|xattr| xattr.name == name) || !is_ours_to_remove(name, rights) {
            continue;
        }
        match change(object, state, |object| object.remove_xattr(name)) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(errno) => refuse(format!("removal of {}", describe(name)), errno, not_set)?,
        }
    }
    // ACLs last: they may take away the right to set the others.
    let (acls, others): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|xattr| xattr.name.starts_with(ACL));
    for xattr in others.into_iter().chain(acls) {
        if !rights.trusted && is_trusted(&xattr.name) {
            if !object.has_xattr(&xattr.name, &xattr.value) {
                not_set.push(NotSet::left_out(describe(&xattr.name)));
            }
            continue;
        }
        match change(object, state, |object| {
            object.set_xattr(&xattr.name, &xattr.value)
        }) {
            Ok(()) => {}
            // A label that the system already gave is as good as set.
            Err(_) if object.has_xattr(&xattr.name, &xattr.value) => {}
            Err(errno) => refuse(describe(&xattr.name), errno, not_set)?,
        }
    }
    Ok(())
}

/// Makes one change. An owner may not set `user.*` on a read-only file, so the file is made writable
/// and the change tried again; the mode is set afterwards in any case.
fn change(
    object: &Object<'_>,
    state: &mut State,
    change: impl Fn(&Object<'_>) -> Result<()>,
) -> Result<()> {
    state.mode_unsure = true;
    let done = change(object);
    let read_only = state.mode & 0o200 == 0 && state.kind != Some(Kind::Symlink);
    if done != Err(Errno::ACCESS) || !read_only {
        return done;
    }
    let mode = state.mode | 0o200;
    object.chmod(mode)?;
    state.mode = mode;
    change(object)
}

/// Namespaces that the system believes without asking who wrote them.
fn is_trusted(name: &[u8]) -> bool {
    name.starts_with(b"trusted.") || name.starts_with(b"security.")
}

/// Labels such as `security.selinux` and a network file system's own ACLs come from the system.
fn is_ours_to_remove(name: &[u8], rights: &Rights) -> bool {
    name.starts_with(b"user.")
        || name.starts_with(ACL)
        || rights.trusted && (name.starts_with(b"trusted.") || name == b"security.capability")
}

fn describe(name: &[u8]) -> String {
    format!("xattr {}", name.escape_ascii())
}
