//! The configuration file: what a person wants to have otherwise. It is optional, and a bad one is explained with its
//! line rather than half obeyed.
//!
//! ```toml
//! background = "light"     # or "dark", or a colour: for terminals that do not tell theirs
//!
//! [keys]
//! quit = "Q"
//! ```

use crate::explorer::keymap::{self, BadConfig, Keymap};
use crate::graphics::probe::Background;
use toml::de::{DeTable, DeValue};

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Which keys mean what.
    pub keys: Keymap,
    /// The colour behind the text.
    pub background: Option<Background>,
}

const BACKGROUND: &str = "background";

impl Config {
    /// The file's name in the configuration folder.
    pub const FILE: &'static str = "config.toml";

    /// Reads the text of a file; the form of keys is told in [`keymap::parse`].
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and a way out.
    pub fn parse(text: &str) -> Result<Config, BadConfig> {
        let keys = keymap::parse(text, &[BACKGROUND])?;
        // Whatever is no TOML was told above.
        let table = DeTable::parse(text).ok();
        let written = table
            .as_ref()
            .and_then(|table| table.get_ref().get(BACKGROUND));
        let Some(written) = written else {
            return Ok(Config {
                keys,
                background: None,
            });
        };
        let word = match written.get_ref() {
            DeValue::String(word) => word.parse::<Background>(),
            _ => Err("a background is a word in quotes".to_owned()),
        };
        match word {
            Ok(background) => Ok(Config {
                keys,
                background: Some(background),
            }),
            Err(what) => Err(BadConfig {
                line: 1 + text[..written.span().start].matches('\n').count(),
                what,
                hint: Some("background = \"light\"".to_owned()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_background_stands_above_the_keys() {
        let text = "# mine\nbackground = '#fdf6e3'\n[keys]\nquit = 'Q'\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.background, Some(Background([253, 246, 227])));
        assert_eq!(
            config.keys,
            Config::parse("[keys]\nquit = 'Q'").unwrap().keys
        );
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn a_bad_background_is_explained() {
        let cases = [
            ("\nbackground = 'pale'\n", 2, "light, dark or"),
            ("background = 7\n", 1, "in quotes"),
            ("[keys]\nbackground = 'light'\n", 2, "no action is called"),
            ("[colours]\n", 1, "no section"),
        ];
        for (text, line, word) in cases {
            let error = Config::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.what.contains(word), "{error:?}");
            assert!(error.hint.unwrap().contains("background"), "{text}");
        }
    }
}
