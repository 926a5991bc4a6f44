//! Lines of name, bar and number.

use super::text::{cut, put, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Room for a number at least, so that lists below each other begin their bars in one column.
const NUMBER_COLUMNS: u16 = 5;

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    /// What it is about.
    pub(super) name: String,
    /// Length, 0..=1 of the room.
    pub(super) share: f32,
    /// The number behind the bar.
    pub(super) number: String,
    /// Style of the name.
    pub(super) name_style: Style,
    /// Style of bar and number.
    pub(super) style: Style,
}

/// A bar of at most `columns`, in eighths of a column. Something always shows when there is anything.
pub(super) fn blocks(share: f32, columns: u16) -> String {
    const PARTS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let mut eighths = (share * f32::from(columns) * 8.0).round() as usize;
    if eighths == 0 && share > 0.0 && columns > 0 {
        eighths = 1;
    }
    let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
    if !eighths.is_multiple_of(8) {
        bar.push(PARTS[eighths % 8 - 1]);
    }
    bar
}

/// Draws bars line by line from the top of `area`, with common columns for all.
pub(super) fn draw(bars: &[Bar], area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let longest = bars.iter().map(|bar| width(&bar.number)).max();
    let number_width = longest.unwrap_or(0).max(NUMBER_COLUMNS);
    let room = area.width.saturating_sub(number_width + 2);
    let name_width = room * 11 / 20;
    let bar_width = room - name_width;
    for (bar, y) in bars.iter().zip(area.y..area.bottom()) {
        let name = cut(&bar.name, name_width);
        put(buf, area, (area.x, y), &name, bar.name_style);
        let x = area.x + name_width + 1;
        put(buf, area, (x, y), &blocks(bar.share, bar_width), bar.style);
        let x = area.right().saturating_sub(width(&bar.number));
        if x >= area.x + name_width {
            put(buf, area, (x, y), &bar.number, bar.style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighths() {
        assert_eq!(blocks(1.0, 3), "███");
        assert_eq!(blocks(0.5, 3), "█▌");
        assert_eq!(blocks(0.001, 3), "▏");
        assert_eq!(blocks(0.0, 3), "");
        assert_eq!(blocks(f32::NAN, 3), "");
        assert_eq!(blocks(2.0, 0), "");
    }
}
