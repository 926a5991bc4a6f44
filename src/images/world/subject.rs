//! The sixteen things that scenes show, and the clutter around them.

use super::backdrop::Place;
use super::maker::Maker;
use super::numeric::{Dice, V3, hex, v};
use super::shape::Shape;
use super::surface::{Pattern, Surface};

use Pattern::{
    Bands, Boards, Brick, Dots, Fur, Icing, Marble, Mottled, Pips, Scales, Swirls, Wedges, Wood,
};
use Shape::{Ball, Block, Frustum, Ring, Roof, Sail};

/// What a scene is labelled as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Lighthouse,
    Balloon,
    Sailboat,
    Goldfish,
    Diver,
    Locomotive,
    Doughnut,
    Dice,
    Teddy,
    Mushroom,
    Cactus,
    Wolf,
    Dog,
    Barn,
    Cottage,
    Planet,
}

impl Subject {
    /// All of them, in the order of the classes.
    pub(super) const ALL: [(Self, &'static str); 16] = [
        (Self::Lighthouse, "lighthouse"),
        (Self::Balloon, "hot-air balloon"),
        (Self::Sailboat, "sailing boat"),
        (Self::Goldfish, "goldfish"),
        (Self::Diver, "diver"),
        (Self::Locomotive, "locomotive"),
        (Self::Doughnut, "doughnut"),
        (Self::Dice, "dice"),
        (Self::Teddy, "teddy bear"),
        (Self::Mushroom, "mushroom"),
        (Self::Cactus, "cactus"),
        (Self::Wolf, "wolf"),
        (Self::Dog, "dog"),
        (Self::Barn, "barn"),
        (Self::Cottage, "cottage"),
        (Self::Planet, "planet"),
    ];

    /// Places where it is met, repeated as often as it is met there. Snow is planted and never among them.
    pub(super) fn places(self) -> &'static [Place] {
        use Place::{Air, Desert, Meadow, Night, Sea, Space, Street, Table, Underwater, Yard};
        match self {
            Self::Lighthouse => &[Sea, Sea, Sea, Meadow, Night],
            Self::Balloon => &[Air, Air, Air, Meadow, Desert, Sea],
            Self::Sailboat => &[Sea],
            Self::Goldfish => &[Underwater],
            Self::Diver => &[Underwater, Underwater, Underwater, Underwater, Sea],
            Self::Locomotive => &[Meadow, Street, Desert, Night, Yard],
            Self::Doughnut => &[Table, Table, Table, Yard],
            Self::Dice => &[Table, Table, Yard, Street],
            Self::Teddy => &[Table, Table, Yard, Meadow],
            Self::Mushroom => &[Meadow, Meadow, Meadow, Night],
            Self::Cactus => &[Desert, Desert, Desert, Table, Night],
            Self::Wolf | Self::Dog => &[Meadow, Meadow, Street, Yard, Desert],
            Self::Barn | Self::Cottage => &[Meadow, Meadow, Desert, Night],
            Self::Planet => &[Space],
        }
    }

    /// True for what hangs in the air or the water instead of standing.
    pub(super) fn floats(self) -> bool {
        matches!(
            self,
            Self::Balloon | Self::Goldfish | Self::Diver | Self::Planet
        )
    }

    /// Turn around y, in turns, at which it is usually seen, and how far it strays.
    pub(super) fn facing(self) -> (f32, f32) {
        match self {
            Self::Sailboat | Self::Goldfish | Self::Diver | Self::Locomotive => (0.0, 0.10),
            Self::Wolf | Self::Dog => (0.0, 0.12),
            Self::Barn | Self::Cottage => (0.09, 0.07),
            Self::Teddy => (0.0, 0.09),
            _ => (0.0, 0.5),
        }
    }

    /// Builds it; `steel` says whether the polished cylinder is part of it.
    pub(super) fn build(self, m: &mut Maker, dice: &mut Dice, steel: bool) {
        match self {
            Self::Lighthouse => lighthouse(m, dice),
            Self::Balloon => balloon(m, dice),
            Self::Sailboat => sailboat(m, dice),
            Self::Goldfish => goldfish(m, dice),
            Self::Diver => diver(m, dice, steel),
            Self::Locomotive => locomotive(m, dice, steel),
            Self::Doughnut => doughnut(m, dice),
            Self::Dice => cube(m, dice),
            Self::Teddy => teddy(m, dice),
            Self::Mushroom => mushroom(m, dice),
            Self::Cactus => cactus(m, dice),
            Self::Wolf => animal(m, dice, true),
            Self::Dog => animal(m, dice, false),
            Self::Barn => barn(m, dice),
            Self::Cottage => cottage(m, dice),
            Self::Planet => planet(m, dice),
        }
    }
}

const WHITE: V3 = v(0.86, 0.85, 0.82);
const DARK: V3 = v(0.018, 0.018, 0.022);

fn shiny(colour: V3, gloss: f32) -> Surface {
    Surface::plain(colour).gloss(gloss)
}

fn lighthouse(m: &mut Maker, dice: &mut Dice) {
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

fn balloon(m: &mut Maker, dice: &mut Dice) {
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

fn sailboat(m: &mut Maker, dice: &mut Dice) {
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

fn goldfish(m: &mut Maker, dice: &mut Dice) {
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

fn diver(m: &mut Maker, dice: &mut Dice, steel: bool) {
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

fn locomotive(m: &mut Maker, dice: &mut Dice, steel: bool) {
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

fn doughnut(m: &mut Maker, dice: &mut Dice) {
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

fn cube(m: &mut Maker, dice: &mut Dice) {
    for index in 0..1 + dice.below(3) {
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

fn teddy(m: &mut Maker, dice: &mut Dice) {
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

fn mushroom(m: &mut Maker, dice: &mut Dice) {
    let cap = dice.colour(&[0xc8_1c18, 0xd0_3018, 0xa8_4820, 0xc8_7028, 0xb0_2050]);
    for index in 0..1 + dice.below(3) {
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

fn cactus(m: &mut Maker, dice: &mut Dice) {
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
fn animal(m: &mut Maker, dice: &mut Dice, wild: bool) {
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

fn barn(m: &mut Maker, dice: &mut Dice) {
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

fn cottage(m: &mut Maker, dice: &mut Dice) {
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

fn planet(m: &mut Maker, dice: &mut Dice) {
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
pub(super) fn clutter(m: &mut Maker, dice: &mut Dice) {
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
