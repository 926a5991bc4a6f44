//! The 240 fixed colours of a 256-colour terminal: a 6×6×6 cube (16..=231) and 24 greys (232..=255). The first
//! 16 are left alone because every terminal theme redefines them.

/// Intensities along an edge of the cube (as xterm defines them).
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The number (16..=255) of the fixed colour nearest to `rgb`: smallest squared distance in sRGB, the cube before
/// the greys on a tie.
pub fn nearest_indexed(rgb: [u8; 3]) -> u8 {
    // The cube is separable, so its nearest point is the nearest step in every channel.
    let [r, g, b] = rgb.map(nearest_step);
    let cube = 16 + 36 * r + 6 * g + b;
    let mean = (u16::from(rgb[0]) + u16::from(rgb[1]) + u16::from(rgb[2])) / 3;
    // Greys are 8, 18, …, 238.
    let grey = 232 + (mean.saturating_sub(3) / 10).min(23) as u8;
    if distance(rgb, rgb_of_indexed(grey)) < distance(rgb, rgb_of_indexed(cube)) {
        grey
    } else {
        cube
    }
}

/// The sRGB colour of number `idx`; black for the 16 colours of the theme, which nobody can know.
pub fn rgb_of_indexed(idx: u8) -> [u8; 3] {
    match idx {
        0..16 => [0, 0, 0],
        16..232 => {
            let n = usize::from(idx - 16);
            [STEPS[n / 36], STEPS[n / 6 % 6], STEPS[n % 6]]
        }
        232.. => [8 + 10 * (idx - 232); 3],
    }
}

fn nearest_step(value: u8) -> u8 {
    let mut best = 0;
    for (idx, step) in STEPS.iter().enumerate() {
        if value.abs_diff(*step) < value.abs_diff(STEPS[best]) {
            best = idx;
        }
    }
    best as u8
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(&x, y)| u32::from(x.abs_diff(y)).pow(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_nearest_among_all_240() {
        for r in (0..=255).step_by(15) {
            for g in (0..=255).step_by(17) {
                for b in (0..=255).step_by(5) {
                    let rgb = [r, g, b];
                    let brute = (16..=255).map(|i| distance(rgb, rgb_of_indexed(i))).min();
                    let ours = distance(rgb, rgb_of_indexed(nearest_indexed(rgb)));
                    assert_eq!(Some(ours), brute, "{rgb:?}");
                }
            }
        }
    }

    #[test]
    fn fixed_colours_are_themselves() {
        for idx in 16..=255 {
            let rgb = rgb_of_indexed(idx);
            assert_eq!(rgb_of_indexed(nearest_indexed(rgb)), rgb, "{idx}");
        }
    }
}
