//! JSON (RFC 8259) with places and lexemes.
//!
//! Numbers stay as they are written, so that `1.0`, `1e3` and `12345678901234567890` come out as they
//! went in. Comments, trailing commas and keys with escapes are not understood: such a document is
//! merged by lines.

use super::tree::{DEPTH_MAX, Member, Node, Shape, has_duplicates};

/// Parses a document; `None` if it is no JSON, or not of the kind described above.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    let root = reader.node(0)?;
    reader.skip_space();
    (reader.at == text.len()).then_some(root)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        let start = self.at;
        let shape = match self.peek()? {
            b'{' => Shape::Map(self.members(b'}', depth)?),
            b'[' => Shape::List(self.members(b']', depth)?),
            _ => {
                match self.peek()? {
                    b'"' => self.string()?,
                    b'-' | b'0'..=b'9' => self.number()?,
                    _ => self.word()?,
                }
                Shape::Scalar(self.text[start..self.at].to_owned())
            }
        };
        Some(Node {
            span: start..self.at,
            shape,
        })
    }

    fn members(&mut self, close: u8, depth: usize) -> Option<Vec<Member>> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_space();
        if self.take(close).is_some() {
            return Some(members);
        }
        loop {
            self.skip_space();
            members.push(self.member(close == b'}', depth)?);
            self.skip_space();
            if self.take(close).is_some() {
                break;
            }
            self.take(b',')?;
        }
        (close == b']' || !has_duplicates(&members)).then_some(members)
    }

    fn member(&mut self, has_key: bool, depth: usize) -> Option<Member> {
        let start = self.at;
        let mut key = String::new();
        if has_key {
            self.string()?;
            key.push_str(&self.text[start + 1..self.at - 1]);
            // An escaped key could be another one written differently.
            if key.contains('\\') {
                return None;
            }
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
        }
        let node = self.node(depth + 1)?;
        Some(Member {
            key,
            whole: start..self.at,
            lead: start..start,
            indent: 0,
            is_pinned: false,
            node,
        })
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn word(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let word = [&b"true"[..], b"false", b"null"]
            .into_iter()
            .find(|word| rest.starts_with(word))?;
        self.at += word.len();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_and_what_is_not() {
        for text in [
            "{}",
            " [ 1 , -0.5e+3, \"\\u00e9\\n\" , true, null ] \n",
            "0",
            "\"ü\"",
            r#"{"a": {"b": [ {"id": 12345678901234567890} ]}}"#,
        ] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "nul",
            "truex",
            "{a:1}",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "[1] 2",
            "// c\n1",
            "\u{feff}1",
            r#"{"a":1,"a":2}"#,
            r#"{"\u0061":1}"#,
            "-",
            "'a'",
            "NaN",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&deep(DEPTH_MAX)).is_some());
        assert!(parse(&deep(100_000)).is_none());
    }
}
