//! What lives, or looks as if: fish, diver, bear, mushroom, cactus, wolf and dog.

use super::super::maker::Maker;
use super::super::numeric::{Dice, V3, hex, v};
use super::super::shape::Shape::{Ball, Block, Frustum, Ring, Roof, Sail};
use super::super::surface::Pattern::{Bands, Dots, Fur, Mottled, Scales, Wedges};
use super::super::surface::Surface;
use super::{DARK, WHITE, shiny};

pub(super) fn goldfish(m: &mut Maker, dice: &mut Dice) {
    let body = dice.colour(&[0xff_6808, 0xff_8010, 0xf8_4c10, 0xff_9a18]);
    let pale = dice.colour(&[0xf8_e0a8, 0xf4_f0e8, 0xf0_a040]);
    let deep = dice.range(0.45, 0.62);
    let skin = Surface::of(Scales, body * 1.3, body.mix(hex(0xc0_3008), 0.5), 6.0).gloss(0.6);
    m.add(Ball, V3::ZERO, v(0.95, deep, 0.34), skin);
    let fin = Surface::of(Bands, body * 1.2, body.mix(pale, 0.5), 4.0).gloss(0.3);
    let tail = dice.range(0.36, 0.55);
    m.add_turned(
        Roof,
        v(-1.12, 0.0, 0.0),
        v(tail, 0.42, 0.04),
        [0.0, 0.0, -0.25],
        fin,
    );
    m.add_turned(
        Sail,
        v(-0.05, deep + 0.12, 0.0),
        v(0.4, 0.24, 0.03),
        [0.5, 0.0, 0.0],
        fin,
    );
    m.add_turned(
        Sail,
        v(0.0, -deep - 0.05, 0.0),
        v(0.24, 0.2, 0.03),
        [0.5, 0.5, 0.0],
        fin,
    );
    m.add_turned(
        Roof,
        v(0.12, -0.1, 0.36),
        v(0.14, 0.22, 0.03),
        [0.1, 0.0, 0.4],
        fin,
    );
    for side in [-1.0, 1.0] {
        m.add(
            Ball,
            v(0.62, 0.12, 0.25 * side),
            V3::ONE * 0.13,
            shiny(WHITE, 0.5),
        );
        m.add(
            Ball,
            v(0.66, 0.12, 0.33 * side),
            V3::ONE * 0.075,
            shiny(DARK, 1.0),
        );
    }
}

pub(super) fn diver(m: &mut Maker, dice: &mut Dice, steel: bool) {
    let suit = dice.colour(&[0x18_1c24, 0x1c_2430, 0x24_3850, 0x30_2428]);
    let accent = dice.colour(&[0xf0_c820, 0xf0_6020, 0x30_c8e0, 0xe0_3060]);
    let skin = hex(0xd8_9c74);
    let rubber = shiny(suit, 0.35);
    m.limb(v(-0.35, 0.0, 0.0), v(0.45, 0.06, 0.0), 0.27, rubber);
    m.add(
        Ball,
        v(0.98, 0.16, 0.0),
        V3::ONE * 0.24,
        shiny(suit.mix(skin, 0.35), 0.3),
    );
    let glass = shiny(hex(0x60_b0c8), 1.0).mirror(0.3);
    m.add(Block, v(1.14, 0.17, 0.0), v(0.1, 0.12, 0.17), glass);
    let kick = dice.range(-0.22, 0.22);
    for side in [-1.0, 1.0] {
        let (y, z) = (kick * side, 0.16 * side);
        m.limb(v(-0.5, -0.02, z), v(-1.15, y, z), 0.13, rubber);
        let fin = [0.0, 0.0, 0.05 * side];
        m.add_turned(
            Block,
            v(-1.5, y, z),
            v(0.32, 0.035, 0.15),
            fin,
            shiny(accent, 0.4),
        );
    }
    let reach = dice.range(0.2, 0.5);
    m.limb(v(0.5, -0.1, 0.2), v(0.5 + reach, -0.45, 0.3), 0.1, rubber);
    m.add(
        Block,
        v(0.1, -0.02, 0.0),
        v(0.06, 0.285, 0.285),
        Surface::plain(accent),
    );
    if steel {
        m.steel(v(0.05, 0.43, 0.0), 0.95, 0.23, [0.0; 3]);
    }
}

pub(super) fn teddy(m: &mut Maker, dice: &mut Dice) {
    let coat = dice.colour(&[0x9a_6430, 0x7a_4820, 0xc0_8c50, 0x5c_3818, 0xd8_b888]);
    let fur = Surface::of(Fur, coat * 1.1, coat * 0.45, 5.0).shift(dice.range(0.0, 9.0));
    let light = coat.mix(hex(0xf4_e0b8), 0.6);
    let pad = Surface::of(Fur, light, light * 0.7, 5.0);
    let stout = dice.range(0.52, 0.64);
    m.add(Ball, v(0.0, 0.62, 0.0), v(stout, 0.62, 0.5), fur);
    m.add(Ball, v(0.0, 0.6, 0.28), v(0.34, 0.38, 0.27), pad);
    m.add(Ball, v(0.0, 1.48, 0.02), v(0.48, 0.44, 0.43), fur);
    m.add(Ball, v(0.0, 1.38, 0.38), v(0.21, 0.17, 0.15), pad);
    m.add(
        Ball,
        v(0.0, 1.45, 0.52),
        v(0.075, 0.055, 0.05),
        shiny(DARK, 0.8),
    );
    for side in [-1.0, 1.0] {
        m.add(Ball, v(0.36 * side, 1.84, 0.0), v(0.18, 0.18, 0.11), fur);
        m.add(Ball, v(0.36 * side, 1.83, 0.08), v(0.1, 0.1, 0.06), pad);
        m.add(
            Ball,
            v(0.17 * side, 1.56, 0.37),
            V3::ONE * 0.055,
            shiny(DARK, 1.0),
        );
        m.limb(
            v(0.5 * side, 0.95, 0.1),
            v(0.68 * side, 0.6, 0.3),
            0.17,
            fur,
        );
        m.limb(
            v(0.34 * side, 0.2, 0.2),
            v(0.46 * side, 0.2, 0.65),
            0.2,
            fur,
        );
        m.add(Ball, v(0.46 * side, 0.2, 0.8), v(0.14, 0.14, 0.08), pad);
    }
}

pub(super) fn mushroom(m: &mut Maker, dice: &mut Dice) {
    let cap = dice.colour(&[0xc8_1c18, 0xd0_3018, 0xa8_4820, 0xc8_7028, 0xb0_2050]);
    for index in 0..=dice.below(3) {
        let grow = if index == 0 {
            1.0
        } else {
            dice.range(0.4, 0.65)
        };
        let x = [0.0, 0.85, -0.8][index];
        let z = if index == 0 {
            0.0
        } else {
            dice.range(0.0, 0.5)
        };
        let stem = Surface::of(Mottled, hex(0xf0_e8d4), hex(0xd4_c4a4), 3.0);
        m.add(
            Frustum(0.72),
            v(x, 0.55 * grow, z),
            v(0.25, 0.55, 0.25) * grow,
            stem,
        );
        m.add(
            Ring(0.35),
            v(x, 0.78 * grow, z),
            v(0.2, 0.12, 0.2) * grow,
            stem,
        );
        let spots = Surface::of(Dots, cap, hex(0xf8_f0e0), dice.range(2.2, 3.2))
            .gloss(0.45)
            .shift(dice.range(0.0, 7.0));
        let flat = dice.range(0.42, 0.62);
        m.add(
            Ball,
            v(x, 1.16 * grow, z),
            v(0.82, flat, 0.82) * grow,
            spots,
        );
    }
}

pub(super) fn cactus(m: &mut Maker, dice: &mut Dice) {
    let green = dice.colour(&[0x3c_7838, 0x4a_8848, 0x2c_6840, 0x60_8c48]);
    let ribs = Surface::of(Wedges, green, green * 0.4, 10.0).gloss(0.15);
    let tall = dice.range(1.5, 2.1);
    m.limb(v(0.0, 0.0, 0.0), v(0.0, tall, 0.0), 0.32, ribs);
    for side in [-1.0, 1.0] {
        if dice.chance(0.8) {
            let low = dice.range(0.6, 1.0);
            let out = dice.range(0.62, 0.78) * side;
            let up = low + dice.range(0.4, 0.75);
            m.limb(v(0.2 * side, low, 0.0), v(out, low + 0.05, 0.0), 0.16, ribs);
            m.limb(v(out, low + 0.05, 0.0), v(out, up, 0.0), 0.17, ribs);
        }
    }
    if dice.chance(0.4) {
        let petal = dice.colour(&[0xf0_50a0, 0xf8_d040, 0xf4_7060]);
        m.add(
            Ball,
            v(0.0, tall + 0.32, 0.0),
            v(0.16, 0.1, 0.16),
            Surface::plain(petal),
        );
    }
}

/// Wolf and dog: one body, ears and tail apart, coats that overlap.
pub(super) fn animal(m: &mut Maker, dice: &mut Dice, wild: bool) {
    let coats = if wild {
        [0x78_7874, 0x60_5c58, 0x94_8c80, 0x70_6450, 0x48_4644]
    } else {
        [0x8c_6a44, 0x78_7468, 0x40_3830, 0xb0_8c58, 0xa8_a49c]
    };
    let coat = dice.colour(&coats);
    let fur = Surface::of(Fur, coat, coat * 0.4, 6.0).shift(dice.range(0.0, 9.0));
    let pale = Surface::of(Fur, coat.mix(WHITE, 0.55), coat, 6.0);
    m.add(Ball, v(0.0, 0.98, 0.0), v(0.8, 0.34, 0.3), fur);
    m.add(Ball, v(0.5, 1.02, 0.0), v(0.36, 0.4, 0.32), fur);
    m.add(Ball, v(0.55, 0.86, 0.06), v(0.26, 0.28, 0.28), pale);
    m.limb(v(0.6, 1.15, 0.0), v(0.9, 1.5, 0.0), 0.2, fur);
    m.add(Ball, v(0.98, 1.6, 0.0), v(0.3, 0.26, 0.25), fur);
    let snout = if wild {
        dice.range(0.26, 0.36)
    } else {
        dice.range(0.18, 0.30)
    };
    m.limb(v(1.1, 1.52, 0.0), v(1.1 + snout, 1.46, 0.0), 0.12, pale);
    m.add(
        Ball,
        v(1.22 + snout, 1.5, 0.0),
        V3::ONE * 0.07,
        shiny(DARK, 0.8),
    );
    let pricked = dice.chance(if wild { 0.92 } else { 0.15 });
    for side in [-1.0, 1.0] {
        m.add(
            Ball,
            v(1.16, 1.69, 0.16 * side),
            V3::ONE * 0.05,
            shiny(DARK, 1.0),
        );
        if pricked {
            m.add(
                Frustum(0.0),
                v(0.88, 1.92, 0.15 * side),
                v(0.11, 0.2, 0.09),
                fur,
            );
        } else {
            m.add_turned(
                Ball,
                v(0.88, 1.56, 0.26 * side),
                v(0.13, 0.25, 0.06),
                [0.0, 0.03 * side, 0.04],
                fur,
            );
        }
        for (x, stride) in [(0.55, 0.12), (-0.55, -0.1)] {
            let foot = x + stride * side * dice.range(0.3, 1.6);
            m.limb(v(x, 0.8, 0.17 * side), v(foot, 0.1, 0.17 * side), 0.1, fur);
        }
    }
    let tail_up = dice.chance(if wild { 0.1 } else { 0.8 });
    let tip = if tail_up {
        v(-1.05, 1.65, 0.0)
    } else {
        v(-1.2, 0.55, 0.0)
    };
    m.limb(
        v(-0.72, 1.08, 0.0),
        tip,
        if wild { 0.13 } else { 0.09 },
        fur,
    );
}
