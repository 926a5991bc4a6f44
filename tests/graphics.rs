//! Tests of graphics: bytes are executed by a model of the terminal, the probe and the guard run in a real pty.

mod guard;
mod halfblock;
mod input;
mod kitty;
mod model;
mod oneshot;
mod placeholder;
mod probe;
mod raster;
mod shell;
mod sixel;

use atlascope::graphics::{Picture, PictureKey, Placement, Source, Target};

/// A picture of random-looking pixels, which do not compress.
fn noise(key: u64, width: u32, height: u32) -> Picture {
    let mut state = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    painted(key, width, height, |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [r, g, b, ..] = state.to_le_bytes();
        [r, g, b, 255]
    })
}

fn painted(
    key: u64,
    width: u32,
    height: u32,
    mut pixel: impl FnMut(u32, u32) -> [u8; 4],
) -> Picture {
    let pixels = image::RgbaImage::from_fn(width, height, |x, y| image::Rgba(pixel(x, y)));
    let mut png = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut png, image::ImageFormat::Png).unwrap();
    Picture {
        key: PictureKey(key),
        png: png.into_inner().into(),
        width,
        height,
    }
}

/// The whole of a picture of `width` × `height` pixels at `column`, `row`, `columns` × `rows` large.
fn whole(id: u32, picture: &Picture, target: Target) -> Placement {
    Placement {
        id,
        picture: picture.key,
        source: Source {
            x: 0,
            y: 0,
            width: picture.width,
            height: picture.height,
        },
        target,
        z: 0,
    }
}

fn at(column: u16, row: u16, columns: u16, rows: u16) -> Target {
    Target {
        column,
        row,
        columns,
        rows,
    }
}

/// A lookup among `pictures`.
fn among(pictures: &[Picture]) -> impl Fn(PictureKey) -> Option<Picture> + '_ {
    |key| pictures.iter().find(|p| p.key == key).cloned()
}
