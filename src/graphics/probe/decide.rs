//! From answers to a decision. Pure, so that every terminal is a line in a table of tests.

use super::background::from_colorfgbg;
use super::{Background, Capabilities, Graphics, Replies, SixelLimits};
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
    /// The background that `COLORFGBG` speaks of.
    pub background: Option<[u8; 3]>,
    /// The background as the person says, which no answer contradicts.
    pub wanted: Option<Background>,
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
            background: set("COLORFGBG").as_deref().and_then(from_colorfgbg),
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
    /// kitty graphics as characters.
    Placeholders,
    /// iTerm2's inline pictures.
    Iterm,
    /// Sixel.
    Sixel,
    /// Half-blocks.
    HalfBlock,
    /// No pictures.
    None,
}

impl Choice {
    /// The words that `--protocol` takes.
    pub const NAMES: [&str; 7] = [
        "auto",
        "kitty",
        "placeholders",
        "iterm",
        "sixel",
        "halfblock",
        "none",
    ];
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "kitty" => Ok(Self::Kitty),
            "placeholders" => Ok(Self::Placeholders),
            "iterm" => Ok(Self::Iterm),
            "sixel" => Ok(Self::Sixel),
            "halfblock" => Ok(Self::HalfBlock),
            "none" => Ok(Self::None),
            _ => Err(format!(
                "no picture protocol {text:?}, there are {}",
                Self::NAMES.join(", ")
            )),
        }
    }
}

/// DA1's number for sixel graphics.
const SIXEL: u16 = 4;
/// Colours of a sixel picture when nobody tells how many there may be.
const USUAL_REGISTERS: u16 = 256;
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

/// What to do with a terminal that gave these answers. `round_trip`, `typed` and `late` are left empty: only the
/// asker knows them.
pub fn decide(replies: &Replies, hints: &Hints, choice: Choice) -> Capabilities {
    let multiplexer = multiplexer(replies, hints);
    let true_colour = true_colour(replies, hints);
    let asked = |protocol: Protocol| (protocol, format!("{} as asked for", protocol.name()));
    let (protocol, reason) = match choice {
        Choice::Auto => automatic(replies, hints, multiplexer.as_deref(), true_colour),
        Choice::Kitty => asked(Protocol::Kitty),
        Choice::Placeholders => asked(Protocol::Placeholders),
        Choice::Iterm => asked(Protocol::Iterm),
        Choice::Sixel => asked(Protocol::Sixel),
        Choice::HalfBlock => asked(Protocol::HalfBlock { true_colour }),
        Choice::None => asked(Protocol::None),
    };
    let terminal = replies.version.clone().or_else(|| hints.term.clone());
    Capabilities {
        protocol,
        cell_pixels: cell_pixels(replies, hints),
        true_colour,
        terminal: terminal.unwrap_or_else(|| "unknown".to_owned()),
        passthrough: multiplexer
            .as_deref()
            .is_some_and(|name| name.starts_with("tmux")),
        multiplexer,
        outer: replies
            .outer
            .as_ref()
            .and_then(|outer| outer.version.clone()),
        synchronized: replies.synchronized.unwrap_or(false),
        background: hints
            .wanted
            .map(|Background(colour)| colour)
            .or(replies.background)
            .or(hints.background),
        sixel: SixelLimits {
            registers: replies
                .registers
                .filter(|&n| n >= 2)
                .unwrap_or(USUAL_REGISTERS),
            largest: replies.largest.filter(|&(w, h)| w >= 64 && h >= 64),
        },
        round_trip: None,
        typed: Vec::new(),
        late: None,
        reason,
    }
}

fn automatic(
    replies: &Replies,
    hints: &Hints,
    multiplexer: Option<&str>,
    true_colour: bool,
) -> (Protocol, String) {
    let blocks = |why: String| {
        (
            Protocol::HalfBlock { true_colour },
            format!("half-blocks: {why}"),
        )
    };
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
        return through(name, replies).unwrap_or_else(blocks);
    }
    let name = replies.version.as_deref().unwrap_or_default();
    let lower = name.to_lowercase();
    // iTerm2 takes JPEG, which is a tenth of what kitty graphics would send.
    if lower.starts_with("iterm2") {
        return (
            Protocol::Iterm,
            format!("inline pictures (OSC 1337): the terminal is {name}"),
        );
    }
    let sixel = replies.attributes.as_deref().is_some_and(|numbers| {
        // The first number is the terminal's class.
        numbers.iter().skip(1).any(|&n| n == SIXEL)
    });
    match &replies.graphics {
        Some(Graphics::Ok) if lower.starts_with("ghostty") => (
            Protocol::Placeholders,
            format!("kitty placeholders: {name} accepted a test picture"),
        ),
        Some(Graphics::Ok) => (
            Protocol::Kitty,
            "kitty graphics: the terminal accepted a test picture".to_owned(),
        ),
        _ if sixel => (
            Protocol::Sixel,
            "sixel: the terminal lists it among its features (DA1)".to_owned(),
        ),
        Some(Graphics::Refused(words)) => {
            blocks(format!("the terminal refused a test picture ({words})"))
        }
        None if *replies == Replies::default() => {
            blocks("the terminal answered nothing".to_owned())
        }
        None => blocks("the terminal knows neither kitty graphics nor sixel".to_owned()),
    }
}

/// What can be drawn through a multiplexer, or why nothing can.
fn through(name: &str, replies: &Replies) -> Result<(Protocol, String), String> {
    let Some(outer) = replies.outer.as_deref() else {
        return Err(format!("{name} keeps no pictures in its windows"));
    };
    let Some(version) = outer.version.as_deref() else {
        return Err(format!(
            "{name} lets no pictures through (`tmux set -g allow-passthrough on` does, from tmux 3.3 on)"
        ));
    };
    if !has_placeholders(version) {
        return Err(format!(
            "{name} in {version}, which has no placeholders (kitty 0.28 and Ghostty have)"
        ));
    }
    match &outer.graphics {
        Some(Graphics::Refused(words)) => {
            Err(format!("{version} refused a test picture ({words})"))
        }
        _ => Ok((
            Protocol::Placeholders,
            format!("kitty placeholders: {name} lets pictures through to {version}"),
        )),
    }
}

/// Whether a terminal of this name and version draws pictures in the place of U+10EEEE. It cannot be asked, and a
/// wrong guess fills the screen with boxes.
fn has_placeholders(version: &str) -> bool {
    let lower = version.to_lowercase();
    if lower.starts_with("ghostty") {
        return true;
    }
    let Some(rest) = lower.strip_prefix("kitty") else {
        return false;
    };
    let mut numbers = rest
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(0), Some(28))
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
        replies.largest.and_then(per_cell),
    ]
    .into_iter()
    .flatten()
    .find(sensible)
    .unwrap_or(USUAL_CELL)
}
