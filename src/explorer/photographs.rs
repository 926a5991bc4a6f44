//! The photographs behind the cells: which ones to show, and how they are read.
//!
//! A cell's *exemplars* are those of its samples that speak most for the class in question (the chosen one, else the
//! cell's own strongest), one per image. What is shown of a photograph is the part that the position sees: the middle
//! half of its theoretical receptive field, since the rim hardly counts (Luo et al. 2016, "Understanding the
//! effective receptive field").

use super::labels::strongest_class;
use crate::atlas::{Atlas, ClassId, InputSpec, LayerAtlas, Level, Resize};
use crate::graphics::{Picture, PictureKey};
use crate::images::Shelf;
use image::{RgbImage, imageops};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Crops are stored with at most so many pixels a side.
pub const CROP_SIDE: u32 = 192;

/// A part of an image, in shares of its width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Left edge, 0..=1.
    pub x: f32,
    /// Top edge, 0..=1.
    pub y: f32,
    /// Width, 0..=1.
    pub width: f32,
    /// Height, 0..=1.
    pub height: f32,
}

impl Part {
    /// All of it.
    pub const WHOLE: Part = Part {
        x: 0.0,
        y: 0.0,
        width: 1.0,
        height: 1.0,
    };

    /// The same rectangle inside `outer`.
    fn within(self, outer: Part) -> Part {
        Part {
            x: outer.x + self.x * outer.width,
            y: outer.y + self.y * outer.height,
            width: self.width * outer.width,
            height: self.height * outer.height,
        }
    }
}

/// A crop that is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropRequest {
    /// The name that the picture will have.
    pub key: PictureKey,
    /// Index of the image in the atlas.
    pub image: u32,
    /// Which part of the network's input.
    pub part: Part,
    /// Draw a frame around `part` of the whole photograph instead of cutting it out.
    pub framed: bool,
}

/// A crop as a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crop {
    /// The picture.
    pub picture: Picture,
}

/// Reads photographs. Lives on a thread of its own.
pub trait Photographs: Send {
    /// Takes an atlas, the first or a newer one.
    fn atlas(&mut self, atlas: &Atlas);

    /// Reads and cuts one.
    ///
    /// # Errors
    /// A sentence for people.
    fn crop(&mut self, request: &CropRequest) -> Result<Crop, String>;

    /// The photographs are in another folder now; says what was found there.
    ///
    /// # Errors
    /// A sentence for people when nothing was found.
    fn moved(&mut self, folder: &Path) -> Result<String, String>;
}

/// One exemplar of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// Index of the sample in its layer.
    pub sample: u32,
    /// Index of the image.
    pub image: u32,
    /// Row and column of the position in the layer.
    pub position: (u8, u8),
    /// Its attribution to the class that chose it, if there is one.
    pub attribution: Option<f32>,
}

/// The exemplars of a cell, strongest first, one per image. `kept` leaves only some samples.
pub fn exemplars(
    layer: &LayerAtlas,
    level: &Level,
    cell: usize,
    class: Option<ClassId>,
    kept: Option<&dyn Fn(u32) -> bool>,
) -> Vec<Exemplar> {
    let class = class.or_else(|| {
        let best = strongest_class(level, cell);
        best.filter(|&class| level.attribution(cell, class) > 0.0)
    });
    let samples = &layer.samples;
    let mut list: Vec<Exemplar> = level
        .members_of(cell)
        .iter()
        .filter(|&&sample| kept.is_none_or(|kept| kept(sample)))
        .map(|&sample| {
            let idx = sample as usize;
            Exemplar {
                sample,
                image: samples.image[idx],
                position: (samples.row[idx], samples.col[idx]),
                attribution: class.map(|class| attribution_of(layer, sample, class)),
            }
        })
        .collect();
    let strength = |e: &Exemplar| e.attribution.unwrap_or(0.0);
    list.sort_by(|a, b| {
        strength(b)
            .total_cmp(&strength(a))
            .then(a.sample.cmp(&b.sample))
    });
    let mut seen = HashSet::new();
    list.retain(|e| seen.insert(e.image));
    list
}

/// A sample's attribution to a class; 0 when it is not among the stored ones.
pub fn attribution_of(layer: &LayerAtlas, sample: u32, class: ClassId) -> f32 {
    let mut top = layer.samples.top(sample as usize);
    top.find(|&(c, _)| c == class).map_or(0.0, |(_, v)| v)
}

/// What a position sees, as a part of the network's input.
pub fn seen_by(layer: &LayerAtlas, (row, col): (u8, u8)) -> Part {
    let axis = |at: u8, n: u32| {
        let input = (n.max(1) * layer.stride.max(1)) as f32;
        let side = (layer.receptive_field as f32 / 2.0).max(layer.stride as f32);
        let share = (side / input).clamp(0.05, 1.0);
        let middle = (f32::from(at) + 0.5) / n.max(1) as f32;
        ((middle - share / 2.0).clamp(0.0, 1.0 - share), share)
    };
    let (y, height) = axis(row, layer.map_size.0);
    let (x, width) = axis(col, layer.map_size.1);
    Part {
        x,
        y,
        width,
        height,
    }
}

/// Which part of a photograph becomes the network's input. Squares out of the middle are cut by most networks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// The middle of each side, as a share of it; the aspect is ignored.
    Share(f32),
    /// The middle square, as a share of the shorter side.
    Square(f32),
}

impl Window {
    /// What this preprocessing leaves of a picture.
    pub fn of_input(input: &InputSpec) -> Window {
        let share = |via: usize| input.size as f32 / via.max(input.size).max(1) as f32;
        match input.resize {
            Resize::Warp => Window::Share(1.0),
            Resize::WarpCrop { via } => Window::Share(share(via)),
            Resize::Crop { via } => Window::Square(share(via)),
        }
    }

    /// The part of a picture of `width` × `height` pixels.
    fn of(self, width: u32, height: u32) -> Part {
        let (w, h) = (width.max(1) as f32, height.max(1) as f32);
        let (width, height) = match self {
            Window::Share(share) => (share, share),
            Window::Square(share) => (share * w.min(h) / w, share * w.min(h) / h),
        };
        Part {
            x: (1.0 - width) / 2.0,
            y: (1.0 - height) / 2.0,
            width,
            height,
        }
    }
}

/// The photographs of an atlas in their folders, or the scenes of the synthetic world, which need none.
#[derive(Debug)]
pub struct Album {
    /// Per image: its path within its source, and the source.
    paths: Vec<(String, u16)>,
    shelf: Shelf,
    window: Window,
    /// The window of a network by its name, for atlases that do not record what it saw.
    window_of: fn(&str) -> Window,
    /// The last pictures that were read.
    recent: Vec<(u32, Arc<RgbImage>)>,
}

/// Decoded photographs that are kept: neighbouring cells share many.
const RECENT: usize = 8;

impl Album {
    /// An album without an atlas yet; `given` are folders to look in first.
    pub fn new(given: Vec<PathBuf>, window_of: fn(&str) -> Window) -> Album {
        Album {
            paths: Vec::new(),
            shelf: Shelf::new(given),
            window: Window::Share(1.0),
            window_of,
            recent: Vec::new(),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// True without images.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Reads image `idx` of the atlas.
    ///
    /// # Errors
    /// A sentence that says where it was looked for.
    pub fn read(&mut self, idx: u32) -> Result<Arc<RgbImage>, String> {
        if let Some((_, image)) = self.recent.iter().find(|(i, _)| *i == idx) {
            return Ok(Arc::clone(image));
        }
        let (path, source) = self.paths.get(idx as usize).ok_or("no such image")?;
        let image = Arc::new(self.shelf.read(path, *source)?);
        self.recent.truncate(RECENT - 1);
        self.recent.insert(0, (idx, Arc::clone(&image)));
        Ok(image)
    }
}

impl Photographs for Album {
    fn atlas(&mut self, atlas: &Atlas) {
        let paths = atlas.images.path.iter().cloned();
        self.paths = paths.zip(atlas.images.source.iter().copied()).collect();
        self.shelf.set_sources(&atlas.recipe.sources);
        let recipe = &atlas.recipe;
        self.window = (recipe.input.as_ref())
            .map_or_else(|| (self.window_of)(&recipe.network), Window::of_input);
    }

    fn crop(&mut self, request: &CropRequest) -> Result<Crop, String> {
        let image = self.read(request.image)?;
        let input = self.window.of(image.width(), image.height());
        let part = request.part.within(input);
        let picture = if request.framed {
            framed(&image, part, request.key)
        } else {
            cut(&image, part, request.key)
        };
        Ok(Crop { picture })
    }

    fn moved(&mut self, folder: &Path) -> Result<String, String> {
        if !folder.is_dir() {
            return Err(format!("{} is no folder", folder.display()));
        }
        let tried = self.paths.iter().step_by((self.paths.len() / 50).max(1));
        let (mut n, mut found) = (0, 0);
        for (path, _) in tried {
            n += 1;
            found += usize::from(folder.join(path).is_file());
        }
        if found == 0 {
            let example = self.paths.first().map_or("", |(path, _)| path);
            return Err(format!(
                "no photograph of this atlas in {}: {example} is missing",
                folder.display()
            ));
        }
        self.shelf.give(folder);
        self.recent.clear();
        Ok(format!(
            "photographs: {found} of {n} looked for are in {}",
            folder.display()
        ))
    }
}

/// The part in pixels: (x, y, width, height), never empty.
fn in_pixels(image: &RgbImage, part: Part) -> (u32, u32, u32, u32) {
    let axis = |at: f32, share: f32, side: u32| {
        let from = ((at * side as f32).round().max(0.0) as u32).min(side - 1);
        let length = ((share * side as f32).round().max(1.0) as u32).min(side - from);
        (from, length)
    };
    let (x, width) = axis(part.x, part.width, image.width());
    let (y, height) = axis(part.y, part.height, image.height());
    (x, y, width, height)
}

fn cut(image: &RgbImage, part: Part, key: PictureKey) -> Picture {
    let (x, y, width, height) = in_pixels(image, part);
    let view = imageops::crop_imm(image, x, y, width, height).to_image();
    square(&view, key)
}

/// Scaled to a square as the network sees it: aspect is ignored where the network ignores it.
fn square(image: &RgbImage, key: PictureKey) -> Picture {
    let side = image.width().max(image.height()).clamp(8, CROP_SIDE);
    let small = imageops::thumbnail(image, side, side);
    picture(&small, key)
}

/// The whole photograph, with a frame around the part.
fn framed(image: &RgbImage, part: Part, key: PictureKey) -> Picture {
    let mut small = shrunk(image);
    let (x, y, width, height) = in_pixels(&small, part);
    for (inset, colour) in [(0, [0; 3]), (1, [255; 3]), (2, [255; 3]), (3, [0; 3])] {
        if width <= 2 * inset || height <= 2 * inset {
            continue;
        }
        let (x0, y0) = (x + inset, y + inset);
        let (x1, y1) = (x + width - 1 - inset, y + height - 1 - inset);
        for x in x0..=x1 {
            small.put_pixel(x, y0, image::Rgb(colour));
            small.put_pixel(x, y1, image::Rgb(colour));
        }
        for y in y0..=y1 {
            small.put_pixel(x0, y, image::Rgb(colour));
            small.put_pixel(x1, y, image::Rgb(colour));
        }
    }
    picture(&small, key)
}

/// A whole photograph, made so small that it is soon sent.
pub fn reduced(image: &RgbImage) -> Picture {
    let small = shrunk(image);
    let key = super::made::photograph_key(small.as_raw());
    picture(&small, key)
}

fn shrunk(image: &RgbImage) -> RgbImage {
    let longest = image.width().max(image.height()).max(1);
    let scale = (2.0 * CROP_SIDE as f32 / longest as f32).min(1.0);
    let side = |v: u32| ((v as f32 * scale).round() as u32).max(1);
    imageops::thumbnail(image, side(image.width()), side(image.height()))
}

/// RGB pixels as a picture.
fn picture(image: &RgbImage, key: PictureKey) -> Picture {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(image.as_raw()));
    debug_assert!(written.is_ok(), "a vector takes all bytes and sizes agree");
    Picture {
        key,
        png: bytes.into(),
        width: image.width(),
        height: image.height(),
    }
}

/// Crops that arrived, and which are wanted. The least recently wanted go first when there are many.
#[derive(Debug, Clone, Default)]
pub struct Gallery {
    pictures: HashMap<PictureKey, (u64, Picture)>,
    /// Keys that cannot be had, with the reason.
    missing: HashMap<PictureKey, String>,
    /// Why none is there, when several were missing for one reason and none came.
    hopeless: Option<String>,
    clock: u64,
}

/// So many missing crops say something about all.
const HOPELESS: usize = 3;

/// Crops that are kept: about 60 kB each.
const KEPT: usize = 256;

impl Gallery {
    /// The picture of a key, once it is there.
    pub fn get(&self, key: PictureKey) -> Option<&Picture> {
        self.pictures.get(&key).map(|(_, picture)| picture)
    }

    /// Why there is no such picture and will not be.
    pub fn why_not(&self, key: PictureKey) -> Option<&str> {
        let why = self.missing.get(&key);
        let unknown = || self.hopeless.as_ref().filter(|_| self.lacks(key));
        why.or_else(unknown).map(String::as_str)
    }

    /// Neither there nor known to be missing.
    pub fn lacks(&self, key: PictureKey) -> bool {
        !self.pictures.contains_key(&key) && !self.missing.contains_key(&key)
    }

    /// Takes an answer.
    pub fn put(&mut self, key: PictureKey, crop: Result<Crop, String>) {
        match crop {
            Ok(crop) => {
                self.clock += 1;
                self.hopeless = None;
                self.pictures.insert(key, (self.clock, crop.picture));
            }
            Err(why) => {
                let same = self.missing.values().filter(|other| **other == why);
                if self.pictures.is_empty() && same.count() + 1 >= HOPELESS {
                    self.hopeless = Some(why.clone());
                }
                self.missing.insert(key, why);
            }
        }
        if self.pictures.len() > KEPT {
            let oldest = self.pictures.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.pictures.remove(&key);
            }
        }
    }

    /// These are looked at now.
    pub fn touch(&mut self, keys: impl Iterator<Item = PictureKey>) {
        self.clock += 1;
        for key in keys {
            if let Some(entry) = self.pictures.get_mut(&key) {
                entry.0 = self.clock;
            }
        }
    }

    /// What was missing may be found in another folder.
    pub fn hope_again(&mut self) {
        self.hopeless = None;
        self.missing.clear();
    }
}
