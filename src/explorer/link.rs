//! Deep links: `my.atlas#mixed4d,20,7,12` names a layer, a grid, a row and a column.

use std::fmt;
use std::str::FromStr;

/// A cell by name: it stays right when the atlas grows further layers and grids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The layer's name.
    pub layer: String,
    /// Rows and columns of the grid.
    pub grid: u32,
    /// Row of the cell.
    pub row: u32,
    /// Column of the cell.
    pub col: u32,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Link {
            layer,
            grid,
            row,
            col,
        } = self;
        write!(f, "{layer},{grid},{row},{col}")
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let &[layer, grid, row, col] = &parts[..] else {
            return Err(format!("{text:?} is no LAYER,GRID,ROW,COLUMN"));
        };
        let number = |part: &str| {
            let parsed = part.parse::<u32>();
            parsed.map_err(|_| format!("{part:?} in {text:?} is not a number"))
        };
        let link = Link {
            layer: layer.to_owned(),
            grid: number(grid)?,
            row: number(row)?,
            col: number(col)?,
        };
        if link.layer.is_empty() {
            return Err(format!("{text:?} names no layer"));
        }
        if link.row >= link.grid || link.col >= link.grid {
            let Link { grid, row, col, .. } = link;
            return Err(format!(
                "row {row}, column {col} lie outside a grid of {grid}"
            ));
        }
        Ok(link)
    }
}

/// Splits `FILE#LINK`. A `#` that is no link belongs to the file's name.
pub fn split(text: &str) -> (&str, Option<Link>) {
    let Some((file, link)) = text.rsplit_once('#') else {
        return (text, None);
    };
    match link.parse() {
        Ok(link) => (file, Some(link)),
        Err(_) => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_survives_being_written() {
        let link: Link = "mixed4d,20,7,12".parse().unwrap();
        assert_eq!((link.grid, link.row, link.col), (20, 7, 12));
        assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
    }

    #[test]
    fn bad_links_say_why() {
        for (text, part) in [
            ("mixed4d,20,7", "no LAYER"),
            ("mixed4d,20,7,x", "\"x\""),
            ("mixed4d,20,20,0", "outside"),
            (",20,1,1", "no layer"),
        ] {
            let why = text.parse::<Link>().unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn a_hash_in_a_file_name_is_no_link() {
        assert_eq!(split("a#b.atlas"), ("a#b.atlas", None));
        let (file, link) = split("a#b.atlas#m,5,1,2");
        assert_eq!(file, "a#b.atlas");
        assert_eq!(link.unwrap().col, 2);
    }
}
