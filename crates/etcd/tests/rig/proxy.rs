//! A proxy on loopback that breaks connections: all of them at once, or by swallowing the answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: u16,
    open: Mutex<Vec<TcpStream>>,
    /// New connections are closed at once.
    is_down: AtomicBool,
    /// What the server says does not arrive; what it is told does.
    swallows: AtomicBool,
    cut: AtomicU64,
}

impl Proxy {
    pub(crate) fn to(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream,
            open: Mutex::new(Vec::new()),
            is_down: AtomicBool::new(false),
            swallows: AtomicBool::new(false),
            cut: AtomicU64::new(0),
        });
        let held = shared.clone();
        // Ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                held.serve(stream);
            }
        });
        Self { port, shared }
    }

    /// Closes every connection; gives how many there were.
    pub(crate) fn cut(&self) -> usize {
        let streams = std::mem::take(&mut *self.shared.open.lock().unwrap());
        for stream in &streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared
            .cut
            .fetch_add(streams.len() as u64 / 2, Ordering::Relaxed);
        streams.len() / 2
    }

    /// How many connections were closed so far.
    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::Relaxed);
        if is_down {
            self.cut();
        }
    }

    pub(crate) fn set_swallowing(&self, swallows: bool) {
        self.shared.swallows.store(swallows, Ordering::Relaxed);
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        if self.is_down.load(Ordering::Relaxed) {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.upstream)) else {
            return;
        };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            self.open.lock().unwrap().push(stream.try_clone().unwrap());
        }
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let this = self.clone();
        thread::spawn(move || this.carry(from, to, false));
        let this = self.clone();
        thread::spawn(move || this.carry(server, client, true));
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if is_answer && self.swallows.load(Ordering::Relaxed) {
                continue;
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
