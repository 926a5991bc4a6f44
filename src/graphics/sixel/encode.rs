//! Indices → sixel.

use std::io::Write as _;

/// A picture by palette index.
#[derive(Debug, Clone, Copy)]
pub struct Indexed<'a> {
    /// Row by row.
    pub indices: &'a [u8],
    /// Indices in a row.
    pub width: usize,
    /// sRGB, at most 256.
    pub colours: &'a [[u8; 3]],
}

/// Appends text; writing to a `Vec` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

/// A run of columns of one band in one colour.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    colour: u8,
    /// Where its bits lie in the band's list.
    first: usize,
    len: usize,
}

/// Columns of another colour inside a span that are cheaper to skip than to begin a new span.
const BRIDGE: usize = 4;

/// Encodes `picture`, each index drawn as `factor` × `factor` pixels, cut off at `width` × `height` pixels.
///
/// The pixels around are left as they are (P2 = 1), which matters where the last band of six rows sticks out.
pub fn encode(
    out: &mut Vec<u8>,
    picture: &Indexed<'_>,
    (width, height): (usize, usize),
    factor: usize,
) {
    if width == 0 || height == 0 || picture.width == 0 {
        return;
    }
    put!(out, "\x1bP0;1;0q\"1;1;{width};{height}");
    let mut used = [false; 256];
    for &index in picture.indices {
        used[usize::from(index)] = true;
    }
    for (index, colour) in picture.colours.iter().enumerate() {
        if used[index] {
            // In per cent.
            let [r, g, b] = colour.map(|v| (u32::from(v) * 100 + 127) / 255);
            put!(out, "#{index};2;{r};{g};{b}");
        }
    }
    let mut bands = Band::new(picture.width);
    for top in (0..height).step_by(6) {
        if top > 0 {
            out.push(b'-');
        }
        let rows = 6.min(height - top);
        bands.gather(picture, (top, rows), factor);
        bands.write(out, width, factor);
    }
    out.extend_from_slice(b"\x1b\\");
}

/// Works on six rows at a time.
struct Band {
    /// For every colour its columns so far: (column, bits).
    columns: Vec<Vec<(usize, u8)>>,
    /// Colours that occur.
    present: Vec<u8>,
    width: usize,
    spans: Vec<Span>,
    bits: Vec<u8>,
}

impl Band {
    fn new(width: usize) -> Self {
        Self {
            columns: vec![Vec::new(); 256],
            present: Vec::new(),
            width,
            spans: Vec::new(),
            bits: Vec::new(),
        }
    }

    /// Collects, per colour, the columns that it occurs in and the rows as bits.
    fn gather(&mut self, picture: &Indexed<'_>, (top, rows): (usize, usize), factor: usize) {
        for &colour in &self.present {
            self.columns[usize::from(colour)].clear();
        }
        self.present.clear();
        // Each row of indices fills some of the six bits.
        let mut lines: Vec<(usize, u8)> = Vec::with_capacity(6);
        for bit in 0..rows {
            let line = (top + bit) / factor;
            match lines.last_mut() {
                Some((last, mask)) if *last == line => *mask |= 1 << bit,
                _ => lines.push((line, 1 << bit)),
            }
        }
        for x in 0..self.width {
            for &(line, mask) in &lines {
                let colour = picture.indices[line * self.width + x];
                let columns = &mut self.columns[usize::from(colour)];
                match columns.last_mut() {
                    Some((last, bits)) if *last == x => *bits |= mask,
                    _ => {
                        if columns.is_empty() {
                            self.present.push(colour);
                        }
                        columns.push((x, mask));
                    }
                }
            }
        }
    }

    /// Writes the band. Spans of different colours that do not overlap share one pass over the line.
    fn write(&mut self, out: &mut Vec<u8>, width: usize, factor: usize) {
        self.spans.clear();
        self.bits.clear();
        for &colour in &self.present {
            let mut last_end = usize::MAX;
            for &(x, bits) in &self.columns[usize::from(colour)] {
                let near = last_end != usize::MAX && x - last_end <= BRIDGE;
                match self.spans.last_mut() {
                    Some(span) if near => {
                        self.bits.resize(self.bits.len() + x - last_end, 0);
                        span.len += x - last_end + 1;
                    }
                    _ => self.spans.push(Span {
                        start: x,
                        colour,
                        first: self.bits.len(),
                        len: 1,
                    }),
                }
                self.bits.push(bits);
                last_end = x + 1;
            }
        }
        self.spans
            .sort_unstable_by_key(|span| (span.start, span.colour));
        let mut left: Vec<Span> = std::mem::take(&mut self.spans);
        let mut rest = Vec::with_capacity(left.len());
        let mut first_pass = true;
        while !left.is_empty() {
            if !first_pass {
                out.push(b'$');
            }
            first_pass = false;
            let mut at = 0;
            let mut colour = None;
            for span in left.drain(..) {
                if span.start < at {
                    rest.push(span);
                    continue;
                }
                if colour.replace(span.colour) != Some(span.colour) {
                    out.push(b'#');
                    number(out, usize::from(span.colour));
                }
                run(out, 0, (span.start - at) * factor);
                at = span.start + span.len;
                let bits = &self.bits[span.first..span.first + span.len];
                write_bits(out, bits, (span.start, width), factor);
            }
            std::mem::swap(&mut left, &mut rest);
        }
        self.spans = left;
    }
}

/// The columns of a span, equal neighbours together; nothing beyond `width` pixels.
fn write_bits(out: &mut Vec<u8>, bits: &[u8], (start, width): (usize, usize), factor: usize) {
    let mut at = 0;
    while at < bits.len() {
        let same = bits[at..].iter().take_while(|b| **b == bits[at]).count();
        let from = (start + at) * factor;
        let to = ((start + at + same) * factor).min(width);
        run(out, bits[at], to.saturating_sub(from));
        at += same;
    }
}

fn run(out: &mut Vec<u8>, bits: u8, n: usize) {
    let character = b'?' + bits;
    if n > 3 {
        out.push(b'!');
        number(out, n);
        out.push(character);
    } else {
        out.extend(std::iter::repeat_n(character, n));
    }
}

/// Decimal digits; there are tens of thousands of small numbers in a frame.
fn number(out: &mut Vec<u8>, n: usize) {
    if n >= 10 {
        number(out, n / 10);
    }
    out.push(b'0' + (n % 10) as u8);
}
