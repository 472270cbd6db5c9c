//! Records of timelines: checkpoints, points, incidents, dismissals, pins, and what stands in for points that are gone.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use model::incident::{Actor, Dismissal, Incident, Level};
use model::point::{Class, Point, PointChange, Thinned, ThinnedRun, TimelineRecord};
use model::{BlobId, PathKey, SnapshotId};

use crate::entry::{self, read_time, write_time};
use crate::error::FormatError;
use crate::extents::blob_id;
use crate::fields::{Refused, Written, optional, read_number, write_id, write_number};
use crate::log::REPLACES;
use crate::operation::{read_listed, write_listed};

/// What the log of a timeline is the log of: this, a zero byte, the machine, a zero byte, the source.
pub const TIMELINE: &[u8] = b"timeline";

/// Kinds of log records.
mod kind {
    pub(super) const CHECKPOINT: u64 = 1;
    pub(super) const POINT: u64 = 2;
    pub(super) const INCIDENT: u64 = 3;
    pub(super) const PIN: u64 = 4;
    pub(super) const DISMISSED: u64 = 5;
}

const WHAT: &str = "record of a timeline";

/// The number that a log record of this has as its kind.
pub fn kind_of(record: &TimelineRecord) -> u64 {
    match record {
        TimelineRecord::Checkpoint { .. } => kind::CHECKPOINT,
        TimelineRecord::Point(_) => kind::POINT,
        TimelineRecord::Incident { .. } => kind::INCIDENT,
        TimelineRecord::Pin { .. } => kind::PIN,
        TimelineRecord::Dismissed(_) => kind::DISMISSED,
        TimelineRecord::Thinned(_) => REPLACES,
    }
}

/// What names the log of a timeline.
pub fn log_of(host: &str, source: &[u8]) -> Vec<u8> {
    [TIMELINE, b"\0", host.as_bytes(), b"\0", source].concat()
}

/// Encodes the body of a log record.
pub fn encode_record(record: &TimelineRecord) -> Vec<u8> {
    let mut out = Vec::new();
    let mut e = Encoder::new(&mut out);
    // Writing into a vector can't fail.
    let _ = match record {
        TimelineRecord::Checkpoint {
            snapshot,
            root,
            revision,
            lived_millis,
        } => write_checkpoint((*snapshot, *root), *revision, *lived_millis, &mut e),
        TimelineRecord::Point(point) => write_point(point, &mut e),
        TimelineRecord::Incident { incident, keys } => {
            write_incident(incident, keys.as_ref(), &mut e)
        }
        TimelineRecord::Pin {
            point,
            time,
            removed,
        } => write_pin(*point, *time, *removed, &mut e),
        TimelineRecord::Dismissed(dismissal) => write_dismissal(dismissal, &mut e),
        TimelineRecord::Thinned(thinned) => write_thinned(thinned, &mut e),
    };
    out
}

fn write_checkpoint<W: Write>(
    (snapshot, root): (SnapshotId, Option<BlobId>),
    revision: Option<u64>,
    lived_millis: u64,
    e: &mut Encoder<W>,
) -> Written<W> {
    e.array(4)?.bytes(snapshot.as_bytes())?;
    write_root(root, e)?;
    write_number(revision, e)?;
    e.u64(lived_millis)?;
    Ok(())
}

fn write_thinned<W: Write>(thinned: &Thinned, e: &mut Encoder<W>) -> Written<W> {
    e.array(3)?.array(2 * thinned.replaces.len() as u64)?;
    for (first, last) in &thinned.replaces {
        e.u64(*first)?.u64(*last)?;
    }
    e.u64(thinned.base)?;
    e.array(4 * thinned.runs.len() as u64)?;
    for run in &thinned.runs {
        e.u64(run.last)?.bytes(&run.hash)?;
        write_changes(&run.changes, e)?;
        write_actors(&run.actors, e)?;
    }
    Ok(())
}

fn write_pin<W: Write>(
    point: SnapshotId,
    time: model::Timestamp,
    removed: bool,
    e: &mut Encoder<W>,
) -> Written<W> {
    e.array(3)?.bytes(point.as_bytes())?;
    write_time(time, e)?;
    e.bool(removed)?;
    Ok(())
}

fn write_dismissal<W: Write>(dismissal: &Dismissal, e: &mut Encoder<W>) -> Written<W> {
    e.array(3)?.u64(dismissal.incident)?;
    e.str(&dismissal.by)?.str(&dismissal.reason)?;
    Ok(())
}

fn write_point<W: Write>(point: &Point, e: &mut Encoder<W>) -> Written<W> {
    e.array(9)?.u64(point.base)?;
    write_root(point.from, e)?;
    write_root(point.root, e)?;
    write_time(point.first, e)?;
    write_time(point.last, e)?;
    e.u8(point.class as u8)?;
    write_number(point.revision, e)?;
    write_changes(&point.changes, e)?;
    write_actors(&point.actors, e)
}

fn write_changes<W: Write>(changes: &[PointChange], e: &mut Encoder<W>) -> Written<W> {
    e.array(3 * changes.len() as u64)?;
    for change in changes {
        e.bytes(change.key.as_bytes())?;
        entry::write_optional(change.after.as_ref(), e)?;
        write_number(change.actor.map(u64::from), e)?;
    }
    Ok(())
}

fn write_actors<W: Write>(actors: &[Actor], e: &mut Encoder<W>) -> Written<W> {
    e.array(actors.len() as u64)?;
    for actor in actors {
        write_actor(actor, e)?;
    }
    Ok(())
}

fn write_actor<W: Write>(actor: &Actor, e: &mut Encoder<W>) -> Written<W> {
    e.array(9)?.u32(actor.pid)?;
    for number in [actor.ppid, actor.uid, actor.login_uid] {
        write_number(number.map(u64::from), e)?;
    }
    e.str(&actor.comm)?.str(&actor.exe)?.str(&actor.command)?;
    e.bool(actor.gone)?.bool(actor.ours)?;
    Ok(())
}

fn write_incident<W: Write>(
    incident: &Incident,
    keys: Option<&model::operation::Listed>,
    e: &mut Encoder<W>,
) -> Written<W> {
    e.array(15)?
        .u64(incident.number)?
        .u8(incident.level as u8)?;
    e.str(&incident.rule)?.str(&incident.about)?;
    write_time(incident.from, e)?;
    write_time(incident.to, e)?;
    e.bytes(incident.before.as_bytes())?;
    e.bytes(incident.after.as_bytes())?;
    e.u64(incident.keys)?
        .u64(incident.deleted)?
        .u64(incident.changed)?;
    match &incident.actor {
        Some(actor) => write_actor(actor, e)?,
        None => _ = e.null()?,
    }
    e.u64(incident.points.0)?.u64(incident.points.1)?;
    write_listed(keys, e)
}

fn write_root<W: Write>(root: Option<BlobId>, e: &mut Encoder<W>) -> Written<W> {
    write_id(root.as_ref().map(BlobId::as_bytes), e)
}

/// Decodes the body of a log record of this kind; `None` for kinds of newer programs.
pub fn decode_record(kind: u64, body: &[u8]) -> Result<Option<TimelineRecord>, FormatError> {
    let mut decoder = Decoder::new(body);
    let d = &mut decoder;
    let record = match kind {
        kind::CHECKPOINT => read_checkpoint(d),
        kind::POINT => read_point(d).map(TimelineRecord::Point),
        kind::INCIDENT => read_incident(d),
        kind::PIN => read_pin(d),
        kind::DISMISSED => read_dismissal(d),
        REPLACES => read_thinned(d).map(TimelineRecord::Thinned),
        _ => return Ok(None),
    };
    let record = record.map_err(|refused| refused.of(WHAT))?;
    if decoder.position() == body.len() {
        Ok(Some(record))
    } else {
        Err(FormatError::malformed(WHAT))
    }
}

fn begin(d: &mut Decoder<'_>, fields: u64) -> Result<(), Refused> {
    if d.array()? == Some(fields) {
        Ok(())
    } else {
        Err(Refused::Malformed)
    }
}

fn read_checkpoint(d: &mut Decoder<'_>) -> Result<TimelineRecord, Refused> {
    begin(d, 4)?;
    Ok(TimelineRecord::Checkpoint {
        snapshot: read_id(d)?,
        root: read_root(d)?,
        revision: read_number(d)?,
        lived_millis: d.u64()?,
    })
}

fn read_thinned(d: &mut Decoder<'_>) -> Result<Thinned, Refused> {
    begin(d, 3)?;
    let mut thinned = Thinned {
        replaces: Vec::new(),
        base: 0,
        runs: Vec::new(),
    };
    let mut before = 0;
    for _ in 0..items(d, 2)? {
        let (first, last) = (d.u64()?, d.u64()?);
        if first <= before || last < first {
            return Err(Refused::Malformed);
        }
        before = last;
        thinned.replaces.push((first, last));
    }
    thinned.base = d.u64()?;
    for _ in 0..items(d, 4)? {
        let last = d.u64()?;
        let hash = <[u8; 32]>::try_from(d.bytes()?).map_err(|_| Refused::Malformed)?;
        if thinned.runs.last().is_some_and(|run| run.last >= last) {
            return Err(Refused::Malformed);
        }
        let changes = read_changes(d)?;
        let actors = read_actors(&changes, d)?;
        thinned.runs.push(ThinnedRun {
            last,
            hash,
            changes,
            actors,
        });
    }
    Ok(thinned)
}

/// How many groups of `of` items the array has that begins here.
fn items(d: &mut Decoder<'_>, of: u64) -> Result<u64, Refused> {
    let items = d.array()?.ok_or(Refused::Malformed)?;
    if items % of == 0 {
        Ok(items / of)
    } else {
        Err(Refused::Malformed)
    }
}

fn read_pin(d: &mut Decoder<'_>) -> Result<TimelineRecord, Refused> {
    begin(d, 3)?;
    Ok(TimelineRecord::Pin {
        point: read_id(d)?,
        time: read_time(d)?,
        removed: d.bool()?,
    })
}

fn read_dismissal(d: &mut Decoder<'_>) -> Result<TimelineRecord, Refused> {
    begin(d, 3)?;
    Ok(TimelineRecord::Dismissed(Dismissal {
        incident: d.u64()?,
        by: d.str()?.to_owned(),
        reason: d.str()?.to_owned(),
    }))
}

fn read_point(d: &mut Decoder<'_>) -> Result<Point, Refused> {
    begin(d, 9)?;
    let mut point = Point {
        base: d.u64()?,
        from: read_root(d)?,
        root: read_root(d)?,
        first: read_time(d)?,
        last: read_time(d)?,
        class: Class::from_code(d.u8()?).ok_or(Refused::Malformed)?,
        revision: read_number(d)?,
        changes: Vec::new(),
        actors: Vec::new(),
    };
    point.changes = read_changes(d)?;
    point.actors = read_actors(&point.changes, d)?;
    Ok(point)
}

fn read_changes(d: &mut Decoder<'_>) -> Result<Vec<PointChange>, Refused> {
    let mut changes: Vec<PointChange> = Vec::new();
    for _ in 0..items(d, 3)? {
        let change = read_change(d)?;
        if changes.last().is_some_and(|last| last.key >= change.key) {
            return Err(Refused::Malformed);
        }
        changes.push(change);
    }
    Ok(changes)
}

/// The actors that these changes name.
fn read_actors(changes: &[PointChange], d: &mut Decoder<'_>) -> Result<Vec<Actor>, Refused> {
    let mut actors = Vec::new();
    for _ in 0..items(d, 1)? {
        actors.push(read_actor(d)?);
    }
    let count = actors.len() as u64;
    let named = changes.iter().filter_map(|change| change.actor);
    if named.into_iter().any(|actor| u64::from(actor) >= count) {
        return Err(Refused::Malformed);
    }
    Ok(actors)
}

fn read_change(d: &mut Decoder<'_>) -> Result<PointChange, Refused> {
    let key = PathKey::from_bytes(d.bytes()?.to_vec()).map_err(|_| Refused::Malformed)?;
    let after = entry::read_optional(d)?;
    let actor = read_short(d)?;
    Ok(PointChange { key, after, actor })
}

fn read_actor(d: &mut Decoder<'_>) -> Result<Actor, Refused> {
    begin(d, 9)?;
    let pid = d.u32()?;
    let (ppid, uid, login_uid) = (read_short(d)?, read_short(d)?, read_short(d)?);
    Ok(Actor {
        pid,
        ppid,
        uid,
        login_uid,
        comm: d.str()?.to_owned(),
        exe: d.str()?.to_owned(),
        command: d.str()?.to_owned(),
        gone: d.bool()?,
        ours: d.bool()?,
    })
}

fn read_incident(d: &mut Decoder<'_>) -> Result<TimelineRecord, Refused> {
    begin(d, 15)?;
    let incident = Incident {
        number: d.u64()?,
        level: Level::from_code(d.u8()?).ok_or(Refused::Malformed)?,
        rule: d.str()?.to_owned(),
        about: d.str()?.to_owned(),
        from: read_time(d)?,
        to: read_time(d)?,
        before: read_id(d)?,
        after: read_id(d)?,
        keys: d.u64()?,
        deleted: d.u64()?,
        changed: d.u64()?,
        actor: optional(d)?.then(|| read_actor(d)).transpose()?,
        points: (d.u64()?, d.u64()?),
    };
    let keys = read_listed(d)?;
    Ok(TimelineRecord::Incident { incident, keys })
}

fn read_id(d: &mut Decoder<'_>) -> Result<SnapshotId, Refused> {
    SnapshotId::from_slice(d.bytes()?).ok_or(Refused::Malformed)
}

fn read_short(d: &mut Decoder<'_>) -> Result<Option<u32>, Refused> {
    let number = read_number(d)?.map(u32::try_from).transpose();
    number.map_err(|_| Refused::Malformed)
}

fn read_root(d: &mut Decoder<'_>) -> Result<Option<BlobId>, Refused> {
    Ok(optional(d)?.then(|| blob_id(d)).transpose()?)
}

/// Encodes a list of keys, for a list that a record names.
pub fn encode_keys<'k>(keys: impl ExactSizeIterator<Item = &'k PathKey>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut e = Encoder::new(&mut out);
    let _ = e.array(keys.len() as u64);
    for key in keys {
        let _ = e.bytes(key.as_bytes());
    }
    out
}

/// Decodes a list of keys.
pub fn decode_keys(bytes: &[u8]) -> Result<Vec<PathKey>, FormatError> {
    let wrong = || FormatError::malformed("list of keys");
    let mut d = Decoder::new(bytes);
    let mut keys = Vec::new();
    for _ in 0..d.array().ok().flatten().ok_or_else(wrong)? {
        let key = d.bytes().map_err(|_| wrong())?.to_vec();
        keys.push(PathKey::from_bytes(key).map_err(|_| wrong())?);
    }
    if d.position() == bytes.len() {
        Ok(keys)
    } else {
        Err(wrong())
    }
}
