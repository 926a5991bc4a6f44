//! The escape sequences themselves.
//!
//! Every command carries `q=2`: an answer would arrive as key presses.

use crate::graphics::Placement;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;

/// Base64 characters in one escape sequence (the protocol's limit).
const CHUNK: usize = 4096;

/// A placement in the protocol's own words: what is left out takes the protocol's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphics) struct Spot {
    column: u16,
    row: u16,
    columns: u16,
    rows: u16,
    z: i32,
    /// `None` for the whole picture.
    source: Option<crate::graphics::Source>,
}

impl Spot {
    /// `None` when nothing of the picture would be seen.
    pub(in crate::graphics) fn new(placement: &Placement, width: u32, height: u32) -> Option<Self> {
        let target = placement.target;
        if target.columns == 0 || target.rows == 0 {
            return None;
        }
        let source = placement.source.clipped(width, height)?;
        let whole = (source.width, source.height) == (width, height);
        Some(Self {
            column: target.column,
            row: target.row,
            columns: target.columns,
            rows: target.rows,
            z: placement.z,
            source: (!whole).then_some(source),
        })
    }
}

/// Appends text; writing to a `Vec` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

/// Bytes that [`upload`] will write for a PNG of `len` bytes, within a few.
pub(in crate::graphics) fn upload_len(len: usize) -> usize {
    let text = len.div_ceil(3) * 4;
    text + text.div_ceil(CHUNK) * 14 + 30
}

/// Sends a PNG as picture `id` without showing it.
pub(in crate::graphics) fn upload(out: &mut Vec<u8>, id: u32, png: &[u8]) {
    transmit(out, &format!("a=t,f=100,t=d,i={id},q=2"), png);
}

/// Shows `png` at the cursor, `columns` wide and `rows` high, and leaves the cursor where it is.
///
/// The picture has no id, so that nothing is left to delete: it scrolls away with the text around it.
pub fn place_here(out: &mut Vec<u8>, png: &[u8], columns: u16, rows: u16) {
    transmit(
        out,
        &format!("a=T,f=100,t=d,c={columns},r={rows},C=1,q=2"),
        png,
    );
}

fn transmit(out: &mut Vec<u8>, keys: &str, png: &[u8]) {
    let text = STANDARD.encode(png);
    let n_chunks = text.len().div_ceil(CHUNK);
    for (idx, chunk) in text.as_bytes().chunks(CHUNK).enumerate() {
        let more = u8::from(idx + 1 < n_chunks);
        match (idx, n_chunks) {
            // A single chunk must not announce another one: the terminal would wait for it.
            (_, 1) => put!(out, "\x1b_G{keys};"),
            (0, _) => put!(out, "\x1b_G{keys},m={more};"),
            _ => put!(out, "\x1b_Gq=2,m={more};"),
        }
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\x1b\\");
    }
}

/// Shows picture `id` as its placement `number`, which moves there if it is already shown.
pub(in crate::graphics) fn place(out: &mut Vec<u8>, id: u32, number: u32, spot: &Spot) {
    put!(
        out,
        "\x1b[{};{}H",
        u32::from(spot.row) + 1,
        u32::from(spot.column) + 1
    );
    put!(out, "\x1b_Ga=p,i={id},p={number}");
    if let Some(source) = spot.source {
        for (key, value) in [("x", source.x), ("y", source.y)] {
            if value != 0 {
                put!(out, ",{key}={value}");
            }
        }
        put!(out, ",w={},h={}", source.width, source.height);
    }
    put!(out, ",c={},r={}", spot.columns, spot.rows);
    if spot.z != 0 {
        put!(out, ",z={}", spot.z);
    }
    put!(out, ",C=1,q=2\x1b\\");
}

/// Takes placement `number` of picture `id` off the screen; the picture stays.
pub(in crate::graphics) fn unplace(out: &mut Vec<u8>, id: u32, number: u32) {
    put!(out, "\x1b_Ga=d,d=i,i={id},p={number},q=2\x1b\\");
}

/// Frees picture `id` with its placements.
pub(in crate::graphics) fn free(out: &mut Vec<u8>, id: u32) {
    put!(out, "\x1b_Ga=d,d=I,i={id},q=2\x1b\\");
}

/// Makes picture `id` available to placeholders as `columns` × `rows` characters. Its only placement, so that
/// another size replaces this one.
pub(in crate::graphics) fn place_virtually(out: &mut Vec<u8>, id: u32, columns: u16, rows: u16) {
    put!(
        out,
        "\x1b_Ga=p,U=1,i={id},p=1,c={columns},r={rows},q=2\x1b\\"
    );
}
