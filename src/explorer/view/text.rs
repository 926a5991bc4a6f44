//! Small things about text: writing within bounds, cutting, numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use std::time::Duration;

/// Writes `text` at `x`, `y` as far as it fits into `area`; returns the column after it.
pub(super) fn put(buf: &mut Buffer, area: Rect, at: (u16, u16), text: &str, style: Style) -> u16 {
    let area = area.intersection(buf.area);
    let (x, y) = at;
    if !area.contains((x, y).into()) {
        return x;
    }
    let room = usize::from(area.right() - x);
    // Nothing of what was there shines through.
    buf.set_stringn(x, y, text, room, Style::reset().patch(style))
        .0
}

/// Writes `text` so that it ends at the right edge of the line `y`; returns its first column. Not written when it
/// does not fit right of column `from`.
pub(super) fn put_right(
    buf: &mut Buffer,
    area: Rect,
    (from, y): (u16, u16),
    text: &str,
    style: Style,
) -> u16 {
    let width = width(text);
    if from + width > area.right() {
        return area.right();
    }
    let x = area.right() - width;
    put(buf, area, (x, y), text, style);
    x
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> u16 {
    Span::raw(text).width().min(usize::from(u16::MAX)) as u16
}

/// The text, cut with an ellipsis to at most `columns`.
pub(super) fn cut(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept) > columns - 1 {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// The end of a text that fits into `columns`: of a long line, what is being typed.
pub(super) fn tail(text: &str, columns: u16) -> String {
    let mut start = 0;
    while width(&text[start..]) > columns {
        start += text[start..].chars().next().map_or(1, char::len_utf8);
    }
    text[start..].to_owned()
}

/// `12,345`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 cell`, `2 cells`.
pub(in crate::explorer) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n))
}

/// An attribution with its sign: `+1.23`, `−0.40`, `+0.0123`. One position of many moves a logit little, so small
/// values keep three significant digits.
pub(super) fn signed(value: f32) -> String {
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{}", magnitude(value))
}

/// The size of an attribution without its sign.
pub(super) fn magnitude(value: f32) -> String {
    let size = value.abs();
    match size {
        100.0.. => format!("{size:.0}"),
        10.0.. => format!("{size:.1}"),
        0.1.. => format!("{size:.2}"),
        0.01.. => format!("{size:.3}"),
        _ => format!("{size:.4}"),
    }
}

/// `8 s`, `2 min`, `1 h 5 min`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_keeps_within_the_columns() {
        assert_eq!(cut("goldfish", 8), "goldfish");
        assert_eq!(cut("great white shark", 7), "great…");
        assert_eq!(cut("crème brûlée", 6), "crème…");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn numbers() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "cell"), "1 cell");
        assert_eq!(signed(-0.4), "−0.40");
        assert_eq!(signed(123.4), "+123");
        assert_eq!(duration(Duration::from_secs(3900)), "65 min");
        assert_eq!(duration(Duration::from_secs(7500)), "2 h 5 min");
    }
}
