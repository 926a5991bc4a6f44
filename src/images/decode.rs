//! Bytes to upright sRGB pixels, within limits.
//!
//! EXIF orientation is applied, grey, 16-bit, CMYK and transparent pictures become plain RGB. A picture that
//! claims more pixels than [`MAX_PIXELS`] is refused before anything is allocated (decompression bombs).

use image::{
    DynamicImage, GrayImage, ImageDecoder as _, ImageError, ImageReader, Limits, Luma, RgbImage,
};
use std::io::Cursor;
use std::path::Path;

/// Largest number of pixels that is decoded: 178 million, Pillow's limit against decompression bombs.
pub const MAX_PIXELS: u64 = 178_956_970;

/// What every JPEG begins with.
const JPEG_START: [u8; 2] = [0xFF, 0xD8];

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Why an image was skipped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Not an image of a known format, or a damaged one.
    #[error("not a readable image: {0}")]
    Damaged(String),
    /// More pixels or bytes than the limit.
    #[error("too large: {found} {unit}, at most {limit} are read")]
    TooLarge {
        /// What was found.
        found: u64,
        /// The limit.
        limit: u64,
        /// Pixels or bytes.
        unit: &'static str,
    },
}

impl From<ImageError> for DecodeError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::IoError(io) => Self::Damaged(format!("ends early ({io})")),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Decodes JPEG, PNG or WebP bytes (the format is recognised by content, not by name).
///
/// # Errors
/// Unknown format, damage, or more than [`MAX_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    Ok(upright(bytes)?.to_rgb8())
}

/// The same with how much of each pixel is there; `None` where all of every pixel is.
///
/// # Errors
/// As [`decode`].
pub fn decode_shaped(bytes: &[u8]) -> Result<(RgbImage, Option<GrayImage>), DecodeError> {
    let image = upright(bytes)?;
    if !image.color().has_alpha() {
        return Ok((image.to_rgb8(), None));
    }
    let all = image.to_rgba8();
    let (width, height) = all.dimensions();
    let alpha = GrayImage::from_fn(width, height, |x, y| Luma([all.get_pixel(x, y).0[3]]));
    let seen = alpha.pixels().any(|pixel| pixel.0 != [u8::MAX]);
    Ok((image.to_rgb8(), seen.then_some(alpha)))
}

/// The picture as its file says that it is to be held.
fn upright(bytes: &[u8]) -> Result<DynamicImage, DecodeError> {
    if bytes.starts_with(&JPEG_START) && !jpeg_ends(bytes) {
        // The decoder would fill the missing part with grey and say nothing.
        let what = "a JPEG without an end: part of the file is missing";
        return Err(DecodeError::Damaged(what.to_owned()));
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let n_pixels = u64::from(width) * u64::from(height);
    if n_pixels > MAX_PIXELS {
        return Err(DecodeError::TooLarge {
            found: n_pixels,
            limit: MAX_PIXELS,
            unit: "pixels",
        });
    }
    if n_pixels == 0 {
        return Err(DecodeError::Damaged(format!("{width} × {height} pixels")));
    }
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether a JPEG reaches its end marker. What stands inside segments (a thumbnail has an end of its own) and
/// what follows the end (cameras and editors append data) does not count.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(JPEG_START.len()..).unwrap_or_default();
    // The next marker; inside compressed data FF 00 stands for a plain FF, and FF may be repeated before a marker.
    while let Some(at) = rest.iter().position(|&byte| byte == 0xFF) {
        let Some(&marker) = rest.get(at + 1) else {
            return false;
        };
        let skip = match marker {
            0xD9 => return true,
            0xFF => 1,
            // Stuffing, restarts, another start: nothing follows that belongs to them.
            0x00 | 0x01 | 0xD0..=0xD8 => 2,
            _ => match rest.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])).max(2),
                _ => return false,
            },
        };
        rest = rest.get(at + skip..).unwrap_or_default();
    }
    false
}

/// Reads and decodes one file.
///
/// # Errors
/// As [`decode`], and when the file cannot be read or is larger than [`MAX_FILE_BYTES`].
pub fn load(path: &Path) -> Result<RgbImage, DecodeError> {
    decode(&read(path)?)
}

/// The same with how much of each pixel is there, as [`decode_shaped`].
///
/// # Errors
/// As [`load`].
pub fn load_shaped(path: &Path) -> Result<(RgbImage, Option<GrayImage>), DecodeError> {
    decode_shaped(&read(path)?)
}

fn read(path: &Path) -> Result<Vec<u8>, DecodeError> {
    let n_bytes = std::fs::metadata(path)?.len();
    if n_bytes > MAX_FILE_BYTES {
        return Err(DecodeError::TooLarge {
            found: n_bytes,
            limit: MAX_FILE_BYTES,
            unit: "bytes",
        });
    }
    Ok(std::fs::read(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x as u8 * 10, y as u8 * 10, 7])
        });
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_png_comes_back_exactly() {
        let image = decode(&png(5, 3)).unwrap();
        assert_eq!(image.dimensions(), (5, 3));
        assert_eq!(image.get_pixel(4, 2).0, [40, 20, 7]);
    }

    #[test]
    fn damage_is_an_error_at_every_length() {
        let whole = png(16, 16);
        for n in 0..whole.len() - 12 {
            assert!(
                decode(&whole[..n]).is_err(),
                "{n} bytes of {} decoded",
                whole.len()
            );
        }
    }

    fn jpeg() -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(64, 48, |x, y| {
            image::Rgb([
                (x * 37 % 251) as u8,
                (y * 91 % 241) as u8,
                (x * y % 256) as u8,
            ])
        });
        let format = image::ImageFormat::Jpeg;
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_jpeg_that_is_cut_is_damaged_at_every_length() {
        let whole = jpeg();
        assert!(decode(&whole).is_ok());
        for n in 0..whole.len() {
            assert!(decode(&whole[..n]).is_err(), "{n} bytes of {}", whole.len());
        }
        // A thumbnail with an end marker of its own, in a segment before the picture, hides nothing.
        let mut inside = vec![0xFF, 0xD8, 0xFF, 0xE5, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
        inside.extend(&whole[2..]);
        assert!(decode(&inside).is_ok());
        assert!(decode(&inside[..inside.len() / 2]).is_err());
    }

    #[test]
    fn a_jpeg_with_something_behind_it_is_whole() {
        for behind in [
            &b"\0\0\0"[..],
            b"MotionPhoto_Data",
            &[0xFF; 9],
            &[0xFF, 0xD8, 0xFF],
        ] {
            let mut bytes = jpeg();
            bytes.extend(behind);
            assert_eq!(decode(&bytes).unwrap().dimensions(), (64, 48));
        }
    }

    #[test]
    fn what_is_not_there_is_told() {
        let picture = image::RgbaImage::from_fn(4, 2, |x, y| {
            image::Rgba([9, 8, 7, if y == 0 { 255 } else { x as u8 * 60 }])
        });
        let mut bytes = Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        let (colours, alpha) = decode_shaped(bytes.get_ref()).unwrap();
        assert!(colours.pixels().all(|pixel| pixel.0 == [9, 8, 7]));
        assert_eq!(
            alpha.unwrap().into_raw(),
            [255, 255, 255, 255, 0, 60, 120, 180]
        );
        assert_eq!(decode_shaped(&png(3, 3)).unwrap().1, None);
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        // The IHDR of a small PNG rewritten to claim 60,000 × 60,000 pixels, with a right checksum.
        let mut bytes = png(2, 2);
        bytes[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(
            error.contains("3600000000") || error.to_lowercase().contains("limit"),
            "{error}"
        );
    }

    /// The pictures of `fixtures/images` all show the same four squares.
    #[test]
    fn pictures_as_cameras_and_printers_leave_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/images");
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
        let greys = [[76; 3], [150; 3], [29; 3], [255; 3]];
        for (name, expected) in [
            ("cmyk.jpg", colours),
            ("turned.jpg", colours),
            ("palette.png", colours),
            ("alpha.png", colours),
            ("plain.webp", colours),
            ("grey.jpg", greys),
            ("grey16.png", greys),
        ] {
            let image = load(&folder.join(name)).unwrap();
            assert_eq!(image.dimensions(), (32, 24), "{name}");
            for ((x, y), expected) in [(4, 4), (28, 4), (4, 20), (28, 20)]
                .into_iter()
                .zip(expected)
            {
                let found = image.get_pixel(x, y).0;
                let near = found
                    .iter()
                    .zip(expected)
                    .all(|(&f, e)| f.abs_diff(e) <= 12);
                assert!(near, "{name} at {x},{y}: {found:?}, not {expected:?}");
            }
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| {
                if c & 1 == 1 {
                    (c >> 1) ^ 0xEDB8_8320
                } else {
                    c >> 1
                }
            })
        };
        !bytes.iter().fold(!0, step)
    }
}
