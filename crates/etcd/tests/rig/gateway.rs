//! The oracle's way to etcd: its JSON gateway, over HTTP written here. Nothing of the product is in it.

use super::Map;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) struct Gateway {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

impl Gateway {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// Asks once; any trouble with the connection is an error, and what happened then is not known.
    pub(crate) fn ask(&mut self, path: &str, question: &Value) -> std::io::Result<Value> {
        let answer = self.try_ask(path, question);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn try_ask(&mut self, path: &str, question: &Value) -> std::io::Result<Value> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().unwrap();
        let body = question.to_string();
        let length = body.len();
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: etcd\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.get_mut().write_all(request.as_bytes())?;
        let mut length = None;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let lower = line.trim().to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            if lower.is_empty() {
                break;
            }
        }
        let body = match length {
            Some(length) => read_exact(stream, length)?,
            None => read_chunks(stream)?,
        };
        serde_json::from_slice(&body).map_err(std::io::Error::other)
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> std::io::Result<i64> {
        let question = json!({"key": text(key), "value": text(value)});
        self.ask("/v3/kv/put", &question)
            .and_then(|answer| revision(&answer))
    }

    /// The revision, if there was something to delete.
    pub(crate) fn delete(&mut self, key: &[u8]) -> std::io::Result<Option<i64>> {
        let answer = self.ask("/v3/kv/deleterange", &json!({"key": text(key)}))?;
        let deleted = answer.get("deleted").is_some();
        revision(&answer).map(|revision| deleted.then_some(revision))
    }

    /// Every key, or those from a first key up to an end, at a revision.
    pub(crate) fn range(&mut self, revision: i64) -> Map {
        let zero = text(&[0]);
        let question = json!({"key": zero, "range_end": zero, "revision": revision.to_string()});
        let answer = self.ask("/v3/kv/range", &question).unwrap();
        let empty = Vec::new();
        let kvs = answer["kvs"].as_array().unwrap_or(&empty);
        kvs.iter()
            .map(|kv| (bytes(&kv["key"]), bytes(&kv["value"])))
            .collect()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap()
}

fn revision(answer: &Value) -> std::io::Result<i64> {
    let text = answer["header"]["revision"].as_str();
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| std::io::Error::other(answer.to_string()))
}

fn read_exact(stream: &mut impl Read, length: usize) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        body.extend(read_exact(stream, length)?);
        stream.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}
