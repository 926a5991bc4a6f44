//! A small HTTP server of one file, which behaves as it is told, request by request, and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one request; once the list is used up, all requests are served well.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// The connection is closed after so many bytes of the body.
    CutAfter(usize),
    /// The whole file, whatever was asked for.
    IgnoreRange,
    /// Another part than was asked for.
    WrongRange,
    /// Nothing but a status.
    Status(u16),
    /// A redirect.
    Redirect(String),
    /// A redirect as Hugging Face gives it.
    Linked {
        target: String,
        commit: String,
        sha256: String,
    },
    /// The body waits for [`Server::hurry`].
    Slow,
}

#[derive(Default)]
struct Log {
    paths: Vec<String>,
    ranges: Vec<Option<u64>>,
    tokens: Vec<Option<String>>,
    sent: usize,
}

struct Shared {
    content: Mutex<Vec<u8>>,
    manners: Mutex<VecDeque<Manner>>,
    log: Mutex<Log>,
    hurry: AtomicBool,
    stop: AtomicBool,
}

/// The server; it ends when it is dropped.
pub(crate) struct Server {
    address: String,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start(content: Vec<u8>, manners: Vec<Manner>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            content: Mutex::new(content),
            manners: Mutex::new(manners.into()),
            log: Mutex::default(),
            hurry: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || {
                    // A client that went away is no failure of the server.
                    let _ = serve(&stream.unwrap(), &shared);
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn replace(&mut self, content: Vec<u8>) {
        *self.shared.content.lock().unwrap() = content;
    }

    pub(crate) fn hurry(&self) {
        self.shared.hurry.store(true, Ordering::Relaxed);
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().paths.clone()
    }

    /// First byte asked for, per request.
    pub(crate) fn ranges(&self) -> Vec<Option<u64>> {
        self.shared.log.lock().unwrap().ranges.clone()
    }

    pub(crate) fn tokens(&self) -> Vec<Option<String>> {
        self.shared.log.lock().unwrap().tokens.clone()
    }

    /// Bytes of bodies.
    pub(crate) fn sent(&self) -> usize {
        self.shared.log.lock().unwrap().sent
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        TcpStream::connect(&self.address).ok();
    }
}

/// What a client asks for.
#[derive(Default)]
struct Request {
    path: String,
    /// First byte.
    range: Option<u64>,
    token: Option<String>,
    if_range: Option<String>,
}

fn read_request(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    let mut asked = Request {
        path: request.split(' ').nth(1).unwrap_or_default().to_owned(),
        ..Request::default()
    };

    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let first = value.trim_start_matches("bytes=").trim_end_matches('-');
                asked.range = first.parse().ok();
            }
            "authorization" => asked.token = Some(value.to_owned()),
            "if-range" => asked.if_range = Some(value.to_owned()),
            _ => (),
        }
    }
    Ok(asked)
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Request {
        path,
        range,
        token,
        if_range,
    } = read_request(stream)?;
    let manner = shared.manners.lock().unwrap().pop_front();
    {
        let mut log = shared.log.lock().unwrap();
        log.paths.push(path);
        log.ranges.push(range);
        log.tokens.push(token);
    }
    let head = |text: &str| -> std::io::Result<()> {
        let mut stream = stream;
        stream.write_all(format!("{text}Connection: close\r\n\r\n").as_bytes())
    };
    match &manner {
        Some(Manner::Status(status)) => {
            return head(&format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n"));
        }
        Some(Manner::Redirect(target)) => {
            return head(&format!(
                "HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n"
            ));
        }
        Some(Manner::Linked {
            target,
            commit,
            sha256,
        }) => {
            return head(&format!(
                "HTTP/1.1 302 Found\r\nLocation: {target}\r\nX-Repo-Commit: {commit}\r\nX-Linked-Etag: \"{sha256}\"\r\n\
                 Content-Length: 0\r\n"
            ));
        }
        _ => (),
    }
    let content = shared.content.lock().unwrap().clone();
    let total = content.len() as u64;
    let tag = format!("\"{}-{}\"", content.first().unwrap_or(&0), total);
    let same = if_range.is_none_or(|wanted| wanted == tag);
    let first = match (&manner, range) {
        (Some(Manner::IgnoreRange), _) | (_, None) => None,
        (Some(Manner::WrongRange), Some(_)) => Some(7),
        (_, Some(first)) => same.then_some(first),
    };
    let start = first.unwrap_or(0);
    if start >= total {
        return head(&format!(
            "HTTP/1.1 416 No\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n"
        ));
    }
    let body = &content[start as usize..];
    let status = if first.is_some() {
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\n",
            total - 1
        )
    } else {
        "HTTP/1.1 200 OK\r\n".to_owned()
    };
    head(&format!(
        "{status}ETag: {tag}\r\nContent-Length: {}\r\n",
        body.len()
    ))?;
    if matches!(manner, Some(Manner::Slow)) {
        while !shared.hurry.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    match manner {
        Some(Manner::CutAfter(n)) => send(stream, &body[..n.min(body.len())], shared),
        _ => send(stream, body, shared),
    }
}

fn send(mut stream: &TcpStream, body: &[u8], shared: &Shared) -> std::io::Result<()> {
    for part in body.chunks(10_000) {
        stream.write_all(part)?;
        shared.log.lock().unwrap().sent += part.len();
    }
    Ok(())
}
