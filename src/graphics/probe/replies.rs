//! The answers, taken apart.

/// What the terminal said to the graphics question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Graphics {
    /// It can draw an indexed PNG sent over the line.
    Ok,
    /// It knows the protocol but not this; its words.
    Refused(String),
}

/// Everything the terminal answered. A field is `None` when that answer did not come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replies {
    /// kitty graphics.
    pub graphics: Option<Graphics>,
    /// Name and version (XTVERSION).
    pub version: Option<String>,
    /// Width and height of one character in pixels (`CSI 16 t`).
    pub cell: Option<(u16, u16)>,
    /// Width and height of the text area in pixels (`CSI 14 t`).
    pub window: Option<(u16, u16)>,
    /// Whether synchronized updates are known (DECRQM 2026).
    pub synchronized: Option<bool>,
    /// Background colour, sRGB (OSC 11).
    pub background: Option<[u8; 3]>,
    /// Whether a 24-bit colour was kept as such (DECRQSS of the current attributes).
    pub true_colour: Option<bool>,
    /// Colours that a sixel picture may define (XTSMGRAPHICS).
    pub registers: Option<u16>,
    /// Largest width and height of a sixel picture in pixels (XTSMGRAPHICS).
    pub largest: Option<(u16, u16)>,
    /// The numbers of DA1, the last answer.
    pub attributes: Option<Vec<u16>>,
    /// What the terminal around tmux answered.
    pub outer: Option<Box<Replies>>,
    /// Bytes that belong to no answer: what the person typed meanwhile.
    pub stray: usize,
}

impl Replies {
    /// All that is asked of a terminal around tmux.
    pub(super) fn is_outer(&self) -> bool {
        self.version.is_some() && self.graphics.is_some()
    }
}

/// Reads answers in any order; unknown ones and an unfinished last one are skipped.
pub fn parse(bytes: &[u8]) -> Replies {
    let mut replies = Replies::default();
    let mut rest = bytes;
    while let Some((token, tail)) = next(rest) {
        rest = tail;
        match token {
            Token::Csi(body, last) => csi(&mut replies, body, last),
            Token::Text(b'P', body) => dcs(&mut replies, body),
            Token::Text(b']', body) => osc(&mut replies, body),
            Token::Text(b'_', body) => apc(&mut replies, body),
            Token::Text(..) => {}
            Token::Stray => replies.stray += 1,
        }
    }
    replies
}

enum Token<'a> {
    /// Parameters and intermediates, final byte.
    Csi(&'a [u8], u8),
    /// Introducer (`P`, `]`, `_`, `^`, `X`) and the text up to the terminator.
    Text(u8, &'a [u8]),
    Stray,
}

/// The next token and what follows it; `None` at the end or when the last token is unfinished.
fn next(bytes: &[u8]) -> Option<(Token<'_>, &[u8])> {
    match bytes {
        [] | [0x1b] => None,
        [0x1b, b'[', rest @ ..] => {
            let end = rest.iter().position(|b| (0x40..=0x7e).contains(b))?;
            Some((Token::Csi(&rest[..end], rest[end]), &rest[end + 1..]))
        }
        [0x1b, kind @ (b'P' | b']' | b'_' | b'^' | b'X'), rest @ ..] => {
            let end = rest.iter().position(|&b| b == 0x1b || b == 0x07)?;
            let terminator = match rest[end..] {
                [0x07, ..] => 1,
                [0x1b, b'\\', ..] => 2,
                [0x1b] => return None,
                // Broken off by another sequence.
                _ => 0,
            };
            Some((Token::Text(*kind, &rest[..end]), &rest[end + terminator..]))
        }
        [_, rest @ ..] => Some((Token::Stray, rest)),
    }
}

fn csi(replies: &mut Replies, body: &[u8], last: u8) {
    match (body, last) {
        ([b'?', numbers @ ..], b'c') => replies.attributes = Some(values(numbers)),
        ([b'?', numbers @ .., b'$'], b'y') => {
            if let [2026, state] = values(numbers)[..] {
                // 0: unknown mode, 4: known but never to be set.
                replies.synchronized = Some(matches!(state, 1..=3));
            }
        }
        // What was asked for, the status (0: fine), the values.
        ([b'?', numbers @ ..], b'S') => match values(numbers)[..] {
            [1, 0, registers] => replies.registers = Some(registers),
            [2, 0, width, height] => replies.largest = Some((width, height)),
            _ => {}
        },
        (numbers, b't') => match values(numbers)[..] {
            [6, height, width] => replies.cell = Some((width, height)),
            [4, height, width] => replies.window = Some((width, height)),
            _ => {}
        },
        _ => {}
    }
}

fn dcs(replies: &mut Replies, body: &[u8]) {
    if let Some(name) = body.strip_prefix(b">|") {
        let name = String::from_utf8_lossy(name);
        replies.version = Some(name.chars().filter(|c| !c.is_control()).collect());
    } else if let Some(state) = body.strip_prefix(b"1$r")
        && let Some(attributes) = state.strip_suffix(b"m")
    {
        // The question set the background to 1, 2, 3; separators differ (48;2;1;2;3, 48:2::1:2:3).
        let kept = values(attributes);
        replies.true_colour = Some(kept.ends_with(&[1, 2, 3]) && kept.contains(&48));
    }
}

fn osc(replies: &mut Replies, body: &[u8]) {
    let Some(colour) = body.strip_prefix(b"11;") else {
        return;
    };
    let Ok(text) = std::str::from_utf8(colour) else {
        return;
    };
    let Some(text) = text.strip_prefix("rgb:").or(text.strip_prefix("rgba:")) else {
        return;
    };
    let channels: Vec<u8> = text.split('/').filter_map(channel).collect();
    if let [r, g, b] | [r, g, b, _] = channels[..] {
        replies.background = Some([r, g, b]);
    }
}

/// One to four hexadecimal digits are a fraction of their largest value (X11's `rgb:` form).
fn channel(digits: &str) -> Option<u8> {
    let value = u32::from_str_radix(digits, 16).ok()?;
    let largest = match digits.len() {
        n @ 1..=4 => (1u32 << (4 * n)) - 1,
        _ => return None,
    };
    Some(((value * 255 + largest / 2) / largest) as u8)
}

fn apc(replies: &mut Replies, body: &[u8]) {
    let Some(rest) = body.strip_prefix(b"G") else {
        return;
    };
    let mut parts = rest.splitn(2, |&b| b == b';');
    let (Some(_keys), Some(answer)) = (parts.next(), parts.next()) else {
        return;
    };
    replies.graphics = Some(if answer == b"OK" {
        Graphics::Ok
    } else {
        Graphics::Refused(String::from_utf8_lossy(answer).into_owned())
    });
}

/// The numbers between `;` or `:`; empty ones and nonsense are 0.
fn values(text: &[u8]) -> Vec<u16> {
    text.split(|b| matches!(b, b';' | b':'))
        .map(|digits| {
            digits.iter().fold(0u16, |value, digit| match digit {
                b'0'..=b'9' => value
                    .saturating_mul(10)
                    .saturating_add(u16::from(digit - b'0')),
                _ => value,
            })
        })
        .collect()
}
