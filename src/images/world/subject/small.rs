//! Doughnuts, dice, planets, and clutter.

use super::super::maker::Maker;
use super::super::numeric::{Dice, V3, hex, v};
use super::super::shape::Shape::{Ball, Block, Frustum, Ring};
use super::super::surface::Pattern::{
    Bands, Boards, Fur, Icing, Marble, Mottled, Pips, Swirls, Wood,
};
use super::super::surface::Surface;
use super::{DARK, WHITE};

pub(super) fn doughnut(m: &mut Maker, dice: &mut Dice) {
    let dough = dice.colour(&[0xc8_8840, 0xd0_9850, 0xb8_7434]);
    let pile = 1 + dice.below(3);
    let tube = dice.range(0.4, 0.52);
    for layer in 0..pile {
        let glaze = dice.colour(&[
            0xf0_78a8, 0x5a_2c14, 0xf8_f0e8, 0xf0_b8d0, 0x78_3c18, 0xf0_d060,
        ]);
        let cake = Surface::of(Icing, dough, glaze, 1.0)
            .gloss(0.7)
            .shift(dice.unit());
        let lift = tube * 0.7 * (0.72 + 1.5 * layer as f32);
        let tilt = if pile == 1 { dice.range(0.0, 0.1) } else { 0.0 };
        let aside = v(
            dice.range(-0.1, 0.1),
            lift + tilt * 2.0,
            dice.range(-0.1, 0.1),
        );
        m.add_turned(
            Ring(tube),
            aside,
            v(0.72, 0.72, 0.72),
            [dice.unit(), tilt, 0.0],
            cake,
        );
    }
}

pub(super) fn cube(m: &mut Maker, dice: &mut Dice) {
    for index in 0..=dice.below(3) {
        let (face, pip) = if dice.chance(0.6) {
            (dice.colour(&[0xf4_f0e4, 0xf0_e8d0]), DARK)
        } else {
            (
                dice.colour(&[0xb8_1c20, 0x1c_3c90, 0x18_6838, 0x24_2424]),
                WHITE,
            )
        };
        let ivory = Surface::of(Pips, face, pip, 1.0).gloss(0.6);
        let side = dice.range(0.42, 0.56);
        let place = match index {
            0 => v(dice.range(-0.2, 0.2), side, 0.0),
            1 => v(dice.range(0.9, 1.2), side, dice.range(-0.5, 0.5)),
            _ => v(dice.range(-1.2, -0.9), side, dice.range(-0.4, 0.6)),
        };
        let quarter = dice.below(4) as f32 * 0.25;
        let on_side = if dice.chance(0.5) { 0.25 } else { 0.0 };
        m.add_turned(
            Block,
            place,
            V3::ONE * side,
            [dice.unit(), quarter, on_side],
            ivory,
        );
    }
}

pub(super) fn planet(m: &mut Maker, dice: &mut Dice) {
    let first = dice.colour(&[
        0xd8_a860, 0xc0_6840, 0x4a_78b8, 0x6c_a890, 0xa8_88b8, 0xe0_d0a8,
    ]);
    let second = dice.colour(&[0xf4_e4c0, 0x80_3c20, 0x20_4878, 0x90_5030, 0xd8_e4f0]);
    let pattern = dice.pick(&[Swirls, Swirls, Marble, Mottled]);
    let scale = if pattern == Swirls {
        dice.range(1.6, 3.0)
    } else {
        dice.range(1.5, 2.5)
    };
    let tilt = [0.0, dice.range(-0.1, 0.1), dice.range(-0.1, 0.1)];
    let globe = Surface::of(pattern, first, second, scale).shift(dice.range(0.0, 9.0));
    m.add_turned(Ball, V3::ZERO, V3::ONE, tilt, globe);
    if dice.chance(0.65) {
        let dust = Surface::of(Bands, first.mix(WHITE, 0.4), second, 3.0);
        let wide = dice.range(1.5, 1.75);
        m.add_turned(Ring(0.22), V3::ZERO, v(wide, 0.09, wide), tilt, dust);
    }
    if dice.chance(0.4) {
        let stone = Surface::of(Mottled, hex(0xb0_a8a0), hex(0x58_5450), 2.0);
        let place = v(dice.range(-1.8, 1.8), dice.range(0.9, 1.4), 0.6);
        m.add(Ball, place, V3::ONE * dice.range(0.15, 0.28), stone);
    }
}

/// Something that means nothing: a stone, a crate, a cone, a fir, a barrel, a marble ball.
pub(in crate::images::world) fn clutter(m: &mut Maker, dice: &mut Dice) {
    match dice.below(6) {
        0 => {
            let stone = Surface::of(
                Mottled,
                dice.colour(&[0x80_7c74, 0x60_5c58]),
                hex(0x3c_3a38),
                2.5,
            );
            m.add(Ball, v(0.0, 0.15, 0.0), v(0.5, 0.34, 0.42), stone);
        }
        1 => {
            let crate_wood = Surface::of(Boards, hex(0xa8_7840), hex(0x50_3418), 4.0);
            m.add(Block, v(0.0, 0.36, 0.0), V3::ONE * 0.36, crate_wood);
        }
        2 => {
            let plastic =
                Surface::of(Bands, dice.colour(&[0xf0_6018, 0xe8_4818]), WHITE, 1.4).gloss(0.4);
            m.add(Frustum(0.12), v(0.0, 0.45, 0.0), v(0.3, 0.45, 0.3), plastic);
        }
        3 => {
            let needles = dice.colour(&[0x1c_4c2c, 0x28_5c30, 0x2c_5444]);
            let fir = Surface::of(Fur, needles, needles * 0.4, 5.0);
            m.add(
                Frustum(1.0),
                v(0.0, 0.15, 0.0),
                v(0.1, 0.16, 0.1),
                Surface::plain(hex(0x50_3018)),
            );
            for (y, r) in [(0.55, 0.55), (1.0, 0.42), (1.4, 0.28)] {
                m.add(Frustum(0.0), v(0.0, y, 0.0), v(r, 0.36, r), fir);
            }
        }
        4 => {
            let staves = Surface::of(Wood, hex(0x98_6434), hex(0x5c_3818), 2.0).gloss(0.2);
            m.add(Frustum(1.0), v(0.0, 0.42, 0.0), v(0.32, 0.42, 0.32), staves);
            m.add(
                Ring(0.06),
                v(0.0, 0.6, 0.0),
                V3::ONE * 0.32,
                Surface::plain(DARK * 3.0),
            );
        }
        _ => {
            let stone = Surface::of(Marble, hex(0xe8_e4dc), hex(0x60_5c60), 2.0).gloss(0.6);
            m.add(Ball, v(0.0, 0.34, 0.0), V3::ONE * 0.34, stone);
        }
    }
}
