//! Key slots, `keys/<id>`: plain JSON around a sealed key set.

use model::{KeyId, RepositoryId};
use serde::{Deserialize, Serialize};

use crate::VERSION;
use crate::config::{from_hex, newer, to_hex};
use crate::error::FormatError;

const WHAT: &str = "key slot";

/// Longest key slot.
pub const SLOT_BYTES_MAX: u64 = 64 << 10;

/// What a key can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Backs up and restores.
    Full,
    /// Backs up; what is stored can't be read with it.
    WriteOnly,
}

/// How the secret becomes the key that opens the slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SlotKdf {
    /// A password, slowed down by Argon2id (RFC 9106).
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
        /// Salt, hexadecimal.
        salt: String,
    },
    /// 256 random bits, of a key file or a recovery code.
    Blake3 {
        /// Salt, hexadecimal.
        salt: String,
    },
}

/// A key slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// The repository.
    pub repository: RepositoryId,
    /// The slot's id, which is its name.
    pub id: KeyId,
    /// What the key can do.
    pub role: Role,
    /// What kind of secret opens it: `password`, `key-file`, `recovery-code`.
    pub kind: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// How the secret becomes a key.
    pub kdf: SlotKdf,
    /// The sealed key set.
    pub sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    format: String,
    version: u64,
    repository: String,
    id: String,
    role: Role,
    kind: String,
    label: String,
    created: String,
    kdf: SlotKdf,
    sealed: String,
}

impl KeySlot {
    /// The file's text.
    pub fn encode(&self) -> String {
        let json = Json {
            format: "recoup-key".to_owned(),
            version: VERSION.into(),
            repository: self.repository.to_hex(),
            id: self.id.to_hex(),
            role: self.role,
            kind: self.kind.clone(),
            label: self.label.clone(),
            created: self.created.clone(),
            kdf: self.kdf.clone(),
            sealed: to_hex(&self.sealed),
        };
        let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the file.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let wrong = || FormatError::malformed(WHAT);
        newer(bytes, WHAT)?;
        let json: Json = serde_json::from_slice(bytes).map_err(|_| wrong())?;
        if json.format != "recoup-key" || json.version != u64::from(VERSION) {
            return Err(wrong());
        }
        Ok(Self {
            repository: json.repository.parse().map_err(|_| wrong())?,
            id: json.id.parse().map_err(|_| wrong())?,
            role: json.role,
            kind: json.kind,
            label: json.label,
            created: json.created,
            kdf: json.kdf,
            sealed: from_hex(&json.sealed).ok_or_else(wrong)?,
        })
    }

    /// What the seal of the key set is bound to: everything in the slot but the seal itself.
    pub fn additional_data(&self) -> Vec<u8> {
        Self {
            sealed: Vec::new(),
            ..self.clone()
        }
        .encode()
        .into_bytes()
    }
}
