//! Key slots, `keys/<id>`: plain JSON around a sealed key set.

use minicbor::encode::{Encoder, Write};
use model::{KeyId, RepositoryId};
use serde::{Deserialize, Serialize};

use crate::VERSION;
use crate::config::{from_hex, newer, to_hex};
use crate::error::FormatError;

const WHAT: &str = "key slot";

/// What `format` says.
const FORMAT: &str = "recoup-key";

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// Longest key slot: 4 KiB and what its owner calls it.
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

impl Role {
    /// The word in the file.
    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::WriteOnly => "write-only",
        }
    }
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
        /// Salt.
        #[serde(with = "hex")]
        salt: [u8; SALT_BYTES],
    },
    /// 256 random bits, of a key file or a recovery code.
    Blake3 {
        /// Salt.
        #[serde(with = "hex")]
        salt: [u8; SALT_BYTES],
    },
}

/// Salts in the file.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{SALT_BYTES, from_hex, to_hex};

    pub(super) fn serialize<S: Serializer>(
        salt: &[u8; SALT_BYTES],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(salt))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; SALT_BYTES], D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text)
            .and_then(|salt| salt.try_into().ok())
            .ok_or_else(|| D::Error::custom("no salt"))
    }
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
    /// Keyed hash of everything else, so that any key tells whether this slot is whole.
    pub seal: [u8; 32],
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
    seal: String,
}

impl KeySlot {
    /// The file's text.
    pub fn encode(&self) -> String {
        let json = Json {
            format: FORMAT.to_owned(),
            version: VERSION.into(),
            repository: self.repository.to_hex(),
            id: self.id.to_hex(),
            role: self.role,
            kind: self.kind.clone(),
            label: self.label.clone(),
            created: self.created.clone(),
            kdf: self.kdf.clone(),
            sealed: to_hex(&self.sealed),
            seal: to_hex(&self.seal),
        };
        let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the file.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let wrong = || FormatError::malformed(WHAT);
        newer(bytes, WHAT)?;
        if bytes.len() as u64 > SLOT_BYTES_MAX {
            return Err(wrong());
        }
        let json: Json = serde_json::from_slice(bytes).map_err(|_| wrong())?;
        if json.format != FORMAT || json.version != u64::from(VERSION) {
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
            seal: from_hex(&json.seal)
                .and_then(|seal| seal.try_into().ok())
                .ok_or_else(wrong)?,
        })
    }

    /// What the seal of the key set is bound to: everything in the slot but the seal itself, as a CBOR
    /// record.
    pub fn additional_data(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing into a vector can't fail.
        let _ = self.write_record(&mut Encoder::new(&mut out));
        out
    }

    /// What [`KeySlot::seal`] is computed over: the record, then the sealed key set.
    pub fn sealed_record(&self) -> Vec<u8> {
        let mut record = self.additional_data();
        record.extend_from_slice(&self.sealed);
        record
    }

    fn write_record<W: Write>(
        &self,
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.map(9)?.u8(0)?.str(FORMAT)?.u8(1)?.u16(VERSION)?;
        e.u8(2)?.bytes(self.repository.as_bytes())?;
        e.u8(3)?.bytes(self.id.as_bytes())?;
        e.u8(4)?.str(self.role.word())?;
        e.u8(5)?.str(&self.kind)?;
        e.u8(6)?.str(&self.label)?;
        e.u8(7)?.str(&self.created)?;
        e.u8(8)?;
        match &self.kdf {
            SlotKdf::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
            } => {
                e.array(5)?.str("argon2id")?.u32(*memory_kib)?;
                e.u32(*passes)?.u32(*lanes)?.bytes(salt)?;
            }
            SlotKdf::Blake3 { salt } => _ = e.array(2)?.str("blake3")?.bytes(salt)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_record_are_those_of_the_file() {
        for role in [Role::Full, Role::WriteOnly] {
            assert_eq!(serde_json::json!(role), role.word());
        }
        let salt = [1; SALT_BYTES];
        let (memory_kib, passes, lanes) = (1, 2, 3);
        let argon = SlotKdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        };
        assert_eq!(serde_json::json!(argon)["name"], "argon2id");
        assert_eq!(
            serde_json::json!(SlotKdf::Blake3 { salt })["name"],
            "blake3"
        );
    }
}
