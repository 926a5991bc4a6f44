//! The colour behind the text, where the terminal does not tell it: as a person says it, or a variable.

use std::str::FromStr;

/// A background that a person names: `light`, `dark` or a colour like `#fdf6e3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Background(pub [u8; 3]);

impl FromStr for Background {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dark" => return Ok(Self([0; 3])),
            "light" => return Ok(Self([255; 3])),
            _ => {}
        }
        let digits = text.strip_prefix('#').filter(|hex| hex.len() == 6);
        digits
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .map(|rgb| Self([(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8]))
            .ok_or_else(|| {
                format!("{text:?} is no background: light, dark or a colour like #fdf6e3")
            })
    }
}

/// What `COLORFGBG` says (`15;0`, `0;default;15`): the last number is the background's, one of the sixteen colours. Only
/// the usual colours of those numbers are known, and terminals change them, but light is light.
pub(super) fn from_colorfgbg(value: &str) -> Option<[u8; 3]> {
    let (_, last) = value.rsplit_once(';')?;
    let number: u8 = last.parse().ok()?;
    let usual = [
        [0; 3],
        [205, 0, 0],
        [0, 205, 0],
        [205, 205, 0],
        [0, 0, 238],
        [205, 0, 205],
        [0, 205, 205],
        [229; 3],
        [127; 3],
        [255, 0, 0],
        [0, 255, 0],
        [255, 255, 0],
        [92, 92, 255],
        [255, 0, 255],
        [0, 255, 255],
        [255; 3],
    ];
    usual.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backgrounds_are_words_or_colours() {
        let parsed = |text: &str| text.parse::<Background>().map(|background| background.0);
        assert_eq!(parsed("light"), Ok([255; 3]));
        assert_eq!(parsed("dark"), Ok([0; 3]));
        assert_eq!(parsed("#fdF6e3"), Ok([253, 246, 227]));
        for wrong in ["", "#fff", "fdf6e3", "#+df6e3", "Light", "#fdf6e3 ", "#ééé"] {
            let said = parsed(wrong).unwrap_err();
            assert!(said.contains("light, dark or"), "{said}");
        }
    }

    #[test]
    fn the_last_number_is_the_background() {
        assert_eq!(from_colorfgbg("15;0"), Some([0; 3]));
        assert_eq!(from_colorfgbg("0;default;15"), Some([255; 3]));
        assert_eq!(from_colorfgbg("0;7"), Some([229; 3]));
        for nothing in ["", "15", "15;default", "0;16", "0;-1", ";"] {
            assert_eq!(from_colorfgbg(nothing), None, "{nothing}");
        }
    }
}
