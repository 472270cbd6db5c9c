//! Calls to the members of a cluster: one channel each, the next one when one does not answer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic::{Request, Status, Streaming, transport};
use tonic_prost::ProstCodec;

use crate::address::{Address, Endpoint};
use crate::error::{EtcdError, Retry, classify};
use crate::settings::{Settings, Tls};
use crate::wire::Header;
use crate::wire_watch::{AuthenticateRequest, AuthenticateResponse};

/// Largest answer that is taken: a transaction of 127 conflicts, each with a value of 1.5 MiB.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What may be under way on one stream before we have read it; the 64 KiB of HTTP/2 would make each page
/// wait for many round trips.
const WINDOW_BYTES: u32 = 4 << 20;

/// How often an idle connection is asked whether it lives. etcd closes connections that ask more often
/// than every 5 s (`--grpc-keepalive-min-time`).
const ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long it may take to say so.
const ALIVE_TIME: Duration = Duration::from_secs(5);

/// First and longest pause after no endpoint has answered.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(1000));

const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";

/// One try that failed.
pub(crate) type Failed = (EtcdError, Retry);

/// The members of one cluster.
#[derive(Debug)]
pub(crate) struct Members {
    places: Vec<(Endpoint, Channel)>,
    /// The one that answered last.
    current: AtomicUsize,
    /// The cluster that answered first; 0 before.
    cluster: AtomicU64,
    token: Mutex<Option<MetadataValue<Ascii>>>,
    settings: Settings,
}

impl Members {
    /// Prepares the channels; nothing is connected yet. Must be called within a runtime.
    pub(crate) fn new(address: &Address, settings: &Settings) -> Result<Self, EtcdError> {
        let mut places = Vec::new();
        for endpoint in address.endpoints() {
            places.push((endpoint.clone(), channel(endpoint, settings)?));
        }
        Ok(Self {
            places,
            current: AtomicUsize::new(0),
            cluster: AtomicU64::new(0),
            token: Mutex::new(None),
            settings: settings.clone(),
        })
    }

    /// Whether we show a name or a certificate.
    pub(crate) fn has_user(&self) -> bool {
        let tls = self.settings.tls.as_ref();
        self.settings.login.is_some() || tls.is_some_and(|tls| tls.identity.is_some())
    }

    /// How many members the address names.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The member that is asked next.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed) % self.places.len()
    }

    /// The name of a member.
    pub(crate) fn name(&self, at: usize) -> String {
        self.places
            .get(at)
            .map(|(endpoint, _)| endpoint.to_string())
            .unwrap_or_default()
    }

    /// Asks another member from now on, unless somebody else has decided so already.
    pub(crate) fn move_on(&self, from: usize) {
        let next = (from + 1) % self.places.len();
        let _ = self
            .current
            .compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Refuses answers of another cluster than before; gives the revision in the header.
    pub(crate) fn check(&self, header: Option<&Header>) -> Result<i64, EtcdError> {
        let reason = "an answer has no header";
        let header = header.ok_or(EtcdError::Protocol { reason })?;
        let now = header.cluster_id;
        match self
            .cluster
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed)
        {
            Err(expected) if expected != now => Err(EtcdError::OtherCluster { expected, now }),
            _ => Ok(header.revision),
        }
    }

    /// Calls until a member answers or patience ends. For calls that do no harm when made twice.
    pub(crate) async fn call<Q, A>(&self, call: &Call<'_, Q>) -> Result<A, EtcdError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let mut patience = Patience::new(self.settings.patience);
        loop {
            let at = self.current();
            let (error, retry) = match self.try_once(at, call).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match retry {
                Retry::Never | Retry::LogIn => return Err(error),
                Retry::Elsewhere => {
                    self.move_on(at);
                    if !patience.wait(self.len()).await {
                        return Err(self.with_names(error));
                    }
                }
                Retry::Later => {
                    if !patience.wait(1).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Calls one member once, logging in where it asks for that.
    pub(crate) async fn try_once<Q, A>(&self, at: usize, call: &Call<'_, Q>) -> Result<A, Failed>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let mut is_fresh = self.log_in_if_needed(at).await?;
        loop {
            let failed = match self.send(at, call).await {
                Ok(answer) => return Ok(answer),
                Err(status) => classify(&status, call.revision),
            };
            if failed.1 != Retry::LogIn || is_fresh {
                return Err(failed);
            }
            self.forget_token();
            is_fresh = self.log_in_if_needed(at).await?;
            if !is_fresh {
                return Err(failed);
            }
        }
    }

    async fn send<Q, A>(&self, at: usize, call: &Call<'_, Q>) -> Result<A, Status>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc(at, call.answer_bytes_max);
        let request = self.request(call.question.clone());
        let path = PathAndQuery::from_static(call.path);
        let answer = async {
            ready(&mut grpc).await?;
            grpc.unary(request, path, ProstCodec::default()).await
        };
        match tokio::time::timeout(self.settings.answer_time, answer).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("no answer in time")),
        }
    }

    /// Opens a stream of answers at one member; `question` is the only thing that we say on it.
    pub(crate) async fn open<Q, A>(
        &self,
        at: usize,
        path: &'static str,
        question: Q,
    ) -> Result<Streaming<A>, Failed>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        use tokio_stream::StreamExt;
        self.log_in_if_needed(at).await?;
        let mut grpc = self.grpc(at, ANSWER_BYTES_MAX);
        // A stream that we close would end the watch.
        let questions = tokio_stream::once(question).chain(tokio_stream::pending());
        let request = self.request(questions);
        let path = PathAndQuery::from_static(path);
        let opened = async {
            ready(&mut grpc).await?;
            grpc.streaming(request, path, ProstCodec::default()).await
        };
        let opened = tokio::time::timeout(self.settings.answer_time, opened).await;
        let status = match opened {
            Ok(Ok(stream)) => return Ok(stream.into_inner()),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer in time"),
        };
        let failed = classify(&status, 0);
        if failed.1 == Retry::LogIn {
            self.forget_token();
        }
        Err(failed)
    }

    fn grpc(&self, at: usize, answer_bytes_max: usize) -> Grpc<Channel> {
        let (_, channel) = &self.places[at % self.places.len()];
        Grpc::new(channel.clone()).max_decoding_message_size(answer_bytes_max)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // A member that lost its cluster says so instead of staying silent.
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*token {
            metadata.insert("token", token.clone());
        }
        request
    }

    /// Whether a new token was fetched.
    async fn log_in_if_needed(&self, at: usize) -> Result<bool, Failed> {
        let Some(login) = &self.settings.login else {
            return Ok(false);
        };
        if self
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
        {
            return Ok(false);
        }
        let question = AuthenticateRequest {
            name: login.name.clone(),
            password: login.password.to_string(),
        };
        let call = Call::new(AUTHENTICATE, &question);
        let answer: AuthenticateResponse = match self.send(at, &call).await {
            Ok(answer) => answer,
            Err(status) => return Err(classify(&status, 0)),
        };
        let token = MetadataValue::try_from(answer.token).map_err(|_| {
            let reason = "the token is not text";
            (EtcdError::Protocol { reason }, Retry::Never)
        })?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(true)
    }

    pub(crate) fn forget_token(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The error with the places that were tried.
    pub(crate) fn with_names(&self, error: EtcdError) -> EtcdError {
        match error {
            EtcdError::Unreachable { reason, .. } => {
                let names: Vec<_> = self
                    .places
                    .iter()
                    .map(|(place, _)| place.to_string())
                    .collect();
                let endpoints = names.join(", ");
                EtcdError::Unreachable { endpoints, reason }
            }
            other => other,
        }
    }
}

/// A question, and what is expected of the answer.
#[derive(Debug)]
pub(crate) struct Call<'a, Q> {
    pub(crate) path: &'static str,
    pub(crate) question: &'a Q,
    /// The revision that is asked for, for messages; 0 for none.
    pub(crate) revision: i64,
    pub(crate) answer_bytes_max: usize,
}

impl<'a, Q> Call<'a, Q> {
    pub(crate) fn new(path: &'static str, question: &'a Q) -> Self {
        Self {
            path,
            question,
            revision: 0,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }
}

/// How long and how often something is tried again.
#[derive(Debug)]
pub(crate) struct Patience {
    end: Instant,
    pause: Duration,
    tries: usize,
}

impl Patience {
    pub(crate) fn new(time: Duration) -> Self {
        Self {
            end: Instant::now() + time,
            pause: PAUSES.0,
            tries: 0,
        }
    }

    /// Pauses if every one of so many places was tried since the last pause; `false` when it is enough.
    pub(crate) async fn wait(&mut self, places: usize) -> bool {
        self.tries += 1;
        if Instant::now() >= self.end {
            return false;
        }
        if self.tries.is_multiple_of(places.max(1)) {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
        true
    }
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(Box::new(error)))
}

fn channel(endpoint: &Endpoint, settings: &Settings) -> Result<Channel, EtcdError> {
    let scheme = if settings.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let unusable = |error: transport::Error| EtcdError::Settings {
        reason: error_chain(&error),
    };
    let mut place = transport::Endpoint::from_shared(format!("{scheme}://{endpoint}"))
        .map_err(unusable)?
        .connect_timeout(settings.connect_time)
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .http2_keep_alive_interval(ALIVE_INTERVAL)
        .keep_alive_timeout(ALIVE_TIME)
        .keep_alive_while_idle(true);
    if let Some(tls) = &settings.tls {
        let authority = String::from_utf8_lossy(&tls.authority);
        if !authority.contains("-----BEGIN CERTIFICATE-----") {
            let reason = "there is no certificate in the PEM of the authority".to_owned();
            return Err(EtcdError::Settings { reason });
        }
        place = place
            .tls_config(tls_config(endpoint, tls))
            .map_err(unusable)?;
    }
    Ok(place.connect_lazy())
}

fn tls_config(endpoint: &Endpoint, tls: &Tls) -> ClientTlsConfig {
    let host = endpoint.host.trim_matches(['[', ']']);
    let name = tls.server_name.as_deref().unwrap_or(host);
    let mut config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&tls.authority))
        .domain_name(name);
    if let Some(identity) = &tls.identity {
        let identity = transport::Identity::from_pem(&identity.certificate, &*identity.key);
        config = config.identity(identity);
    }
    config
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
