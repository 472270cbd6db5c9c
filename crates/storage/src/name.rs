//! Names of objects. They are made from typed ids only, so no name can lead out of a repository.

use model::KeyId;
use model::LogId;
use model::PackId;
use model::RunId;
use model::SnapshotId;
use std::fmt;
use std::str::FromStr;

const MIB: u64 = 1 << 20;

/// What an object is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// The one plain object that says what the repository is.
    Config,
    /// Wrapped key sets.
    Key,
    /// Sealed blobs.
    Pack,
    /// Sorted runs of the index.
    Index,
    /// Snapshot records.
    Snapshot,
    /// Records of logs: operations, points in time.
    Log,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Config,
        Self::Key,
        Self::Pack,
        Self::Index,
        Self::Snapshot,
        Self::Log,
    ];

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Key => "key",
            Self::Pack => "pack",
            Self::Index => "index",
            Self::Snapshot => "snapshot",
            Self::Log => "log",
        }
    }

    /// The top-level directory of its objects; empty for the config, which lies at the top.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Config => "",
            Self::Key => "keys",
            Self::Pack => "packs",
            Self::Index => "index",
            Self::Snapshot => "snapshots",
            Self::Log => "timeline",
        }
    }

    /// Longest object of the kind that is read whole. Far above what is ever written (packs are about
    /// 32 MiB, records a few KiB); it keeps a hostile store from filling the memory.
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::Config | Self::Key => MIB,
            Self::Snapshot | Self::Log => 64 * MIB,
            Self::Pack => 512 * MIB,
            Self::Index => 2048 * MIB,
        }
    }
}

/// Why a text is not the name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectNameError;

impl fmt::Display for ObjectNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of an object")
    }
}

impl std::error::Error for ObjectNameError {}

/// The name of an object. Orders by kind, then by id, which is the order of the names as text too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// `config`
    Config,
    /// `keys/<id>`
    Key(KeyId),
    /// `packs/<first two digits>/<id>`
    Pack(PackId),
    /// `index/<id>`
    Index(RunId),
    /// `snapshots/<id>`
    Snapshot(SnapshotId),
    /// `timeline/<log>/<number>`, with sixteen digits
    Log(LogId, u64),
}

impl ObjectName {
    /// What the object is for.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Config => ObjectKind::Config,
            Self::Key(_) => ObjectKind::Key,
            Self::Pack(_) => ObjectKind::Pack,
            Self::Index(_) => ObjectKind::Index,
            Self::Snapshot(_) => ObjectKind::Snapshot,
            Self::Log(..) => ObjectKind::Log,
        }
    }

    /// The part of the name after the last slash.
    pub fn file_name(&self) -> String {
        match self {
            Self::Config => "config".to_owned(),
            Self::Key(id) => id.to_hex(),
            Self::Pack(id) => id.to_hex(),
            Self::Index(id) => id.to_hex(),
            Self::Snapshot(id) => id.to_hex(),
            Self::Log(_, number) => format!("{number:016x}"),
        }
    }

    /// The part of the name before the last slash; empty for the config.
    pub fn directory(&self) -> String {
        match self {
            Self::Pack(id) => format!("packs/{:02x}", id.0[0]),
            Self::Log(log, _) => format!("timeline/{log}"),
            _ => self.kind().directory().to_owned(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("config"),
            Self::Key(id) => write!(f, "keys/{id}"),
            Self::Pack(id) => write!(f, "packs/{:02x}/{id}", id.0[0]),
            Self::Index(id) => write!(f, "index/{id}"),
            Self::Snapshot(id) => write!(f, "snapshots/{id}"),
            Self::Log(log, number) => write!(f, "timeline/{log}/{number:016x}"),
        }
    }
}

impl FromStr for ObjectName {
    type Err = ObjectNameError;

    /// Takes exactly what [`fmt::Display`] writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        let name = match text.split_once('/') {
            None => Some(Self::Config),
            Some(("keys", id)) => id.parse().ok().map(Self::Key),
            Some(("packs", rest)) => rest
                .split_once('/')
                .and_then(|(_, id)| id.parse().ok())
                .map(Self::Pack),
            Some(("index", id)) => id.parse().ok().map(Self::Index),
            Some(("snapshots", id)) => id.parse().ok().map(Self::Snapshot),
            Some(("timeline", rest)) => rest.split_once('/').and_then(|(log, number)| {
                let number = u64::from_str_radix(number, 16).ok()?;
                Some(Self::Log(log.parse().ok()?, number))
            }),
            Some(_) => None,
        };
        // Writing it out again refuses upper-case digits, a wrong fan-out directory and all the rest.
        name.filter(|name| name.to_string() == text)
            .ok_or(ObjectNameError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = ObjectName> {
        let parts = (0..6u8, any::<[u8; 16]>(), any::<[u8; 32]>(), any::<u64>());
        parts.prop_map(|(kind, short, long, number)| match kind {
            0 => ObjectName::Config,
            1 => ObjectName::Key(KeyId(short)),
            2 => ObjectName::Pack(PackId(short)),
            3 => ObjectName::Index(RunId(short)),
            4 => ObjectName::Snapshot(SnapshotId(long)),
            _ => ObjectName::Log(LogId(short), number),
        })
    }

    proptest! {
        #[test]
        fn names_round_trip(name in name()) {
            let text = name.to_string();
            prop_assert_eq!(text.parse(), Ok(name));
            let directory = name.directory();
            let slash = if directory.is_empty() { "" } else { "/" };
            prop_assert_eq!(text, format!("{directory}{slash}{}", name.file_name()));
        }

        #[test]
        fn whatever_parses_is_written_the_same(text in "(config|keys|packs|index|snapshots|timeline)?[/.+a-fA-F0-9]{0,70}") {
            if let Ok(name) = text.parse::<ObjectName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn order_within_a_kind_is_order_of_text(a in any::<[u8; 16]>(), b in any::<[u8; 16]>()) {
            let (one, two) = (ObjectName::Pack(PackId(a)), ObjectName::Pack(PackId(b)));
            prop_assert_eq!(one.cmp(&two), one.to_string().cmp(&two.to_string()));
            let log = |id: [u8; 16]| ObjectName::Log(LogId([0; 16]), u64::from(id[0]) << 56 | u64::from(id[9]));
            prop_assert_eq!(log(a).cmp(&log(b)), log(a).to_string().cmp(&log(b).to_string()));
        }
    }

    #[test]
    fn strangers_are_refused() {
        let id = "ab".repeat(16);
        for text in [
            "".to_owned(),
            "Config".to_owned(),
            "config/".to_owned(),
            format!("keys/{}", id.to_uppercase()),
            format!("keys/../{id}"),
            format!("keys//{id}"),
            format!("packs/{id}"),
            format!("packs/ac/{id}"),
            format!("packs/AB/{id}"),
            format!("packs/ab/{id}.tmp"),
            format!("index/{id}00"),
            format!("snapshots/{id}"),
            format!("tmp/{id}"),
            format!("timeline/{id}"),
            format!("timeline/{id}/7"),
            format!("timeline/{id}/00000000000000AB"),
            format!("timeline/{id}/+00000000000000a"),
            format!("timeline/{id}/00000000000000000a"),
        ] {
            assert_eq!(text.parse::<ObjectName>(), Err(ObjectNameError), "{text}");
        }
    }
}
