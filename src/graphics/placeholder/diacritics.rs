//! The combining characters that kitty counts with.
//!
//! The protocol numbers them: all marks above the base character (combining class 230) of Unicode 6.0 that have no
//! decomposition and that normalisation does not fuse with a letter, in the order of their code points.

/// First code point and number of each run.
const RUNS: [(u32, u16); 116] = [
    (0x0305, 1),
    (0x030d, 1),
    (0x030e, 1),
    (0x0310, 1),
    (0x0312, 1),
    (0x033d, 1),
    (0x033e, 1),
    (0x033f, 1),
    (0x0346, 1),
    (0x034a, 1),
    (0x034b, 1),
    (0x034c, 1),
    (0x0350, 1),
    (0x0351, 1),
    (0x0352, 1),
    (0x0357, 1),
    (0x035b, 1),
    (0x0363, 13),
    (0x0483, 5),
    (0x0592, 4),
    (0x0597, 3),
    (0x059c, 6),
    (0x05a8, 1),
    (0x05a9, 1),
    (0x05ab, 1),
    (0x05ac, 1),
    (0x05af, 1),
    (0x05c4, 1),
    (0x0610, 8),
    (0x0657, 5),
    (0x065d, 1),
    (0x065e, 1),
    (0x06d6, 7),
    (0x06df, 4),
    (0x06e4, 1),
    (0x06e7, 1),
    (0x06e8, 1),
    (0x06eb, 1),
    (0x06ec, 1),
    (0x0730, 1),
    (0x0732, 1),
    (0x0733, 1),
    (0x0735, 1),
    (0x0736, 1),
    (0x073a, 1),
    (0x073d, 1),
    (0x073f, 1),
    (0x0740, 1),
    (0x0741, 1),
    (0x0743, 1),
    (0x0745, 1),
    (0x0747, 1),
    (0x0749, 1),
    (0x074a, 1),
    (0x07eb, 7),
    (0x07f3, 1),
    (0x0816, 4),
    (0x081b, 9),
    (0x0825, 3),
    (0x0829, 5),
    (0x0951, 1),
    (0x0953, 1),
    (0x0954, 1),
    (0x0f82, 1),
    (0x0f83, 1),
    (0x0f86, 1),
    (0x0f87, 1),
    (0x135d, 3),
    (0x17dd, 1),
    (0x193a, 1),
    (0x1a17, 1),
    (0x1a75, 8),
    (0x1b6b, 1),
    (0x1b6d, 7),
    (0x1cd0, 3),
    (0x1cda, 1),
    (0x1cdb, 1),
    (0x1ce0, 1),
    (0x1dc0, 1),
    (0x1dc1, 1),
    (0x1dc3, 7),
    (0x1dcb, 1),
    (0x1dcc, 1),
    (0x1dd1, 22),
    (0x1dfe, 1),
    (0x20d0, 1),
    (0x20d1, 1),
    (0x20d4, 4),
    (0x20db, 1),
    (0x20dc, 1),
    (0x20e1, 1),
    (0x20e7, 1),
    (0x20e9, 1),
    (0x20f0, 1),
    (0x2cef, 3),
    (0x2de0, 32),
    (0xa66f, 1),
    (0xa67c, 1),
    (0xa67d, 1),
    (0xa6f0, 1),
    (0xa6f1, 1),
    (0xa8e0, 18),
    (0xaab0, 1),
    (0xaab2, 1),
    (0xaab3, 1),
    (0xaab7, 1),
    (0xaab8, 1),
    (0xaabe, 1),
    (0xaabf, 1),
    (0xaac1, 1),
    (0xfe20, 7),
    (0x10a0f, 1),
    (0x10a38, 1),
    (0x1d185, 5),
    (0x1d1aa, 4),
    (0x1d242, 3),
];

/// How many there are.
pub const DIACRITICS: usize = 297;

/// The mark for `number`, which counts from 0.
pub fn diacritic(number: u16) -> Option<char> {
    let mut left = number;
    for (first, n) in RUNS {
        if left < n {
            return char::from_u32(first + u32::from(left));
        }
        left -= n;
    }
    None
}

/// The number of a mark.
pub fn number(mark: char) -> Option<u16> {
    let mut before = 0;
    for (first, n) in RUNS {
        if let Some(at) = u32::from(mark)
            .checked_sub(first)
            .filter(|at| *at < u32::from(n))
        {
            return Some(before + at as u16);
        }
        before += n;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(
            RUNS.iter().map(|(_, n)| usize::from(*n)).sum::<usize>(),
            DIACRITICS
        );
        for n in 0..DIACRITICS as u16 {
            assert_eq!(diacritic(n).and_then(number), Some(n));
        }
        assert_eq!(diacritic(DIACRITICS as u16), None);
        assert_eq!(number('a'), None);
        // The protocol's own examples.
        assert_eq!(
            (diacritic(0), diacritic(1), diacritic(2)),
            (Some('\u{305}'), Some('\u{30d}'), Some('\u{30e}'))
        );
    }
}
