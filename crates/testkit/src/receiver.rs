//! A little HTTP server that answers as it is told and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method, path and version.
    pub first: String,
    /// The lines of the headers, as they came.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

/// What is answered to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, and lines of headers.
    Status(u16, Vec<String>),
    /// Nothing, for so long.
    Silence(Duration),
    /// The connection is closed.
    Close,
    /// Bytes that are no HTTP.
    Noise,
}

/// A server on loopback, until the test ends.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// Answers the first request with the first answer and so on; the last answer is for all further ones.
    pub fn start(answers: Vec<Answer>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (requests, answers) = (Arc::clone(&theirs), answers.clone());
                std::thread::spawn(move || serve(stream, &requests, &answers));
            }
        });
        Ok(Self { address, requests })
    }

    /// Where it listens, with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it was asked so often; gives what it was asked.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<Request> {
        let began = Instant::now();
        while self.requests().len() < count && began.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.requests()
    }
}

fn serve(stream: TcpStream, requests: &Mutex<Vec<Request>>, answers: &[Answer]) {
    let Some(request) = read(&stream) else {
        return;
    };
    let number = {
        let mut all = requests.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(request);
        all.len() - 1
    };
    let answer = answers.get(number).or(answers.last()).cloned();
    let mut stream = stream;
    let _ = match answer {
        Some(Answer::Status(code, headers)) => {
            let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
            let head = format!("HTTP/1.1 {code} Said\r\n{headers}Content-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes())
        }
        Some(Answer::Silence(time)) => {
            std::thread::sleep(time);
            Ok(())
        }
        Some(Answer::Noise) => stream.write_all(b"220 mail.example.org ESMTP\r\n"),
        Some(Answer::Close) | None => Ok(()),
    };
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        match line()? {
            end if end.is_empty() => break,
            header => headers.push(header),
        }
    }
    let length = headers.iter().find_map(|header| {
        let (name, value) = header.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<u64>().ok())?
    });
    let mut body = String::new();
    let rest = reader.take(length.unwrap_or(0));
    rest.take(1 << 20).read_to_string(&mut body).ok()?;
    Some(Request {
        first,
        headers,
        body,
    })
}
