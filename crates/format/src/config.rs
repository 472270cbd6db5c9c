//! The repository's `config`: plain JSON, so that a person can see what a directory is.

use minicbor::encode::{Encoder, Write};
use model::RepositoryId;
use serde::{Deserialize, Serialize};

use crate::VERSION;
use crate::error::FormatError;

const WHAT: &str = "repository config";

/// What `format` says.
const FORMAT: &str = "recoup";

/// Longest config.
pub const CONFIG_BYTES_MAX: u64 = 64 << 10;

/// Lengths of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkLengths {
    /// Least.
    pub min: u32,
    /// Average.
    pub average: u32,
    /// Greatest.
    pub max: u32,
}

/// Weights of map nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeWeights {
    /// Mean.
    pub target: u32,
    /// Least.
    pub min: u32,
    /// Greatest.
    pub max: u32,
}

/// What `config` says. All of it stands in the sealed key set too, which is what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The repository.
    pub repository: RepositoryId,
    /// Its public key.
    pub public_key: Vec<u8>,
    /// How files are cut into chunks.
    pub chunker: ChunkLengths,
    /// How maps are cut into nodes.
    pub map: NodeWeights,
    /// Keyed hash of the rest, which only a key holder can make.
    pub seal: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    format: String,
    version: u64,
    repository: String,
    public_key: String,
    chunker: ChunkLengths,
    map: NodeWeights,
    seal: String,
}

impl Config {
    /// The file's text.
    pub fn encode(&self) -> String {
        let json = Json {
            format: FORMAT.to_owned(),
            version: VERSION.into(),
            repository: self.repository.to_hex(),
            public_key: to_hex(&self.public_key),
            chunker: self.chunker,
            map: self.map,
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
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(wrong());
        }
        let json: Json = serde_json::from_slice(bytes).map_err(|_| wrong())?;
        if json.format != FORMAT || json.version != u64::from(VERSION) {
            return Err(wrong());
        }
        Ok(Self {
            repository: json.repository.parse().map_err(|_| wrong())?,
            public_key: from_hex(&json.public_key).ok_or_else(wrong)?,
            chunker: json.chunker,
            map: json.map,
            seal: from_hex(&json.seal)
                .and_then(|seal| seal.try_into().ok())
                .ok_or_else(wrong)?,
        })
    }

    /// What [`Config::seal`] is computed over: everything else, as a CBOR record.
    pub fn sealed_record(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing into a vector can't fail.
        let _ = self.write_record(&mut Encoder::new(&mut out));
        out
    }

    fn write_record<W: Write>(
        &self,
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let ChunkLengths { min, average, max } = self.chunker;
        e.map(6)?.u8(0)?.str(FORMAT)?.u8(1)?.u16(VERSION)?;
        e.u8(2)?.bytes(self.repository.as_bytes())?;
        e.u8(3)?.bytes(&self.public_key)?;
        e.u8(4)?.array(3)?.u32(min)?.u32(average)?.u32(max)?;
        let NodeWeights { target, min, max } = self.map;
        e.u8(5)?.array(3)?.u32(target)?.u32(min)?.u32(max)?;
        Ok(())
    }
}

/// Refuses the JSON of a newer format by its version, whatever else it says.
pub(crate) fn newer(bytes: &[u8], what: &'static str) -> Result<(), FormatError> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { version }) if version > u64::from(VERSION) => Err(FormatError::Newer {
            what,
            found: version,
            known: VERSION,
        }),
        _ => Ok(()),
    }
}

/// Lower-case hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of a hexadecimal text; `None` if it is none.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}
