//! How the screen is divided. Pure arithmetic, shared by the view, the placements and the camera.

use ratatui::layout::Rect;

/// The parts of the screen; empty rectangles where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panes {
    /// Layers, first row.
    pub header: Rect,
    /// The line between header and map: what is shown, and the legend.
    pub rule: Rect,
    /// The map.
    pub map: Rect,
    /// The pane about the cell under the cursor.
    pub side: Option<Side>,
    /// Everything between rule and status line, the side pane included.
    pub body: Rect,
    /// The thumbnails of all layers, below the map; empty when there are none.
    pub strip: Rect,
    /// The list of suspects, below the map; empty when it is not wanted.
    pub list: Rect,
    /// Last row.
    pub status: Rect,
}

/// The parts of the side pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// All of it, without the separator.
    pub area: Rect,
    /// The large icon; empty when the pane is too low.
    pub icon: Rect,
    /// The whole map in small; empty when there is no room.
    pub minimap: Rect,
    /// The rest.
    pub text: Rect,
    /// Icons of the cells that are most alike, below the text; empty when there is no room.
    pub nearest: Rect,
    /// Photographs behind the cell, below those; empty when there is no room.
    pub exemplars: Rect,
}

/// What is wanted of the side pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each part is wanted or not")]
pub struct Wanted {
    /// The pane at all.
    pub side: bool,
    /// Its icon.
    pub icon: bool,
    /// Its photographs.
    pub exemplars: bool,
    /// The thumbnails of all layers.
    pub strip: bool,
    /// The list of suspects.
    pub list: bool,
}

/// Screens narrower than this have no side pane.
const NARROW: u16 = 56;

impl Panes {
    /// Divides a screen of `columns` × `rows`.
    pub fn of(columns: u16, rows: u16, cell_pixels: (u16, u16), wanted: Wanted) -> Panes {
        let header = Rect::new(0, 0, columns, rows.min(1));
        // The status line goes before the rule when rows are few.
        let n_status = u16::from(rows >= 3);
        let n_rule = u16::from(rows >= 6);
        let top = header.height + n_rule;
        let body = Rect::new(0, top, columns, rows.saturating_sub(top + n_status));
        // A strip of a sixth of the height, where the map keeps most of it.
        let strip_rows = match body.height {
            ..16 => 0,
            height => (height / 6).clamp(4, 9),
        };
        let strip_rows = if wanted.strip && !wanted.list {
            strip_rows
        } else {
            0
        };
        // A list of two fifths; where that is too little to read, all of it.
        let list_rows = match body.height {
            _ if !wanted.list => 0,
            height @ ..10 => height,
            height => (height * 2 / 5).clamp(6, 22),
        };
        let status = Rect::new(0, rows - n_status, columns, n_status);
        let rule = Rect::new(0, header.height, columns, n_rule);
        let above = |map: Rect| {
            let below = |height: u16| Rect {
                y: map.y + map.height - height,
                height,
                ..map
            };
            let height = map.height - strip_rows - list_rows;
            (Rect { height, ..map }, below(strip_rows), below(list_rows))
        };
        if !wanted.side || columns < NARROW || body.height < 6 {
            let (map, strip, list) = above(body);
            return Panes {
                header,
                rule,
                map,
                side: None,
                body,
                strip,
                list,
                status,
            };
        }
        let width = (columns * 2 / 5).clamp(30, 48);
        let area = Rect::new(columns - width, body.y, width - 1, body.height);
        // One column for the separator, one of air on each of its sides.
        let map = Rect {
            width: columns - width - 3,
            ..body
        };
        let (map, strip, list) = above(map);
        Panes {
            header,
            rule,
            map,
            side: Some(Side::of(area, cell_pixels, wanted)),
            body,
            strip,
            list,
            status,
        }
    }
}

impl Side {
    fn of(area: Rect, cell_pixels: (u16, u16), wanted: Wanted) -> Side {
        let side = Side::without_exemplars(area, cell_pixels, wanted);
        // The text keeps what it needs for a class or two and the labels.
        let rows = match side.text.height {
            ..12 => 0,
            12..16 => 3,
            16..24 => 4,
            _ => 6,
        };
        let mut text = side.text;
        // Each takes a line for its heading.
        let mut from_below = |rows: u16| {
            text.height -= rows + 1;
            Rect {
                y: text.bottom() + 1,
                height: rows,
                ..text
            }
        };
        let none = side.exemplars;
        let exemplars = if rows > 0 && wanted.exemplars {
            from_below(rows)
        } else {
            none
        };
        let nearest = if wanted.icon && side.text.height >= 22 {
            from_below(3)
        } else {
            none
        };
        Side {
            text,
            nearest,
            exemplars,
            ..side
        }
    }

    /// Where the photographs stand, one beside the other, square in pixels.
    pub fn exemplar_rects(&self, cell_pixels: (u16, u16)) -> Vec<Rect> {
        Side::squares(self.exemplars, cell_pixels)
    }

    /// Where the icons of alike cells stand.
    pub fn nearest_rects(&self, cell_pixels: (u16, u16)) -> Vec<Rect> {
        Side::squares(self.nearest, cell_pixels)
    }

    fn squares(area: Rect, cell_pixels: (u16, u16)) -> Vec<Rect> {
        let columns = super::camera::columns_for(area.height, cell_pixels);
        if area.is_empty() {
            return Vec::new();
        }
        let n = (area.width + 1) / (columns + 1);
        let rect = |idx: u16| Rect::new(area.x + idx * (columns + 1), area.y, columns, area.height);
        (0..n).map(rect).collect()
    }

    fn without_exemplars(area: Rect, cell_pixels: (u16, u16), wanted: Wanted) -> Side {
        let (pw, ph) = (
            u32::from(cell_pixels.0.max(1)),
            u32::from(cell_pixels.1.max(1)),
        );
        let none = Rect::new(area.x, area.y, 0, 0);
        if area.height < 14 {
            return Side {
                area,
                icon: none,
                minimap: none,
                text: area,
                nearest: none,
                exemplars: none,
            };
        }
        // What tests found out takes more room than what a cell has to say.
        let most = if wanted.list {
            area.height / 4
        } else {
            area.height * 2 / 5
        };
        let most_rows = u32::from(most);
        if !wanted.icon {
            let rows = (area.width / 2).min(most);
            let minimap = Rect::new(area.x, area.y, rows * 2, rows);
            return Side::with_text_below(area, none, minimap, rows);
        }
        let columns = (most_rows * ph / pw).min(u32::from(area.width) * 3 / 5);
        let rows = ((columns * pw * 2 + ph) / (2 * ph)).clamp(1, most_rows) as u16;
        let icon = Rect::new(area.x, area.y, columns as u16, rows);
        let left = area.width.saturating_sub(icon.width + 2);
        // Braille has two dots per column and four per row, so it is square where terminal cells are 1 : 2.
        let side_rows = (left / 2).min(rows);
        let minimap = if side_rows >= 3 {
            Rect::new(icon.right() + 2, area.y, side_rows * 2, side_rows)
        } else {
            none
        };
        Side::with_text_below(area, icon, minimap, rows)
    }

    /// Text from an empty line below the first `rows` on.
    fn with_text_below(area: Rect, icon: Rect, minimap: Rect, rows: u16) -> Side {
        let none = Rect::new(area.x, area.y, 0, 0);
        let gap = rows + 1;
        let text = Rect::new(area.x, area.y + gap, area.width, area.height - gap);
        Side {
            area,
            icon,
            minimap,
            text,
            nearest: none,
            exemplars: none,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted = Wanted {
        side: true,
        icon: true,
        exemplars: true,
        strip: true,
        list: false,
    };

    #[test]
    fn parts_lie_in_the_screen_and_do_not_overlap() {
        for columns in [0, 1, 20, 55, 56, 80, 160, 300] {
            for rows in [0, 1, 2, 3, 5, 6, 10, 24, 45, 80] {
                let panes = Panes::of(columns, rows, (8, 16), ALL);
                let screen = Rect::new(0, 0, columns, rows);
                let mut parts = vec![
                    panes.header,
                    panes.rule,
                    panes.map,
                    panes.strip,
                    panes.status,
                ];
                if let Some(side) = panes.side {
                    parts.extend([
                        side.icon,
                        side.minimap,
                        side.text,
                        side.nearest,
                        side.exemplars,
                    ]);
                }
                for (idx, part) in parts.iter().enumerate() {
                    assert_eq!(
                        screen.intersection(*part).area(),
                        part.area(),
                        "{columns}×{rows}"
                    );
                    for other in &parts[idx + 1..] {
                        assert!(
                            part.is_empty() || other.is_empty() || !part.intersects(*other),
                            "{columns}×{rows}: {part:?} {other:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_common_terminal_has_everything() {
        let side = Panes::of(80, 24, (8, 16), ALL).side.expect("wide enough");
        assert_eq!((side.icon.width, side.icon.height), (16, 8));
        assert!(!side.minimap.is_empty() && side.text.height >= 8);
        assert_eq!(side.exemplar_rects((8, 16)).len(), 4);
    }
}
