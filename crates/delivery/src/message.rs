//! What is told.

/// What is told, in the forms that the ways of telling need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// No other message has it; letters, digits, dots and hyphens.
    pub id: String,
    /// When it was written, as RFC 5322 writes it.
    pub date: String,
    /// The machine that tells.
    pub host: String,
    /// Somebody is to look at once.
    pub is_urgent: bool,
    /// What happened, in one line.
    pub title: String,
    /// What happened, for people.
    pub text: String,
    /// What happened, as one line of JSON.
    pub json: String,
    /// Single facts, by the names that templates know.
    pub fields: Vec<(&'static str, String)>,
    /// What a command finds in its environment.
    pub environment: Vec<(&'static str, String)>,
}

impl Message {
    /// A single fact; empty where it is not known.
    pub fn fact(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        let found = fields.find(|(field, _)| *field == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Text that stays in its line: what could end or disguise it becomes U+FFFD.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(plain).collect()
}

/// Text whose lines stay apart, with nothing else that a terminal would obey.
pub(crate) fn lines(text: &str) -> String {
    let keep = |c| if c == '\n' { c } else { plain(c) };
    text.chars().map(keep).collect()
}

fn plain(c: char) -> char {
    let ends_a_line = matches!(c, '\u{2028}' | '\u{2029}');
    if c.is_control() || ends_a_line {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}
