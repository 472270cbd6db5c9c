//! YAML with places and lexemes: the part of it that people write in configuration files.
//!
//! Understood are block mappings and sequences of one-line scalars, of flow collections on one line (one
//! value each) and of literal and folded blocks. Anchors, aliases, tags, merge keys, scalars over
//! several lines, several documents, tabs and keys with escapes are not: such a document is merged by
//! lines. A full parser, not ours, must agree on the outcome ([`proof`]).
//! A parser that edits (`yaml-edit`) was weighed: it keeps a list of known failures, and all that is
//! needed here is to know which lines belong to which key.

use super::lines;
use super::tree::{DEPTH_MAX, Member, Node, Shape, has_duplicates};

mod full;
mod scalar;

pub(super) use full::{is_valid, proof};

/// Parses a document; `None` for what isn't understood. `text` must end with the end of a line.
pub(super) fn parse(text: &str) -> Option<Node> {
    if text.contains('\t')
        && text
            .lines()
            .any(|line| line.trim_start_matches(' ').starts_with('\t'))
    {
        return None;
    }
    let mut reader = Reader { text, at: 0 };
    reader.skip_marker();
    let first = reader.peek()??;
    let mut root = reader.block(first.indent, 0)?;
    let is_whole = first.indent == 0 && reader.peek()?.is_none();
    root.span = 0..text.len();
    is_whole.then_some(root)
}

/// A line with content on it.
#[derive(Clone, Copy)]
struct Line {
    start: usize,
    /// After its end.
    end: usize,
    indent: usize,
    /// End of its content, without spaces.
    content_end: usize,
    /// Start of the comments directly above.
    lead: usize,
}

struct Reader<'a> {
    text: &'a str,
    /// Always the start of a line.
    at: usize,
}

impl Reader<'_> {
    /// Passes one `---` before the document.
    fn skip_marker(&mut self) {
        let mut at = self.at;
        while at < self.text.len() {
            let end = lines::end_of_line(self.text, at);
            let line = self.text[at..end].trim_end();
            if line == "---" {
                self.at = end;
                return;
            }
            if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                return;
            }
            at = end;
        }
    }

    /// The next line with content: `Some(None)` at the end, `None` for what isn't understood.
    fn peek(&self) -> Option<Option<Line>> {
        let (mut at, mut lead) = (self.at, None);
        while at < self.text.len() {
            let end = lines::end_of_line(self.text, at);
            let line = &self.text[at..end];
            let content = line.trim();
            if content.is_empty() {
                lead = None;
            } else if content.starts_with('#') {
                lead = lead.or(Some(at));
            } else {
                let indent = line.len() - line.trim_start_matches(' ').len();
                let is_marker = ["---", "...", "%"]
                    .iter()
                    .any(|mark| line.starts_with(mark));
                return (!is_marker).then_some(Some(Line {
                    start: at,
                    end,
                    indent,
                    content_end: at + line.trim_end().len(),
                    lead: lead.unwrap_or(at),
                }));
            }
            at = end;
        }
        Some(None)
    }

    fn content(&self, line: Line) -> &str {
        &self.text[line.start + line.indent..line.content_end]
    }

    /// Whether the line is an item of a sequence.
    fn is_item(&self, line: Line) -> bool {
        let content = self.content(line);
        content == "-" || content.starts_with("- ")
    }

    /// A mapping or a sequence at a depth of indentation.
    fn block(&mut self, indent: usize, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        let first = self.peek()??;
        if self.is_item(first) {
            return self.sequence(indent, depth);
        }
        self.mapping(Vec::new(), indent, depth)
    }

    /// The rest of a mapping of which some members have been read.
    fn mapping(&mut self, mut members: Vec<Member>, indent: usize, depth: usize) -> Option<Node> {
        while let Some(line) = self.peek()? {
            if line.indent < indent {
                break;
            }
            if line.indent > indent || self.is_item(line) {
                return None;
            }
            members.push(self.entry(line, line.start + indent, indent, depth)?);
        }
        if has_duplicates(&members) {
            return None;
        }
        self.node(Shape::Map(members))
    }

    fn sequence(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        while let Some(line) = self.peek()? {
            if line.indent < indent || (line.indent == indent && !self.is_item(line)) {
                break;
            }
            if line.indent > indent {
                return None;
            }
            items.push(self.item(line, depth)?);
        }
        self.node(Shape::List(items))
    }

    /// A block that ends with the line that was read last.
    fn node(&self, shape: Shape) -> Option<Node> {
        let (Shape::Map(members) | Shape::List(members)) = &shape else {
            return None;
        };
        let start = members.first()?.whole.start;
        let end = start
            + self.text[start..self.at]
                .trim_end_matches(['\r', '\n'])
                .len();
        Some(Node {
            span: start..end,
            shape,
        })
    }

    fn item(&mut self, line: Line, depth: usize) -> Option<Member> {
        let after_dash = line.start + line.indent + 1;
        let rest = self.text.get(after_dash..line.content_end)?;
        let content = rest.trim_start_matches(' ');
        let start = line.content_end - content.len();
        if content.is_empty() || content.starts_with(['#', '-', '|', '>']) && !is_word(content) {
            return None;
        }
        let node = if scalar::key(content).is_some() {
            let column = start - line.start;
            let mut first = self.entry(line, start, column, depth + 1)?;
            first.is_pinned = true;
            let mut node = self.mapping(vec![first], column, depth + 1)?;
            node.span.start = after_dash;
            node
        } else {
            self.inline(line, after_dash, line.indent)?
        };
        Some(Member {
            key: String::new(),
            whole: line.start..self.at,
            lead: line.lead..line.start,
            indent: line.indent,
            is_pinned: false,
            node,
        })
    }

    /// A key and its value; the key starts at `start`, `indent` columns into its line.
    fn entry(&mut self, line: Line, start: usize, indent: usize, depth: usize) -> Option<Member> {
        let (key, length) = scalar::key(self.text.get(start..line.content_end)?)?;
        let after_sign = start + length;
        let rest = self.text[after_sign..line.content_end].trim_start();
        let node = if rest.is_empty() || rest.starts_with('#') {
            self.nested(line, after_sign, indent, depth)?
        } else if rest.starts_with(['|', '>']) {
            self.literal(line, after_sign, indent)?
        } else {
            self.inline(line, after_sign, indent)?
        };
        Some(Member {
            key,
            whole: line.start..self.at,
            lead: line.lead..line.start,
            indent,
            is_pinned: false,
            node,
        })
    }

    /// A value on the lines below its key, or none at all.
    fn nested(
        &mut self,
        line: Line,
        after_sign: usize,
        indent: usize,
        depth: usize,
    ) -> Option<Node> {
        self.at = line.end;
        let mut node = match self.peek()? {
            Some(next) if next.indent > indent => self.block(next.indent, depth + 1)?,
            Some(next) if next.indent == indent && self.is_item(next) => {
                self.sequence(indent, depth + 1)?
            }
            _ => Node {
                span: after_sign..after_sign,
                shape: Shape::Scalar(String::new()),
            },
        };
        node.span.start = after_sign;
        Some(node)
    }

    /// A scalar or a flow collection that ends on its line.
    fn inline(&mut self, line: Line, from: usize, indent: usize) -> Option<Node> {
        let rest = &self.text[from..line.content_end];
        let start = line.content_end - rest.trim_start().len();
        let length = scalar::inline(&self.text[start..line.content_end])?;
        self.at = line.end;
        if self.peek()?.is_some_and(|next| next.indent > indent) {
            return None;
        }
        Some(Node {
            span: from..start + length,
            shape: Shape::Scalar(self.text[start..start + length].to_owned()),
        })
    }

    /// A literal or folded block. Where it keeps blank lines at its end, or tells its indentation, it is
    /// not understood.
    fn literal(&mut self, line: Line, from: usize, indent: usize) -> Option<Node> {
        let head = self.text[from..line.content_end].trim_start();
        if !matches!(head, "|" | ">" | "|-" | ">-") {
            return None;
        }
        let start = line.content_end - head.len();
        let (mut at, mut end, mut inner) = (line.end, None, None);
        while at < self.text.len() {
            let next = lines::end_of_line(self.text, at);
            let content = self.text[at..next].trim_end();
            let depth = content.len() - content.trim_start_matches(' ').len();
            if !content.is_empty() {
                if depth <= indent {
                    break;
                }
                if depth < *inner.get_or_insert(depth) {
                    return None;
                }
                end = Some(at + content.len());
                self.at = next;
            }
            at = next;
        }
        Some(Node {
            span: from..end?,
            shape: Shape::Scalar(self.text[start..end?].to_owned()),
        })
    }
}

/// Whether a dash begins a word or a number rather than an item.
fn is_word(content: &str) -> bool {
    content.starts_with('-') && !content.starts_with("- ") && content.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::tree::Value;

    #[test]
    fn what_is_understood() {
        let text = "# top\n---\na: 1.0 # one\n\"b c\":\n  - x\n  - name: n\n    v: 'it''s'\n\n  \
                    # last\n  - name: m\nd:\n- -1\ne: [a, \"#,]\", {b: 1}]\nf: |\n  # no comment\n\n  \
                    x\n\ng:\n";
        let Some(Value::Map(map)) = parse(text).map(|node| node.value()) else {
            panic!("not understood");
        };
        let scalar = |text: &str| Value::Scalar(text.into());
        let pair = |key: &str, value: &str| (key.to_owned(), scalar(value));
        assert_eq!(map["a"], scalar("1.0"));
        let items = vec![
            scalar("x"),
            Value::Map([pair("name", "n"), pair("v", "'it''s'")].into()),
            Value::Map([pair("name", "m")].into()),
        ];
        assert_eq!(map["b c"], Value::List(items));
        assert_eq!(map["d"], Value::List(vec![scalar("-1")]));
        assert_eq!(map["e"], scalar("[a, \"#,]\", {b: 1}]"));
        assert_eq!(map["f"], scalar("|\n  # no comment\n\n  x"));
        assert_eq!(map["g"], scalar(""));
        assert!(proof(text).is_some());
    }

    #[test]
    fn what_is_not_understood() {
        for text in [
            "a: &x 1\n",
            "a: *x\n",
            "a: !t 1\n",
            "<<: {a: 1}\n",
            "a: b\n  c\n",
            "a: 'b\n  c'\n",
            "a: 1\n---\nb: 2\n",
            "a: |+\n  x\n",
            "a: |2\n   x\n",
            "a: 1\na: 2\n",
            "a: b: c\n",
            "? a\n: b\n",
            "- - a\n",
            "-\n  a: 1\n",
            "a: [1,\n  2]\n",
            "  a: 1\n",
            "a: @x\n",
            "a: [*x]\n",
            "\"a\\n\": 1\n",
            "a\n",
            "",
            "# only\n",
            "a:\n\tb: 1\n",
            "%YAML 1.2\n---\na: 1\n",
            "- |\n  x\n",
            "a: {b: &c 1}\n",
            "a: \"x\" y\n",
            "a:\n  b: 1\n c: 2\n",
            "a: ]\n",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
