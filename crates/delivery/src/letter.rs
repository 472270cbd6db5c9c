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
    // Also the first line, behind the name of the header, stays below the 78 of a line.
    const WORD: usize = 55;
    let mut words = vec![String::new()];
    for c in text.chars() {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).bytes();
        let piece: String = match c {
            ' ' => "_".to_owned(),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            _ => bytes.map(|b| format!("={b:02X}")).collect(),
        };
        // No character is torn apart.
        if words[words.len() - 1].len() + piece.len() > WORD {
            words.push(String::new());
        }
        let last = words.len() - 1;
        words[last].push_str(&piece);
    }
    let framed = words.iter().map(|word| format!("=?utf-8?Q?{word}?="));
    framed.collect::<Vec<_>>().join("\n ")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(title: &str, text: &str) -> String {
        let message = Message {
            id: "recoup.7\n.x@y".to_owned(),
            date: "Tue, 24 Nov 2026 20:24:20 +0000".to_owned(),
            host: "web1\r\nBcc: eve".to_owned(),
            title: title.to_owned(),
            text: text.to_owned(),
            ..Message::default()
        };
        let to = ["ann@example.org".to_owned(), "root".to_owned()];
        write(&message, None, &to)
    }

    #[test]
    fn a_letter_is_whole() {
        assert_eq!(
            letter("80 files gone", "Größe = 1\n.\nFrom me \n"),
            "From: Recoup <recoup@web1Bcceve>\n\
             To: ann@example.org,\n root\n\
             Subject: 80 files gone\n\
             Date: Tue, 24 Nov 2026 20:24:20 +0000\n\
             Message-ID: <recoup.7.xy@web1Bcceve>\n\
             Auto-Submitted: auto-generated\n\
             MIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\
             \n\
             Gr=C3=B6=C3=9Fe =3D 1\n=2E\n=46rom me=20\n"
        );
    }

    #[test]
    fn subjects_stay_in_their_header() {
        for (title, lines) in [
            ("a\r\nBcc: eve@example.org", 1),
            ("a\n\nbody", 1),
            ("=?utf-8?Q?x?=", 1),
            (&"word ".repeat(40), 3),
            (&"é".repeat(500), 23),
            (&"x".repeat(500), 4),
        ] {
            let letter = letter(title, "");
            let (head, body) = letter.split_once("\n\n").unwrap();
            assert_eq!(body, "", "{head}");
            assert!(head.is_ascii() && !head.contains('\r'), "{head}");
            assert!(head.lines().all(|line| line.len() <= 998), "{head}");
            let after = head.split("Subject: ").nth(1).unwrap();
            let subject = after.split("\nDate: ").next().unwrap();
            let folded: Vec<&str> = subject.lines().collect();
            assert_eq!(folded.len(), lines, "{subject}");
            assert!(folded.iter().all(|line| line.len() <= 78), "{subject}");
            assert!(folded[1..].iter().all(|line| line.starts_with(' ')));
            assert!(!subject.contains("Bcc:"), "{subject}");
        }
    }

    #[test]
    fn addresses_are_plain() {
        for good in ["root", "ann@example.org", "a.b+c@x-y.example"] {
            assert_eq!(address(good).unwrap(), good);
        }
        for bad in [
            "",
            "-t",
            "a b@x",
            "a@b\nBcc: c",
            "a,b@x",
            "<a@b>",
            "a@",
            "@b",
            "a@b@c",
            "ä@b",
            "|sh",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
