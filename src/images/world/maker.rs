//! Puts solids together: an object is built in its own frame (y up, front towards +z, about two units high) and
//! stands in the world turned and scaled.

use super::numeric::{V3, cosine, sine, v};
use super::shape::{Part, Shape};
use super::surface::Surface;
use std::ops::Range;

/// Three orthonormal axes.
pub(super) type Axes = [V3; 3];

/// The axes turned around y, then tilted around x, then rolled around z, all in full turns.
pub(super) fn turned(yaw: f32, tilt: f32, roll: f32) -> Axes {
    let (sy, cy) = (sine(yaw), cosine(yaw));
    let (sx, cx) = (sine(tilt), cosine(tilt));
    let (sz, cz) = (sine(roll), cosine(roll));
    let about_z = |p: V3| v(cz * p.x - sz * p.y, sz * p.x + cz * p.y, p.z);
    let about_x = |p: V3| v(p.x, cx * p.y - sx * p.z, sx * p.y + cx * p.z);
    let about_y = |p: V3| v(cy * p.x + sy * p.z, p.y, cy * p.z - sy * p.x);
    [v(1.0, 0.0, 0.0), V3::UP, v(0.0, 0.0, 1.0)].map(|p| about_y(about_x(about_z(p))))
}

/// `inner` as seen through `outer`.
fn compose(outer: &Axes, inner: &Axes) -> Axes {
    inner.map(|p| outer[0] * p.x + outer[1] * p.y + outer[2] * p.z)
}

/// Where an object stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    pub(super) origin: V3,
    pub(super) axes: Axes,
    pub(super) scale: f32,
}

/// Collects the parts of objects.
#[derive(Debug, Clone)]
pub(super) struct Maker {
    pub(super) parts: Vec<Part>,
    pub(super) pose: Pose,
    /// The parts that are polished steel, once there are any.
    pub(super) steel: Option<Range<usize>>,
}

impl Maker {
    pub(super) fn new(pose: Pose) -> Self {
        Self {
            parts: Vec::with_capacity(24),
            pose,
            steel: None,
        }
    }

    /// Adds a solid with its centre and half extents in the object's frame.
    pub(super) fn add(&mut self, shape: Shape, centre: V3, size: V3, surface: Surface) {
        self.add_turned(shape, centre, size, [0.0; 3], surface);
    }

    /// As [`Maker::add`], turned by (yaw, tilt, roll) around its own centre.
    pub(super) fn add_turned(
        &mut self,
        shape: Shape,
        centre: V3,
        size: V3,
        turns: [f32; 3],
        surface: Surface,
    ) {
        let Pose {
            origin,
            axes,
            scale,
        } = self.pose;
        let own = turned(turns[0], turns[1], turns[2]);
        let offset = axes[0] * centre.x + axes[1] * centre.y + axes[2] * centre.z;
        let axes = compose(&axes, &own);
        let centre = origin + offset * scale;
        self.parts
            .push(Part::new(shape, centre, axes, size * scale, surface));
    }

    /// A ball-ended cylinder between two points.
    pub(super) fn limb(&mut self, from: V3, to: V3, radius: f32, surface: Surface) {
        let span = to - from;
        let length = span.length();
        let up = span.unit();
        let aside = if up.y.abs() < 0.9 {
            V3::UP
        } else {
            v(1.0, 0.0, 0.0)
        };
        let side = aside.cross(up).unit();
        let own = [side, up, side.cross(up)];
        let Pose {
            origin,
            axes,
            scale,
        } = self.pose;
        let middle = from.mix(to, 0.5);
        let place = |p: V3| origin + (axes[0] * p.x + axes[1] * p.y + axes[2] * p.z) * scale;
        let axes = compose(&axes, &own);
        let size = v(radius, 0.5 * length, radius) * scale;
        self.parts.push(Part::new(
            Shape::Frustum(1.0),
            place(middle),
            axes,
            size,
            surface,
        ));
        for end in [from, to] {
            let size = V3::ONE * (radius * scale);
            self.parts
                .push(Part::new(Shape::Ball, place(end), axes, size, surface));
        }
    }

    /// A polished steel cylinder with domed ends along the local x axis: the feature that serves two classes.
    pub(super) fn steel(&mut self, centre: V3, length: f32, radius: f32, turns: [f32; 3]) {
        let start = self.parts.len();
        let steel = Surface::plain(STEEL).gloss(1.0).mirror(0.55);
        let [yaw, tilt, roll] = turns;
        let size = v(radius, 0.5 * length, radius);
        self.add_turned(
            Shape::Frustum(1.0),
            centre,
            size,
            [yaw, tilt, roll + 0.25],
            steel,
        );
        let axis = turned(yaw, tilt, roll)[0];
        let dome = v(radius * 0.55, radius, radius);
        for side in [-0.5, 0.5] {
            self.add_turned(
                Shape::Ball,
                centre + axis * (length * side),
                dome,
                turns,
                steel,
            );
        }
        let strap = Surface::plain(STEEL * 0.22).gloss(0.4);
        for side in [-0.3, 0.3] {
            let band = v(radius * 1.03, 0.05 * length, radius * 1.03);
            let place = centre + axis * (length * side);
            self.add_turned(
                Shape::Frustum(1.0),
                place,
                band,
                [yaw, tilt, roll + 0.25],
                strap,
            );
        }
        self.steel = Some(start..self.parts.len());
    }
}

const STEEL: V3 = v(0.60, 0.64, 0.68);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_axes_stay_orthonormal() {
        for step in 0_u8..50 {
            let t = f32::from(step) * 0.037;
            let axes = turned(t, 1.3 * t + 0.1, 0.7 * t);
            for (i, a) in axes.iter().enumerate() {
                for (j, b) in axes.iter().enumerate() {
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!((a.dot(*b) - expected).abs() < 1e-4);
                }
            }
            assert!((axes[0].cross(axes[1]) - axes[2]).length() < 1e-4);
        }
    }

    #[test]
    fn a_quarter_yaw_brings_the_front_to_the_side() {
        let axes = turned(0.25, 0.0, 0.0);
        assert!((axes[2] - v(1.0, 0.0, 0.0)).length() < 1e-5);
    }
}
