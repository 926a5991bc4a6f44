//! What known terminals answer.

/// What the terminal says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Personality {
    /// kitty 0.26: graphics, cell size, synchronized output.
    Kitty,
    /// kitty 0.41, as tmux shows it to a program inside.
    Tmux,
    /// kitty 0.41 itself.
    NewKitty,
    /// xterm as a VT340: sixel, no synchronized output.
    Xterm,
    /// mlterm: sixel, and no word about its colours.
    Mlterm,
    /// iTerm2: OSC 1337.
    Iterm,
    /// A plain terminal: answers DA1 only.
    Plain,
    /// Answers nothing at all.
    Mute,
}

type Table = &'static [(&'static [u8], &'static [u8])];

const FENCE: (&[u8], &[u8]) = (b"\x1b[5n", b"\x1b[0n");
const BLACK: (&[u8], &[u8]) = (b"\x1b]11;?\x1b\\", b"\x1b]11;rgb:0000/0000/0000\x1b\\");
const CELL: (&[u8], &[u8]) = (b"\x1b[16t", b"\x1b[6;16;8t");
const UPDATES: (&[u8], &[u8]) = (b"\x1b[?2026$p", b"\x1b[?2026;2$y");

const KITTY: Table = &[
    FENCE,
    BLACK,
    CELL,
    UPDATES,
    (b"\x1b[>0q", b"\x1bP>|kitty(0.26.5)\x1b\\"),
    (b"\x1b[c", b"\x1b[?62;c"),
];
const NEW_KITTY: Table = &[
    FENCE,
    BLACK,
    CELL,
    UPDATES,
    (b"\x1b[>q", b"\x1bP>|kitty(0.41.1)\x1b\\"),
    (b"\x1b[>0q", b"\x1bP>|kitty(0.41.1)\x1b\\"),
    (b"\x1b[c", b"\x1b[?62;c"),
];
const XTERM: Table = &[
    FENCE,
    BLACK,
    (b"\x1b[>0q", b"\x1bP>|XTerm(379)\x1b\\"),
    (b"\x1bP$qm\x1b\\", b"\x1bP1$r0;48:2::1:2:3m\x1b\\"),
    (b"\x1b[?1;1;0S", b"\x1b[?1;0;256S"),
    (b"\x1b[?2;1;0S", b"\x1b[?2;0;1280;765S"),
    (b"\x1b[?2026$p", b"\x1b[?2026;0$y"),
    (b"\x1b[c", b"\x1b[?63;1;2;4;6;9;15;16;22;28c"),
];
const MLTERM: Table = &[FENCE, CELL, (b"\x1b[c", b"\x1b[?63;1;2;3;4;7;29c")];
const ITERM: Table = &[
    FENCE,
    BLACK,
    CELL,
    UPDATES,
    (b"\x1b[>0q", b"\x1bP>|iTerm2 3.5.4\x1b\\"),
    (b"\x1b[c", b"\x1b[?62;4c"),
];
const TMUX: Table = &[
    FENCE,
    (b"\x1b[>0q", b"\x1bP>|tmux 3.3a\x1b\\"),
    (b"\x1b[c", b"\x1b[?1;2;4c"),
];
const PLAIN: Table = &[FENCE, (b"\x1b[c", b"\x1b[?62;c")];

/// Replies to the queries in `raw[from..]`, and up to where they are answered.
pub(super) fn answer(raw: &[u8], from: usize, personality: Personality) -> (Vec<u8>, usize) {
    let table = match personality {
        Personality::Kitty => KITTY,
        Personality::NewKitty => NEW_KITTY,
        Personality::Tmux => TMUX,
        Personality::Xterm => XTERM,
        Personality::Mlterm => MLTERM,
        Personality::Iterm => ITERM,
        Personality::Plain => PLAIN,
        Personality::Mute => return (Vec::new(), raw.len()),
    };
    let (mut replies, mut at) = (Vec::new(), from);
    while at < raw.len() {
        let rest = &raw[at..];
        if rest[0] != 0x1b {
            at += 1;
            continue;
        }
        let string = [&b"\x1b_G"[..], b"\x1bPtmux;"];
        if let Some(start) = string.iter().find(|start| rest.starts_with(start)) {
            let Some(end) = string_end(rest) else { break };
            graphics(&mut replies, &rest[start.len()..end], personality);
            at += end + 2;
            continue;
        }
        if let Some((query, reply)) = table.iter().find(|(query, _)| rest.starts_with(query)) {
            replies.extend_from_slice(reply);
            at += query.len();
        } else if table.iter().any(|(query, _)| query.starts_with(rest))
            || string.iter().any(|start| start.starts_with(rest))
        {
            // Cut in two.
            break;
        } else {
            at += 1;
        }
    }
    (replies, at)
}

/// Where the string's terminator begins. Inside tmux's wrapper escapes are doubled.
fn string_end(string: &[u8]) -> Option<usize> {
    let mut at = 2;
    while at + 1 < string.len() {
        match (string[at], string[at + 1]) {
            (0x1b, 0x1b) => at += 2,
            (0x1b, b'\\') => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// A picture command: only `a=q` is answered. Wrapped for tmux it is the outer terminal that answers.
fn graphics(replies: &mut Vec<u8>, command: &[u8], personality: Personality) {
    let has_pictures = matches!(
        personality,
        Personality::Kitty | Personality::NewKitty | Personality::Tmux | Personality::Iterm
    );
    if !has_pictures {
        return;
    }
    let text = String::from_utf8_lossy(&command[..command.len().min(200)]).into_owned();
    if text.contains("\x1b[>0q") {
        replies.extend_from_slice(b"\x1bP>|kitty(0.41.1)\x1b\\");
    }
    let keys = text.split(';').next().unwrap_or_default();
    let keys = keys.rsplit("_G").next().unwrap_or_default();
    if keys.split(',').any(|key| key == "a=q") {
        let id = keys.split(',').find_map(|key| key.strip_prefix("i="));
        let id = id.unwrap_or("0");
        replies.extend_from_slice(format!("\x1b_Gi={id};OK\x1b\\").as_bytes());
    }
}
