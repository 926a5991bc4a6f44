//! Solids that rays meet: ball, frustum, convex blocks, ring. Each in its own unit frame, stretched and turned into
//! the world.

use super::numeric::{V3, v};
use super::surface::Surface;

/// A solid in its unit frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// The unit sphere.
    Ball,
    /// From a disc of radius 1 at y = −1 to one of this radius at y = 1: cylinder 1, cone 0.
    Frustum(f32),
    /// The cube −1..=1.
    Block,
    /// A gable: base at y = −1, ridge along z at y = 1.
    Roof,
    /// Half the cube's x-y square, upright at x = −1, 2 thick.
    Sail,
    /// A torus around y with major radius 1 and this tube radius.
    Ring(f32),
}

const BLOCK: [(V3, f32); 6] = [
    (v(1.0, 0.0, 0.0), 1.0),
    (v(-1.0, 0.0, 0.0), 1.0),
    (v(0.0, 1.0, 0.0), 1.0),
    (v(0.0, -1.0, 0.0), 1.0),
    (v(0.0, 0.0, 1.0), 1.0),
    (v(0.0, 0.0, -1.0), 1.0),
];
const ROOF: [(V3, f32); 5] = [
    (v(2.0, 1.0, 0.0), 1.0),
    (v(-2.0, 1.0, 0.0), 1.0),
    (v(0.0, -1.0, 0.0), 1.0),
    (v(0.0, 0.0, 1.0), 1.0),
    (v(0.0, 0.0, -1.0), 1.0),
];
const SAIL: [(V3, f32); 5] = [
    (v(1.0, 1.0, 0.0), 0.0),
    (v(-1.0, 0.0, 0.0), 1.0),
    (v(0.0, -1.0, 0.0), 1.0),
    (v(0.0, 0.0, 1.0), 1.0),
    (v(0.0, 0.0, -1.0), 1.0),
];

/// A solid placed in the world with its surface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) shape: Shape,
    /// Centre of the unit frame in the world.
    pub(super) centre: V3,
    /// Orthonormal axes of the unit frame in the world.
    pub(super) axes: [V3; 3],
    /// Stretch along each axis.
    pub(super) size: V3,
    pub(super) surface: Surface,
    /// Radius of a ball around the centre that holds the part.
    pub(super) reach: f32,
    /// Rows of the matrix that takes world offsets from the centre to the unit frame.
    to_unit: [V3; 3],
}

/// Where a ray meets a part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    /// Distance along the ray in units of its direction.
    pub(super) distance: f32,
    /// Point in the unit frame.
    pub(super) local: V3,
    /// Outward normal in the unit frame, any length.
    pub(super) normal: V3,
}

/// Nothing nearer than this counts as met; hides rounding at the surface a ray starts from.
const NEAR: f32 = 2e-3;

impl Part {
    pub(super) fn new(shape: Shape, centre: V3, axes: [V3; 3], s: V3, surface: Surface) -> Self {
        let reach = match shape {
            Shape::Ball => s.x.max(s.y).max(s.z),
            Shape::Ring(tube) => s.x.max(s.y).max(s.z) * (1.0 + tube),
            Shape::Frustum(top) => {
                let widest = s.x.max(s.z) * top.max(1.0);
                (s.y * s.y + widest * widest).sqrt()
            }
            Shape::Block | Shape::Roof | Shape::Sail => s.length(),
        };
        Self {
            shape,
            centre,
            axes,
            size: s,
            surface,
            reach,
            to_unit: [
                axes[0] * (1.0 / s.x),
                axes[1] * (1.0 / s.y),
                axes[2] * (1.0 / s.z),
            ],
        }
    }

    fn in_unit(&self, p: V3) -> V3 {
        let rows = &self.to_unit;
        v(p.dot(rows[0]), p.dot(rows[1]), p.dot(rows[2]))
    }

    /// A direction or offset of the unit frame in the world.
    pub(super) fn in_world(&self, p: V3) -> V3 {
        self.axes[0] * (p.x * self.size.x)
            + self.axes[1] * (p.y * self.size.y)
            + self.axes[2] * (p.z * self.size.z)
    }

    /// The unit normal in the world of a normal in the unit frame.
    pub(super) fn normal_to_world(&self, n: V3) -> V3 {
        let rows = &self.to_unit;
        (rows[0] * n.x + rows[1] * n.y + rows[2] * n.z).unit()
    }

    /// First meeting of the ray `origin + t · direction` (unit direction) with t below `limit`.
    pub(super) fn meet(&self, origin: V3, direction: V3, limit: f32) -> Option<Hit> {
        let offset = origin - self.centre;
        let along = offset.dot(direction);
        let reach = self.reach;
        if offset.dot(offset) - along * along > reach * reach || along > reach {
            return None;
        }
        let o = self.in_unit(offset);
        let d = self.in_unit(direction);
        let hit = match self.shape {
            Shape::Ball => ball(o, d),
            Shape::Frustum(top) => frustum(o, d, top),
            Shape::Block => convex(o, d, &BLOCK),
            Shape::Roof => convex(o, d, &ROOF),
            Shape::Sail => convex(o, d, &SAIL),
            Shape::Ring(tube) => ring(o, d, tube),
        };
        hit.filter(|hit| hit.distance < limit)
    }
}

fn ball(o: V3, d: V3) -> Option<Hit> {
    let a = d.dot(d);
    let half = o.dot(d);
    let discriminant = half * half - a * (o.dot(o) - 1.0);
    if discriminant < 0.0 {
        return None;
    }
    let distance = (-half - discriminant.sqrt()) / a;
    if distance < NEAR {
        return None;
    }
    let local = o + d * distance;
    Some(Hit {
        distance,
        local,
        normal: local,
    })
}

fn frustum(o: V3, d: V3, top: f32) -> Option<Hit> {
    let slope = 0.5 * (top - 1.0);
    let middle = 0.5 * (top + 1.0);
    let mut best: Option<Hit> = None;
    let mut offer = |hit: Hit| {
        if hit.distance > NEAR && best.is_none_or(|best| hit.distance < best.distance) {
            best = Some(hit);
        }
    };
    let radius = middle + slope * o.y;
    let growth = slope * d.y;
    let a = d.x * d.x + d.z * d.z - growth * growth;
    let half = o.x * d.x + o.z * d.z - radius * growth;
    let c = o.x * o.x + o.z * o.z - radius * radius;
    let discriminant = half * half - a * c;
    if discriminant >= 0.0 && a.abs() > 1e-9 {
        let root = discriminant.sqrt();
        for distance in [(-half - root) / a, (-half + root) / a] {
            let local = o + d * distance;
            if local.y.abs() <= 1.0 {
                let flare = -slope * (middle + slope * local.y);
                offer(Hit {
                    distance,
                    local,
                    normal: v(local.x, flare, local.z),
                });
            }
        }
    }
    for (y, r) in [(-1.0, 1.0), (1.0, top)] {
        let distance = (y - o.y) / d.y;
        let local = o + d * distance;
        if local.x * local.x + local.z * local.z <= r * r {
            offer(Hit {
                distance,
                local,
                normal: v(0.0, y, 0.0),
            });
        }
    }
    best
}

fn convex(o: V3, d: V3, planes: &[(V3, f32)]) -> Option<Hit> {
    let mut enter = f32::NEG_INFINITY;
    let mut leave = f32::INFINITY;
    let mut normal = V3::UP;
    for &(n, bound) in planes {
        let speed = n.dot(d);
        let gap = bound - n.dot(o);
        if speed.abs() < 1e-9 {
            if gap < 0.0 {
                return None;
            }
            continue;
        }
        let t = gap / speed;
        if speed < 0.0 {
            if t > enter {
                enter = t;
                normal = n;
            }
        } else {
            leave = leave.min(t);
        }
    }
    (enter < leave && enter > NEAR).then(|| Hit {
        distance: enter,
        local: o + d * enter,
        normal,
    })
}

/// By sphere tracing: the torus' distance function never overshoots.
fn ring(o: V3, d: V3, tube: f32) -> Option<Hit> {
    let speed = d.length();
    let d = d * (1.0 / speed);
    let closest = -o.dot(d);
    let outer = 1.0 + tube;
    let inside = outer * outer - (o.dot(o) - closest * closest);
    if inside < 0.0 {
        return None;
    }
    let half = inside.sqrt();
    let end = closest + half;
    let mut t = (closest - half).max(NEAR * speed);
    for _ in 0..28 {
        let p = o + d * t;
        let from_axis = (p.x * p.x + p.z * p.z).sqrt();
        let from_core = from_axis - 1.0;
        let gap = (from_core * from_core + p.y * p.y).sqrt() - tube;
        if gap < 1.5e-3 {
            let inward = if from_axis > 0.0 {
                1.0 / from_axis
            } else {
                0.0
            };
            return Some(Hit {
                distance: t / speed,
                local: p,
                normal: v(p.x - p.x * inward, p.y, p.z - p.z * inward),
            });
        }
        t += gap;
        if t > end {
            return None;
        }
    }
    None
}
