//! What a terminal would show: the stream's pictures, decoded and laid where they belong.

use super::{Piece, pieces};
use atlascope::graphics::placeholder::{CHARACTER, number};
use base64::Engine as _;
use image::{GenericImageView as _, Rgb, RgbImage, Rgba, RgbaImage, imageops};
use std::collections::{BTreeMap, HashMap};

/// Pixels of a character.
const CELL: (u32, u32) = (8, 16);

#[derive(Debug, Clone, Copy, Default)]
struct Placed {
    /// Column and row, 0-based.
    at: (u32, u32),
    /// Columns and rows.
    size: (u32, u32),
    /// x, y, width, height in the picture's pixels.
    source: (u32, u32, u32, u32),
    z: i32,
}

/// A terminal's pictures.
pub(crate) struct Shown {
    /// What was painted and stays until text is written over it: sixel, inline pictures.
    canvas: RgbImage,
    background: Rgb<u8>,
    /// Follows the cursor.
    text: vt100::Parser,
    pictures: HashMap<u32, RgbaImage>,
    /// By picture and placement number.
    placed: BTreeMap<(u32, u32), Placed>,
    /// Columns and rows of virtual placements.
    divided: HashMap<u32, (u32, u32)>,
    upload: Option<(Piece, Vec<u8>)>,
    /// Bytes of pixels held at most at any time.
    pub(crate) most_held: usize,
}

impl Shown {
    /// A black screen of so many characters.
    pub(crate) fn new(size: (u16, u16)) -> Self {
        Self::on([0; 3], size)
    }

    /// A screen of so many characters and a colour.
    pub(crate) fn on(background: [u8; 3], (columns, rows): (u16, u16)) -> Self {
        let (width, height) = (u32::from(columns) * CELL.0, u32::from(rows) * CELL.1);
        let background = Rgb(background);
        let n = |n: u16| std::num::NonZeroU16::new(n).unwrap();
        Self {
            canvas: RgbImage::from_pixel(width, height, background),
            background,
            text: vt100::Parser::new(n(rows), n(columns), 0),
            pictures: HashMap::new(),
            placed: BTreeMap::new(),
            divided: HashMap::new(),
            upload: None,
            most_held: 0,
        }
    }

    /// Takes what a program wrote.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for (_, piece) in pieces(bytes) {
            match &piece {
                Piece::Csi(parameters, last) => self.control(parameters, *last),
                Piece::Text(text) => self.write(text),
                Piece::Sixel(bytes) => {
                    let picture = icy_sixel::SixelImage::decode(bytes).unwrap();
                    let (w, h) = (picture.width as u32, picture.height as u32);
                    let picture = RgbaImage::from_raw(w, h, picture.pixels).unwrap();
                    self.paint(&picture, (w, h));
                }
                Piece::Inline(arguments, data) => {
                    let jpeg = base64(data);
                    let picture = image::load_from_memory(&jpeg).unwrap().into_rgba8();
                    let argument = |name: &str| {
                        let mut all = arguments.split([';', '=']);
                        all.find(|text| *text == name).unwrap();
                        all.next().unwrap().parse::<u32>().unwrap()
                    };
                    let size = (argument("width") * CELL.0, argument("height") * CELL.1);
                    self.paint(&picture, size);
                }
                Piece::Graphics(..) => self.graphics(&piece),
            }
        }
    }

    /// Column and row.
    fn cursor(&self) -> (u32, u32) {
        let (row, column) = self.text.screen().cursor_position();
        (u32::from(column), u32::from(row))
    }

    fn control(&mut self, parameters: &str, last: u8) {
        let columns = self.canvas.width() / CELL.0;
        match last {
            b'J' if parameters.is_empty() => {
                let background = self.background;
                self.canvas.pixels_mut().for_each(|p| *p = background);
            }
            b'K' if parameters.is_empty() => self.erase(columns),
            b'X' => self.erase(parameters.parse().unwrap_or(1)),
            _ => {}
        }
        let last = char::from(last);
        self.text
            .process(format!("\x1b[{parameters}{last}").as_bytes());
    }

    /// Text takes the place of pictures.
    fn write(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let (plain, rest) = text.split_at(text.find('\x1b').unwrap_or(text.len()));
        for character in plain.chars() {
            if !character.is_control() {
                self.erase(1);
            }
            self.text.process(character.to_string().as_bytes());
        }
        self.text.process(rest.as_bytes());
    }

    /// Empties characters from the cursor on.
    fn erase(&mut self, n: u32) {
        let (column, row) = self.cursor();
        let right = ((column + n) * CELL.0).min(self.canvas.width());
        let bottom = ((row + 1) * CELL.1).min(self.canvas.height());
        for y in row * CELL.1..bottom {
            for x in column * CELL.0..right {
                self.canvas.put_pixel(x, y, self.background);
            }
        }
    }

    fn paint(&mut self, picture: &RgbaImage, (width, height): (u32, u32)) {
        let (column, row) = self.cursor();
        let (x, y) = (column * CELL.0, row * CELL.1);
        let whole = (0, 0, picture.width(), picture.height());
        lay(&mut self.canvas, picture, whole, (x, y, width, height));
    }

    fn graphics(&mut self, piece: &Piece) {
        let Piece::Graphics(_, payload) = piece else {
            return;
        };
        let more = piece.key("m") == Some("1");
        if let Some((first, mut data)) = self.upload.take() {
            data.extend_from_slice(payload);
            return self.uploaded(first, data, more);
        }
        let n = |name: &str| piece.key(name).map(|text| text.parse::<i64>().unwrap());
        let get = |name: &str| n(name).map(|value| value as u32);
        let Some(id) = get("i") else { return };
        match piece.key("a") {
            Some("t") => self.uploaded(piece.clone(), payload.clone(), more),
            Some("p") if get("U") == Some(1) => {
                self.divided
                    .insert(id, (get("c").unwrap(), get("r").unwrap()));
            }
            Some("p") => {
                let picture = &self.pictures[&id];
                let (x, y) = (get("x").unwrap_or(0), get("y").unwrap_or(0));
                let width = get("w").unwrap_or(picture.width() - x);
                let height = get("h").unwrap_or(picture.height() - y);
                let placed = Placed {
                    at: self.cursor(),
                    size: (get("c").unwrap(), get("r").unwrap()),
                    source: (x, y, width, height),
                    z: n("z").unwrap_or(0) as i32,
                };
                self.placed.insert((id, get("p").unwrap()), placed);
            }
            Some("d") if piece.key("d") == Some("I") => {
                self.pictures.remove(&id);
                self.placed.retain(|(picture, _), _| *picture != id);
            }
            Some("d") => {
                self.placed.remove(&(id, get("p").unwrap()));
            }
            _ => {}
        }
    }

    fn uploaded(&mut self, first: Piece, data: Vec<u8>, more: bool) {
        if more {
            self.upload = Some((first, data));
            return;
        }
        let id = first.key("i").unwrap().parse().unwrap();
        let picture = image::load_from_memory(&base64(&data)).unwrap();
        self.pictures.insert(id, picture.into_rgba8());
        let held = self.pictures.values().map(|p| p.as_raw().len()).sum();
        self.most_held = self.most_held.max(held);
    }

    /// The screen's pixels: pictures, and the characters of `text` that stand for pixels.
    pub(crate) fn picture(&self, text: &vt100::Screen) -> RgbImage {
        let mut canvas = self.canvas.clone();
        let mut placed: Vec<(&(u32, u32), &Placed)> = self.placed.iter().collect();
        placed.sort_by_key(|(name, placed)| (placed.z, **name));
        for ((id, _), placed) in placed {
            let (x, y) = (placed.at.0 * CELL.0, placed.at.1 * CELL.1);
            let area = (x, y, placed.size.0 * CELL.0, placed.size.1 * CELL.1);
            lay(&mut canvas, &self.pictures[id], placed.source, area);
        }
        let size = text.size();
        for row in 0..size.0.get() {
            let mut left = None;
            for column in 0..size.1.get() {
                let cell = text.cell(row, column).unwrap();
                let at = (u32::from(column), u32::from(row));
                left = match cell.contents().chars().next() {
                    Some(CHARACTER) => Some(self.character(&mut canvas, cell, at, left)),
                    Some('▀') => {
                        halves(&mut canvas, cell, at);
                        None
                    }
                    _ => None,
                };
            }
        }
        canvas
    }

    /// A character that stands for a square of a picture, read as the protocol says: picture, row and column, what is
    /// left out going on from the left.
    fn character(
        &self,
        canvas: &mut RgbImage,
        cell: &vt100::Cell,
        (column, row): (u32, u32),
        left: Option<(u32, u32, u32)>,
    ) -> (u32, u32, u32) {
        let vt100::Color::Idx(low) = cell.fgcolor() else {
            panic!("the colour names the picture");
        };
        let marks: Vec<u32> = (cell.contents().chars().skip(1))
            .filter_map(|mark| number(mark).map(u32::from))
            .collect();
        let (id, down, across) = match (&marks[..], left) {
            (&[down, across, high], _) => (high << 24 | u32::from(low), down, across),
            ([], Some((id, down, across))) if id & 0xff == u32::from(low) => (id, down, across + 1),
            other => panic!("column {column}, row {row}: {other:?}"),
        };
        let picture = &self.pictures[&id];
        let (columns, rows) = self.divided[&id];
        let (w, h) = (picture.width() / columns, picture.height() / rows);
        let source = (across * w, down * h, w.max(1), h.max(1));
        let area = (column * CELL.0, row * CELL.1, CELL.0, CELL.1);
        lay(canvas, picture, source, area);
        (id, down, across)
    }
}

fn base64(text: &[u8]) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

/// Scales a part of a picture into an area; what sticks out is cut off.
fn lay(
    canvas: &mut RgbImage,
    picture: &RgbaImage,
    (sx, sy, sw, sh): (u32, u32, u32, u32),
    (x, y, width, height): (u32, u32, u32, u32),
) {
    let part = imageops::crop_imm(picture, sx, sy, sw, sh);
    for down in 0..height.min(canvas.height().saturating_sub(y)) {
        for across in 0..width.min(canvas.width().saturating_sub(x)) {
            let from = (across * sw / width, down * sh / height);
            let Rgba([r, g, b, alpha]) = part.get_pixel(from.0, from.1);
            let below = canvas.get_pixel_mut(x + across, y + down);
            for (below, above) in below.0.iter_mut().zip([r, g, b]) {
                let (over, under) = (u32::from(above) * u32::from(alpha), u32::from(*below));
                *below = ((over + under * (255 - u32::from(alpha)) + 127) / 255) as u8;
            }
        }
    }
}

/// Two pixels: the upper half in the text's colour, the lower in the background's.
fn halves(canvas: &mut RgbImage, cell: &vt100::Cell, (column, row): (u32, u32)) {
    let rgb = |colour: vt100::Color| match colour {
        vt100::Color::Rgb(r, g, b) => Rgb([r, g, b]),
        vt100::Color::Idx(idx) => Rgb(indexed(idx)),
        vt100::Color::Default => Rgb([0; 3]),
    };
    let (upper, lower) = (rgb(cell.fgcolor()), rgb(cell.bgcolor()));
    for y in 0..CELL.1 {
        for x in 0..CELL.0 {
            let colour = if y < CELL.1 / 2 { upper } else { lower };
            canvas.put_pixel(column * CELL.0 + x, row * CELL.1 + y, colour);
        }
    }
}

/// xterm's 256 colours from 16 on.
fn indexed(idx: u8) -> [u8; 3] {
    if idx >= 232 {
        return [8 + 10 * (idx - 232); 3];
    }
    let cube = idx.saturating_sub(16);
    let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    [level(cube / 36), level(cube / 6 % 6), level(cube % 6)]
}
