//! The name of an etcd as a source: `etcd://host:port[,host2:port2]/prefix`.
//!
//! What follows the hosts is the prefix of the keys, its first slash included, since keys usually begin
//! with one: `etcd://h/lb/` are the keys that begin with `/lb/`. Without it, or with a slash alone, every
//! key is meant. Keys that don't begin with a slash stand beneath `/%~/`, as in their paths: `etcd://h/%~/lb`.
//! `%` and two hexadecimal digits are a byte. Who may enter, and how, never stands in the address.

use std::fmt;
use std::str::FromStr;

use crate::error::EtcdError;
use crate::keys::prefix_end;

/// What an address begins with.
pub const SCHEME: &str = "etcd://";

/// Where clients reach etcd unless said otherwise (registered with IANA).
const PORT_DEFAULT: u16 = 2379;

/// Begin of the text of a prefix without a slash at its start.
const BARE: &str = "/%~/";

/// One member's place: host and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Name, IPv4 address, or IPv6 address in brackets; in small letters.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// An etcd and the keys in it that are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    endpoints: Vec<Endpoint>,
    prefix: Vec<u8>,
}

impl Address {
    /// An address of these places, in the order in which they are tried, and the keys that begin with
    /// `prefix`.
    pub fn new(endpoints: Vec<Endpoint>, prefix: Vec<u8>) -> Result<Self, EtcdError> {
        if endpoints.is_empty() {
            return Err(refusal("", "it names no host"));
        }
        Ok(Self { endpoints, prefix })
    }

    /// Where the members are, in the order in which they are tried.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// What the keys begin with; empty for every key.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The range of the keys as etcd wants it: first key and end.
    pub fn range(&self) -> (Vec<u8>, Vec<u8>) {
        range_of(&self.prefix)
    }

    /// The same etcd with another prefix.
    pub fn with_prefix(&self, prefix: Vec<u8>) -> Self {
        let endpoints = self.endpoints.clone();
        Self { endpoints, prefix }
    }
}

/// The range of the keys that begin with `prefix`: first key and end. Etcd takes no empty key, a zero byte
/// stands for it.
pub(crate) fn range_of(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let first = if prefix.is_empty() { &[0] } else { prefix };
    (first.to_vec(), prefix_end(prefix))
}

impl FromStr for Address {
    type Err = EtcdError;

    fn from_str(text: &str) -> Result<Self, EtcdError> {
        let refuse = |reason| refusal(text, reason);
        let rest = text.strip_prefix(SCHEME);
        let rest = rest.ok_or_else(|| refuse("it does not begin with etcd://"))?;
        if rest.contains(['?', '#']) {
            return Err(refuse("? and # in a key are written %3F and %23"));
        }
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if let Some((_, after)) = hosts.rsplit_once('@') {
            // What is said may stand in a log.
            let text = format!("{SCHEME}...@{after}{path}");
            return Err(refusal(&text, "names and passwords don't belong in it"));
        }
        let mut endpoints = Vec::new();
        for host in hosts.split(',') {
            let endpoint = parse_endpoint(host).map_err(refuse)?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        let prefix = parse_prefix(path).map_err(refuse)?;
        Ok(Self { endpoints, prefix })
    }
}

/// The canonical text: it names the source, so the order of the hosts does not matter.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut endpoints: Vec<_> = self.endpoints.iter().collect();
        endpoints.sort();
        f.write_str(SCHEME)?;
        for (place, endpoint) in endpoints.into_iter().enumerate() {
            write!(f, "{}{endpoint}", if place > 0 { "," } else { "" })?;
        }
        let rest = match self.prefix.as_slice() {
            [] => return Ok(()),
            [b'/', rest @ ..] if !rest.is_empty() && !self.prefix.starts_with(b"/%~/") => rest,
            bare => {
                f.write_str(BARE)?;
                // A first slash here belongs to the key, not to the address.
                if let [b'/', rest @ ..] = bare {
                    f.write_str("%2F")?;
                    return write_bytes(rest, f);
                }
                return write_bytes(bare, f);
            }
        };
        f.write_str("/")?;
        write_bytes(rest, f)
    }
}

fn write_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(f, "{}", char::from(byte))?,
            // Those of RFC 3986 that may stand in a path as they are.
            b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*'
            | b'+' | b',' | b';' | b'=' | b':' | b'@' => write!(f, "{}", char::from(byte))?,
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

fn parse_endpoint(text: &str) -> Result<Endpoint, &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
            inside
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| "what stands in brackets is no IPv6 address")?;
            (
                format!("[{inside}]"),
                after
                    .strip_prefix(':')
                    .or(if after.is_empty() { None } else { Some("x") }),
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let port = match port {
        Some(port) => port
            .parse()
            .map_err(|_| "a port is no number from 1 to 65535")?,
        None => PORT_DEFAULT,
    };
    if port == 0 {
        return Err("a port is no number from 1 to 65535");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
    if host.is_empty() {
        return Err("it names no host");
    }
    if !host.chars().all(plain) {
        return Err("a host has a character that no host has");
    }
    let host = host.to_ascii_lowercase();
    Ok(Endpoint { host, port })
}

fn parse_prefix(path: &str) -> Result<Vec<u8>, &'static str> {
    let text = match path {
        "" | "/" => return Ok(Vec::new()),
        _ => path.strip_prefix(BARE).unwrap_or(path),
    };
    let mut prefix = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            prefix.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("% is not followed by two hexadecimal digits");
        };
        prefix.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    Ok(prefix)
}

fn refusal(text: &str, reason: &'static str) -> EtcdError {
    let text = text.to_owned();
    EtcdError::Address { text, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        text.parse::<Address>().unwrap().to_string()
    }

    #[test]
    fn addresses_have_one_form() {
        for (text, canonical) in [
            ("etcd://h", "etcd://h:2379"),
            ("etcd://h:2379/", "etcd://h:2379"),
            ("etcd://B:1,a:2,b:1/x", "etcd://a:2,b:1/x"),
            ("etcd://[::1]:7/lb/%6Cb", "etcd://[::1]:7/lb/lb"),
            ("etcd://h/%~/lb", "etcd://h:2379/%~/lb"),
            ("etcd://h/%00%ff", "etcd://h:2379/%00%FF"),
        ] {
            assert_eq!(shown(text), canonical);
        }
        let address: Address = "etcd://h/lb/".parse().unwrap();
        assert_eq!(address.prefix(), b"/lb/");
        assert_eq!(address.range(), (b"/lb/".to_vec(), b"/lb0".to_vec()));
        let address: Address = "etcd://h/%~/lb".parse().unwrap();
        assert_eq!(address.prefix(), b"lb");
        let address: Address = "etcd://h".parse().unwrap();
        assert_eq!(address.range(), (vec![0], vec![0]));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "http://h",
            "etcd://",
            "etcd:///x",
            "etcd://h:0",
            "etcd://h:x",
            "etcd://h,,i",
            "etcd://u:p@h/x",
            "etcd://h/a?b",
            "etcd://h/%z",
            "etcd://h/%4",
            "etcd://[::1",
            "etcd://[h]:1",
            "etcd://[::1]9",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(
                matches!(error, EtcdError::Address { .. }),
                "{text}: {error}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn every_prefix_can_be_written(prefix in prop::collection::vec(
            prop_oneof![Just(b'/'), Just(b'%'), Just(b'~'), any::<u8>()], 0..9,
        )) {
            let endpoint = Endpoint { host: "h".into(), port: 1 };
            let address = Address::new(vec![endpoint], prefix).unwrap();
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}
