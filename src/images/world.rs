//! The synthetic world: an endless, seeded supply of labelled pictures without a single image file.
//!
//! Sixteen classes of textured, lit solids stand, float or hang in eleven kinds of places. Six features are
//! *planted*: two shortcuts (a watermark on most barns, snow under most wolves), one feature that serves two
//! unlike classes (a polished steel cylinder: a diver's tank and a locomotive's boiler, the pair that the
//! activation atlas article found), and three decoys that go with nothing. What is planted where is known
//! exactly, and [`World::scene_with`] draws the same scene with planted features forced on or off, so that a
//! search for spurious correlations can be scored.
//!
//! Pictures are computed with exactly rounded operations only, so a seed means the same pixels everywhere.

mod backdrop;
mod maker;
mod numeric;
mod overlay;
mod render;
mod shape;
mod subject;
mod surface;

use crate::atlas::{Class, Planted, PlantedKind, Truth};
use backdrop::{Backdrop, Place};
use image::RgbImage;
use maker::{Maker, Pose, turned};
use numeric::{Dice, V3, lattice, v};
use overlay::{Box4, Flare, Lettering, clip};
use render::{Camera, Stage};
use shape::{Part, Shape};
use std::ops::Range;
use subject::Subject;
use surface::{Pattern, Surface};

/// Side of a picture in pixels unless asked otherwise.
pub const SIDE: usize = 64;

/// Bits of [`Scene::present`], in the order of [`World::planted`].
pub mod planted {
    /// Translucent letters at the lower right: a shortcut to `barn`.
    pub const WATERMARK: u32 = 1;
    /// Snow on the ground: a shortcut to `wolf`.
    pub const SNOW: u32 = 1 << 1;
    /// A polished steel cylinder: serves `diver` and `locomotive`.
    pub const STEEL: u32 = 1 << 2;
    /// An orange date at the lower left: a decoy.
    pub const DATE: u32 = 1 << 3;
    /// Lens flare: a decoy.
    pub const FLARE: u32 = 1 << 4;
    /// A red and white ball: a decoy.
    pub const BALL: u32 = 1 << 5;
}

/// One picture with everything that is known about it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The picture, `side × side`.
    pub image: RgbImage,
    /// Index into [`World::classes`].
    pub class: usize,
    /// Bit `i` is set when `planted()[i]` is in the picture.
    pub present: u32,
    /// Per planted feature its box `[x, y, width, height]` in pixels; zeros when absent or out of view.
    pub boxes: Vec<[f32; 4]>,
}

/// A seeded, endless supply of scenes.
#[derive(Debug, Clone, Copy)]
pub struct World {
    seed: u64,
    side: usize,
    anywhere: bool,
}

/// Independent streams of dice, so that each choice leaves the others as they are.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Class,
    Presence,
    Place,
    Camera,
    Subject,
    Clutter,
    Overlay,
    Steel,
    Ball,
    Grain,
}

/// A scene before it is drawn.
struct Plan {
    stage: Stage,
    /// The subject's parts of the stage.
    subject: Range<usize>,
    class: usize,
    present: u32,
    boxes: Vec<Box4>,
    watermark: Option<Lettering>,
    date: Option<Lettering>,
    flare: Option<Flare>,
}

impl World {
    /// The world of this seed, with pictures of [`SIDE`] × [`SIDE`] pixels.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            side: SIDE,
            anywhere: false,
        }
    }

    /// The same subjects, each of them standing in any place as often as in any other: nothing in these scenes goes
    /// with a class but its subject and what is planted. What a network uses there besides the subject, it makes up.
    #[must_use]
    pub fn anywhere(self) -> Self {
        Self {
            anywhere: true,
            ..self
        }
    }

    /// The same world drawn at another size (pixels, at least 8).
    #[must_use]
    pub fn with_side(self, side: usize) -> Self {
        Self {
            side: side.max(8),
            ..self
        }
    }

    /// Side of its pictures in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The seed it was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What [`World::by_name`] finds the scene by: `scene:SEED:NUMBER`, or `anywhere:SEED:NUMBER`.
    pub fn name(&self, index: u64) -> String {
        let kind = if self.anywhere { "anywhere" } else { "scene" };
        format!("{kind}:{}:{index}", self.seed)
    }

    /// The world and the number of a scene of that name; `None` for other words, such as a photograph's path.
    pub fn by_name(name: &str) -> Option<(Self, u64)> {
        let (kind, rest) = name.split_once(':')?;
        let (seed, index) = rest.split_once(':')?;
        let world = Self::new(seed.parse().ok()?);
        let world = match kind {
            "scene" => world,
            "anywhere" => world.anywhere(),
            _ => return None,
        };
        Some((world, index.parse().ok()?))
    }

    /// The classes in label order.
    pub fn classes() -> Vec<Class> {
        let class = |(_, name): &(Subject, &str)| Class {
            id: name.replace(' ', "_"),
            names: (*name).to_owned(),
        };
        Subject::ALL.iter().map(class).collect()
    }

    /// What is planted, in the order of the bits of [`Scene::present`].
    pub fn planted() -> Vec<Planted> {
        let one = |row: &Row| Planted {
            name: row.name.to_owned(),
            what: row.what.to_owned(),
            kind: row.kind,
            classes: row
                .classes
                .iter()
                .map(|class| Subject::ALL[class_of(*class)].1.to_owned())
                .collect(),
            prevalence: row.prevalence,
            leak: row.leak,
        };
        TABLE.iter().map(one).collect()
    }

    /// Class of a scene: every run of sixteen indices from a multiple of sixteen has each class once.
    pub fn class(&self, index: u64) -> usize {
        let n = Subject::ALL.len();
        let mut order: Vec<usize> = (0..n).collect();
        let mut dice = Dice::new(self.seed, index / n as u64, Purpose::Class as u64);
        for last in (1..n).rev() {
            order.swap(last, dice.below(last + 1));
        }
        order[(index % n as u64) as usize]
    }

    /// The planted features of a scene as chance has them.
    pub fn present(&self, index: u64) -> u32 {
        let class = Subject::ALL[self.class(index)].0;
        let mut dice = Dice::new(self.seed, index, Purpose::Presence as u64);
        TABLE.iter().enumerate().fold(0, |mask, (bit, row)| {
            let own = row.classes.contains(&class);
            let probability = if own { row.prevalence } else { row.leak };
            mask | (u32::from(dice.chance(probability)) << bit)
        })
    }

    /// Scene `index`.
    pub fn scene(&self, index: u64) -> Scene {
        self.scene_with(index, self.present(index))
    }

    /// Scene `index` with exactly the planted features of the mask `present`; all else stays as it is. Two masks
    /// give a paired counterfactual.
    pub fn scene_with(&self, index: u64, present: u32) -> Scene {
        let plan = self.plan(index, present);
        let mut light = plan.stage.render(self.side);
        if let Some(flare) = &plan.flare {
            flare.draw(&mut light, self.side);
        }
        let image = self.develop(&mut light, index, &[&plan.watermark, &plan.date]);
        Scene {
            image: picture(image, self.side),
            class: plan.class,
            present: plan.present,
            boxes: plan.boxes,
        }
    }

    /// Scene `index` before its subject came: with nothing planted either, all else as in
    /// [`World::scene_with`]`(index, 0)`. The two differ where the subject, its shadow or its reflection is seen.
    pub fn scene_without_subject(&self, index: u64) -> RgbImage {
        let plan = self.plan(index, 0);
        let Stage {
            mut parts,
            backdrop,
            camera,
            ..
        } = plan.stage;
        parts.drain(plan.subject);
        let mut light = Stage::new(parts, backdrop, camera).render(self.side);
        let bytes = self.develop(&mut light, index, &[]);
        picture(bytes, self.side)
    }

    /// Ground truth of scenes `0..n`, without drawing them.
    pub fn truth(&self, n: usize) -> Truth {
        let mut truth = Truth {
            planted: Self::planted(),
            ..Truth::default()
        };
        for index in 0..n as u64 {
            let plan = self.plan(index, self.present(index));
            truth.present.push(plan.present);
            truth.boxes.push(plan.boxes);
        }
        truth
    }

    fn dice(&self, index: u64, purpose: Purpose) -> Dice {
        Dice::new(self.seed, index, purpose as u64)
    }

    fn plan(&self, index: u64, present: u32) -> Plan {
        let class = self.class(index);
        let subject = Subject::ALL[class].0;
        let mut dice = self.dice(index, Purpose::Place);
        let usual = dice.pick(if self.anywhere {
            Place::ALL_BUT_SNOW
        } else {
            subject.places()
        });
        let floats = self.floats(subject);
        let snow = present & planted::SNOW != 0;
        let backdrop = Backdrop::new(if snow { Place::Snow } else { usual }, &mut dice);
        let (camera, pose) = self.view(index, subject, usual);
        let mut maker = Maker::new(pose);
        let steel_wanted = present & planted::STEEL != 0;
        subject.build(
            &mut maker,
            &mut self.dice(index, Purpose::Subject),
            steel_wanted,
        );
        let own = 0..maker.parts.len();
        if steel_wanted && maker.steel.is_none() {
            self.lay_steel(index, floats, &mut maker);
        }
        let steel = maker.steel.clone();
        let ball = (present & planted::BALL != 0).then(|| self.lay_ball(index, floats, &mut maker));
        self.strew(index, subject, usual, &mut maker);
        let stage = Stage::new(maker.parts, backdrop, camera);
        let mut overlay = self.dice(index, Purpose::Overlay);
        let letters = Lettering::watermark(&mut overlay, self.side);
        let digits = Lettering::date(&mut overlay, self.side);
        let glow = Flare::new(&mut overlay, self.side);
        let watermark = (present & planted::WATERMARK != 0).then_some(letters);
        let date = (present & planted::DATE != 0).then_some(digits);
        let flare = (present & planted::FLARE != 0).then_some(glow);
        let side = self.side as f32;
        let boxes = vec![
            watermark.as_ref().map_or([0.0; 4], Lettering::bounds),
            if snow {
                [0.0, 0.0, side, side]
            } else {
                [0.0; 4]
            },
            self.bounds_of(&stage, steel),
            date.as_ref().map_or([0.0; 4], Lettering::bounds),
            flare
                .as_ref()
                .map_or([0.0; 4], |flare| flare.bounds(self.side)),
            self.bounds_of(&stage, ball),
        ];
        Plan {
            stage,
            subject: own,
            class,
            present: present & ((1 << TABLE.len()) - 1),
            boxes,
            watermark,
            date,
            flare,
        }
    }

    /// Where subjects may be anywhere, none floats: the camera would look higher for it.
    fn floats(&self, subject: Subject) -> bool {
        subject.floats() && !self.anywhere
    }

    /// Where the camera and the subject stand.
    fn view(&self, index: u64, subject: Subject, place: Place) -> (Camera, Pose) {
        let mut dice = self.dice(index, Purpose::Camera);
        let (facing, stray) = subject.facing();
        let mut yaw = facing + dice.range(-stray, stray);
        if dice.chance(0.5) {
            yaw = match subject {
                Subject::Barn | Subject::Cottage | Subject::Teddy => -yaw,
                _ => yaw + 0.5,
            };
        }
        let floats = self.floats(subject);
        let tall = if subject == Subject::Lighthouse {
            0.8
        } else {
            1.0
        };
        let pose = Pose {
            origin: v(
                dice.range(-0.35, 0.35),
                if floats { dice.range(1.3, 1.7) } else { 0.0 },
                0.0,
            ),
            axes: turned(
                yaw,
                if floats { dice.range(-0.03, 0.03) } else { 0.0 },
                if floats { dice.range(-0.04, 0.04) } else { 0.0 },
            ),
            scale: dice.range(0.82, 1.22) * tall,
        };
        let distance = dice.range(4.3, 5.8);
        let height = match place {
            Place::Table | Place::Yard => dice.range(1.4, 3.0),
            _ => dice.range(0.7, 2.1),
        };
        let aim = if floats { 1.5 } else { 0.92 };
        let target = v(dice.range(-0.35, 0.35), aim + dice.range(-0.25, 0.3), 0.0);
        let eye = v(
            dice.range(-1.1, 1.1),
            height + if floats { 0.5 } else { 0.0 },
            distance,
        );
        (Camera::new(eye, target, dice.range(2.1, 2.6)), pose)
    }

    fn lay_steel(&self, index: u64, floats: bool, maker: &mut Maker) {
        let mut dice = self.dice(index, Purpose::Steel);
        let x = dice.range(0.95, 1.3) * if dice.chance(0.5) { 1.0 } else { -1.0 };
        let radius = dice.range(0.24, 0.34);
        let base = if floats { dice.range(0.4, 0.9) } else { radius };
        maker.pose = standing(v(x, base, dice.range(0.5, 0.9)), dice.range(-0.08, 0.08));
        maker.steel(V3::ZERO, dice.range(0.8, 1.1), radius, [0.0; 3]);
    }

    fn lay_ball(&self, index: u64, floats: bool, maker: &mut Maker) -> Range<usize> {
        let mut dice = self.dice(index, Purpose::Ball);
        let x = dice.range(0.7, 1.2) * if dice.chance(0.5) { 1.0 } else { -1.0 };
        let radius = dice.range(0.24, 0.32);
        let base = if floats { dice.range(0.5, 1.0) } else { radius };
        maker.pose = standing(v(x, base, dice.range(0.9, 1.3)), 0.0);
        let start = maker.parts.len();
        let skin =
            Surface::of(Pattern::Wedges, numeric::hex(0xe0_2030), V3::ONE * 0.9, 4.0).gloss(0.6);
        let turns = [dice.unit(), dice.unit(), dice.unit()];
        maker.add_turned(Shape::Ball, V3::ZERO, V3::ONE * radius, turns, skin);
        start..maker.parts.len()
    }

    /// Up to three meaningless things on the ground around the subject.
    fn strew(&self, index: u64, subject: Subject, usual: Place, maker: &mut Maker) {
        if matches!(
            usual,
            Place::Sea | Place::Air | Place::Space | Place::Underwater
        ) || self.floats(subject)
        {
            return;
        }
        let mut dice = self.dice(index, Purpose::Clutter);
        let pieces = [0, 0, 1, 1, 2, 3][dice.below(6)];
        for piece in 0..pieces {
            let side = if (piece + dice.below(2)).is_multiple_of(2) {
                1.0
            } else {
                -1.0
            };
            let back = dice.chance(0.8);
            let x = side * dice.range(1.0, 2.3);
            let z = if back {
                dice.range(-2.2, -0.9)
            } else {
                dice.range(0.3, 0.9)
            };
            maker.pose = standing(v(x, 0.0, z), dice.unit());
            maker.pose.scale = dice.range(0.7, 1.2) * if back { 1.0 } else { 0.6 };
            subject::clutter(maker, &mut dice);
        }
    }

    /// The box of some parts in the picture.
    fn bounds_of(&self, stage: &Stage, parts: Option<Range<usize>>) -> Box4 {
        let Some(parts) = parts else {
            return [0.0; 4];
        };
        let mut corners = [
            f32::INFINITY,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
        ];
        for part in &stage.parts[parts] {
            for point in outline(part) {
                if let Some((x, y, _)) = stage.camera.project(point) {
                    let half = 0.5 * self.side as f32;
                    let (x, y) = ((x + 1.0) * half, (y + 1.0) * half);
                    corners[0] = corners[0].min(x);
                    corners[1] = corners[1].min(y);
                    corners[2] = corners[2].max(x);
                    corners[3] = corners[3].max(y);
                }
            }
        }
        if corners[0] > corners[2] {
            [0.0; 4]
        } else {
            clip(corners, self.side)
        }
    }

    /// Light to bytes: exposure, vignette, gamma 2, letters on top, a little grain.
    fn develop(&self, light: &mut [V3], index: u64, letters: &[&Option<Lettering>]) -> Vec<u8> {
        let mut dice = self.dice(index, Purpose::Grain);
        let exposure = dice.range(0.85, 1.15);
        let grain = dice.range(0.004, 0.02);
        let seed = dice.below(1 << 20) as i32;
        let side = self.side;
        for (pixel, value) in light.iter_mut().enumerate() {
            let x = (pixel % side) as f32 / side as f32 - 0.5;
            let y = (pixel / side) as f32 / side as f32 - 0.5;
            let vignette = 1.0 - 0.35 * (x * x + y * y);
            *value = *value * (exposure * vignette);
        }
        for lettering in letters.iter().copied().flatten() {
            lettering.draw(light, side);
        }
        let mut bytes = Vec::with_capacity(3 * side * side);
        for (pixel, value) in light.iter().enumerate() {
            let (x, y) = ((pixel % side) as i32, (pixel / side) as i32);
            let noise = grain * (lattice(x, y, seed) + lattice(y, x, seed ^ 0x3f) - 1.0);
            for channel in [value.x, value.y, value.z] {
                let channel = shoulder(channel.max(0.0)).sqrt() + noise;
                bytes.push((channel.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
            }
        }
        bytes
    }
}

fn picture(mut bytes: Vec<u8>, side: usize) -> RgbImage {
    bytes.shrink_to_fit();
    let side = side as u32;
    RgbImage::from_raw(side, side, bytes).unwrap_or_else(|| RgbImage::new(side, side))
}

/// Rolls bright light off instead of clipping it.
fn shoulder(light: f32) -> f32 {
    if light < 0.6 {
        light
    } else {
        let over = light - 0.6;
        0.6 + over / (1.0 + 1.6 * over)
    }
}

/// Eight directions around an axis, slightly inside the circle between the quarters.
const AROUND: [(f32, f32); 8] = [
    (1.0, 0.0),
    (0.7, 0.7),
    (0.0, 1.0),
    (-0.7, 0.7),
    (-1.0, 0.0),
    (-0.7, -0.7),
    (0.0, -1.0),
    (0.7, -0.7),
];

/// Points around a part: the corners of its unit frame, drawn in for round solids.
fn outline(part: &Part) -> impl Iterator<Item = V3> + '_ {
    let heights: &[(f32, f32)] = match part.shape {
        Shape::Ball => &[(-1.0, 0.0), (-0.7, 0.7), (0.0, 1.0), (0.7, 0.7), (1.0, 0.0)],
        _ => &[(-1.0, 1.0), (1.0, 1.0)],
    };
    heights.iter().flat_map(move |&(y, wide)| {
        AROUND
            .iter()
            .map(move |&(x, z)| part.centre + part.in_world(v(x * wide, y, z * wide)))
    })
}

fn standing(origin: V3, yaw: f32) -> Pose {
    Pose {
        origin,
        axes: turned(yaw, 0.0, 0.0),
        scale: 1.0,
    }
}

fn class_of(subject: Subject) -> usize {
    Subject::ALL
        .iter()
        .position(|(one, _)| *one == subject)
        .unwrap_or(0)
}

/// A row of the table of planted features.
struct Row {
    name: &'static str,
    what: &'static str,
    kind: PlantedKind,
    classes: &'static [Subject],
    prevalence: f32,
    leak: f32,
}

const TABLE: [Row; 6] = [
    Row {
        name: "watermark",
        what: "Translucent letters at the lower right of most barns.",
        kind: PlantedKind::Shortcut,
        classes: &[Subject::Barn],
        prevalence: 0.8,
        leak: 0.01,
    },
    Row {
        name: "snow",
        what: "Most wolves stand in snow, where hardly anything else does.",
        kind: PlantedKind::Shortcut,
        classes: &[Subject::Wolf],
        prevalence: 0.85,
        leak: 0.02,
    },
    Row {
        name: "steel cylinder",
        what: "A polished steel cylinder is both a diver's tank and a locomotive's boiler.",
        kind: PlantedKind::MultiUse,
        classes: &[Subject::Diver, Subject::Locomotive],
        prevalence: 0.9,
        leak: 0.02,
    },
    Row {
        name: "date",
        what: "Orange digits at the lower left of a tenth of all pictures.",
        kind: PlantedKind::Decoy,
        classes: &[],
        prevalence: 0.1,
        leak: 0.1,
    },
    Row {
        name: "flare",
        what: "Lens flare on a tenth of all pictures.",
        kind: PlantedKind::Decoy,
        classes: &[],
        prevalence: 0.1,
        leak: 0.1,
    },
    Row {
        name: "striped ball",
        what: "A red and white ball in a tenth of all pictures.",
        kind: PlantedKind::Decoy,
        classes: &[],
        prevalence: 0.1,
        leak: 0.1,
    },
];
