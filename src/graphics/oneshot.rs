//! One picture printed between lines of text, outside the alternate screen.

use super::{Capabilities, Protocol, Source, halfblock, kitty, terminal};
use image::{DynamicImage, RgbaImage};
use std::io::{self, Cursor, IsTerminal as _};

/// The picture could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing to standard output failed.
    #[error("print the picture")]
    Io(#[from] io::Error),
    /// The picture could not be encoded.
    #[error("encode the picture")]
    Encode(#[from] image::ImageError),
    /// The half-block printer failed.
    #[error("print the picture in half-blocks")]
    Blocks(#[from] viuer::ViuError),
}

/// Prints `picture` `columns` wide (less where it would be taller than the screen) at the cursor, which must be at
/// the start of a line, and ends on a fresh line.
/// Returns false, with nothing printed, when the terminal takes no pictures or standard output is no terminal.
///
/// kitty graphics are our own encoder's (the usual one probes without a time limit and marks a small picture as
/// unfinished), half-blocks are viuer's, given a picture already averaged to size.
///
/// # Errors
/// When standard output is closed.
pub fn print(
    picture: &RgbaImage,
    columns: u16,
    capabilities: &Capabilities,
) -> Result<bool, Error> {
    if !io::stdout().is_terminal() {
        return Ok(false);
    }
    let mut columns = columns.max(1);
    let mut rows = rows(picture, columns, capabilities.cell_pixels);
    match capabilities.protocol {
        Protocol::None => return Ok(false),
        Protocol::Kitty => {
            if let Some(most) = most_rows().filter(|&most| rows > most) {
                // A taller picture would be cut off and would lie over the text below it.
                columns = (u32::from(columns) * u32::from(most) / u32::from(rows)).max(1) as u16;
                rows = most;
            }
            let mut png = Vec::new();
            picture.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png)?;
            // The lines are made first, so that a picture at the bottom of the screen scrolls what is above it.
            let mut out = vec![b'\n'; usize::from(rows)];
            out.extend_from_slice(format!("\x1b[{rows}A").as_bytes());
            kitty::place_here(&mut out, &png, columns, rows);
            out.extend_from_slice(format!("\x1b[{rows}B").as_bytes());
            terminal::write_all(rustix::stdio::stdout(), &out)?;
        }
        // For a single picture blocks are good enough.
        Protocol::Placeholders | Protocol::Iterm | Protocol::Sixel => {
            blocks(picture, columns, rows, capabilities.true_colour)?;
        }
        Protocol::HalfBlock { true_colour } => blocks(picture, columns, rows, true_colour)?,
    }
    Ok(true)
}

fn blocks(picture: &RgbaImage, columns: u16, rows: u16, true_colour: bool) -> Result<(), Error> {
    let whole = Source {
        x: 0,
        y: 0,
        width: picture.width(),
        height: picture.height(),
    };
    let (width, height) = (usize::from(columns), 2 * usize::from(rows));
    let small = halfblock::scaled(picture, whole, width, height);
    let small = RgbaImage::from_fn(width as u32, height as u32, |x, y| {
        image::Rgba(small.pixel(x as usize, y as usize))
    });
    let config = viuer::Config {
        transparent: true,
        absolute_offset: false,
        width: Some(width as u32),
        height: Some(u32::from(rows)),
        truecolor: true_colour,
        use_kitty: false,
        use_iterm: false,
        ..viuer::Config::default()
    };
    viuer::print(&DynamicImage::ImageRgba8(small), &config)?;
    Ok(())
}

/// Rows of the terminal that a picture may fill, one less than there are.
fn most_rows() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    size.ws_row.checked_sub(1).filter(|&rows| rows > 0)
}

/// Rows that keep the picture's shape, at least one.
fn rows(picture: &RgbaImage, columns: u16, (cell_width, cell_height): (u16, u16)) -> u16 {
    let pixels = f64::from(columns) * f64::from(cell_width);
    let height = pixels * f64::from(picture.height()) / f64::from(picture.width().max(1));
    let rows = (height / f64::from(cell_height.max(1))).round();
    rows.clamp(1.0, f64::from(u16::MAX)) as u16
}
