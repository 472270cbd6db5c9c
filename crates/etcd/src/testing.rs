//! A real etcd on loopback, started and killed at will: for tests and for the demo.
//!
//! Nothing is installed: the program `etcd` is looked for where the system looks for programs.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::address::{Address, Endpoint};
use crate::client::Client;
use crate::error::EtcdError;
use crate::settings::{Settings, Tls};

/// How long a start may take: a member replays its log first.
const START_TIME: Duration = Duration::from_secs(30);

/// How long a member may take to end when asked to.
const STOP_TIME: Duration = Duration::from_secs(10);

/// How often ports are drawn: another program may take one between our asking and etcd's.
const PORT_TRIES: u32 = 5;

/// Why no etcd could be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program is not installed.
    #[error("the program etcd is not installed (on Debian: apt-get install etcd-server)")]
    NotInstalled,
    /// The system refused something.
    #[error("can't start etcd: {0}")]
    Io(#[from] io::Error),
    /// It ended at once, or did not answer in time.
    #[error("etcd does not start; the end of {}: {log}", .path.display())]
    Failed {
        /// Where it logs to.
        path: PathBuf,
        /// The last lines of its log.
        log: String,
    },
}

/// Certificates of a server, as files.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority whose clients may enter; without it any client may.
    pub client_authority: Option<PathBuf>,
    /// What our own question needs, whether the server is there.
    pub client: Tls,
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Encrypted connections only.
    pub tls: Option<ServerTls>,
    /// Further arguments, as `--max-txn-ops=16`.
    pub arguments: Vec<String>,
}

/// One member of a cluster; killed when dropped.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    options: ServerOptions,
    name: String,
    client_port: u16,
    peer_port: u16,
    /// `name=url` of every member.
    cluster: String,
    child: Option<Child>,
}

impl Server {
    /// Starts a cluster of one in `directory`, which is made, and waits until it answers.
    pub fn start(directory: &Path, options: &ServerOptions) -> Result<Self, StartError> {
        let mut servers = Self::start_cluster(directory, 1, options)?;
        servers.pop().ok_or(StartError::NotInstalled)
    }

    /// Starts a cluster of so many members beneath `directory`, and waits until all of them answer.
    pub fn start_cluster(
        directory: &Path,
        count: usize,
        options: &ServerOptions,
    ) -> Result<Vec<Self>, StartError> {
        let mut tries = 1;
        let is_new = !directory.join(name_of(0)).exists();
        loop {
            match Self::try_cluster(directory, count, options) {
                Err(StartError::Failed { log, .. })
                    if is_new && tries < PORT_TRIES && log.contains("address already in use") =>
                {
                    tries += 1;
                    for at in 0..count {
                        fs::remove_dir_all(directory.join(name_of(at)))?;
                    }
                }
                started => return started,
            }
        }
    }

    fn try_cluster(
        directory: &Path,
        count: usize,
        options: &ServerOptions,
    ) -> Result<Vec<Self>, StartError> {
        let ports = free_ports(count * 2)?;
        let names: Vec<_> = (0..count).map(name_of).collect();
        let peers: Vec<_> = names
            .iter()
            .zip(ports.chunks(2))
            .map(|(name, ports)| format!("{name}=http://127.0.0.1:{}", ports[1]))
            .collect();
        let mut servers = Vec::new();
        for (name, ports) in names.into_iter().zip(ports.chunks(2)) {
            let directory = directory.join(&name);
            fs::create_dir_all(&directory)?;
            let mut server = Self {
                directory,
                options: options.clone(),
                name,
                client_port: ports[0],
                peer_port: ports[1],
                cluster: peers.join(","),
                child: None,
            };
            server.launch()?;
            servers.push(server);
        }
        for server in &mut servers {
            server.wait_until_ready()?;
        }
        Ok(servers)
    }

    /// Where clients reach it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.client_port,
        }
    }

    /// It and every key in it.
    pub fn address(&self) -> Address {
        let endpoint = self.endpoint();
        let text = format!("{}{endpoint}", crate::address::SCHEME);
        text.parse().expect("host and port make an address")
    }

    /// Process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Where its data, and its log in `log`, lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Ends it as a power failure would: at once.
    pub fn kill9(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts it again on the same data and ports, and waits until it answers.
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.relaunch()?;
        self.wait_until_ready()
    }

    /// Starts it again without waiting.
    pub fn relaunch(&mut self) -> Result<(), StartError> {
        self.kill9()?;
        self.launch()
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let asked = Command::new("kill").arg(child.id().to_string()).status();
        let end = Instant::now() + STOP_TIME;
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && Instant::now() < end {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait().map(drop)
    }

    fn launch(&mut self) -> Result<(), StartError> {
        let scheme = if self.options.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let client_url = format!("{scheme}://127.0.0.1:{}", self.client_port);
        let peer_url = format!("http://127.0.0.1:{}", self.peer_port);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let mut command = Command::new("etcd");
        command
            .args(["--name", &self.name])
            .arg("--data-dir")
            .arg(self.directory.join("data"))
            .args(["--listen-client-urls", &client_url])
            .args(["--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url])
            .args(["--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &self.cluster])
            .args(["--logger", "zap", "--log-level", "warn"]);
        if let Some(tls) = &self.options.tls {
            command.arg("--cert-file").arg(&tls.certificate);
            command.arg("--key-file").arg(&tls.key);
            if let Some(authority) = &tls.client_authority {
                command.arg("--client-cert-auth");
                command.arg("--trusted-ca-file").arg(authority);
            }
        }
        command.args(&self.options.arguments);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        match command.spawn() {
            Ok(child) => self.child = Some(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StartError::NotInstalled);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<(), StartError> {
        let settings = Settings {
            tls: self.options.tls.as_ref().map(|tls| tls.client.clone()),
            patience: Duration::ZERO,
            ..Settings::default()
        };
        let end = Instant::now() + START_TIME;
        while Instant::now() < end {
            if self.has_ended()? {
                break;
            }
            match Client::connect(&self.address(), &settings) {
                // Who wants a name and a password is there.
                Ok(_) | Err(EtcdError::AuthenticationFailed { .. }) => return Ok(()),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        let path = self.log_path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let from = text.len().saturating_sub(2000);
        let log = text.chars().skip(from).collect();
        Err(StartError::Failed { path, log })
    }

    fn has_ended(&mut self) -> io::Result<bool> {
        match &mut self.child {
            Some(child) => child.try_wait().map(|status| status.is_some()),
            None => Ok(true),
        }
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.kill9();
    }
}

fn name_of(at: usize) -> String {
    format!("m{at}")
}

/// Ports of loopback that nobody listens on at the moment.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<io::Result<_>>()?;
    listeners
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect()
}
