//! A message as a mail (RFC 5322), pure: header lines that nothing breaks out of, text that survives.

use crate::error::DeliveryError;
use crate::message::{Message, lines, one_line};

/// Lines of a mail should not be longer (RFC 5322, 2.1.1).
const LINE: usize = 76;

/// Characters of a subject: what comes after is in the text.
const SUBJECT_CHARS: usize = 200;

/// An address that can stand in a header and in an argument: no blanks, quotes, brackets or commas, and
/// nothing that a program takes for an option.
pub(crate) fn address(text: &str) -> Result<String, DeliveryError> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !br#"()<>[]:;,\"|"#.contains(&b);
    let is_one = !text.is_empty()
        && !text.starts_with('-')
        && text.len() <= 254
        && text.bytes().all(is_plain)
        && text.matches('@').count() <= 1
        && !text.starts_with('@')
        && !text.ends_with('@');
    if is_one {
        return Ok(text.to_owned());
    }
    Err(DeliveryError::new(
        "this is no mail address: write it as ann@example.org",
    ))
}

/// The mail, with the line ends of the system, as programs that send mail read it.
pub(crate) fn write(message: &Message, from: Option<&str>, to: &[String]) -> String {
    let host = host(&message.host);
    let from = from.map_or_else(|| format!("recoup@{host}"), str::to_owned);
    let mut letter = String::new();
    let mut header = |name: &str, value: &str| {
        letter.push_str(&format!("{name}: {value}\n"));
    };
    header("From", &format!("Recoup <{from}>"));
    header("To", &to.join(",\n "));
    header("Subject", &unstructured(&message.title));
    header("Date", &one_line(&message.date));
    header("Message-ID", &format!("<{}@{host}>", token(&message.id)));
    // No answering machine is to answer.
    header("Auto-Submitted", "auto-generated");
    if message.is_urgent {
        header("Importance", "high");
    }
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=utf-8");
    header("Content-Transfer-Encoding", "quoted-printable");
    letter.push('\n');
    letter.push_str(&quoted_printable(&lines(&message.text)));
    letter
}

/// A name that can stand behind an `@`.
fn host(name: &str) -> String {
    let name = token(name);
    let name = name.trim_matches(['.', '-']);
    if name.is_empty() { "localhost" } else { name }.to_owned()
}

fn token(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.chars().filter(is_plain).collect()
}

/// The text of a header: as it is where that is possible, else in encoded words (RFC 2047).
fn unstructured(text: &str) -> String {
    let text = one_line(text);
    let mut text: String = text.chars().take(SUBJECT_CHARS).collect();
    text.truncate(text.trim_end().len());
    let is_plain = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        && !text.contains("=?")
        && text.split(' ').all(|word| word.len() < LINE / 2);
    if is_plain {
        folded(&text)
    } else {
        encoded(&text)
    }
}

fn folded(text: &str) -> String {
    let mut folded = String::new();
    // The name of the header stands before the first line.
    let mut column = "Subject: ".len();
    for word in text.split(' ') {
        if !folded.is_empty() {
            let breaks = column + 1 + word.len() > LINE && !word.is_empty();
            folded.push_str(if breaks { "\n " } else { " " });
            column = if breaks { 1 } else { column + 1 };
        }
        folded.push_str(word);
        column += word.len();
    }
    folded
}

fn encoded(text: &str) -> String {
    // 75 characters at most for a word, of which 12 are its frame.
    const BYTES: usize = 45;
    let mut words: Vec<Vec<u8>> = vec![Vec::new()];
    for c in text.chars() {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        if words[words.len() - 1].len() + bytes.len() > BYTES {
            words.push(Vec::new());
        }
        let last = words.len() - 1;
        words[last].extend_from_slice(bytes);
    }
    let word = |bytes: &Vec<u8>| {
        let hex = bytes.iter().map(|b| match b {
            b' ' => "_".to_owned(),
            b if b.is_ascii_alphanumeric() => char::from(*b).to_string(),
            b => format!("={b:02X}"),
        });
        hex.collect::<String>()
    };
    words
        .iter()
        .map(|bytes| format!("=?utf-8?Q?{}?=", word(bytes)))
        .collect::<Vec<_>>()
        .join("\n ")
}

/// Text of any bytes and any length in short lines of ASCII (RFC 2045, 6.7).
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines() {
        let mut column = 0;
        let bytes = line.as_bytes();
        for (at, &b) in bytes.iter().enumerate() {
            let ends_line = at + 1 == bytes.len();
            let is_plain = (b.is_ascii_graphic() && b != b'=') || (b == b' ' && !ends_line);
            // A dot alone in a line ends the mail for some programs; `From ` begins another one.
            let is_marked = column == 0 && (b == b'.' || b == b'F');
            let piece = if is_plain && !is_marked {
                char::from(b).to_string()
            } else {
                format!("={b:02X}")
            };
            if column + piece.len() > LINE - 1 {
                out.push_str("=\n");
                column = 0;
            }
            column += piece.len();
            out.push_str(&piece);
        }
        out.push('\n');
    }
    out
}
