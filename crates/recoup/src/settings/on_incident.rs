//! `on-incident` of the config file: how people are told.
//!
//! A command, a table, or a list of both. The words of errors name no value: there may be a secret in it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use delivery::{DeliveryError, Mail, Template, Way, Webhook};
use model::incident::Level;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use crate::output::text;
use crate::settings::nearest::nearest;

/// Longest that a web hook may be waited for: longer, and the next incident waits for it.
const TIMEOUT_SECS_MAX: i64 = 120;

/// The single facts that a template may name.
pub(crate) const FACTS: [&str; 12] = [
    "level", "id", "about", "source", "from", "to", "before", "keys", "deleted", "changed",
    "process", "next",
];

/// The ways; one of these keys each table has.
const WAYS: [&str; 5] = ["command", "webhook", "webhook-file", "mail", "desktop"];

/// Who is told of what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Telling {
    pub(crate) way: Way,
    /// What is less is not told.
    pub(crate) level: Level,
}

/// Everybody who is told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OnIncident(pub(crate) Vec<Telling>);

impl OnIncident {
    /// Paths become absolute.
    pub(crate) fn expand(&mut self, expand: impl Fn(&Path) -> PathBuf) {
        for telling in &mut self.0 {
            match &mut telling.way {
                Way::Webhook(hook) => hook.paths_mut().for_each(|path| *path = expand(path)),
                Way::Mail(mail) => {
                    // A name without a slash is a program of the search path.
                    let path = mail.program.as_mut();
                    if let Some(path) = path.filter(|path| path.components().count() > 1) {
                        *path = expand(path);
                    }
                }
                Way::Command(_) | Way::Desktop => {}
            }
        }
    }
}

impl<'de> Deserialize<'de> for OnIncident {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Several)
    }
}

/// Reads one or several; each of several is read for itself, so that errors know its line.
struct Several;

impl<'de> Visitor<'de> for Several {
    type Value = OnIncident;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command, a table or a list of tables")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OnIncident, E> {
        let telling = Telling::read(Value::String(text.to_owned()));
        Ok(OnIncident(vec![telling.map_err(E::custom)?]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OnIncident, A::Error> {
        let telling = Telling::deserialize(MapAccessDeserializer::new(map))?;
        Ok(OnIncident(vec![telling]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OnIncident, A::Error> {
        let mut tellings = Vec::new();
        while let Some(telling) = list.next_element()? {
            tellings.push(telling);
        }
        Ok(OnIncident(tellings))
    }
}

impl<'de> Deserialize<'de> for Telling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(value).map_err(|why| D::Error::custom(format!("on-incident: {why}")))
    }
}

impl Telling {
    /// In a few words, without secrets.
    pub(crate) fn describe(&self) -> String {
        let least = match self.level {
            Level::Alarm => " (alarms)",
            _ => "",
        };
        format!("{}{least}", text::path(self.way.describe().as_bytes()))
    }

    fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::String(line) => Ok(Self {
                way: command(line)?,
                level: Level::Notice,
            }),
            Value::Table(table) => Self::of_table(table),
            _ => Err("write a command in quotation marks, or a table".to_owned()),
        }
    }

    fn of_table(table: Table) -> Result<Self, String> {
        let named: Vec<&str> = WAYS
            .into_iter()
            .filter(|way| table.contains_key(*way))
            .collect();
        let way = match named[..] {
            [way] => way,
            [] => return Err(misnamed(&table)),
            [one, other, ..] => {
                return Err(format!(
                    "`{one}` and `{other}` stand together: give each an [[on-incident]] of its own"
                ));
            }
        };
        let mut fields = Fields { table, way };
        let level = match fields.text("level")?.as_deref() {
            None | Some("notice") => Level::Notice,
            Some("alarm") => Level::Alarm,
            Some(_) => return Err("`level` is \"notice\" or \"alarm\"".to_owned()),
        };
        let way = match way {
            "command" => command(fields.text("command")?.unwrap_or_default())?,
            "webhook" | "webhook-file" => webhook(&mut fields)?,
            "mail" => mail(&mut fields)?,
            _ => match fields.table.remove("desktop") {
                Some(Value::Boolean(true)) => Way::Desktop,
                _ => return Err("`desktop` is true, or left out".to_owned()),
            },
        };
        fields.end()?;
        Ok(Self { way, level })
    }
}

fn command(line: String) -> Result<Way, String> {
    if line.trim().is_empty() {
        return Err("the command is empty: leave it out, or write one".to_owned());
    }
    if line.contains('\0') {
        return Err("the command has a zero byte in it: take it out".to_owned());
    }
    Ok(Way::Command(line))
}

fn webhook(fields: &mut Fields) -> Result<Way, String> {
    let mut hook = match fields.text("webhook-file")? {
        Some(path) => Webhook::of_file(PathBuf::from(path)),
        None => Webhook::new(&fields.text("webhook")?.unwrap_or_default()).map_err(words)?,
    };
    hook.headers_file = fields.text("headers-file")?.map(PathBuf::from);
    match fields.table.remove("headers") {
        None => {}
        Some(Value::Table(headers)) => {
            for (name, value) in headers {
                let Value::String(value) = value else {
                    return Err("the values of `headers` are written in quotation marks".to_owned());
                };
                hook.header(&name, &value).map_err(words)?;
            }
        }
        Some(_) => return Err("`headers` is a table: { Name = \"value\" }".to_owned()),
    }
    if let Some(body) = fields.text("body")? {
        hook.body = Some(Template::parse(&body, &FACTS).map_err(words)?);
    }
    hook.authorities = fields.text("ca")?.map(PathBuf::from);
    match fields.table.remove("timeout") {
        None => {}
        Some(Value::Integer(seconds)) if (1..=TIMEOUT_SECS_MAX).contains(&seconds) => {
            hook.timeout = Duration::from_secs(seconds.unsigned_abs());
        }
        Some(_) => return Err(format!("`timeout` is 1 to {TIMEOUT_SECS_MAX} seconds")),
    }
    Ok(Way::Webhook(Box::new(hook)))
}

fn mail(fields: &mut Fields) -> Result<Way, String> {
    let wrong = || "`mail` is an address in quotation marks, or a list of them".to_owned();
    let to = match fields.table.remove("mail") {
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let to: Option<Vec<&str>> = to.iter().map(Value::as_str).collect();
    let from = fields.text("from")?;
    let mut mail = Mail::new(&to.ok_or_else(wrong)?, from.as_deref()).map_err(words)?;
    mail.program = fields.text("sendmail")?.map(PathBuf::from);
    Ok(Way::Mail(mail))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: DeliveryError) -> String {
    error.to_string()
}

/// What a table holds that was not read yet.
struct Fields {
    table: Table,
    way: &'static str,
}

impl Fields {
    fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{key}` is text: write it in quotation marks")),
        }
    }

    /// Nothing may be left that nobody reads.
    fn end(self) -> Result<(), String> {
        let keys: &[&str] = match self.way {
            "webhook" | "webhook-file" => {
                &["level", "headers", "headers-file", "body", "ca", "timeout"]
            }
            "mail" => &["level", "from", "sendmail"],
            _ => &["level"],
        };
        match self.table.keys().next() {
            Some(unknown) => Err(format!(
                "`{}` has no `{unknown}`{}",
                self.way,
                meant(unknown, keys)
            )),
            None => Ok(()),
        }
    }
}

/// A table without any way: perhaps one is only misspelt.
fn misnamed(table: &Table) -> String {
    let near = table.keys().find(|key| nearest(key, &WAYS).is_some());
    match near {
        Some(key) => format!("there is no `{key}`{}", meant(key, &WAYS)),
        None => format!("a table names one of {}", WAYS.join(", ")),
    }
}

fn meant(unknown: &str, keys: &[&str]) -> String {
    match nearest(unknown, keys) {
        Some(key) => format!(": did you mean `{key}`?"),
        None => format!(": there are {}", keys.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::config::Config;

    use super::*;

    fn parse(text: &str) -> Vec<Telling> {
        let config = Config::parse(text, Path::new("c.toml")).unwrap();
        config.on_incident.unwrap().0
    }

    #[test]
    fn a_command_stays_a_command() {
        for text in [
            "on-incident = \"mail me\"",
            "on-incident = { command = \"mail me\" }",
            "on-incident = [\"mail me\"]",
            "[[on-incident]]\ncommand = \"mail me\"\nlevel = \"notice\"",
        ] {
            let telling = Telling {
                way: Way::Command("mail me".to_owned()),
                level: Level::Notice,
            };
            assert_eq!(parse(text), [telling], "{text}");
        }
        assert_eq!(parse("on-incident = []"), []);
    }

    #[test]
    fn every_way_can_be_told() {
        let tellings = parse(
            "[[on-incident]]\nwebhook = \"https://ntfy.example.org/SECRET\"\nlevel = \"alarm\"\n\
             headers = { Authorization = \"Bearer SECRET\" }\nbody = '{\"text\": \"{{title}}\"}'\n\
             timeout = 5\nca = \"ca.pem\"\n\
             [[on-incident]]\nmail = [\"ann@example.org\", \"root\"]\nfrom = \"recoup@example.org\"\n\
             sendmail = \"msmtp\"\n\
             [[on-incident]]\ndesktop = true\n",
        );
        let described: Vec<String> = tellings.iter().map(Telling::describe).collect();
        assert_eq!(
            described,
            [
                "webhook https://ntfy.example.org (alarms)",
                "mail to ann@example.org, root",
                "desktop"
            ]
        );
        assert!(!format!("{tellings:?}").contains("SECRET"));
    }

    #[test]
    fn mistakes_are_named_by_line_and_show_no_secret() {
        for (table, line, words) in [
            ("webhok = \"https://SECRET\"", 3, "did you mean `webhook`?"),
            ("webhook = \"SECRET\"", 3, "begin it with https://"),
            ("webhook = \"https://SECRET@h/\"", 3, "Authorization"),
            ("webhook = [\"https://SECRET\"]", 3, "`webhook` is text"),
            (
                "webhook = \"https://h/SECRET\"\nheader = \"SECRET\"",
                3,
                "did you mean `headers`?",
            ),
            (
                "webhook = \"https://h/\"\nheaders = \"SECRET\"",
                3,
                "`headers` is a table",
            ),
            (
                "webhook = \"https://h/\"\nheaders = { A = [\"SECRET\"] }",
                3,
                "quotation marks",
            ),
            (
                "webhook = \"https://h/\"\nheaders = { A = \"SECRET\\nB: 1\" }",
                3,
                "line break",
            ),
            (
                "webhook = \"https://h/\"\nbody = \"{{SECRET}}\"",
                3,
                "places are",
            ),
            (
                "webhook = \"https://h/\"\nbody = '{\"SECRET\": {{title}}}'",
                3,
                "begins like JSON",
            ),
            (
                "webhook = \"https://h/\"\ntimeout = 0",
                3,
                "1 to 120 seconds",
            ),
            (
                "command = \"SECRET\"\nlevel = \"pin\"",
                3,
                "`level` is \"notice\" or \"alarm\"",
            ),
            ("command = \"SECRET\"\nmail = \"a@b\"", 3, "stand together"),
            ("command = \" \"", 3, "empty"),
            ("mail = \"ann\\nBcc: SECRET\"", 3, "no mail address"),
            ("mail = []", 3, "names nobody"),
            (
                "mail = \"a@b\"\nheaders = { A = \"SECRET\" }",
                3,
                "`mail` has no `headers`",
            ),
            ("desktop = false", 3, "left out"),
            (
                "level = \"alarm\"",
                3,
                "names one of command, webhook, webhook-file, mail",
            ),
        ] {
            let text = format!("repo = \"/x\"\n\n[[on-incident]]\n{table}\n");
            let failure = Config::parse(&text, Path::new("c.toml")).unwrap_err();
            let said = format!("{} {}", failure.message, failure.hint.unwrap_or_default());
            assert!(
                said.starts_with(&format!("c.toml, line {line}: on-incident: ")),
                "{said}"
            );
            assert!(said.contains(words), "{words}: {said}");
            assert!(!said.contains("SECRET") && !said.contains('\n'), "{said}");
        }
        let other = "on-incident = 3".to_owned();
        let failure = Config::parse(&other, Path::new("c.toml")).unwrap_err();
        assert!(
            failure.message.contains("a command, a table or a list"),
            "{failure:?}"
        );
    }
}
