//! The sixteen things that scenes show, and the clutter around them.

mod built;
mod living;
mod small;

use super::backdrop::Place;
use super::maker::Maker;
use super::numeric::{Dice, V3, v};
use super::surface::Surface;
use built::{balloon, barn, cottage, lighthouse, locomotive, sailboat};
use living::{animal, cactus, diver, goldfish, mushroom, teddy};
pub(super) use small::clutter;
use small::{cube, doughnut, planet};

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
