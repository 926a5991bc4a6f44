//! What people build: lighthouse, balloon, boat, locomotive, barn, cottage.

use super::super::maker::Maker;
use super::super::numeric::{Dice, hex, v};
use super::super::shape::Shape::{Ball, Block, Frustum, Roof, Sail};
use super::super::surface::Pattern::{Bands, Boards, Brick, Mottled, Wedges, Wood};
use super::super::surface::Surface;
use super::{DARK, WHITE, shiny};

pub(super) fn lighthouse(m: &mut Maker, dice: &mut Dice) {
    let paint = dice.colour(&[0xd0_2820, 0xc8_3028, 0x20_2428, 0x24_4a90, 0xd8_6820]);
    let rock = Surface::of(
        Mottled,
        dice.colour(&[0x5c_5850, 0x70_6860]),
        hex(0x34_3230),
        2.4,
    );
    let height = dice.range(0.95, 1.25);
    let wide = dice.range(0.34, 0.46);
    m.add(Ball, v(0.1, -0.05, 0.0), v(1.15, 0.3, 0.9), rock);
    let tower = Surface::of(Bands, WHITE, paint, dice.range(1.2, 2.2)).shift(dice.unit());
    m.add(
        Frustum(0.62),
        v(0.0, height, 0.0),
        v(wide, height, wide),
        tower,
    );
    let top = 2.0 * height;
    let narrow = wide * 0.62;
    let iron = shiny(DARK * 2.0, 0.3);
    m.add(
        Frustum(1.0),
        v(0.0, top, 0.0),
        v(narrow * 1.35, 0.05, narrow * 1.35),
        iron,
    );
    let lamp = shiny(hex(0xff_e898) * 1.2, 0.9).mirror(0.2);
    m.add(
        Frustum(1.0),
        v(0.0, top + 0.17, 0.0),
        v(narrow * 0.8, 0.15, narrow * 0.8),
        lamp,
    );
    m.add(
        Frustum(0.0),
        v(0.0, top + 0.44, 0.0),
        v(narrow * 1.15, 0.14, narrow * 1.15),
        shiny(paint, 0.3),
    );
}

pub(super) fn balloon(m: &mut Maker, dice: &mut Dice) {
    let bright = [
        0xe0_3028, 0xf0_c020, 0x28_68c8, 0x30_a058, 0xf0_7820, 0xa0_3090, 0xf4_f0e0,
    ];
    let first = dice.colour(&bright);
    let second = dice.colour(&bright);
    let gores = dice.pick(&[4.0, 6.0, 8.0]);
    let pattern = dice.pick(&[Wedges, Wedges, Wedges, Bands]);
    let scale = if pattern == Wedges { gores } else { 1.5 };
    let silk = Surface::of(pattern, first, second, scale)
        .gloss(0.18)
        .shift(dice.unit());
    m.add(Ball, v(0.0, 0.35, 0.0), v(0.95, 1.0, 0.95), silk);
    let neck = Surface {
        pattern: Wedges,
        scale: gores,
        ..silk
    };
    m.add_turned(
        Frustum(0.28),
        v(0.0, -0.62, 0.0),
        v(0.72, 0.34, 0.72),
        [0.0, 0.5, 0.0],
        neck,
    );
    let basket = Surface::of(Boards, hex(0x8a_5a28), hex(0x4a_2c10), 9.0);
    m.add(Block, v(0.0, -1.22, 0.0), v(0.17, 0.14, 0.17), basket);
    let rope = Surface::plain(DARK * 3.0);
    for (x, z) in [(-0.15, 0.15), (0.15, 0.15)] {
        m.limb(v(x, -1.1, z), v(x * 1.3, -0.9, z * 1.3), 0.015, rope);
    }
}

pub(super) fn sailboat(m: &mut Maker, dice: &mut Dice) {
    let hull = dice.colour(&[0x7a_4420, 0xd8_d4cc, 0x24_3a68, 0xa0_2820, 0x2c_6858]);
    m.add(
        Ball,
        v(0.0, 0.08, 0.0),
        v(1.05, 0.34, 0.32),
        Surface::of(Bands, hull, WHITE, 1.1).gloss(0.4),
    );
    let wood = Surface::of(Wood, hex(0xa0_7040), hex(0x68_4020), 2.0);
    m.limb(v(0.1, 0.2, 0.0), v(0.1, 2.35, 0.0), 0.03, wood);
    let cloth = dice.colour(&[0xf8_f4ea, 0xf8_f4ea, 0xf4_e8d0, 0xc8_3828, 0xe8_a030]);
    let stripes = dice.chance(0.3);
    let trim = if stripes {
        dice.colour(&[0xc0_2828, 0x20_50a0])
    } else {
        cloth * 0.86
    };
    let canvas = Surface::of(Bands, cloth, trim, 2.0).shift(dice.unit());
    m.add(Sail, v(0.72, 1.22, 0.0), v(0.58, 0.84, 0.025), canvas);
    let jib = dice.range(0.4, 0.6);
    m.add_turned(
        Sail,
        v(0.02 - jib, 1.08, 0.0),
        v(jib, 0.68, 0.025),
        [0.5, 0.0, 0.0],
        canvas,
    );
}

pub(super) fn locomotive(m: &mut Maker, dice: &mut Dice, steel: bool) {
    let paint = dice.colour(&[0x20_2428, 0x1c_5038, 0x90_2420, 0x20_3868, 0x24_2c2c]);
    let trim = dice.colour(&[0xc8_2820, 0xd8_a028, 0xb8_3020]);
    let coat = shiny(paint, 0.5);
    m.add(
        Block,
        v(0.0, 0.48, 0.0),
        v(1.45, 0.1, 0.42),
        shiny(trim, 0.3),
    );
    m.add(Block, v(-0.95, 1.05, 0.0), v(0.45, 0.55, 0.45), coat);
    m.add(
        Block,
        v(-0.95, 1.25, 0.43),
        v(0.24, 0.19, 0.05),
        shiny(hex(0xa8_d0e0), 0.9),
    );
    m.add(
        Block,
        v(-0.95, 1.65, 0.0),
        v(0.55, 0.06, 0.52),
        shiny(DARK * 3.0, 0.2),
    );
    if steel {
        m.steel(v(0.42, 0.98, 0.0), 1.75, 0.41, [0.0; 3]);
    } else {
        m.add(Block, v(0.45, 0.9, 0.0), v(0.98, 0.33, 0.4), coat);
    }
    let chimney = dice.range(0.24, 0.38);
    m.add_turned(
        Frustum(0.6),
        v(1.05, 1.3 + chimney, 0.0),
        v(0.22, chimney, 0.22),
        [0.0, 0.5, 0.0],
        shiny(DARK * 2.0, 0.4),
    );
    m.add(
        Ball,
        v(0.25, 1.4, 0.0),
        v(0.18, 0.16, 0.18),
        shiny(hex(0xd8_a840), 0.9).mirror(0.25),
    );
    m.add_turned(
        Roof,
        v(1.55, 0.28, 0.0),
        v(0.42, 0.2, 0.25),
        [0.25, 0.0, 0.0],
        shiny(trim, 0.2),
    );
    let wheel = Surface::of(Wedges, trim, DARK * 2.0, 8.0).gloss(0.3);
    for (x, r) in [(-0.95, 0.36), (-0.1, 0.36), (0.6, 0.26), (1.15, 0.26)] {
        m.add_turned(
            Frustum(1.0),
            v(x, r, 0.4),
            v(r, 0.06, r),
            [0.0, 0.25, 0.0],
            wheel,
        );
    }
}

pub(super) fn barn(m: &mut Maker, dice: &mut Dice) {
    let paint = dice.colour(&[0x9c_2c20, 0x8c_3424, 0x70_5038, 0x8a_8478, 0xa8_4830]);
    let walls = Surface::of(Boards, paint, paint * 0.35, 5.0).shift(dice.unit());
    let tiles = Surface::of(Boards, hex(0x50_5458), hex(0x34_3638), 4.0);
    let high = dice.range(0.55, 0.7);
    m.add(Block, v(0.0, high, 0.0), v(0.78, high, 1.1), walls);
    m.add(
        Roof,
        v(0.0, 2.0 * high + 0.36, 0.0),
        v(0.78, 0.36, 1.1),
        walls,
    );
    roof(m, 2.0 * high, 0.42, tiles);
    let trim = Surface::plain(WHITE);
    let door = Surface::of(Boards, paint * 0.7, WHITE, 2.2);
    if dice.chance(0.8) {
        m.add(Block, v(0.0, 0.42, 1.1), v(0.36, 0.44, 0.04), trim);
        m.add(Block, v(0.0, 0.4, 1.13), v(0.3, 0.38, 0.04), door);
    }
    m.add(
        Block,
        v(0.0, 2.0 * high + 0.16, 1.1),
        v(0.14, 0.13, 0.04),
        trim,
    );
}

pub(super) fn cottage(m: &mut Maker, dice: &mut Dice) {
    let boards = dice.chance(0.4);
    let paint = if boards {
        dice.colour(&[0x9c_3c28, 0x7a_5840, 0x90_8878])
    } else {
        dice.colour(&[0xe8_dcc4, 0xd8_c8a8, 0xa8_5038, 0xb8_6448, 0xd0_d0cc])
    };
    let pattern = if boards { Boards } else { Brick };
    let joint = if boards {
        paint * 0.35
    } else {
        paint.mix(WHITE, 0.5)
    };
    let walls =
        Surface::of(pattern, paint, joint, if boards { 5.0 } else { 3.4 }).shift(dice.unit());
    let tile = dice.colour(&[0xa0_4c30, 0x50_5458, 0x7c_4430, 0x60_5848]);
    let tiles = Surface::of(Brick, tile, tile * 0.5, 4.0);
    let high = dice.range(0.5, 0.62);
    m.add(Block, v(0.0, high, 0.0), v(0.78, high, 1.0), walls);
    m.add(
        Roof,
        v(0.0, 2.0 * high + 0.36, 0.0),
        v(0.78, 0.36, 1.0),
        walls,
    );
    roof(m, 2.0 * high, 0.42, tiles);
    if boards && dice.chance(0.5) {
        // A cottage that was a barn once: only roof and chimney tell.
        m.add(
            Block,
            v(0.0, 2.0 * high + 0.16, 1.0),
            v(0.14, 0.13, 0.04),
            Surface::plain(WHITE),
        );
        m.add(
            Block,
            v(0.0, 0.4, 1.0),
            v(0.3, 0.38, 0.04),
            Surface::plain(paint * 0.5),
        );
    } else {
        cottage_front(m, dice);
    }
    if dice.chance(0.75) {
        let stack = Surface::of(Brick, hex(0x98_4c38), WHITE * 0.6, 6.0);
        m.add(
            Block,
            v(0.4, 2.0 * high + 0.62, -0.2),
            v(0.12, 0.32, 0.12),
            stack,
        );
    }
}

fn cottage_front(m: &mut Maker, dice: &mut Dice) {
    let pane = shiny(hex(0x6c_98b0), 0.8).mirror(0.3);
    let frame = Surface::plain(WHITE);
    for x in [-0.42, 0.42] {
        m.add(Block, v(x, 0.62, 1.0), v(0.19, 0.21, 0.03), frame);
        m.add(Block, v(x, 0.62, 1.02), v(0.14, 0.16, 0.03), pane);
    }
    let wood = dice.colour(&[0x5c_3418, 0x24_5048, 0x80_2420]);
    m.add(
        Block,
        v(0.0, 0.36, 1.0),
        v(0.15, 0.36, 0.04),
        Surface::plain(wood),
    );
}

/// Two slabs from the eaves at `y` to the ridge.
fn roof(m: &mut Maker, y: f32, half_height: f32, surface: Surface) {
    let lift = 2.0 * half_height;
    for side in [-1.0, 1.0] {
        let centre = v(0.45 * side, y + 0.5 * lift - 0.02, 0.0);
        m.add_turned(
            Block,
            centre,
            v(0.62, 0.045, 1.22),
            [0.0, 0.0, -0.12 * side],
            surface,
        );
    }
}
