//! What a terminal shows, pixel by pixel, as the core of the Rio terminal (`rio-vt`) understands the stream.
//!
//! It is nobody's relative here: its parsers of kitty's commands, placeholders, sixel and OSC 1337, what it deletes,
//! clips and writes text over, and where it says pictures lie, share nothing with what is tested. Ours is only the
//! last step, from its quads to pixels, which it leaves to a graphics card: nearest pixels, no smoothing, so that a
//! picture that is shown in its own size must be there exactly.
//!
//! Not judged here: how a terminal smooths what it enlarges (kitty's own window does, in the tests with real
//! programs), and what is on the screen in the middle of a synchronized update (it is looked at between frames).

use image::{Rgba, RgbaImage};
use rio_vt::ansi::CursorShape;
use rio_vt::ansi::graphics::{
    KittyOverlayGeometry, OverlayViewport, atlas_overlay_geometry, kitty_overlay_geometry,
};
use rio_vt::ansi::kitty_virtual::{
    IncompletePlacement, PlaceholderRun, compute_run_geometry, resolve_virtual_placement,
};
use rio_vt::config::colors::AnsiColor;
use rio_vt::crosswords::grid::Dimensions as _;
use rio_vt::crosswords::pos::{Column, Line};
use rio_vt::crosswords::style::Style;
use rio_vt::crosswords::{Crosswords, CrosswordsSize};
use rio_vt::event::{EventListener, RioEvent, WindowId};
use rio_vt::performer::handler::Processor;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Pixels of a character.
const CELL: (u32, u32) = (8, 16);

/// Pictures that were painted and stay until something is written over them (sixel, inline pictures): the terminal
/// hands them to its window and keeps only where they lie.
#[derive(Clone, Default)]
struct Painted(Arc<Mutex<HashMap<u64, RgbaImage>>>);

impl EventListener for Painted {
    fn send_event(&self, event: RioEvent, _: WindowId) {
        if let RioEvent::UpdateGraphics { queues, .. } = event {
            let mut held = self.0.lock().unwrap();
            for gone in queues.remove_queue {
                held.remove(&gone);
            }
            for painted in &queues.pending {
                let pixels = rgba(painted.width, painted.height, &painted.pixels);
                held.insert((1 << 32) + painted.id.get(), pixels);
            }
        }
    }
}

/// A terminal's screen.
pub(crate) struct Shown {
    terminal: Crosswords<Painted>,
    parser: Processor,
    painted: Painted,
    /// Bytes of kitty's pictures held at most at any time.
    pub(crate) most_held: usize,
}

impl Shown {
    /// A black screen of so many characters.
    pub(crate) fn new(size: (u16, u16)) -> Self {
        let painted = Painted::default();
        let shape = CursorShape::Block;
        let window = WindowId::from(0);
        Self {
            terminal: Crosswords::new(size_of(size), shape, painted.clone(), window, 0, 0),
            parser: Processor::default(),
            painted,
            most_held: 0,
        }
    }

    /// Another size, in characters.
    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        self.terminal.resize(size_of(size));
    }

    /// Takes what a program wrote.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\\') {
            self.parser.advance(&mut self.terminal, piece);
            let images = self.terminal.graphics.kitty_images.values();
            let held = images.map(|image| image.data.pixels.len()).sum();
            self.most_held = self.most_held.max(held);
        }
    }

    /// The screen's pixels over a background: opaque where a picture lies, transparent elsewhere.
    pub(crate) fn pictures(&self, [r, g, b]: [u8; 3]) -> RgbaImage {
        let grid = &self.terminal.grid;
        let (columns, rows) = (grid.columns() as u32, grid.screen_lines() as u32);
        let nothing = Rgba([r, g, b, 0]);
        let mut canvas = RgbaImage::from_pixel(columns * CELL.0, rows * CELL.1, nothing);
        // Rows are counted from the first that ever was.
        let top = self.terminal.history_size() as u64 + self.terminal.lines_evicted();
        let viewport = OverlayViewport {
            cell_width: CELL.0 as f32,
            cell_height: CELL.1 as f32,
            origin_x: 0.0,
            origin_y: 0.0,
            history_size: top as i64,
            display_offset: 0,
            screen_lines: i64::from(rows),
        };
        let painted = self.painted.0.lock().unwrap();
        for placed in &self.terminal.graphics.atlas_placements {
            if let Some(quad) = atlas_overlay_geometry(placed, &viewport) {
                lay(&mut canvas, &painted[&placed.image_key], &quad);
            }
        }
        self.placeholders(&mut canvas);
        let mut placed: Vec<_> = self.terminal.graphics.kitty_placements.values().collect();
        placed.sort_by_key(|p| (p.z_index, p.image_id, p.placement_id));
        for placement in placed {
            let Some(image) = self.held(placement.image_id) else {
                continue;
            };
            let (width, height) = (image.width() as usize, image.height() as usize);
            if let Some(quad) = kitty_overlay_geometry(placement, width, height, &viewport) {
                lay(&mut canvas, &image, &quad);
            }
        }
        canvas
    }

    /// A picture of kitty's, if it is there.
    fn held(&self, id: u32) -> Option<RgbaImage> {
        let image = &self.terminal.graphics.kitty_images.get(&id)?.data;
        Some(rgba(image.width, image.height, &image.pixels))
    }

    /// The same where half-blocks are the pictures.
    pub(crate) fn half_blocks(&self, [r, g, b]: [u8; 3]) -> RgbaImage {
        let grid = &self.terminal.grid;
        let (columns, rows) = (grid.columns() as u32, grid.screen_lines() as u32);
        let nothing = Rgba([r, g, b, 0]);
        let mut canvas = RgbaImage::from_pixel(columns * CELL.0, rows * CELL.1, nothing);
        for row in 0..rows {
            for column in 0..columns {
                let square = grid[Line(row as i32)][Column(column as usize)];
                if square.c() == '▀' {
                    halves(&mut canvas, &grid.style_of(&square), (column, row));
                }
            }
        }
        canvas
    }

    /// kitty's placeholders: characters that stand for parts of pictures.
    fn placeholders(&self, canvas: &mut RgbaImage) {
        let grid = &self.terminal.grid;
        let mut pictures = HashMap::new();
        for row in 0..grid.screen_lines() {
            let mut run: Option<(usize, IncompletePlacement)> = None;
            for column in 0..grid.columns() {
                let square = grid[Line(row as i32)][Column(column)];
                let style = grid.style_of(&square);
                let marks = square.extras_id_checked();
                let marks = marks.and_then(|id| grid.extras_table.get(id));
                let marks = marks.map_or(&[][..], |extras| &extras.zerowidth);
                let stands = square.c() == '\u{10EEEE}';
                let next = stands.then(|| {
                    IncompletePlacement::from_cell(style.fg, style.underline_color, marks)
                });
                match (&mut run, next) {
                    (Some((_, run)), Some(next)) if run.can_append(&next) => run.append(),
                    (_, next) => {
                        let done = std::mem::replace(&mut run, next.map(|next| (column, next)));
                        if let Some((start, done)) = done {
                            self.run(canvas, &mut pictures, &done.complete(), (start, row));
                        }
                    }
                }
            }
            if let Some((start, done)) = run {
                self.run(canvas, &mut pictures, &done.complete(), (start, row));
            }
        }
    }

    /// A row of placeholders that begins at a column and row.
    fn run(
        &self,
        canvas: &mut RgbaImage,
        pictures: &mut HashMap<u32, RgbaImage>,
        run: &PlaceholderRun,
        (column, row): (usize, usize),
    ) {
        let divided = &self.terminal.graphics.kitty_virtual_placements;
        let divided = resolve_virtual_placement(divided, run.image_id, run.placement_id);
        if let (None, Some(picture)) = (pictures.get(&run.image_id), self.held(run.image_id)) {
            pictures.insert(run.image_id, picture);
        }
        // As in a terminal, nothing is seen of a picture that is not there (yet).
        let (Some(divided), Some(picture)) = (divided, pictures.get(&run.image_id)) else {
            return;
        };
        let whole = (divided.x, divided.y, divided.width, divided.height);
        let geometry = compute_run_geometry(
            run,
            divided.columns,
            divided.rows,
            picture.width(),
            picture.height(),
            whole,
            CELL.0 as f32,
            CELL.1 as f32,
            0.0,
            0.0,
            row,
            column,
        );
        if let Some(at) = geometry {
            let quad = KittyOverlayGeometry {
                x: at.x,
                y: at.y,
                width: at.width,
                height: at.height,
                source_rect: at.source_rect,
            };
            lay(canvas, picture, &quad);
        }
    }
}

fn size_of((columns, rows): (u16, u16)) -> CrosswordsSize {
    let (width, height) = (u32::from(columns) * CELL.0, u32::from(rows) * CELL.1);
    let (columns, rows) = (usize::from(columns), usize::from(rows));
    CrosswordsSize::new_with_dimensions(columns, rows, width, height, CELL.0, CELL.1)
}

fn rgba(width: usize, height: usize, pixels: &[u8]) -> RgbaImage {
    let (w, h) = (width as u32, height as u32);
    if pixels.len() == 4 * width * height {
        return RgbaImage::from_raw(w, h, pixels.to_vec()).unwrap();
    }
    let opaque = image::RgbImage::from_raw(w, h, pixels.to_vec()).unwrap();
    image::DynamicImage::from(opaque).into_rgba8()
}

/// Draws a quad: of each pixel of the screen, the picture's pixel under its middle.
fn lay(canvas: &mut RgbaImage, picture: &RgbaImage, quad: &KittyOverlayGeometry) {
    let [u0, v0, u1, v1] = quad.source_rect;
    let under = |at: u32, from: f32, len: f32, (start, end): (f32, f32), pixels: u32| {
        let share = (at as f32 + 0.5 - from) / len;
        let position = f64::from(start + (end - start) * share) * f64::from(pixels);
        (position as u32).min(pixels - 1)
    };
    let right = (quad.x + quad.width).min(canvas.width() as f32) as u32;
    let bottom = (quad.y + quad.height).min(canvas.height() as f32) as u32;
    for y in quad.y as u32..bottom {
        let from_y = under(y, quad.y, quad.height, (v0, v1), picture.height());
        for x in quad.x as u32..right {
            let from_x = under(x, quad.x, quad.width, (u0, u1), picture.width());
            mix(
                canvas.get_pixel_mut(x, y),
                *picture.get_pixel(from_x, from_y),
            );
        }
    }
}

fn mix(below: &mut Rgba<u8>, above: Rgba<u8>) {
    let alpha = u32::from(above.0[3]);
    if alpha == 0 {
        return;
    }
    for (below, &above) in below.0.iter_mut().zip(&above.0[..3]) {
        let (over, under) = (u32::from(above) * alpha, u32::from(*below));
        *below = ((over + under * (255 - alpha) + 127) / 255) as u8;
    }
    below.0[3] = 255;
}

/// Two pixels: the upper half in the text's colour, the lower in the background's.
fn halves(canvas: &mut RgbaImage, style: &Style, (column, row): (u32, u32)) {
    let rgb = |colour: AnsiColor| match colour {
        AnsiColor::Spec(colour) => [colour.r, colour.g, colour.b],
        AnsiColor::Indexed(idx) => indexed(idx),
        AnsiColor::Named(_) => [0; 3],
    };
    let (upper, lower) = (rgb(style.fg), rgb(style.bg));
    for y in 0..CELL.1 {
        for x in 0..CELL.0 {
            let [r, g, b] = if y < CELL.1 / 2 { upper } else { lower };
            let (x, y) = (column * CELL.0 + x, row * CELL.1 + y);
            canvas.put_pixel(x, y, Rgba([r, g, b, 255]));
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
