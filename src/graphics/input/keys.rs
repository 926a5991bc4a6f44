//! Bytes of keys and of the mouse → crossterm's events.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};

/// One character as a key.
pub(super) enum Character {
    /// More bytes are needed.
    Cut,
    /// So many bytes are no key.
    None(usize),
    /// So many bytes are this key.
    Key(usize, KeyEvent),
}

/// The key of the first character: control characters and UTF-8. `bytes` is not empty.
pub(super) fn character(bytes: &[u8]) -> Character {
    let plain = |code| Character::Key(1, KeyEvent::new(code, KeyModifiers::NONE));
    let control = |letter: u8| {
        let code = KeyCode::Char(char::from(letter));
        Character::Key(1, KeyEvent::new(code, KeyModifiers::CONTROL))
    };
    match bytes[0] {
        b'\r' | b'\n' => plain(KeyCode::Enter),
        b'\t' => plain(KeyCode::Tab),
        0x7f => plain(KeyCode::Backspace),
        0x1b => plain(KeyCode::Esc),
        0 => control(b' '),
        byte @ 0x01..=0x1a => control(byte - 1 + b'a'),
        byte @ 0x1c..=0x1f => control(byte + 0x40),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Character {
    let n = match bytes[0] {
        0x20..=0x7e => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Character::None(1),
    };
    let available = &bytes[..n.min(bytes.len())];
    match std::str::from_utf8(available) {
        Ok(text) => text.chars().next().map_or(Character::None(1), |c| {
            let modifiers = if c.is_uppercase() {
                KeyModifiers::SHIFT
            } else {
                KeyModifiers::NONE
            };
            Character::Key(n, KeyEvent::new(KeyCode::Char(c), modifiers))
        }),
        Err(error) if error.error_len().is_none() => Character::Cut,
        Err(_) => Character::None(1),
    }
}

/// `SS3` and a letter.
pub(super) fn ss3(last: u8) -> Option<Event> {
    let code = match last {
        b'M' => KeyCode::Enter,
        // The keypad in application mode: - . / 0 … 9 and + * , =.
        b'j'..=b'y' => KeyCode::Char(char::from(last - 0x40)),
        _ => letter(last)?,
    };
    Some(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// The Linux console's `CSI [` and a letter.
pub(super) fn console(last: u8) -> Option<Event> {
    let code = KeyCode::F(last.checked_sub(b'A').filter(|n| *n < 5)? + 1);
    Some(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn letter(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'E' => KeyCode::KeypadBegin,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        _ => return None,
    })
}

/// `CSI`, parameters and a final byte that is no report.
pub(super) fn csi(parameters: &[u8], last: u8) -> Option<Event> {
    match (parameters, last) {
        (b"", b'I') => return Some(Event::FocusGained),
        (b"", b'O') => return Some(Event::FocusLost),
        // Begins a paste; the parser collects its text.
        (b"200", b'~') => return Some(Event::Paste(String::new())),
        ([b'<', numbers @ ..], b'M' | b'm') => return mouse(numbers, last == b'm'),
        _ => {}
    }
    let text = std::str::from_utf8(parameters).ok()?;
    let mut fields = text.split(';');
    let first = fields.next().unwrap_or_default();
    let (modifiers, kind) = modifiers(fields.next().unwrap_or_default());
    let code = match last {
        b'Z' => KeyCode::BackTab,
        b'~' if first == "27" => code_point(fields.next()?)?,
        b'~' => tilde(first.parse().ok()?)?,
        b'u' => code_point(first.split(':').next()?)?,
        _ => letter(last)?,
    };
    let shift = if code == KeyCode::BackTab {
        KeyModifiers::SHIFT
    } else {
        KeyModifiers::NONE
    };
    Some(pressed(code, modifiers | shift, kind))
}

fn pressed(code: KeyCode, modifiers: KeyModifiers, kind: KeyEventKind) -> Event {
    Event::Key(KeyEvent {
        code,
        modifiers,
        kind,
        state: KeyEventState::NONE,
    })
}

/// The key of a Unicode code point in decimal.
fn code_point(digits: &str) -> Option<KeyCode> {
    let code = digits.parse().ok()?;
    Some(match code {
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        127 => KeyCode::Backspace,
        _ => KeyCode::Char(char::from_u32(code)?),
    })
}

fn tilde(number: u8) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23..=26 => KeyCode::F(number - 12),
        28 | 29 => KeyCode::F(number - 13),
        31..=34 => KeyCode::F(number - 14),
        _ => return None,
    })
}

/// xterm's modifier number (1 + a bit each for Shift, Alt, Control, Super), and after a colon the kind of event.
fn modifiers(field: &str) -> (KeyModifiers, KeyEventKind) {
    let mut parts = field.split(':');
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u8>().ok());
    let mask = number(parts.next()).unwrap_or(1).saturating_sub(1);
    let kind = match number(parts.next()) {
        Some(2) => KeyEventKind::Repeat,
        Some(3) => KeyEventKind::Release,
        _ => KeyEventKind::Press,
    };
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
    ] {
        if mask & bit != 0 {
            modifiers |= modifier;
        }
    }
    (modifiers, kind)
}

/// `button ; column ; row` of a mouse report in SGR form.
fn mouse(numbers: &[u8], released: bool) -> Option<Event> {
    let text = std::str::from_utf8(numbers).ok()?;
    let mut fields = text.split(';').map(str::parse::<u16>);
    let (button, column, row) = (
        fields.next()?.ok()?,
        fields.next()?.ok()?,
        fields.next()?.ok()?,
    );
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in [
        (4, KeyModifiers::SHIFT),
        (8, KeyModifiers::ALT),
        (16, KeyModifiers::CONTROL),
    ] {
        if button & bit != 0 {
            modifiers |= modifier;
        }
    }
    let which = match button & 3 {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    let (moved, wheel) = (button & 32 != 0, button & 64 != 0);
    let kind = match (wheel, moved, button & 3) {
        (true, _, 0) => MouseEventKind::ScrollUp,
        (true, _, 1) => MouseEventKind::ScrollDown,
        (true, _, 2) => MouseEventKind::ScrollLeft,
        (true, ..) => MouseEventKind::ScrollRight,
        (_, true, 3) => MouseEventKind::Moved,
        (_, true, _) => MouseEventKind::Drag(which),
        _ if released => MouseEventKind::Up(which),
        _ => MouseEventKind::Down(which),
    };
    Some(Event::Mouse(MouseEvent {
        kind,
        column: column.saturating_sub(1),
        row: row.saturating_sub(1),
        modifiers,
    }))
}
