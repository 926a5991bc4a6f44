//! Where things live. Resolved from an environment that the caller passes in; nothing here reads it.

use std::path::PathBuf;

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

impl Paths {
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
