//! Blocks of `FORMAT.md`: found, compared, written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One block, as the code makes it.
pub(crate) struct Vector {
    name: &'static str,
    content: Content,
}

type Check = Box<dyn Fn(&[u8])>;

enum Content {
    /// Labelled stretches of bytes.
    Bytes(Vec<(&'static str, Vec<u8>)>),
    Text(String),
    /// Bytes that need not be the same everywhere, and what they must mean.
    Meaning(Vec<u8>, Check),
}

impl Vector {
    pub(crate) fn new(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::parts(name, vec![("", bytes.into())])
    }

    pub(crate) fn parts(name: &'static str, parts: Vec<(&'static str, Vec<u8>)>) -> Self {
        let content = Content::Bytes(parts);
        Self { name, content }
    }

    /// Bytes with labels for stretches of these lengths; the last label is for what is left.
    pub(crate) fn ruled(name: &'static str, bytes: &[u8], rule: &[(usize, &'static str)]) -> Self {
        let mut rest = bytes;
        let mut parts = Vec::new();
        for &(len, label) in rule {
            let (head, tail) = rest.split_at(len.min(rest.len()));
            parts.push((label, head.to_vec()));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(("", rest.to_vec()));
        }
        Self::parts(name, parts)
    }

    pub(crate) fn text(name: &'static str, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let content = Content::Text(text);
        Self { name, content }
    }

    pub(crate) fn meaning(
        name: &'static str,
        bytes: Vec<u8>,
        check: impl Fn(&[u8]) + 'static,
    ) -> Self {
        let content = Content::Meaning(bytes, Box::new(check));
        Self { name, content }
    }

    fn fence(&self) -> String {
        match self.content {
            Content::Text(_) => format!("```vector-text {}", self.name),
            _ => format!("```vector {}", self.name),
        }
    }

    fn body(&self) -> String {
        match &self.content {
            Content::Text(text) => text.clone(),
            Content::Meaning(bytes, _) => lines("", bytes),
            Content::Bytes(parts) => parts
                .iter()
                .map(|(label, part)| lines(label, part))
                .collect(),
        }
    }

    fn check(&self, found: &str) {
        match &self.content {
            Content::Text(text) => assert_eq!(found, text, "{}", self.name),
            Content::Meaning(_, check) => check(&unhex(found)),
            Content::Bytes(parts) => {
                let expected: Vec<u8> = parts.iter().flat_map(|(_, part)| part.clone()).collect();
                let found = unhex(found);
                assert_eq!(hex(&found), hex(&expected), "{}", self.name);
            }
        }
    }
}

/// Compares the blocks of the document with these, or writes them.
pub(crate) fn compare(vectors: &[Vector]) {
    let path = document();
    let text = std::fs::read_to_string(&path).unwrap();
    if std::env::var_os("RECOUP_BLESS").is_some() {
        std::fs::write(&path, blessed(&text, vectors)).unwrap();
        return;
    }
    let mut blocks = blocks(&text);
    for vector in vectors {
        let block = blocks.remove(&vector.fence());
        vector.check(&block.unwrap_or_else(|| panic!("no block {}", vector.fence())));
    }
    assert!(blocks.is_empty(), "unknown: {:?}", blocks.keys());
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../FORMAT.md")
}

/// Content of the vector blocks by their first lines.
fn blocks(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if line.starts_with("```vector") && open.is_none() {
            open = Some((line.to_owned(), String::new()));
        } else if line == "```" {
            if let Some((fence, body)) = open.take() {
                assert!(
                    found.insert(fence.clone(), body).is_none(),
                    "twice: {fence}"
                );
            }
        } else if let Some((_, body)) = &mut open {
            body.push_str(line);
            body.push('\n');
        }
    }
    found
}

fn blessed(text: &str, vectors: &[Vector]) -> String {
    let mut out = String::new();
    let mut skipping = false;
    for line in text.lines() {
        skipping &= line != "```";
        if skipping {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if let Some(vector) = vectors.iter().find(|vector| vector.fence() == line) {
            out.push_str(&vector.body());
            skipping = true;
        }
    }
    out
}

fn lines(label: &str, bytes: &[u8]) -> String {
    let mut out = String::new();
    for (at, line) in bytes.chunks(32).enumerate() {
        out.push_str(&hex(line));
        if at == 0 && !label.is_empty() {
            out.push_str("  # ");
            out.push_str(label);
        }
        out.push('\n');
    }
    out
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap())
        .collect();
    let pairs = digits.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "half a byte");
    pairs.map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}
