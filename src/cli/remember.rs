//! What is read before the explorer starts and written when it ends: the configuration and the session.

use super::Failure;
use crate::config::Config;
use crate::explorer::session::{Keeper, Session};
use crate::files;
use crate::paths::{self, Paths};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// No session has so many bytes: a claim is some kilobytes, a mark a line.
const LARGEST: u64 = 64 << 20;

/// The folders of this user.
pub(super) fn folders() -> Paths {
    Paths::resolve(|name| std::env::var(name).ok())
}

/// What is configured: from `file` if one is named, else from the configuration folder if there is a file.
pub(super) fn config(file: Option<&Path>) -> Result<Config, Failure> {
    let default = folders().config.join(Config::FILE);
    let path = file.unwrap_or(&default);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if file.is_none() && error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(
                Failure::failed(format!("cannot read {}: {error}", path.display()))
                    .hint("--config takes another file; without one the keys are as the help says"),
            );
        }
    };
    Config::parse(&text).map_err(|error| {
        let failure = Failure::usage(format!("{}, {error}", path.display()));
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// The session of an atlas, and where it is kept.
pub(super) struct Remembered {
    /// As it was kept, if it could be read.
    pub(super) session: Option<Session>,
    /// What to say about it.
    pub(super) remark: Option<String>,
    places: Vec<PathBuf>,
}

/// Looks for the session beside the atlas, then in the state folder.
pub(super) fn session(atlas: &Path) -> Remembered {
    let atlas = std::path::absolute(atlas).unwrap_or_else(|_| atlas.to_owned());
    let places = vec![
        paths::session_beside(&atlas),
        folders().session_in_state(&atlas),
    ];
    let mut remembered = Remembered {
        session: None,
        remark: None,
        places,
    };
    for place in &remembered.places {
        let Some(text) = text_of(place) else {
            continue;
        };
        match text.and_then(|text| Session::from_json(&text)) {
            Ok(session) => remembered.session = Some(session),
            Err(why) => {
                // Marks may be in it: it is put aside, not written over.
                let aside = aside(place);
                let moved = std::fs::rename(place, &aside).is_ok();
                let kept = if moved {
                    format!("; kept as {}", aside.display())
                } else {
                    String::new()
                };
                remembered.remark = Some(format!("the last session cannot be read: {why}{kept}"));
            }
        }
        break;
    }
    remembered
}

/// Where a session goes that cannot be read; what was put there before stays.
fn aside(place: &Path) -> PathBuf {
    let first = place.with_extension("json.unreadable");
    let others = (2..100).map(|n| place.with_extension(format!("json.unreadable-{n}")));
    let mut all = std::iter::once(first.clone()).chain(others);
    all.find(|path| !path.exists()).unwrap_or(first)
}

/// The text of a session; `None` where there is none. Whatever lies there is not waited for and not taken in whole
/// when it cannot be a session.
fn text_of(place: &Path) -> Option<Result<String, String>> {
    let read = || -> std::io::Result<Result<String, String>> {
        let about = std::fs::metadata(place)?;
        if !about.is_file() {
            return Ok(Err("it is no file".to_owned()));
        }
        if about.len() > LARGEST {
            return Ok(Err(format!("it has {} bytes", about.len())));
        }
        std::fs::read_to_string(place).map(Ok)
    };
    match read() {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
    }
}

impl Keeper for Remembered {
    fn keep(&mut self, session: &Session) {
        let text = session.to_json();
        let kept = self.places.iter().any(|place| match write(place, &text) {
            Ok(()) => true,
            Err(error) => {
                tracing::info!("session not written to {}: {error}", place.display());
                false
            }
        });
        if !kept {
            tracing::warn!("the session was not remembered anywhere");
        }
    }
}

/// A session is there whole or as it was.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // The state folder is ours to make; the atlas's own is there.
    if path.components().any(|part| part.as_os_str() == "sessions") {
        std::fs::create_dir_all(folder)?;
    }
    files::write_whole(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_kept_beside_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let atlas = folder.path().join("my.atlas");
        let kept = Session {
            version: 1,
            cell: Some("mixed4c,10,1,2".to_owned()),
            ..Session::default()
        };
        session(&atlas).keep(&kept);
        assert_eq!(session(&atlas).session, Some(kept.clone()));
        // Where nothing can be written beside it, the next place is taken.
        let mut elsewhere = session(&atlas);
        elsewhere.places = vec![
            folder.path().join("missing/x.json"),
            folder.path().join("sessions/x.json"),
        ];
        elsewhere.keep(&kept);
        assert!(folder.path().join("sessions/x.json").exists());
    }

    #[test]
    fn an_unreadable_session_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let atlas = folder.path().join("my.atlas");
        std::fs::write(paths::session_beside(&atlas), "{ marks").unwrap();
        let remembered = session(&atlas);
        assert!(remembered.session.is_none());
        assert!(remembered.remark.unwrap().contains("cannot be read"));
        assert!(
            folder
                .path()
                .join("my.atlas.session.json.unreadable")
                .exists()
        );
    }

    #[test]
    fn whatever_lies_in_a_sessions_place_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let atlas = folder.path().join("my.atlas");
        let place = paths::session_beside(&atlas);
        let aside = place.with_extension("json.unreadable");
        // No text, a folder, and what has no end.
        std::fs::write(&place, [0xff, 0xfe, b'{']).unwrap();
        let remark = session(&atlas).remark.unwrap();
        assert!(
            remark.contains("cannot be read") && aside.exists(),
            "{remark}"
        );
        std::fs::remove_file(&aside).unwrap();
        std::fs::create_dir(&place).unwrap();
        let remark = session(&atlas).remark.unwrap();
        assert!(remark.contains("no file") && aside.is_dir(), "{remark}");
        std::fs::remove_dir(&aside).unwrap();
        std::fs::File::create(&place)
            .unwrap()
            .set_len(LARGEST + 1)
            .unwrap();
        let remark = session(&atlas).remark.unwrap();
        assert!(remark.contains("bytes") && aside.exists(), "{remark}");
    }

    #[test]
    fn a_bad_configuration_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[keys]\nqiut = 'x'\n").unwrap();
        let failure = config(Some(&file)).unwrap_err();
        let text = format!("{} {:?}", failure.error, failure.hints);
        assert!(
            text.contains("line 2") && text.contains("qiut") && text.contains("quit"),
            "{text}"
        );
        assert!(config(Some(&folder.path().join("none.toml"))).is_err());
    }
}
