//! Rays through pixels: solids, ground, shadows, reflections, haze; edges and textures four times sampled.

use super::backdrop::{Backdrop, Place};
use super::numeric::{V3, decay, noise2, power, v};
use super::shape::{Hit, Part};

/// A pinhole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Camera {
    pub(super) eye: V3,
    right: V3,
    up: V3,
    forward: V3,
    /// Focal length in half image widths.
    focal: f32,
}

impl Camera {
    pub(super) fn new(eye: V3, target: V3, focal: f32) -> Self {
        let forward = (target - eye).unit();
        let right = forward.cross(V3::UP).unit();
        Self {
            eye,
            right,
            up: right.cross(forward),
            forward,
            focal,
        }
    }

    /// Direction through a point of the image, both coordinates −1..1, y down.
    fn ray(&self, x: f32, y: f32) -> V3 {
        (self.forward * self.focal + self.right * x - self.up * y).unit()
    }

    /// Image coordinates (−1..1, y down) and depth of a point; `None` behind the eye.
    pub(super) fn project(&self, p: V3) -> Option<(f32, f32, f32)> {
        let q = p - self.eye;
        let depth = q.dot(self.forward);
        (depth > 0.05).then(|| {
            let scale = self.focal / depth;
            (q.dot(self.right) * scale, -q.dot(self.up) * scale, depth)
        })
    }
}

/// Everything that is seen.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) parts: Vec<Part>,
    pub(super) backdrop: Backdrop,
    pub(super) camera: Camera,
    /// A ball that holds all parts.
    whole: Ball,
    /// A ball around each part, in few bytes: most rays towards the sun miss most of them.
    balls: Vec<Ball>,
}

/// Centre and squared radius.
#[derive(Debug, Clone, Copy)]
struct Ball {
    centre: V3,
    square: f32,
}

impl Ball {
    fn new(centre: V3, radius: f32) -> Self {
        Self {
            centre,
            square: radius * radius,
        }
    }

    /// True when a ray in this unit direction cannot meet it.
    fn missed(&self, from: V3, direction: V3) -> bool {
        let offset = from - self.centre;
        let along = offset.dot(direction);
        let distance = offset.dot(offset);
        distance - along * along > self.square || (along > 0.0 && distance > self.square)
    }
}

/// Bounds of a part in image coordinates: left, top, right, bottom.
#[derive(Debug, Clone, Copy)]
struct Bounds([f32; 4]);

/// One ray's answer.
#[derive(Debug, Clone, Copy)]
struct Sample {
    colour: V3,
    /// What was seen (0 background, 1 ground, 2 + part), with [`SHADOW`] and [`FINE`].
    seen: u16,
}

const SHADOW: u16 = 1 << 15;
/// What was seen has detail as small as pixels.
const FINE: u16 = 1 << 14;
/// Places of the four rays in a pixel, and where on the sun's disc each looks for shadow.
const ROTATED: [(f32, f32); 4] = [
    (-0.125, -0.375),
    (0.375, -0.125),
    (0.125, 0.375),
    (-0.375, 0.125),
];
const DISC: f32 = 0.16;

impl Stage {
    pub(super) fn new(parts: Vec<Part>, backdrop: Backdrop, camera: Camera) -> Self {
        let sum = parts.iter().fold(V3::ZERO, |sum, part| sum + part.centre);
        let centre = sum * (1.0 / parts.len().max(1) as f32);
        let farthest = |part: &Part| (part.centre - centre).length() + part.reach;
        let radius = parts.iter().map(farthest).fold(0.0, f32::max);
        let balls = parts
            .iter()
            .map(|part| Ball::new(part.centre, part.reach))
            .collect();
        Self {
            parts,
            backdrop,
            camera,
            whole: Ball::new(centre, radius),
            balls,
        }
    }

    /// The picture in linear light, row by row, `size × size`.
    pub(super) fn render(&self, size: usize) -> Vec<V3> {
        let bounds = self.bounds();
        let step = 2.0 / size as f32;
        let at = |column: usize, row: usize, shift: (f32, f32)| {
            let x = (column as f32 + 0.5 + shift.0) * step - 1.0;
            let y = (row as f32 + 0.5 + shift.1) * step - 1.0;
            (x, y)
        };
        let mut samples = Vec::with_capacity(size * size);
        for row in 0..size {
            for column in 0..size {
                let (x, y) = at(column, row, (0.0, 0.0));
                samples.push(self.sample(x, y, &bounds, (0.0, 0.0)));
            }
        }
        let mut picture = Vec::with_capacity(size * size);
        for row in 0..size {
            for column in 0..size {
                let here = samples[row * size + column];
                if !needs_more(&samples, size, row, column) {
                    picture.push(here.colour);
                    continue;
                }
                let mut sum = V3::ZERO;
                for shift in ROTATED {
                    let (x, y) = at(column, row, shift);
                    let sun = (shift.0 * DISC, shift.1 * DISC);
                    sum += self.sample(x, y, &bounds, sun).colour;
                }
                picture.push(sum * 0.25);
            }
        }
        picture
    }

    fn bounds(&self) -> Vec<Bounds> {
        let of = |part: &Part| {
            let reach = part.reach;
            let whole = Bounds([-9.0, -9.0, 9.0, 9.0]);
            let Some((x, y, depth)) = self.camera.project(part.centre) else {
                return whole;
            };
            if depth <= reach * 1.1 {
                return whole;
            }
            let r = self.camera.focal * reach * 1.12 / (depth - reach);
            Bounds([x - r, y - r, x + r, y + r])
        };
        self.parts.iter().map(of).collect()
    }

    fn sample(&self, x: f32, y: f32, bounds: &[Bounds], sun_shift: (f32, f32)) -> Sample {
        let origin = self.camera.eye;
        let direction = self.camera.ray(x, y);
        let mut nearest: Option<(usize, Hit)> = None;
        let mut limit = f32::INFINITY;
        let near = |b: &[f32; 4]| x >= b[0] && x <= b[2] && y >= b[1] && y <= b[3];
        for (index, (part, b)) in self.parts.iter().zip(bounds).enumerate() {
            if !near(&b.0) {
                continue;
            }
            if let Some(hit) = part.meet(origin, direction, limit) {
                limit = hit.distance;
                nearest = Some((index, hit));
            }
        }
        let sun = self.backdrop.sun + v(sun_shift.0, 0.0, sun_shift.1);
        let to_ground = -origin.y / direction.y;
        if self.backdrop.has_ground() && to_ground > 0.0 && to_ground < limit.min(60.0) {
            return self.ground(origin, direction, to_ground, sun.unit());
        }
        let Some((index, hit)) = nearest else {
            return Sample {
                colour: self.backdrop.behind(origin, direction),
                seen: 0,
            };
        };
        let part = &self.parts[index];
        let point = origin + direction * hit.distance;
        let normal = part.normal_to_world(hit.normal);
        let shadow = normal.dot(sun) > 0.0 && self.in_shadow(point + normal * 0.01, sun.unit());
        let colour = self.lit(part, &hit, (origin, direction), shadow);
        Sample {
            colour: self.hazed(colour, hit.distance),
            seen: (index as u16 + 2)
                | if shadow { SHADOW } else { 0 }
                | if part.surface.pattern.is_fine() {
                    FINE
                } else {
                    0
                },
        }
    }

    fn in_shadow(&self, from: V3, sun: V3) -> bool {
        if self.whole.missed(from, sun) {
            return false;
        }
        let mut pairs = self.balls.iter().zip(&self.parts);
        pairs.any(|(ball, part)| {
            !ball.missed(from, sun) && part.meet(from, sun, f32::INFINITY).is_some()
        })
    }

    fn lit(&self, part: &Part, hit: &Hit, ray: (V3, V3), shadow: bool) -> V3 {
        let (origin, d) = ray;
        let point = origin + d * hit.distance;
        let n = part.normal_to_world(hit.normal);
        let place = &self.backdrop;
        let surface = &part.surface;
        let albedo = surface.colour(hit.local, hit.normal, part.size);
        let open = if place.has_ground() {
            0.55 + 0.45 * (point.y * 2.2).clamp(0.0, 1.0)
        } else {
            1.0
        };
        let ambient = place
            .ambient_below
            .mix(place.ambient_above, 0.5 + 0.5 * n.y)
            * open;
        let mut sunlight = if shadow { V3::ZERO } else { place.sunlight };
        if place.place == Place::Underwater {
            let dance = noise2(point.x * 3.0, point.z * 3.0 + point.y, 77);
            sunlight = sunlight * (0.65 + 0.8 * dance * dance);
        }
        let facing = n.dot(place.sun).max(0.0);
        let mut colour = albedo.times(ambient + sunlight * facing);
        let mirrored = d.reflect(n);
        if surface.mirror > 0.0 {
            let away = 1.0 - (-d.dot(n)).max(0.0);
            let share = surface.mirror + (1.0 - surface.mirror) * power(away, 2) * 0.8;
            colour = colour.mix(
                self.surroundings(point, mirrored)
                    .times(tinted(surface.first)),
                share,
            );
        }
        let glint = power(mirrored.dot(place.sun).max(0.0), 5);
        colour + sunlight * (glint * surface.gloss * 0.9)
    }

    fn surroundings(&self, point: V3, d: V3) -> V3 {
        let place = &self.backdrop;
        if d.y < -0.02 && place.has_ground() {
            let distance = -point.y.max(0.01) / d.y;
            place.ground(point + d * distance, 4.0 + distance) * 0.6
        } else {
            place.behind(point, d)
        }
    }

    fn ground(&self, origin: V3, direction: V3, distance: f32, sun: V3) -> Sample {
        let place = &self.backdrop;
        let point = origin + direction * distance;
        let shadow = self.in_shadow(point + V3::UP * 0.01, sun);
        let colour = if place.is_water() {
            self.water(point, direction, distance, shadow)
        } else {
            let albedo = place.ground(point, distance);
            let sunlight = if shadow {
                V3::ZERO
            } else {
                place.sunlight * place.sun.y.max(0.2)
            };
            albedo.times(place.ambient_above * 1.05 + sunlight)
        };
        Sample {
            colour: self.hazed(colour, distance),
            seen: 1 | if shadow { SHADOW } else { 0 },
        }
    }

    fn water(&self, point: V3, direction: V3, distance: f32, shadow: bool) -> V3 {
        let place = &self.backdrop;
        let normal = place.waves(point, distance);
        let mirrored = direction.reflect(normal);
        let facing = (-direction.dot(normal)).max(0.0);
        let colour = place.water(mirrored, facing, place.ground(point, distance).y.sqrt());
        let mut nearest: Option<(&Part, Hit)> = None;
        let up = v(mirrored.x, mirrored.y.abs(), mirrored.z);
        for part in &self.parts {
            let limit = nearest.map_or(f32::INFINITY, |(_, hit)| hit.distance);
            if let Some(hit) = part.meet(point, up, limit) {
                nearest = Some((part, hit));
            }
        }
        if let Some((part, hit)) = nearest {
            let seen = self.lit(part, &hit, (point, up), false);
            return colour.mix(seen, 0.45);
        }
        let glint = if shadow {
            0.0
        } else {
            power(mirrored.dot(place.sun).max(0.0), 6)
        };
        colour * if shadow { 0.75 } else { 1.0 } + place.sunlight * (0.8 * glint)
    }

    fn hazed(&self, colour: V3, distance: f32) -> V3 {
        let haze = self.backdrop.haze;
        if haze == 0.0 {
            return colour;
        }
        let near = (distance - 3.0).max(0.0) * haze;
        colour.mix(self.backdrop.haze_colour(), 1.0 - decay(near))
    }
}

/// A metal tints what it mirrors; the brightest channel is kept.
fn tinted(colour: V3) -> V3 {
    let most = colour.x.max(colour.y).max(colour.z).max(0.05);
    (colour * (1.0 / most)).mix(V3::ONE, 0.4)
}

/// A pixel is sampled again on fine patterns and wherever its neighbours saw something else.
fn needs_more(samples: &[Sample], size: usize, row: usize, column: usize) -> bool {
    let here = samples[row * size + column].seen;
    if here & FINE != 0 {
        return true;
    }
    let differs = |r: usize, c: usize| samples[r * size + c].seen != here;
    (row > 0 && differs(row - 1, column))
        || (row + 1 < size && differs(row + 1, column))
        || (column > 0 && differs(row, column - 1))
        || (column + 1 < size && differs(row, column + 1))
}
