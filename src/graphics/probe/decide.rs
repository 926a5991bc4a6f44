//! From answers to a decision. Pure, so that every terminal is a line in a table of tests.

use super::{Capabilities, Graphics, Replies};
use crate::graphics::Protocol;
use std::str::FromStr;

/// What the environment and the kernel say: hints, used where the terminal cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints {
    /// `TERM`.
    pub term: Option<String>,
    /// `COLORTERM`.
    pub colorterm: Option<String>,
    /// `TERM_PROGRAM`.
    pub term_program: Option<String>,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// The line goes through SSH.
    pub ssh: bool,
    /// The multiplexer that variables speak of.
    pub multiplexer: Option<String>,
    /// Columns and rows of the window; 0 when unknown.
    pub grid: (u16, u16),
    /// Pixels of the window, as the kernel was told; 0 when unknown.
    pub pixels: (u16, u16),
}

impl Hints {
    /// Reads the variables through `lookup`, so that only the command line touches the environment.
    pub fn from_env(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let multiplexer = [("TMUX", "tmux"), ("STY", "screen"), ("ZELLIJ", "zellij")]
            .into_iter()
            .find(|(variable, _)| set(variable).is_some())
            .map(|(_, name)| name.to_owned());
        Self {
            term: set("TERM"),
            colorterm: set("COLORTERM"),
            term_program: set("TERM_PROGRAM"),
            no_color: set("NO_COLOR").is_some(),
            ssh: ["SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"]
                .into_iter()
                .any(|name| set(name).is_some()),
            multiplexer,
            ..Self::default()
        }
    }

    /// A terminal without escape sequences: nothing may be asked.
    pub(super) fn dumb(&self) -> bool {
        self.term.as_deref() == Some("dumb")
    }

    /// A terminal that would print a string sequence instead of reading it.
    pub(super) fn prints_strings(&self) -> bool {
        self.term.as_deref() == Some("linux")
            || self.term_program.as_deref() == Some("Apple_Terminal")
    }
}

/// What the person asked for (`--protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// Whatever the terminal can do.
    #[default]
    Auto,
    /// kitty graphics, whatever the terminal says.
    Kitty,
    /// Half-blocks.
    HalfBlock,
    /// No pictures.
    None,
}

impl Choice {
    /// The words that `--protocol` takes.
    pub const NAMES: [&str; 4] = ["auto", "kitty", "halfblock", "none"];
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "kitty" => Ok(Self::Kitty),
            "halfblock" => Ok(Self::HalfBlock),
            "none" => Ok(Self::None),
            _ => Err(format!(
                "no picture protocol {text:?}, there are {}",
                Self::NAMES.join(", ")
            )),
        }
    }
}

/// Size of a character when nobody tells it.
const USUAL_CELL: (u16, u16) = (8, 16);

/// Terminals with 24-bit colours, by the beginning of their XTVERSION answer, in lower case. (xterm answers
/// XTVERSION since 354 and has direct colour since 331.)
const TRUE_COLOUR: [&str; 13] = [
    "kitty",
    "konsole",
    "foot",
    "wezterm",
    "ghostty",
    "xterm",
    "iterm2",
    "contour",
    "mintty",
    "vte",
    "rio",
    "alacritty",
    "windows terminal",
];

/// What to do with a terminal that gave these answers. `outstanding` is left false: only the asker knows it.
pub fn decide(replies: &Replies, hints: &Hints, choice: Choice) -> Capabilities {
    let multiplexer = multiplexer(replies, hints);
    let true_colour = true_colour(replies, hints);
    let (protocol, reason) = match choice {
        Choice::Auto => automatic(replies, hints, multiplexer.as_deref(), true_colour),
        Choice::Kitty => (Protocol::Kitty, "kitty graphics as asked for".to_owned()),
        Choice::HalfBlock => (
            Protocol::HalfBlock { true_colour },
            "half-blocks as asked for".to_owned(),
        ),
        Choice::None => (Protocol::None, "no pictures as asked for".to_owned()),
    };
    let terminal = replies.version.clone().or_else(|| hints.term.clone());
    Capabilities {
        protocol,
        cell_pixels: cell_pixels(replies, hints),
        true_colour,
        terminal: terminal.unwrap_or_else(|| "unknown".to_owned()),
        multiplexer,
        synchronized: replies.synchronized.unwrap_or(false),
        background: replies.background,
        outstanding: false,
        reason,
    }
}

fn automatic(
    replies: &Replies,
    hints: &Hints,
    multiplexer: Option<&str>,
    true_colour: bool,
) -> (Protocol, String) {
    let blocks = |why: String| (Protocol::HalfBlock { true_colour }, why);
    if hints.dumb() {
        return (
            Protocol::None,
            "TERM=dumb: a terminal without colours or cursor movement".to_owned(),
        );
    }
    if hints.no_color {
        return (
            Protocol::None,
            "NO_COLOR is set (--protocol overrides it)".to_owned(),
        );
    }
    if let Some(name) = multiplexer {
        return blocks(format!(
            "half-blocks: {name} keeps no pictures in its windows"
        ));
    }
    match &replies.graphics {
        Some(Graphics::Ok) => (
            Protocol::Kitty,
            "kitty graphics: the terminal accepted a test picture".to_owned(),
        ),
        Some(Graphics::Refused(words)) => blocks(format!(
            "half-blocks: the terminal refused a test picture ({words})"
        )),
        None if *replies == Replies::default() => {
            blocks("half-blocks: the terminal answered nothing".to_owned())
        }
        None => blocks("half-blocks: the terminal does not know kitty graphics".to_owned()),
    }
}

fn multiplexer(replies: &Replies, hints: &Hints) -> Option<String> {
    // Its own word first, then the variables, then TERM, which crosses SSH.
    if let Some(version) = &replies.version {
        let lower = version.to_lowercase();
        let known = ["tmux", "screen", "zellij"];
        if known.iter().any(|name| lower.starts_with(name)) {
            return Some(version.clone());
        }
    }
    if let Some(name) = &hints.multiplexer {
        // A terminal started from inside a multiplexer inherits its variables; one that draws pictures itself
        // and names itself is not behind any of them.
        let direct = replies.graphics == Some(Graphics::Ok) && replies.version.is_some();
        return (!direct).then(|| name.clone());
    }
    let term = hints.term.as_deref().unwrap_or_default();
    let behind = |name: &str| term == name || term.starts_with(&format!("{name}-"));
    if replies.graphics == Some(Graphics::Ok) {
        return None;
    }
    ["tmux", "screen"]
        .into_iter()
        .find(|name| behind(name))
        .map(ToOwned::to_owned)
}

fn true_colour(replies: &Replies, hints: &Hints) -> bool {
    if let Some(kept) = replies.true_colour {
        return kept;
    }
    let hinted = hints
        .colorterm
        .as_deref()
        .is_some_and(|value| value.contains("truecolor") || value.contains("24bit"));
    let named = replies.version.as_deref().is_some_and(|version| {
        let lower = version.to_lowercase();
        TRUE_COLOUR.iter().any(|name| lower.starts_with(name))
    });
    let direct = hints
        .term
        .as_deref()
        .is_some_and(|term| term.ends_with("-direct"));
    hinted || named || direct
}

fn cell_pixels(replies: &Replies, hints: &Hints) -> (u16, u16) {
    let per_cell = |(width, height): (u16, u16)| {
        let (columns, rows) = hints.grid;
        Some((width.checked_div(columns)?, height.checked_div(rows)?))
    };
    let sensible =
        |&(width, height): &(u16, u16)| (2..=200).contains(&width) && (2..=400).contains(&height);
    [
        replies.cell,
        replies.window.and_then(per_cell),
        per_cell(hints.pixels),
    ]
    .into_iter()
    .flatten()
    .find(sensible)
    .unwrap_or(USUAL_CELL)
}
