//! Making a repository, and the keys that open it.

use codec::{ChunkParams, Kdf, Keyset, LockedKeyset, MapParams, Secret};
use format::config::{ChunkLengths, NodeWeights};
use format::slot::{SLOT_BYTES_MAX, SlotKdf};
use format::{Config, KeySlot, Role};
use model::{Entropy, KeyId, RepositoryId, Timestamp};
use storage::{ObjectKind, ObjectName, Storage, StorageError};

use crate::error::{RepositoryError, Result};

/// What is to be known about a key besides its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What it can do.
    pub role: Role,
    /// What kind of secret it is: `password`, `key-file`, `recovery-code`.
    pub kind: String,
    /// What its owner calls it.
    pub label: String,
    /// When it is made, RFC 3339.
    pub created: String,
}

/// A key slot, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id.
    pub id: KeyId,
    /// What is known about it.
    pub key: NewKey,
}

/// Makes a repository: first the keys, then the config, whose presence makes it one.
pub fn create(
    storage: &dyn Storage,
    keys: &[(Secret, NewKey)],
    created: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(Keyset, Vec<KeyId>)> {
    let mut id = RepositoryId([0; 16]);
    entropy.fill(&mut id.0);
    let keyset = Keyset::generate(
        id,
        created,
        ChunkParams::default(),
        MapParams::default(),
        entropy,
    )
    .map_err(|error| RepositoryError::codec("new key set", &error))?;
    let mut ids = Vec::new();
    for (secret, key) in keys {
        ids.push(add_slot(storage, &keyset, secret, key, entropy)?);
    }
    let config = config_of(&keyset).encode();
    if let Err(error) = storage.put_new(&ObjectName::Config, config.as_bytes()) {
        // Another making was faster: these keys open nothing. Its config is
        // looked at, because network storage may refuse what it did itself a moment before.
        let theirs = storage.read(&ObjectName::Config).ok();
        let theirs = theirs.and_then(|bytes| Config::decode(&bytes).ok());
        if error.already_exists() && theirs.is_some_and(|config| config.repository != id) {
            for key in ids {
                let _ = storage.remove(&ObjectName::Key(key));
            }
        }
        return Err(error.into());
    }
    Ok((keyset, ids))
}

/// The config that a key set implies.
pub fn config_of(keyset: &Keyset) -> Config {
    let chunks = keyset.chunk_params();
    let nodes = keyset.map_params();
    let mut config = Config {
        repository: keyset.repository(),
        public_key: keyset.public_key_bytes(),
        chunker: ChunkLengths {
            min: chunks.min,
            average: chunks.avg,
            max: chunks.max,
        },
        map: NodeWeights {
            target: nodes.target,
            min: nodes.min,
            max: nodes.max,
        },
        seal: [0; 32],
    };
    config.seal = keyset.commit(&[0; 32], &config.sealed_record());
    config
}

/// Compares the stored config with the one that the key set implies.
pub fn check_config(storage: &dyn Storage, keyset: &Keyset) -> Result<()> {
    let bytes = match storage.read(&ObjectName::Config) {
        Err(StorageError::Missing { .. }) => {
            return Err(RepositoryError::ConfigAltered { why: "it is gone" });
        }
        read => read?,
    };
    let config = Config::decode(&bytes).map_err(|error| match error {
        format::FormatError::Newer { .. } => RepositoryError::format(ObjectName::Config, &error),
        _ => RepositoryError::ConfigAltered {
            why: "it is not readable",
        },
    })?;
    // The text too: a changed byte that means the same is still a sign of damage.
    let implied = config_of(keyset);
    if config == implied && bytes == implied.encode().as_bytes() {
        Ok(())
    } else {
        Err(RepositoryError::ConfigAltered {
            why: "it differs from what the key says",
        })
    }
}

/// Writes the config again from the key set.
pub fn repair_config(storage: &dyn Storage, keyset: &Keyset) -> Result<()> {
    Ok(storage.replace(&ObjectName::Config, config_of(keyset).encode().as_bytes())?)
}

/// Opens the key set with a secret. Slots that can't be read are passed over if another one fits.
pub fn unlock(storage: &dyn Storage, secret: &Secret) -> Result<(Keyset, KeyId)> {
    let mut tried = 0;
    let mut failed = None;
    for (id, slot, _) in read_slots(storage)? {
        let slot = match slot {
            Ok(slot) => slot,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let Some(locked) = locked(&slot, secret) else {
            continue;
        };
        tried += 1;
        match locked.unlock(secret, &slot.additional_data()) {
            Ok(keyset) if keyset.repository() == slot.repository => return Ok((keyset, id)),
            Ok(_) => {
                failed = Some(RepositoryError::damaged(
                    ObjectName::Key(id),
                    "it belongs to another repository",
                ));
            }
            Err(codec::CodecError::WrongSecret) => {}
            Err(error) => failed = Some(RepositoryError::codec(ObjectName::Key(id), &error)),
        }
    }
    Err(failed.unwrap_or(RepositoryError::WrongKey { slots: tried }))
}

/// The locked key set of a slot, if this kind of secret can open it.
fn locked(slot: &KeySlot, secret: &Secret) -> Option<LockedKeyset> {
    let kdf = match (&slot.kdf, secret) {
        (
            &SlotKdf::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
            },
            Secret::Password(_),
        ) => Kdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        },
        (&SlotKdf::Blake3 { salt }, Secret::Raw(_)) => Kdf::Blake3 { salt },
        _ => return None,
    };
    Some(LockedKeyset {
        kdf,
        sealed: slot.sealed.clone(),
    })
}

/// A slot by its name: what it says, and its text.
type ReadSlot = (KeyId, Result<KeySlot>, Vec<u8>);

/// Slots of another repository than the config's are passed over: they were left by a making of it that
/// a crash cut short before its config was there.
fn read_slots(storage: &dyn Storage) -> Result<Vec<ReadSlot>> {
    let repository = match storage.read(&ObjectName::Config) {
        Ok(bytes) => Config::decode(&bytes).ok().map(|config| config.repository),
        Err(_) => None,
    };
    let is_ours = |slot: &KeySlot| repository.is_none_or(|id| id == slot.repository);
    let mut slots = Vec::new();
    for (name, _) in storage.list(ObjectKind::Key)? {
        let ObjectName::Key(id) = name else { continue };
        let (bytes, slot) = match storage.read(&name) {
            Ok(bytes) => {
                let slot = KeySlot::decode(&bytes);
                let slot = slot.map_err(|error| RepositoryError::format(name, &error));
                (bytes, slot)
            }
            // Removed since it was listed.
            Err(StorageError::Missing { .. }) => continue,
            Err(error @ StorageError::Unreachable { .. }) => return Err(error.into()),
            // One slot that can't be read does not hide the others.
            Err(error) => (Vec::new(), Err(error.into())),
        };
        let slot = slot.and_then(|slot| match slot.id == id {
            true => Ok(slot),
            false => Err(RepositoryError::damaged(name, "it is another key's slot")),
        });
        slots.push((id, slot, bytes));
    }
    // A config that fits no slot is the altered one: then all of them count.
    if slots
        .iter()
        .any(|(_, slot, _)| slot.as_ref().is_ok_and(is_ours))
    {
        slots.retain(|(_, slot, _)| slot.as_ref().map_or(true, is_ours));
    }
    Ok(slots)
}

/// Lists the keys, and what is wrong with slots that can't be read.
pub fn list(storage: &dyn Storage) -> Result<(Vec<KeyInfo>, Vec<RepositoryError>)> {
    let (mut keys, mut damaged) = (Vec::new(), Vec::new());
    for (id, slot, bytes) in read_slots(storage)? {
        match slot {
            // It may still open: but what was written was this text, byte for byte.
            Ok(slot) if slot.encode().as_bytes() != bytes => {
                let name = ObjectName::Key(id);
                damaged.push(RepositoryError::damaged(name, "its text was changed"));
            }
            Ok(KeySlot {
                role,
                kind,
                label,
                created,
                ..
            }) => {
                keys.push(KeyInfo {
                    id,
                    key: NewKey {
                        role,
                        kind,
                        label,
                        created,
                    },
                });
            }
            Err(error) => damaged.push(error),
        }
    }
    Ok((keys, damaged))
}

/// What is wrong with the slots: with any key it can be told whether the others are whole, before
/// somebody needs them.
pub fn check_slots(storage: &dyn Storage, keyset: &Keyset) -> Result<Vec<RepositoryError>> {
    let (_, mut damaged) = list(storage)?;
    for (id, slot, bytes) in read_slots(storage)? {
        let Ok(slot) = slot else { continue };
        let as_written = slot.encode().as_bytes() == bytes;
        if as_written && keyset.commit(&[0; 32], &slot.sealed_record()) != slot.seal {
            let name = ObjectName::Key(id);
            damaged.push(RepositoryError::damaged(name, "its seal does not fit"));
        }
    }
    Ok(damaged)
}

/// Adds a key. A write-only key gets a key set without the private half: what is stored can't be read
/// with it, whatever program holds it.
pub fn add_slot(
    storage: &dyn Storage,
    keyset: &Keyset,
    secret: &Secret,
    key: &NewKey,
    entropy: &dyn Entropy,
) -> Result<KeyId> {
    if key.role == Role::Full && !keyset.can_read() {
        return Err(RepositoryError::WriteOnlyKey);
    }
    let mut id = KeyId([0; 16]);
    entropy.fill(&mut id.0);
    let mut salt = [0; codec::slot::SALT_BYTES];
    entropy.fill(&mut salt);
    let kdf = match secret {
        Secret::Raw(_) => Kdf::Blake3 { salt },
        Secret::Password(_) => Kdf::argon2id(salt),
    };
    let mut slot = KeySlot {
        repository: keyset.repository(),
        id,
        role: key.role,
        kind: key.kind.clone(),
        label: key.label.clone(),
        created: key.created.clone(),
        kdf: slot_kdf(kdf),
        sealed: Vec::new(),
        seal: [0; 32],
    };
    let narrowed = keyset.write_only();
    let given = if key.role == Role::Full {
        keyset
    } else {
        &narrowed
    };
    let locked = LockedKeyset::lock_with(kdf, secret, given, &slot.additional_data())
        .map_err(|error| RepositoryError::codec("new key", &error))?;
    slot.sealed = locked.sealed;
    slot.seal = keyset.commit(&[0; 32], &slot.sealed_record());
    let (name, text) = (ObjectName::Key(id), slot.encode());
    RepositoryError::within(name, text.len() as u64, SLOT_BYTES_MAX)?;
    storage.put_new(&name, text.as_bytes())?;
    Ok(id)
}

/// What the slot says of the way from secret to key.
fn slot_kdf(kdf: Kdf) -> SlotKdf {
    match kdf {
        Kdf::Blake3 { salt } => SlotKdf::Blake3 { salt },
        Kdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        } => SlotKdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        },
    }
}

/// Removes a key. The last key that can read stays: without it everything stored would be lost.
pub fn remove_slot(storage: &dyn Storage, id: KeyId) -> Result<()> {
    let (keys, _) = list(storage)?;
    let readers = keys.iter().filter(|info| info.key.role == Role::Full);
    if readers.clone().count() == 1 && readers.clone().any(|info| info.id == id) {
        return Err(RepositoryError::Key {
            action: "remove the key",
            why: "it is the last one that can read the repository; add another one first"
                .to_owned(),
        });
    }
    Ok(storage.remove(&ObjectName::Key(id))?)
}
