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
}

/// What is wanted of the side pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The pane at all.
    pub side: bool,
    /// Its icon.
    pub icon: bool,
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
        let status = Rect::new(0, rows - n_status, columns, n_status);
        let rule = Rect::new(0, header.height, columns, n_rule);
        if !wanted.side || columns < NARROW || body.height < 6 {
            return Panes {
                header,
                rule,
                map: body,
                side: None,
                body,
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
        Panes {
            header,
            rule,
            map,
            side: Some(Side::of(area, cell_pixels, wanted.icon)),
            body,
            status,
        }
    }
}

impl Side {
    fn of(area: Rect, cell_pixels: (u16, u16), with_icon: bool) -> Side {
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
            };
        }
        let most_rows = u32::from(area.height * 2 / 5);
        if !with_icon {
            let rows = (area.width / 2).min(area.height * 2 / 5);
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
        let gap = rows + 1;
        let text = Rect::new(area.x, area.y + gap, area.width, area.height - gap);
        Side {
            area,
            icon,
            minimap,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted = Wanted {
        side: true,
        icon: true,
    };

    #[test]
    fn parts_lie_in_the_screen_and_do_not_overlap() {
        for columns in [0, 1, 20, 55, 56, 80, 160, 300] {
            for rows in [0, 1, 2, 3, 5, 6, 10, 24, 45, 80] {
                let panes = Panes::of(columns, rows, (8, 16), ALL);
                let screen = Rect::new(0, 0, columns, rows);
                let mut parts = vec![panes.header, panes.rule, panes.map, panes.status];
                if let Some(side) = panes.side {
                    parts.extend([side.icon, side.minimap, side.text]);
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
        assert!(!side.minimap.is_empty() && side.text.height >= 10);
    }
}
