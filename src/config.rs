//! The configuration file: what a person wants to have otherwise. It is optional, and a bad one is explained with its
//! line rather than half obeyed.

use crate::explorer::keymap::{self, BadConfig, Keymap};

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Which keys mean what.
    pub keys: Keymap,
}

impl Config {
    /// The file's name in the configuration folder.
    pub const FILE: &'static str = "config.toml";

    /// Reads the text of a file; the form is told in [`keymap::parse`].
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and a way out.
    pub fn parse(text: &str) -> Result<Config, BadConfig> {
        keymap::parse(text).map(|keys| Config { keys })
    }
}
