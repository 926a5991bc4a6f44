//! Weights from the net to the cache folder: found there, downloaded with resume, checked by their hash.
//!
//! A manifest's sources say where a file comes from. Files of a plain URL, and files that were given by hand, lie in
//! this program's own cache; files of Hugging Face lie in the folder that its own tools use, in their layout, so that
//! both find what the other downloaded. A file is either whole and checked under its name, or under another name.

mod fetch;
mod hash;

pub use hash::{Expected, Verdict};

use crate::progress::{Interrupted, Progress};
use std::path::{Path, PathBuf};

/// Where one file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A plain URL.
    Url(String),
    /// A file of a repository on Hugging Face.
    HuggingFace {
        /// `owner/name`.
        repository: String,
        /// A branch, a tag or a commit.
        revision: String,
    },
    /// Nowhere on the net: whoever has the file gives it.
    ByHand,
}

/// One file with its origin and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The network that it belongs to; its folder in the cache.
    pub network: String,
    /// The file's name, in the repository and in the cache.
    pub file: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What its SHA-256 must be.
    pub expected: Expected,
}

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Asked to stop; what was downloaded is kept and resumed.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// No network is to be used.
    #[error("{file} is not in the cache, and HF_HUB_OFFLINE forbids to download it")]
    Offline {
        /// The file.
        file: String,
    },
    /// Nobody offers the file for download.
    #[error("no download of {file} is known")]
    NoDownload {
        /// The file.
        file: String,
    },
    /// The server answered with an error.
    #[error("{url}: the server answered {status}{}", explain(*.status))]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server could not be reached, or the connection broke again and again.
    #[error("cannot download {url}: {what}")]
    Connection {
        /// What was asked for.
        url: String,
        /// What happened last.
        what: String,
    },
    /// The file is not what the manifest promises.
    #[error("{what} has SHA-256 {found}, expected {expected}")]
    WrongHash {
        /// The file or its URL.
        what: String,
        /// What was expected, whole or its first digits.
        expected: String,
        /// What came.
        found: String,
    },
    /// Another process downloads the same file.
    #[error("{} is being downloaded by another process", path.display())]
    InUse {
        /// The unfinished file.
        path: PathBuf,
    },
    /// A file of the cache cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl HubError {
    /// What the user can do, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Interrupted(_) => Some("the same command goes on where it stopped"),
            Self::Offline { .. } => Some("unset HF_HUB_OFFLINE, or copy the file with --from FILE"),
            Self::NoDownload { .. } => {
                Some("if you have the file: --from FILE checks and keeps it")
            }
            Self::Status {
                status: 401 | 403, ..
            } => Some("set HF_TOKEN to a token that may read this repository"),
            Self::Status { .. } => Some("if you have the file: --from FILE checks and keeps it"),
            Self::Connection { .. } => Some(
                "what came is kept; the same command goes on from there. HF_ENDPOINT names a mirror",
            ),
            Self::WrongHash { .. } => {
                Some("the file was not kept; it is another version, or damaged on its way")
            }
            Self::InUse { .. } => Some("wait for it"),
            Self::Io { .. } => None,
        }
    }

    /// True when another source of the same weights may do better.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Status { .. } | Self::Connection { .. } | Self::NoDownload { .. }
        )
    }
}

fn explain(status: u16) -> &'static str {
    match status {
        401 | 403 => " (access denied)",
        404 => " (not found)",
        416 => " (range not satisfiable)",
        429 => " (too many requests)",
        500..=599 => " (its own failure)",
        _ => "",
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> HubError {
    let path = path.to_owned();
    move |source| HubError::Io { what, path, source }
}

/// A file that is there, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Where it lies.
    pub path: PathBuf,
    /// What is known of its hash.
    pub verdict: Verdict,
    /// Its size in bytes.
    pub bytes: u64,
    /// False when it lay in the cache already.
    pub fresh: bool,
}

/// The cache folders and the way to the net.
#[derive(Debug, Clone)]
pub struct Hub {
    /// This program's own folder of weights.
    pub cache: PathBuf,
    /// Hugging Face's folder of repositories.
    pub hf_cache: PathBuf,
    /// Hugging Face or a mirror, without a slash at the end.
    pub endpoint: String,
    /// Sent to `endpoint` and to nobody else.
    pub token: Option<String>,
    /// Never use the net.
    pub offline: bool,
    /// The first pause before a broken download is taken up again; doubled each time that nothing comes.
    pub pause: std::time::Duration,
}

impl Hub {
    /// From the environment, as Hugging Face's own tools read it: `HF_ENDPOINT`, `HF_TOKEN` or the file at
    /// `HF_TOKEN_PATH`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`. `env` looks up a variable, `cache` is this
    /// program's cache folder.
    pub fn resolve(env: impl Fn(&str) -> Option<String>, cache: &Path) -> Self {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let home = || env("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        let hf_home = env("HF_HOME").map_or_else(
            || {
                let caches = env("XDG_CACHE_HOME").map(PathBuf::from);
                caches
                    .filter(|path| path.is_absolute())
                    .unwrap_or_else(|| home().join(".cache"))
                    .join("huggingface")
            },
            PathBuf::from,
        );
        let token_file = env("HF_TOKEN_PATH").map_or_else(|| hf_home.join("token"), PathBuf::from);
        let token = env("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file).ok());
        let endpoint = env("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let yes = |value: String| {
            ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
        };
        Self {
            cache: cache.join("models"),
            hf_cache: env("HF_HUB_CACHE").map_or_else(|| hf_home.join("hub"), PathBuf::from),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty()),
            offline: env("HF_HUB_OFFLINE").is_some_and(yes),
            pause: std::time::Duration::from_millis(500),
        }
    }

    /// Where the file lies, if it was pulled (or, for Hugging Face, downloaded by anyone). Its hash is not looked at.
    pub fn find(&self, remote: &Remote) -> Option<PathBuf> {
        let mut places = vec![self.own_path(remote)];
        if let Origin::HuggingFace {
            repository,
            revision,
        } = &remote.origin
        {
            let folder = self.repository_folder(repository);
            let commit = std::fs::read_to_string(folder.join("refs").join(revision)).ok();
            let commits = commit.into_iter().chain([revision.clone()]);
            places.extend(commits.map(|commit| {
                folder
                    .join("snapshots")
                    .join(commit.trim())
                    .join(&remote.file)
            }));
        }
        places.into_iter().find(|path| path.is_file())
    }

    /// Makes the file be there: checks the one in the cache, or downloads it (or goes on downloading).
    ///
    /// # Errors
    /// As [`HubError`]. A file whose hash is wrong is removed, unless it lay in the cache before.
    pub fn pull(
        &self,
        remote: &Remote,
        force: bool,
        progress: &dyn Progress,
    ) -> Result<Pulled, HubError> {
        if let Some(path) = self.find(remote).filter(|_| !force) {
            let (found, bytes) = hash::of_file(&path, progress)?;
            let verdict = remote.expected.judge(&path.display().to_string(), found)?;
            return Ok(Pulled {
                path,
                verdict,
                bytes,
                fresh: false,
            });
        }
        let url = match &remote.origin {
            Origin::Url(url) => url.clone(),
            Origin::HuggingFace {
                repository,
                revision,
            } => format!(
                "{}/{repository}/resolve/{revision}/{}",
                self.endpoint, remote.file
            ),
            Origin::ByHand => {
                return Err(HubError::NoDownload {
                    file: remote.file.clone(),
                });
            }
        };
        if self.offline {
            return Err(HubError::Offline {
                file: remote.file.clone(),
            });
        }
        let part = self.part_path(remote);
        make_folder_of(&part)?;
        let lock = fetch::lock(&part)?;
        let target = fetch::Target {
            url: &url,
            part: &part,
            name: &remote.file,
            checked: remote.expected.digits().is_some(),
        };
        let fetched = fetch::fetch(self, &target, progress)?;
        let (found, bytes) = hash::of_file(&part, progress)?;
        let wrong = |error| {
            fetch::forget(&part);
            error
        };
        if let Some(announced) = fetched.announced_sha256() {
            // Only against damage on the way: who serves a wrong file announces its hash.
            Expected::new(announced)
                .judge(&url, found.clone())
                .map_err(wrong)?;
        }
        let verdict = remote.expected.judge(&url, found).map_err(wrong)?;
        let path = self.final_path(remote, fetched.commit.as_deref());
        make_folder_of(&path)?;
        std::fs::rename(&part, &path).map_err(io("write", &path))?;
        if let (
            Origin::HuggingFace {
                repository,
                revision,
            },
            Some(commit),
        ) = (&remote.origin, &fetched.commit)
            && commit != revision
        {
            let reference = self
                .repository_folder(repository)
                .join("refs")
                .join(revision);
            make_folder_of(&reference)?;
            std::fs::write(&reference, commit).map_err(io("write", &reference))?;
        }
        fetch::forget(&part);
        drop(lock);
        Ok(Pulled {
            path,
            verdict,
            bytes,
            fresh: true,
        })
    }

    /// Copies a file that the user has into the cache, checked.
    ///
    /// # Errors
    /// As [`HubError`]; the cache is as before then.
    pub fn adopt(
        &self,
        remote: &Remote,
        file: &Path,
        progress: &dyn Progress,
    ) -> Result<Pulled, HubError> {
        let (found, bytes) = hash::of_file(file, progress)?;
        let verdict = remote.expected.judge(&file.display().to_string(), found)?;
        let path = self.own_path(remote);
        make_folder_of(&path)?;
        let part = self.part_path(remote);
        make_folder_of(&part)?;
        let lock = fetch::lock(&part)?;
        std::fs::copy(file, &part).map_err(io("copy", file))?;
        std::fs::rename(&part, &path).map_err(io("write", &path))?;
        fetch::forget(&part);
        drop(lock);
        Ok(Pulled {
            path,
            verdict,
            bytes,
            fresh: true,
        })
    }

    fn own_path(&self, remote: &Remote) -> PathBuf {
        self.cache.join(&remote.network).join(&remote.file)
    }

    fn repository_folder(&self, repository: &str) -> PathBuf {
        self.hf_cache
            .join(format!("models--{}", repository.replace('/', "--")))
    }

    /// Where a download grows. Hugging Face's tools know `blobs/*.incomplete` as theirs.
    fn part_path(&self, remote: &Remote) -> PathBuf {
        let Origin::HuggingFace {
            repository,
            revision,
        } = &remote.origin
        else {
            let mut name = self.own_path(remote).into_os_string();
            name.push(".part");
            return PathBuf::from(name);
        };
        let name = format!("atlascope-{revision}-{}.incomplete", remote.file);
        self.repository_folder(repository)
            .join("blobs")
            .join(name.replace('/', "--"))
    }

    fn final_path(&self, remote: &Remote, commit: Option<&str>) -> PathBuf {
        let Origin::HuggingFace {
            repository,
            revision,
        } = &remote.origin
        else {
            return self.own_path(remote);
        };
        self.repository_folder(repository)
            .join("snapshots")
            .join(commit.unwrap_or(revision))
            .join(&remote.file)
    }
}

fn make_folder_of(path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io("make", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        let env = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Hub::resolve(env, Path::new("/cache/atlascope"))
    }

    #[test]
    fn the_environment_is_read_as_hugging_faces_tools_read_it() {
        let plain = hub(&[("HOME", "/home/ada")]);
        assert_eq!(plain.cache, Path::new("/cache/atlascope/models"));
        assert_eq!(
            plain.hf_cache,
            Path::new("/home/ada/.cache/huggingface/hub")
        );
        assert_eq!(plain.endpoint, "https://huggingface.co");
        assert!(plain.token.is_none() && !plain.offline);
        let told = hub(&[
            ("HOME", "/home/ada"),
            ("HF_HOME", "/disk/hf"),
            ("HF_ENDPOINT", "https://mirror.example/"),
            ("HF_TOKEN", " hf_abc\n"),
            ("HF_HUB_OFFLINE", "1"),
        ]);
        assert_eq!(told.hf_cache, Path::new("/disk/hf/hub"));
        assert_eq!(told.endpoint, "https://mirror.example");
        assert_eq!(told.token.as_deref(), Some("hf_abc"));
        assert!(told.offline);
        assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline);
        let moved = hub(&[("HF_HOME", "/disk/hf"), ("HF_HUB_CACHE", "/other")]);
        assert_eq!(moved.hf_cache, Path::new("/other"));
    }

    #[test]
    fn a_token_may_lie_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(hub(&[("HF_HOME", home)]).token.as_deref(), Some("hf_file"));
        let both = hub(&[("HF_HOME", home), ("HF_TOKEN", "hf_env")]);
        assert_eq!(both.token.as_deref(), Some("hf_env"));
    }
}
