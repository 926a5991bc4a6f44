//! Where things live. Resolved from an environment that the caller passes in; nothing here reads it.

use std::path::{Path, PathBuf};

/// The folders of the program for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Logs.
    pub state: PathBuf,
    /// Downloaded weights and stage files.
    pub cache: PathBuf,
    /// Configuration.
    pub config: PathBuf,
}

/// The name of the session beside an atlas.
const SESSION: &str = ".session.json";

/// The file beside an atlas (or beside the folder of its build) that remembers the session.
pub fn session_beside(atlas: &Path) -> PathBuf {
    let name = atlas
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    // While it is built the atlas is a folder; its session is the one of the finished file.
    let name = name.strip_suffix(".part").unwrap_or(&name);
    atlas.with_file_name(format!("{name}{SESSION}"))
}

impl Paths {
    /// The file that remembers the session of an atlas whose own folder cannot be written: its name and a number that
    /// tells atlases of the same name apart.
    pub fn session_in_state(&self, atlas: &Path) -> PathBuf {
        let beside = session_beside(atlas);
        let name = beside
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // FNV-1a: the same on every run and machine.
        let hash = beside
            .to_string_lossy()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        self.state
            .join("sessions")
            .join(format!("{hash:016x}-{name}"))
    }

    /// Resolves `XDG_STATE_HOME`, `XDG_CACHE_HOME` and `XDG_CONFIG_HOME` (only absolute values count) with the
    /// usual fallbacks under `HOME`. `env` looks up a variable.
    pub fn resolve(env: impl Fn(&str) -> Option<String>) -> Self {
        let home = env("HOME")
            .filter(|h| h.starts_with('/'))
            .map_or_else(std::env::temp_dir, PathBuf::from);
        let base = |variable: &str, fallback: &str| {
            let given = env(variable)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute());
            given
                .unwrap_or_else(|| home.join(fallback))
                .join("atlascope")
        };
        Self {
            state: base("XDG_STATE_HOME", ".local/state"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            config: base("XDG_CONFIG_HOME", ".config"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_lie_beside_their_atlas_or_in_the_state_folder() {
        let atlas = Path::new("/data/my.atlas");
        assert_eq!(
            session_beside(atlas),
            PathBuf::from("/data/my.atlas.session.json")
        );
        let part = Path::new("/data/my.atlas.part");
        assert_eq!(session_beside(part), session_beside(atlas));
        let paths = Paths::resolve(|key| (key == "HOME").then(|| "/home/ada".to_owned()));
        let one = paths.session_in_state(atlas);
        let other = paths.session_in_state(Path::new("/other/my.atlas"));
        assert!(one.starts_with("/home/ada/.local/state/atlascope/sessions") && one != other);
        assert_eq!(one, paths.session_in_state(part));
    }

    #[test]
    fn relative_values_are_ignored() {
        let env = |key: &str| match key {
            "HOME" => Some("/home/ada".to_owned()),
            "XDG_CACHE_HOME" => Some("cache".to_owned()),
            "XDG_CONFIG_HOME" => Some("/etc/ada".to_owned()),
            _ => None,
        };
        let paths = Paths::resolve(env);
        assert_eq!(paths.cache, PathBuf::from("/home/ada/.cache/atlascope"));
        assert_eq!(paths.config, PathBuf::from("/etc/ada/atlascope"));
        assert_eq!(
            paths.state,
            PathBuf::from("/home/ada/.local/state/atlascope")
        );
    }
}
