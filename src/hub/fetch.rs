//! One file over HTTP, resumed where it broke off.
//!
//! Redirects are followed by hand: the token goes to the endpoint and nowhere else, and Hugging Face names the commit
//! only in its own answer, not in that of the storage behind it.

use super::{Hub, HubError, io};
use crate::progress::{self, Progress};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

/// Connections in a row that bring nothing before we give up.
const MAX_FRUITLESS: u32 = 4;
/// Hops of one request.
const MAX_REDIRECTS: usize = 8;
/// Steps that progress is told in, bytes.
const KILOBYTE: u64 = 1000;

/// What the servers said about the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetched {
    /// The commit that the revision stands for (Hugging Face).
    pub(super) commit: Option<String>,
    /// The ETag of the file behind the link (Hugging Face): for large files their SHA-256.
    linked_etag: Option<String>,
}

impl Fetched {
    pub(super) fn announced_sha256(&self) -> Option<&str> {
        let tag = self.linked_etag.as_deref()?.trim_matches('"');
        (tag.len() == 64 && tag.bytes().all(|b| b.is_ascii_hexdigit())).then_some(tag)
    }
}

/// Keeps other processes from the same unfinished file as long as it lives.
pub(super) fn lock(part: &Path) -> Result<File, HubError> {
    let path = beside(part, "lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(HubError::InUse {
            path: part.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(error)) => Err(io("lock", &path)(error)),
    }
}

/// Removes an unfinished file and what belongs to it.
pub(super) fn forget(part: &Path) {
    for path in [part.to_owned(), beside(part, "etag"), beside(part, "lock")] {
        // What is not there need not be removed.
        std::fs::remove_file(path).ok();
    }
}

fn beside(part: &Path, extension: &str) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// What is downloaded, and to where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// From where.
    pub(super) url: &'a str,
    /// The file that grows.
    pub(super) part: &'a Path,
    /// What people call it.
    pub(super) name: &'a str,
    /// The whole will be checked by a hash that is known.
    pub(super) checked: bool,
}

/// Downloads to the end of the file, with as many connections as it takes.
pub(super) fn fetch(
    hub: &Hub,
    target: &Target<'_>,
    progress: &dyn Progress,
) -> Result<Fetched, HubError> {
    let Target {
        url, part, name, ..
    } = *target;

    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .user_agent(concat!("atlascope/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(part)
        .map_err(io("open", part))?;
    let mut download = Download {
        hub,
        agent,
        url,
        part,
        name,
        checked: target.checked,
        progress,
        told: None,
        fetched: Fetched::default(),
    };
    let mut fruitless = 0;
    loop {
        let before = length(&file, part)?;
        let what = match download.attempt(&mut file) {
            Ok(()) => break,
            Err(Trouble::Fatal(error)) => return Err(error),
            Err(Trouble::Passing(what)) => what,
        };
        fruitless = if length(&file, part)? > before {
            1
        } else {
            fruitless + 1
        };
        if fruitless >= MAX_FRUITLESS {
            return Err(HubError::Connection {
                url: url.to_owned(),
                what,
            });
        }
        progress.note(&format!("{name}: {what}; trying again"));
        wait(hub.pause * (1 << (fruitless - 1)), progress)?;
    }
    file.sync_all().map_err(io("write", part))?;
    Ok(download.fetched)
}

/// Sleeps, but hears a request to stop.
fn wait(pause: Duration, progress: &dyn Progress) -> Result<(), HubError> {
    let end = std::time::Instant::now() + pause;
    while std::time::Instant::now() < end {
        progress::check(progress)?;
        std::thread::sleep(pause.min(Duration::from_millis(50)));
    }
    Ok(())
}

fn length(file: &File, path: &Path) -> Result<u64, HubError> {
    Ok(file.metadata().map_err(io("read", path))?.len())
}

/// Why one connection did not bring the file to its end.
enum Trouble {
    /// Worth another connection.
    Passing(String),
    /// Not.
    Fatal(HubError),
}

impl From<HubError> for Trouble {
    fn from(error: HubError) -> Self {
        Self::Fatal(error)
    }
}

struct Download<'a> {
    hub: &'a Hub,
    agent: Agent,
    url: &'a str,
    part: &'a Path,
    name: &'a str,
    checked: bool,
    progress: &'a dyn Progress,
    /// Kilobytes that progress knows of, once it was begun.
    told: Option<u64>,
    fetched: Fetched,
}

impl Download<'_> {
    /// One connection: asks for what is missing and appends it.
    fn attempt(&mut self, file: &mut File) -> Result<(), Trouble> {
        progress::check(self.progress).map_err(HubError::from)?;
        let tag = std::fs::read_to_string(beside(self.part, "etag")).ok();
        if tag.is_none() && !self.checked {
            // Nothing would notice that the file changed between two connections.
            self.restart(file)?;
        }
        let have = length(file, self.part)?;

        let mut response = self.ask(have, tag.as_deref())?;
        let status = response.status().as_u16();
        let range = header_of(&response, header::CONTENT_RANGE.as_str());
        let (start, total) = match status {
            200 => (0, number(&response, header::CONTENT_LENGTH.as_str())),
            206 => match range.as_deref().and_then(parse_range) {
                Some((start, total)) if start == have => (have, total),
                _ => {
                    self.restart(file)?;
                    return Err(Trouble::Passing("the server sent another part".to_owned()));
                }
            },
            // All of it was there already, or the part does not belong to this file.
            416 if have > 0 => {
                if range.and_then(|r| r.strip_prefix("bytes */")?.parse().ok()) == Some(have) {
                    return Ok(());
                }
                self.restart(file)?;
                return Err(Trouble::Passing(
                    "the part does not fit the file".to_owned(),
                ));
            }
            408 | 429 | 500..=599 => {
                return Err(Trouble::Passing(format!("the server answered {status}")));
            }
            _ => {
                return Err(Trouble::Fatal(HubError::Status {
                    url: self.url.to_owned(),
                    status,
                }));
            }
        };
        if start == 0 {
            self.restart(file)?;
        }
        let path = beside(self.part, "etag");
        match header_of(&response, header::ETAG.as_str()).filter(|tag| !tag.starts_with("W/")) {
            Some(tag) => std::fs::write(&path, tag).map_err(io("write", &path))?,
            None if start == 0 => {
                std::fs::remove_file(&path).ok();
            }
            None => (),
        }
        self.tell(start, total);
        file.seek(SeekFrom::Start(start))
            .map_err(io("write", self.part))?;
        self.receive(response.body_mut(), file, start, total)
    }

    /// Copies the body; `start` bytes are there already, `total` should be in the end.
    fn receive(
        &mut self,
        body: &mut Body,
        file: &mut File,
        start: u64,
        total: Option<u64>,
    ) -> Result<(), Trouble> {
        let mut reader = body.as_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut have = start;
        loop {
            progress::check(self.progress).map_err(HubError::from)?;
            let n = match reader.read(&mut buffer) {
                Ok(n) => n,
                Err(error) => {
                    return Err(Trouble::Passing(format!(
                        "the connection broke after {have} bytes ({error})"
                    )));
                }
            };
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n])
                .map_err(io("write", self.part))?;
            have += n as u64;
            self.tell(have, total);
        }
        match total {
            Some(total) if have < total => Err(Trouble::Passing(format!(
                "the connection ended after {have} of {total} bytes"
            ))),
            _ => Ok(()),
        }
    }

    /// Throws away what is there.
    fn restart(&mut self, file: &mut File) -> Result<(), HubError> {
        file.set_len(0).map_err(io("write", self.part))?;
        self.told = None;
        Ok(())
    }

    fn tell(&mut self, have: u64, total: Option<u64>) {
        let known = *self.told.get_or_insert_with(|| {
            let total = total.unwrap_or(0).div_ceil(KILOBYTE);
            self.progress
                .begin(&format!("download {}", self.name), total, "kB");
            0
        });
        let now = if total == Some(have) {
            have.div_ceil(KILOBYTE)
        } else {
            have / KILOBYTE
        };
        if now > known {
            self.progress.advance(now - known);
            self.told = Some(now);
        }
    }

    /// Asks for everything from byte `have` on, through all redirects.
    fn ask(&mut self, have: u64, tag: Option<&str>) -> Result<Response<Body>, Trouble> {
        let mut url = self.url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self
                .agent
                .get(&url)
                .header(header::ACCEPT_ENCODING.as_str(), "identity");
            if have > 0 {
                request = request.header(header::RANGE.as_str(), format!("bytes={have}-"));
                if let Some(tag) = tag {
                    request = request.header(header::IF_RANGE.as_str(), tag);
                }
            }
            let own = origin(&url) == origin(&self.hub.endpoint);
            if let Some(token) = self.hub.token.as_deref().filter(|_| own) {
                request = request.header(header::AUTHORIZATION.as_str(), format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| self.trouble(&error))?;
            if own {
                let read = |name| header_of(&response, name);
                let fetched = &mut self.fetched;
                fetched.commit = read("x-repo-commit")
                    .filter(|commit| is_commit(commit))
                    .or(fetched.commit.take());
                fetched.linked_etag = read("x-linked-etag").or(fetched.linked_etag.take());
            }
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let Some(target) = header_of(&response, header::LOCATION.as_str()) else {
                return Err(Trouble::Fatal(HubError::Connection {
                    url,
                    what: "a redirect to nowhere".to_owned(),
                }));
            };
            let next = resolve(&url, &target);
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err(Trouble::Fatal(HubError::Connection {
                    url,
                    what: format!("a redirect from https to {next} is not followed"),
                }));
            }
            url = next;
        }
        Err(Trouble::Fatal(HubError::Connection {
            url: self.url.to_owned(),
            what: format!("more than {MAX_REDIRECTS} redirects"),
        }))
    }

    fn trouble(&self, error: &ureq::Error) -> Trouble {
        let fatal = matches!(
            error,
            ureq::Error::BadUri(_)
                | ureq::Error::Http(_)
                | ureq::Error::HostNotFound
                | ureq::Error::Rustls(_)
                | ureq::Error::Tls(_)
                | ureq::Error::InvalidProxyUrl
        );
        if fatal {
            Trouble::Fatal(HubError::Connection {
                url: self.url.to_owned(),
                what: error.to_string(),
            })
        } else {
            Trouble::Passing(error.to_string())
        }
    }
}

fn header_of(response: &Response<Body>, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(value.to_str().ok()?.trim().to_owned())
}

fn number(response: &Response<Body>, name: &str) -> Option<u64> {
    header_of(response, name)?.parse().ok()
}

/// A name that is safe in a path.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `bytes FIRST-LAST/TOTAL` → first byte and total, which may be unknown (`*`).
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    url[start..]
        .find(['/', '?', '#'])
        .map_or(url, |end| &url[..start + end])
}

/// A `Location`, which may be relative.
fn resolve(base: &str, target: &str) -> String {
    let scheme = base.split(':').next().unwrap_or("https");
    if target.contains("://") {
        target.to_owned()
    } else if let Some(rest) = target.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if target.starts_with('/') {
        format!("{}{target}", origin(base))
    } else {
        let path = base.split(['?', '#']).next().unwrap_or(base);
        let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
        format!("{folder}/{target}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved() {
        let base = "https://a.example:8443/x/y?z=1";
        assert_eq!(origin(base), "https://a.example:8443");
        assert_eq!(resolve(base, "http://b/c"), "http://b/c");
        assert_eq!(resolve(base, "//b/c"), "https://b/c");
        assert_eq!(resolve(base, "/c"), "https://a.example:8443/c");
        assert_eq!(resolve(base, "c"), "https://a.example:8443/x/c");
        // A token for one host must not go to one whose name only begins alike.
        assert_ne!(
            origin("https://hub.example.evil/x"),
            origin("https://hub.example")
        );
        assert_ne!(
            origin("https://hub.example@evil/x"),
            origin("https://hub.example")
        );
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(parse_range("bytes 7-99/100"), Some((7, Some(100))));
        assert_eq!(parse_range("bytes 7-99/*"), Some((7, None)));
        assert_eq!(parse_range("items 1-2/3"), None);
        assert!(is_commit(&"a1".repeat(20)) && !is_commit("../../etc") && !is_commit("main"));
    }
}
