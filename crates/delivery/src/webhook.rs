//! A message by an HTTP request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Error};

use crate::error::{DeliveryError, Undelivered};
use crate::message::Message;
use crate::template::Template;

/// How long a request may take, from looking up the host to the answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Headers that the request has by itself; a second one would make it another request.
const OWN_HEADERS: [&str; 6] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
];

type Header = (HeaderName, HeaderValue);

/// Where a message is posted.
#[derive(Clone, PartialEq, Eq)]
enum Address {
    Given(Uri),
    /// In the first line of a file, which is read each time.
    File(PathBuf),
}

/// Where a message is posted, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    address: Address,
    headers: Vec<Header>,
    /// More of them, each on a line of its own: secrets that are not to stand beside the rest.
    pub headers_file: Option<PathBuf>,
    /// What is posted; the line of JSON where there is none.
    pub body: Option<Template>,
    /// Certificate authorities, in place of the system's.
    pub authorities: Option<PathBuf>,
    /// How long a request may take.
    pub timeout: Duration,
    /// Whether proxies hold that the environment names (`HTTPS_PROXY`, `NO_PROXY`).
    pub heeds_proxies: bool,
}

/// Without the secrets: most services put theirs into the path.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Webhook {
    /// Posts to an address.
    pub fn new(address: &str) -> Result<Self, DeliveryError> {
        checked(address).map(|address| Self::to(Address::Given(address)))
    }

    /// Posts to the address that is the first line of a file.
    pub fn of_file(path: PathBuf) -> Self {
        Self::to(Address::File(path))
    }

    fn to(address: Address) -> Self {
        Self {
            address,
            headers: Vec::new(),
            headers_file: None,
            body: None,
            authorities: None,
            timeout: TIMEOUT,
            heeds_proxies: true,
        }
    }

    /// The files that it is made of.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let address = match &mut self.address {
            Address::File(path) => Some(path),
            Address::Given(_) => None,
        };
        let others = [self.headers_file.as_mut(), self.authorities.as_mut()];
        address.into_iter().chain(others.into_iter().flatten())
    }

    /// Sends a header with every request.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), DeliveryError> {
        self.headers.push(checked_header(name, value)?);
        Ok(())
    }

    /// The address, without what may be secret in it.
    pub fn describe(&self) -> String {
        match &self.address {
            Address::Given(address) => {
                let scheme = address.scheme_str().unwrap_or_default();
                let place = address.authority().map_or("", |place| place.as_str());
                format!("webhook {scheme}://{place}")
            }
            Address::File(path) => format!("webhook of {}", path.display()),
        }
    }

    /// What tells it from every other: not to be shown.
    pub(crate) fn identity(&self) -> String {
        match &self.address {
            Address::Given(address) => address.to_string(),
            Address::File(_) => self.describe(),
        }
    }

    fn address(&self) -> Result<Uri, Undelivered> {
        match &self.address {
            Address::Given(address) => Ok(address.clone()),
            Address::File(path) => {
                let text = secrets(path)?;
                let line = text.lines().next().unwrap_or_default().trim();
                checked(line).map_err(|error| misread(path, &error))
            }
        }
    }

    /// Those that were given, and those of the file.
    fn headers(&self) -> Result<Vec<Header>, Undelivered> {
        let mut headers = self.headers.clone();
        let Some(path) = &self.headers_file else {
            return Ok(headers);
        };
        for line in secrets(path)?
            .lines()
            .filter(|line| !line.trim().is_empty())
        {
            let (name, value) = line.split_once(':').unwrap_or(("", line));
            let header = checked_header(name.trim(), value.trim());
            headers.push(header.map_err(|error| misread(path, &error))?);
        }
        Ok(headers)
    }

    /// Posts a message once. Redirects are not followed: they would take the secrets elsewhere.
    pub fn deliver(&self, message: &Message) -> Result<(), Undelivered> {
        let (body, kind) = match &self.body {
            Some(template) => (template.fill(message), template.content_type()),
            None => (message.json.clone(), "application/json"),
        };
        let (address, headers) = (self.address()?, self.headers()?);
        let is_safe = address.scheme_str() == Some("https");
        let mut request = http::Request::post(address);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", kind);
        }
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let request = request
            .body(body)
            .map_err(|_| Undelivered::for_good("the request can't be made"))?;
        let answer = self.agent(is_safe)?.run(request);
        let answer = answer.map_err(|error| self.words(&error))?;
        judge(answer.status())
    }

    fn agent(&self, is_safe: bool) -> Result<Agent, Undelivered> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .timeout_global(Some(self.timeout))
            .user_agent(concat!("recoup/", env!("CARGO_PKG_VERSION")));
        let config = if self.heeds_proxies {
            config
        } else {
            config.proxy(None)
        };
        let config = if is_safe {
            config.tls_config(tls(self.authorities.as_deref())?)
        } else {
            config
        };
        Ok(config.build().new_agent())
    }

    /// Never the words of the library: some of them name the address.
    fn words(&self, error: &Error) -> Undelivered {
        Undelivered::for_now(match error {
            Error::Timeout(_) => {
                format!("there was no answer within {} s", self.timeout.as_secs())
            }
            Error::HostNotFound => "its host is not found: is the name right?".to_owned(),
            Error::Io(error) => format!("the connection failed: {error}"),
            Error::Rustls(error) => format!("the connection is not safe: {error}"),
            Error::Tls(what) => format!("the connection is not safe: {what}"),
            Error::Protocol(_) | Error::LargeResponseHeader(..) => {
                "what answers does not speak HTTP".to_owned()
            }
            Error::InvalidProxyUrl | Error::ConnectProxyFailed(_) => {
                "the proxy of the environment refuses".to_owned()
            }
            _ => "the connection failed".to_owned(),
        })
    }
}

fn checked(address: &str) -> Result<Uri, DeliveryError> {
    let wrong = |what: &str| DeliveryError::new(format!("`webhook` {what}"));
    let uri: Uri = address
        .parse()
        .map_err(|_| wrong("is no address: write it as https://HOST/PATH"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong(
            "is no web address: begin it with https:// or http://",
        ));
    }
    let place = uri.authority().filter(|place| !place.host().is_empty());
    let place = place.ok_or_else(|| wrong("names no host: write it as https://HOST/PATH"))?;
    if place.as_str().contains('@') {
        return Err(wrong(
            "has a user or password before the host: use headers = { Authorization = \"…\" }",
        ));
    }
    Ok(uri)
}

fn checked_header(name: &str, value: &str) -> Result<Header, DeliveryError> {
    let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        DeliveryError::new("`headers` has a name that is none: use letters, digits and hyphens")
    })?;
    if OWN_HEADERS.contains(&known.as_str()) {
        return Err(DeliveryError::new(format!(
            "`headers` sets {known}, which every request has by itself: leave it out"
        )));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        DeliveryError::new(format!(
            "the value of the header {known} has a line break or another control character: \
             take it out"
        ))
    })?;
    value.set_sensitive(true);
    Ok((known, value))
}

fn misread(path: &Path, error: &DeliveryError) -> Undelivered {
    Undelivered::for_good(format!("{}: {error}", path.display()))
}

/// The text of a file that holds secrets; of errors only its name.
fn secrets(path: &Path) -> Result<String, Undelivered> {
    std::fs::read_to_string(path)
        .map_err(|error| Undelivered::for_now(format!("can't read {}: {error}", path.display())))
}

/// What a status means: only 2xx says that the message was taken.
fn judge(status: StatusCode) -> Result<(), Undelivered> {
    let reason = status.canonical_reason().unwrap_or("no reason given");
    let said = format!("it answered {} {reason}", status.as_u16());
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(Undelivered::for_good(format!(
            "{said}: redirects are not followed, use the address that it leads to"
        ))),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Undelivered::for_now(said))
        }
        status if status.is_server_error() => Err(Undelivered::for_now(said)),
        _ => Err(Undelivered::for_good(format!(
            "{said}: are address, headers and body what it asks for?"
        ))),
    }
}

fn tls(authorities: Option<&Path>) -> Result<TlsConfig, Undelivered> {
    let roots = match authorities {
        Some(path) => authorities_of(path)?,
        None => systems_authorities(),
    };
    if roots.is_empty() {
        return Err(Undelivered::for_now(
            "no certificate authorities are known here: install ca-certificates, or name them with `ca`",
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(&roots))
        .build())
}

fn authorities_of(path: &Path) -> Result<Vec<Certificate<'static>>, Undelivered> {
    let unreadable = |error: std::io::Error| {
        Undelivered::for_now(format!("can't read `ca` {}: {error}", path.display()))
    };
    let text = std::fs::read(path).map_err(unreadable)?;
    let items = ureq::tls::parse_pem(&text);
    Ok(items
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect())
}

/// Those of the system, not a list of our own: who runs a service inside has put its authority there.
fn systems_authorities() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    let certificates = found.certs.iter();
    certificates
        .map(|der| Certificate::from_der(der.as_ref()).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_no_words() {
        let mut hook = Webhook::new("https://hooks.example.org/T0/SECRET?key=SECRET").unwrap();
        hook.header("Authorization", "Bearer SECRET").unwrap();
        assert_eq!(format!("{hook:?}"), "webhook https://hooks.example.org");
        for address in [
            "https://ann:SECRET@example.org/",
            "ftp://example.org/SECRET",
            "https://exa mple.org/SECRET",
            "/SECRET",
            "https:///SECRET",
        ] {
            let error = Webhook::new(address).unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
        for (name, value) in [
            ("X-Key", "SECRET\r\nX-Other: 1"),
            ("X-Key", "SECRET\n"),
            ("X-Key: SECRET", "x"),
            ("Host", "SECRET"),
        ] {
            let error = hook.header(name, value).unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn only_success_is_success() {
        let may_pass =
            |code: u16| judge(StatusCode::from_u16(code).unwrap()).map_err(|e| e.may_pass);
        assert_eq!(may_pass(204), Ok(()));
        for code in [301, 307, 400, 401, 404] {
            assert_eq!(may_pass(code), Err(false), "{code}");
        }
        for code in [408, 429, 500, 503] {
            assert_eq!(may_pass(code), Err(true), "{code}");
        }
    }
}
