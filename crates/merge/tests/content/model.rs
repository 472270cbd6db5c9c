//! Documents as values, how they are written in each format, and how people and events change them.

use std::collections::BTreeMap;

use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
    Toml,
    Ini,
}

pub(crate) const FORMATS: [Format; 4] = [Format::Json, Format::Yaml, Format::Toml, Format::Ini];

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "package.json",
            Self::Yaml => "compose.yml",
            Self::Toml => "Cargo.toml",
            Self::Ini => "smb.conf",
        }
    }

    /// Values whose lexemes a number type would lose, among others.
    fn lexeme(self, random: &mut Random) -> String {
        let number = random.below(1_000_000);
        match (self, random.below(6)) {
            (_, 0) => format!("{number}.0"),
            (_, 1) => format!("{number}.00"),
            (_, 2) => format!("{number}e3"),
            (Self::Toml, 3) => format!("[{number}, 2]"),
            (_, 3) => format!("12345678901234567890{number}"),
            (Self::Ini, 4) => format!("text {number} = x"),
            (_, 4) => format!("\"text {number} # x\""),
            _ => format!("{number}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Doc {
    Leaf(String),
    Map(Vec<Entry>),
    /// A list of maps, told apart by `name`.
    Items(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// A comment line above it.
    pub(crate) comment: Option<String>,
    pub(crate) doc: Doc,
}

/// What a document says: a lexeme for each path.
pub(crate) type Leaves = BTreeMap<String, String>;

impl Doc {
    pub(crate) fn random(random: &mut Random, format: Format, depth: usize) -> Self {
        let mut map = Self::Map(Vec::new());
        for _ in 0..2 + random.below(5) {
            map.add(random, format, depth, "k");
        }
        map
    }

    fn entries(&mut self) -> &mut Vec<Entry> {
        match self {
            Self::Map(entries) | Self::Items(entries) => entries,
            Self::Leaf(_) => panic!("leaves have no entries"),
        }
    }

    fn add(&mut self, random: &mut Random, format: Format, depth: usize, prefix: &str) {
        let is_items = matches!(self, Self::Items(_));
        let key = format!("{prefix}{}", random.below(30));
        if self.entries().iter().any(|entry| entry.key == key) {
            return;
        }
        // INI has sections at the top and leaves in them.
        let is_deep = depth > 0 && (format != Format::Ini || depth > 1);
        let doc = match random.below(4) {
            _ if is_items => Self::Map(vec![Entry {
                key: format!("v{}", random.below(3)),
                comment: None,
                doc: Self::Leaf(format.lexeme(random)),
            }]),
            0 | 1 if is_deep => Self::random(random, format, depth - 1),
            2 if is_deep && format != Format::Ini => {
                let mut items = Self::Items(Vec::new());
                for _ in 0..1 + random.below(4) {
                    items.add(random, format, depth, "n");
                }
                items
            }
            _ => Self::Leaf(format.lexeme(random)),
        };
        let comment = random
            .chance(30)
            .then(|| format!("# about {key} {}", random.below(1_000_000)));
        let at = random.below(self.entries().len() + 1);
        self.entries().insert(at, Entry { key, comment, doc });
    }

    /// One to `most` changes.
    pub(crate) fn changed(
        &self,
        random: &mut Random,
        format: Format,
        most: usize,
        who: &str,
    ) -> Self {
        let mut doc = self.clone();
        for _ in 0..=random.below(most) {
            doc.change(random, format, 2, who);
        }
        doc.prune();
        doc
    }

    fn change(&mut self, random: &mut Random, format: Format, depth: usize, who: &str) {
        let is_item = matches!(self, Self::Items(_));
        let count = self.entries().len();
        if count == 0 || random.chance(25) {
            let prefix = if random.chance(70) { who } else { "k" };
            return self.add(random, format, depth, prefix);
        }
        let at = random.below(count);
        let entry = &mut self.entries()[at];
        match &mut entry.doc {
            Self::Leaf(lexeme) if random.chance(60) => *lexeme = format.lexeme(random),
            doc @ (Self::Map(_) | Self::Items(_)) if random.chance(75) => {
                // Items of a list of tables stay flat.
                let depth = if is_item { 0 } else { depth.saturating_sub(1) };
                doc.change(random, format, depth, who);
            }
            _ => {
                self.entries().remove(at);
            }
        }
    }

    /// Removes containers without content, which not every format can write.
    fn prune(&mut self) {
        if let Self::Map(entries) | Self::Items(entries) = self {
            for entry in &mut *entries {
                entry.doc.prune();
            }
            entries.retain(|entry| match &entry.doc {
                Self::Leaf(_) => true,
                Self::Map(inner) | Self::Items(inner) => !inner.is_empty(),
            });
        }
    }

    pub(crate) fn leaves(&self) -> Leaves {
        let mut leaves = Leaves::new();
        self.collect("", &mut leaves);
        leaves
    }

    fn collect(&self, path: &str, leaves: &mut Leaves) {
        match self {
            Self::Leaf(lexeme) => {
                leaves.insert(path.into(), lexeme.trim_matches('"').to_owned());
            }
            Self::Map(entries) | Self::Items(entries) => {
                for Entry { key, doc, .. } in entries {
                    let path = format!("{path}/{key}");
                    if matches!(self, Self::Items(_)) {
                        leaves.insert(format!("{path}/name"), key.clone());
                    }
                    doc.collect(&path, leaves);
                }
            }
        }
    }
}

/// Writes a document. `style` chooses among ways of writing that mean the same.
pub(crate) fn write(format: Format, doc: &Doc, style: usize) -> String {
    let mut text = String::new();
    match format {
        Format::Json => {
            json(doc, 1, ["  ", "    ", "\t", ""][style % 4], &mut text);
            text.push('\n');
        }
        Format::Yaml => yaml(doc, 0, style, &mut text),
        Format::Toml => toml(doc, "", style, &mut text),
        Format::Ini => ini(doc, style, &mut text),
    }
    text
}

fn json(doc: &Doc, depth: usize, indent: &str, text: &mut String) {
    let (entries, is_items) = match doc {
        Doc::Leaf(lexeme) => return text.push_str(lexeme),
        Doc::Map(entries) => (entries, false),
        Doc::Items(entries) => (entries, true),
    };
    let line = |depth: usize| match indent {
        "" => String::new(),
        _ => format!("\n{}", indent.repeat(depth)),
    };
    text.push(if is_items { '[' } else { '{' });
    for (place, entry) in entries.iter().enumerate() {
        *text += if place > 0 { "," } else { "" };
        *text += &line(depth);
        if is_items {
            let Doc::Map(fields) = &entry.doc else {
                continue;
            };
            let mut fields = fields.clone();
            let name = Doc::Leaf(format!("\"{}\"", entry.key));
            fields.insert(
                0,
                Entry {
                    key: "name".into(),
                    comment: None,
                    doc: name,
                },
            );
            json(&Doc::Map(fields), depth + 1, indent, text);
        } else {
            *text += &format!("\"{}\": ", entry.key);
            json(&entry.doc, depth + 1, indent, text);
        }
    }
    if !entries.is_empty() {
        *text += &line(depth - 1);
    }
    text.push(if is_items { ']' } else { '}' });
}

fn comment(entry: &Entry, indent: &str, text: &mut String) {
    if let Some(comment) = &entry.comment {
        *text += &format!("{indent}{comment}\n");
    }
}

fn yaml(doc: &Doc, depth: usize, style: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let (Doc::Map(entries) | Doc::Items(entries)) = doc else {
        return;
    };
    for (place, entry) in entries.iter().enumerate() {
        if depth == 0 && place > 0 && style.is_multiple_of(2) {
            text.push('\n');
        }
        comment(entry, &indent, text);
        match (&entry.doc, doc) {
            (Doc::Map(_), Doc::Items(_)) => {
                *text += &format!("{indent}- name: {}\n", entry.key);
                yaml(&entry.doc, depth + 1, style, text);
            }
            (Doc::Leaf(lexeme), _) => *text += &format!("{indent}{}: {lexeme}\n", entry.key),
            // Items stand as deep as their key in one style, deeper in the other.
            (Doc::Items(_), _) => {
                *text += &format!("{indent}{}:\n", entry.key);
                yaml(&entry.doc, depth + usize::from(style < 2), style, text);
            }
            _ => {
                *text += &format!("{indent}{}:\n", entry.key);
                yaml(&entry.doc, depth + 1, style, text);
            }
        }
    }
}

fn toml(doc: &Doc, path: &str, style: usize, text: &mut String) {
    let Doc::Map(entries) = doc else { return };
    let indent = if style.is_multiple_of(2) { "" } else { "  " };
    for entry in entries {
        if let Doc::Leaf(lexeme) = &entry.doc {
            comment(entry, indent, text);
            *text += &format!("{indent}{} = {lexeme}\n", entry.key);
        }
    }
    for entry in entries {
        let path = format!(
            "{path}{}{}",
            if path.is_empty() { "" } else { "." },
            entry.key
        );
        match &entry.doc {
            Doc::Leaf(_) => {}
            Doc::Map(_) => {
                text.push('\n');
                comment(entry, "", text);
                *text += &format!("[{path}]\n");
                toml(&entry.doc, &path, style, text);
            }
            Doc::Items(items) => {
                for item in items {
                    text.push('\n');
                    comment(item, "", text);
                    *text += &format!("[[{path}]]\nname = \"{}\"\n", item.key);
                    toml(&item.doc, &path, style, text);
                }
            }
        }
    }
}

fn ini(doc: &Doc, style: usize, text: &mut String) {
    let Doc::Map(entries) = doc else { return };
    let leaf = |entry: &Entry, text: &mut String, indent: &str| {
        if let Doc::Leaf(lexeme) = &entry.doc {
            comment(entry, indent, text);
            *text += &format!("{indent}{}{}{lexeme}\n", entry.key, ["=", " = "][style % 2]);
        }
    };
    for entry in entries {
        leaf(entry, text, "");
    }
    for entry in entries {
        if let Doc::Map(inner) = &entry.doc {
            if style < 2 {
                text.push('\n');
            }
            comment(entry, "", text);
            *text += &format!("[{}]\n", entry.key);
            for entry in inner {
                leaf(entry, text, ["", "    "][style % 2]);
            }
        }
    }
}
