//! What a program wrote, taken apart.

/// A piece of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A kitty graphics command: its keys and its payload; unwrapped when it was wrapped for tmux.
    Graphics(String, Vec<u8>),
    /// A sixel picture, whole.
    Sixel(Vec<u8>),
    /// An inline picture of iTerm2: arguments and data.
    Inline(String, Vec<u8>),
    /// `CSI`: parameters and the last byte.
    Csi(String, u8),
    /// Characters and everything else.
    Text(Vec<u8>),
}

impl Piece {
    /// True for pictures and what moves them.
    pub(crate) fn is_picture(&self) -> bool {
        matches!(self, Self::Graphics(..) | Self::Sixel(_) | Self::Inline(..))
    }

    /// The value of a key of a graphics command.
    #[allow(dead_code, reason = "for measurements")]
    pub(crate) fn key(&self, name: &str) -> Option<&str> {
        let Self::Graphics(keys, _) = self else {
            return None;
        };
        let mut pairs = keys.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// The pieces of a stream, each with the bytes it took. An unfinished last one is left out.
pub(crate) fn pieces(bytes: &[u8]) -> Vec<(usize, Piece)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let Some((n, piece)) = first(rest) else { break };
        match (found.last_mut(), &piece) {
            (Some((len, Piece::Text(text))), Piece::Text(more)) => {
                *len += n;
                text.extend_from_slice(more);
            }
            _ => found.push((n, piece)),
        }
        at += n;
    }
    found
}

/// The stream as it leaves tmux, which hands on what is wrapped for it, and the bytes that were taken: an unfinished
/// sequence at the end waits for more.
pub(crate) fn outside(bytes: &[u8]) -> (usize, Vec<u8>) {
    let mut stream = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some((n, _)) = first(&bytes[at..]).filter(|_| at < bytes.len()) {
        let piece = &bytes[at..at + n];
        match piece.strip_prefix(b"\x1bPtmux;").and_then(unwrapped) {
            Some((_, inner)) => stream.extend_from_slice(&inner),
            None => stream.extend_from_slice(piece),
        }
        at += n;
    }
    (at, stream)
}

/// Bytes of pictures and of everything else. A movement of the cursor just before a picture belongs to it.
pub(crate) fn split(bytes: &[u8]) -> (usize, usize) {
    let (mut pictures, mut text) = (0, 0);
    let pieces = pieces(bytes);
    for (idx, (n, piece)) in pieces.iter().enumerate() {
        let moves = matches!(piece, Piece::Csi(_, b'H'));
        let next = pieces.get(idx + 1);
        if piece.is_picture() || (moves && next.is_some_and(|(_, next)| next.is_picture())) {
            pictures += n;
        } else {
            text += n;
        }
    }
    (pictures, text)
}

fn first(bytes: &[u8]) -> Option<(usize, Piece)> {
    match bytes {
        [0x1b, b'[', rest @ ..] => {
            let end = rest.iter().position(|b| (0x40..=0x7e).contains(b))?;
            let parameters = String::from_utf8_lossy(&rest[..end]).into_owned();
            Some((end + 3, Piece::Csi(parameters, rest[end])))
        }
        [0x1b, b'P', rest @ ..] if rest.starts_with(b"tmux;") => {
            let (n, inner) = unwrapped(&rest[5..])?;
            let piece = first(&inner).map_or(Piece::Text(Vec::new()), |(_, piece)| piece);
            Some((n + 7, piece))
        }
        [0x1b, kind @ (b'_' | b'P' | b']' | b'^'), rest @ ..] => {
            let ends = |at: &usize| match rest[*at] {
                0x07 => *kind == b']',
                0x1b => rest.get(at + 1) == Some(&b'\\'),
                _ => false,
            };
            let end = (0..rest.len()).find(ends)?;
            let n = 2 + end + if rest[end] == 0x07 { 1 } else { 2 };
            Some((n, string(*kind, &rest[..end], &bytes[..n])))
        }
        [0x1b] => None,
        [0x1b, ..] => Some((2, Piece::Text(bytes[..2].to_vec()))),
        _ => {
            let n = bytes.iter().position(|&b| b == 0x1b);
            let n = n.unwrap_or(bytes.len());
            Some((n, Piece::Text(bytes[..n].to_vec())))
        }
    }
}

fn string(kind: u8, body: &[u8], whole: &[u8]) -> Piece {
    let halves = |body: &[u8], by: u8| {
        let at = body.iter().position(|&b| b == by).unwrap_or(body.len());
        let tail = body.get(at + 1..).unwrap_or_default().to_vec();
        (String::from_utf8_lossy(&body[..at]).into_owned(), tail)
    };
    match kind {
        b'_' if body.starts_with(b"G") => {
            let (keys, payload) = halves(&body[1..], b';');
            Piece::Graphics(keys, payload)
        }
        b'P' if body.contains(&b'q') && !body.starts_with(b"$q") => Piece::Sixel(whole.to_vec()),
        b']' if body.starts_with(b"1337;") => {
            let (arguments, data) = halves(&body[5..], b':');
            Piece::Inline(arguments, data)
        }
        _ => Piece::Text(whole.to_vec()),
    }
}

/// What tmux hands on, and the bytes up to its terminator.
fn unwrapped(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut inner = Vec::new();
    let mut at = 0;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (0x1b, Some(0x1b)) => {
                inner.push(0x1b);
                at += 2;
            }
            (0x1b, Some(b'\\')) => return Some((at + 2, inner)),
            (0x1b, None) => return None,
            (&byte, _) => {
                inner.push(byte);
                at += 1;
            }
        }
    }
}
