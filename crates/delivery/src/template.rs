//! The body of a web hook, with places to fill in: `{"text": "{{title}}"}`.
//!
//! A template that begins like JSON is JSON, and what is filled in is escaped as JSON asks: no file name
//! can end the string that it stands in.

use crate::error::DeliveryError;
use crate::message::{Message, lines};

/// A text with places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    is_json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place { name: String, escape: Escape },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// `{{text:html}}`: Slack, Telegram and Teams read `<`, `>` and `&` as marks.
    Html,
}

/// Names that every message has; the others are the caller's.
const ALWAYS: [&str; 4] = ["title", "text", "json", "host"];

impl Template {
    /// Reads a template. `names` are those of [`Message::fields`].
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, DeliveryError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, place)) = rest.split_once("{{") {
            parts.push(Part::Text(before.to_owned()));
            let Some((place, after)) = place.split_once("}}") else {
                return Err(DeliveryError::new(
                    "`body` has a `{{` without `}}`: close it",
                ));
            };
            parts.push(read_place(place, names)?);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let is_json = text.trim_start().starts_with(['{', '[']) && !text.starts_with("{{");
        let template = Self { parts, is_json };
        if is_json {
            let sample = Message {
                json: "{}".to_owned(),
                ..Message::default()
            };
            let filled = serde_json::from_str::<serde_json::Value>(&template.fill(&sample));
            filled.map_err(|error| {
                DeliveryError::new(format!(
                    "`body` begins like JSON, but is none (line {}, column {}): put places in \
                     quotation marks, all but {{{{json}}}}",
                    error.line(),
                    error.column()
                ))
            })?;
        }
        Ok(template)
    }

    /// What the filled text is, for the receiver.
    pub fn content_type(&self) -> &'static str {
        if self.is_json {
            "application/json"
        } else {
            "text/plain; charset=utf-8"
        }
    }

    /// The text with everything filled in.
    pub fn fill(&self, message: &Message) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Place { name, .. } if name == "json" => text.push_str(&message.json),
                Part::Place { name, escape } => {
                    let value = escaped(&lines(value(message, name)), *escape);
                    if self.is_json {
                        text.push_str(&json_inner(&value));
                    } else {
                        text.push_str(&value);
                    }
                }
            }
        }
        text
    }
}

fn read_place(place: &str, names: &[&str]) -> Result<Part, DeliveryError> {
    let place = place.trim();
    let (name, escape) = match place.split_once(':') {
        Some((name, "html")) => (name, Escape::Html),
        _ => (place, Escape::None),
    };
    if !ALWAYS.contains(&name) && !names.contains(&name) {
        let all = [&ALWAYS[..], names].concat().join(", ");
        return Err(DeliveryError::new(format!(
            "`body` has a place that nothing is known for; places are {all}, each also as {{{{title:html}}}}"
        )));
    }
    let name = name.to_owned();
    Ok(Part::Place { name, escape })
}

fn value<'a>(message: &'a Message, name: &str) -> &'a str {
    match name {
        "title" => &message.title,
        "text" => &message.text,
        "host" => &message.host,
        _ => message.fact(name),
    }
}

/// What stands between the quotation marks of a JSON string.
fn json_inner(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn escaped(value: &str, escape: Escape) -> String {
    match escape {
        Escape::None => value.to_owned(),
        Escape::Html => html(value),
    }
}

/// Text in which `<`, `>` and `&` are no marks.
pub(crate) fn html(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            title: "a \"quoted\"\nname \\ <b>".to_owned(),
            json: r#"{"id":1}"#.to_owned(),
            fields: vec![("process", "rm\u{1b}[2J".to_owned())],
            ..Message::default()
        }
    }

    #[test]
    fn nothing_breaks_out_of_json() {
        let text = r#"{"text": "{{title}} by {{ process }}", "incident": {{json}}}"#;
        let template = Template::parse(text, &["process"]).unwrap();
        let filled: serde_json::Value = serde_json::from_str(&template.fill(&message())).unwrap();
        assert_eq!(filled["text"], "a \"quoted\"\nname \\ <b> by rm\u{fffd}[2J");
        assert_eq!(filled["incident"]["id"], 1);
        assert_eq!(template.content_type(), "application/json");
    }

    #[test]
    fn plain_text_is_filled_as_it_is() {
        let template = Template::parse("{{title:html}}!", &[]).unwrap();
        assert_eq!(
            template.fill(&message()),
            "a \"quoted\"\nname \\ &lt;b&gt;!"
        );
        assert_eq!(template.content_type(), "text/plain; charset=utf-8");
    }

    #[test]
    fn mistakes_are_told() {
        let wrong = |text: &str| Template::parse(text, &["process"]).unwrap_err().to_string();
        assert!(wrong("{{titel}}").contains("places are title, text, json, host, process"));
        assert!(wrong("{{title").contains("close it"));
        assert!(wrong("{\"text\": {{title}}}").contains("line 1, column 10"));
    }
}
