//! Documents of sections with one key per line: INI and TOML, with places and lexemes.
//!
//! Both are seen as sections that hold keys that hold one lexeme each; arrays and inline tables of TOML
//! are one value. What isn't certain is not understood, and such a document is merged by lines: keys or
//! sections that stand twice, continued lines, tables inside arrays of tables, items without an id.
//! Texts must end with the end of a line.

use std::ops::Range;

use super::lines;
use super::tree::{ID_FIELDS, Member, Node, Shape, has_duplicates, item_id};

mod ini;
mod toml;

pub(super) use toml::{is_valid as is_toml, proof as toml_proof};

/// Parses an INI file.
pub(super) fn parse_ini(text: &str) -> Option<Node> {
    parse(
        text,
        &Dialect {
            header: ini::header,
            entry: ini::entry,
            is_ini: true,
        },
    )
}

/// Parses a TOML file.
pub(super) fn parse_toml(text: &str) -> Option<Node> {
    if !toml::is_valid(text) {
        return None;
    }
    let root = parse(
        text,
        &Dialect {
            header: toml::header,
            entry: toml::entry,
            is_ini: false,
        },
    )?;
    toml::is_flat(&root).then_some(root)
}

/// What differs between the two.
struct Dialect {
    /// Reads the line of a header, trimmed: the name of its section.
    header: fn(&str) -> Option<Header>,
    /// Reads the entry whose line starts at a place.
    entry: fn(&str, usize) -> Option<Entry>,
    /// Case doesn't matter for being the same key, depth of indentation does for what continues.
    is_ini: bool,
}

struct Header {
    name: String,
    /// One of several items of an array, told apart by an id field.
    is_item: bool,
}

struct Entry {
    key: String,
    lexeme: String,
    /// From the sign after the key to the end of the value.
    span: Range<usize>,
}

/// A section that is being read.
struct Section {
    header: Header,
    start: usize,
    lead: usize,
    body: usize,
    end: usize,
    entries: Vec<Member>,
    indent: Option<String>,
}

impl Section {
    fn open(header: Header, start: usize, lead: usize, body: usize) -> Self {
        Self {
            header,
            start,
            lead,
            body,
            end: body,
            entries: Vec::new(),
            indent: None,
        }
    }

    fn close(self) -> Option<Member> {
        let node = Node {
            span: self.body..self.end,
            shape: Shape::Map(self.entries),
        };
        let mut key = self.header.name;
        if self.header.is_item {
            let value = node.value();
            let id = ID_FIELDS.iter().find_map(|field| item_id(&value, field))?;
            key = format!("{key} {id}");
        }
        Some(Member {
            key,
            whole: self.start..self.end,
            lead: self.lead..self.start,
            indent: 0,
            is_pinned: false,
            node,
        })
    }
}

fn parse(text: &str, dialect: &Dialect) -> Option<Node> {
    let top = Header {
        name: String::new(),
        is_item: false,
    };
    let mut section = Section::open(top, 0, 0, 0);
    let mut sections = Vec::new();
    let (mut at, mut lead) = (0, None);
    while at < text.len() {
        let mut end = lines::end_of_line(text, at);
        let line = &text[at..end];
        if line.trim().is_empty() {
            lead = None;
        } else if lines::is_comment(line) {
            lead = lead.or(Some(at));
        } else if line.trim_start().starts_with('[') {
            let header = (dialect.header)(line.trim())?;
            let above = lead.take().unwrap_or(at);
            if sections.is_empty() && section.entries.is_empty() {
                // The top without keys reaches to the first section: a key would go to its end.
                section.end = above;
                section.body = above;
            }
            sections.push(section.close()?);
            section = Section::open(header, at, above, end);
        } else {
            let entry = (dialect.entry)(text, at)?;
            end = lines::end_of_line(text, entry.span.end);
            let indent = &line[..line.len() - line.trim_start().len()];
            if dialect.is_ini && section.indent.get_or_insert_with(|| indent.into()) != indent {
                return None;
            }
            // Words outside of any section are a list, in which order may count.
            if sections.is_empty() && entry.lexeme == ini::NO_VALUE {
                return None;
            }
            section.entries.push(Member {
                key: entry.key,
                whole: at..end,
                lead: lead.take().unwrap_or(at)..at,
                indent: 0,
                is_pinned: false,
                node: Node {
                    span: entry.span,
                    shape: Shape::Scalar(entry.lexeme),
                },
            });
            section.end = end;
        }
        at = end;
    }
    if sections.is_empty() && section.entries.is_empty() {
        (section.end, section.body) = (text.len(), text.len());
    }
    sections.push(section.close()?);
    is_unique(&sections, dialect).then_some(Node {
        span: 0..text.len(),
        shape: Shape::Map(sections),
    })
}

fn is_unique(members: &[Member], dialect: &Dialect) -> bool {
    let is_unique_here = if dialect.is_ini {
        let mut keys: Vec<String> = members
            .iter()
            .map(|member| member.key.to_lowercase())
            .collect();
        keys.sort_unstable();
        keys.windows(2).all(|pair| pair[0] != pair[1])
    } else {
        !has_duplicates(members)
    };
    is_unique_here
        && members.iter().all(|member| match &member.node.shape {
            Shape::Map(entries) => is_unique(entries, dialect),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::tree::Value;

    fn says(node: &Node) -> String {
        let Shape::Map(sections) = &node.shape else {
            return String::new();
        };
        let mut said = String::new();
        for section in sections {
            let Value::Map(map) = section.node.value() else {
                continue;
            };
            for (key, value) in map {
                said += &format!("{}|{key}={value:?}\n", section.key);
            }
        }
        said
    }

    #[test]
    fn ini_is_read_with_its_comments() {
        let text = "; top\nroot = 1\n\n[a b] # note\n\t# about k\n\tk k = v = w ; x\n\tflag\n";
        let node = parse_ini(text).expect("INI");
        assert_eq!(
            says(&node),
            "|root=Scalar(\"1\")\na b|flag=Scalar(\"\\0\")\na b|k k=Scalar(\"v = w ; x\")\n"
        );
    }

    #[test]
    fn what_could_be_something_else_is_no_ini() {
        for text in [
            "server {\n  listen 80;\n}\n",
            "PermitRootLogin no\n",
            "[a]\nk = 1\nK = 2\n",
            "[a]\nx=1\n[A]\nx=2\n",
            "[a]\nk = one\\\n  two\n",
            "[a]\nk = one\n  two = 2\n",
            "[a]\nk = \"one\n",
            "<Directory />\nA=b\n</Directory>\n",
            "if [ a = b ]; then\n",
            "[a\nk=1\n",
            "alpha\nbeta\n",
        ] {
            assert!(parse_ini(text).is_none(), "{text}");
        }
    }

    #[test]
    fn toml_values_may_span_lines() {
        let text = "a.b = 1.0 # one\nlist = [\n  1, # ]\n  '#]',\n]\n[\"x.y\" . z]\n\
                    text = '''\n[no]\nk = 1\n'''\n\n[[bin]]\nname = \"n\"\n";
        let node = parse_toml(text).expect("TOML");
        let said = says(&node);
        assert!(said.contains("|a.b=Scalar(\"1.0\")\n"), "{said}");
        assert!(
            said.contains("|list=Scalar(\"[\\n  1, # ]\\n  '#]',\\n]\")\n"),
            "{said}"
        );
        assert!(
            said.contains("\"x.y\".z|text=Scalar(\"'''\\n[no]\\nk = 1\\n'''\")\n"),
            "{said}"
        );
        assert!(said.contains("bin \"n\"|name"), "{said}");
        for text in [
            "a = 1\na = 2\n",
            "[[b]]\nx = 1\n",
            "[[b]]\nid = 1\n[b.c]\nx = 1\n",
            "a = \n",
            "[[b]]\nid = 1\n[[b]]\nid = 1\n",
        ] {
            assert!(parse_toml(text).is_none(), "{text}");
        }
    }
}
