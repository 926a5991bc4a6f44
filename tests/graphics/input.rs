//! Keys are told from answers, however the bytes are cut and however late they come.

use atlascope::graphics::input::{Input, Parser};
use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use proptest::prelude::*;

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn plain(code: KeyCode) -> Event {
    key(code, KeyModifiers::NONE)
}

/// What the pieces mean, with `pause` telling whether a long time passes after a piece.
fn read(pieces: &[(&[u8], bool)]) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut parser = Parser::new();
    for (piece, pause) in pieces {
        parser.feed(piece, &mut |input| inputs.push(input));
        if *pause && parser.patience().is_some() {
            parser.settle(&mut |input| inputs.push(input));
        }
    }
    inputs
}

fn events(bytes: &[u8]) -> Vec<Event> {
    let inputs = read(&[(bytes, true)]);
    let event = |input| match input {
        Input::Event(event) => event,
        other => panic!("{other:?}"),
    };
    inputs.into_iter().map(event).collect()
}

#[test]
fn keys_are_what_is_pressed() {
    const NONE: KeyModifiers = KeyModifiers::NONE;
    const ALT: KeyModifiers = KeyModifiers::ALT;
    const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
    const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
    let table: &[(&[u8], KeyCode, KeyModifiers)] = &[
        (b"j", KeyCode::Char('j'), NONE),
        (b"J", KeyCode::Char('J'), SHIFT),
        ("é".as_bytes(), KeyCode::Char('é'), NONE),
        ("猫".as_bytes(), KeyCode::Char('猫'), NONE),
        ("🐈".as_bytes(), KeyCode::Char('🐈'), NONE),
        (b"\r", KeyCode::Enter, NONE),
        (b"\t", KeyCode::Tab, NONE),
        (b"\x7f", KeyCode::Backspace, NONE),
        (b"\x03", KeyCode::Char('c'), CONTROL),
        (b"\x1a", KeyCode::Char('z'), CONTROL),
        (b"\x1c", KeyCode::Char('\\'), CONTROL),
        (b"\x00", KeyCode::Char(' '), CONTROL),
        (b"\x1b", KeyCode::Esc, NONE),
        (b"\x1bj", KeyCode::Char('j'), ALT),
        (b"\x1b_", KeyCode::Char('_'), ALT),
        (b"\x1bP", KeyCode::Char('P'), ALT),
        (b"\x1b[", KeyCode::Char('['), ALT),
        (b"\x1b[A", KeyCode::Up, NONE),
        (b"\x1bOB", KeyCode::Down, NONE),
        (b"\x1b[1;5C", KeyCode::Right, CONTROL),
        (b"\x1b[1;2D", KeyCode::Left, SHIFT),
        (b"\x1b[H", KeyCode::Home, NONE),
        (b"\x1b[4~", KeyCode::End, NONE),
        (b"\x1b[5~", KeyCode::PageUp, NONE),
        (b"\x1b[6;5~", KeyCode::PageDown, CONTROL),
        (b"\x1b[3~", KeyCode::Delete, NONE),
        (b"\x1b[Z", KeyCode::BackTab, SHIFT),
        (b"\x1bOP", KeyCode::F(1), NONE),
        (b"\x1b[15~", KeyCode::F(5), NONE),
        (b"\x1b[24~", KeyCode::F(12), NONE),
        (b"\x1b[[C", KeyCode::F(3), NONE),
        (b"\x1b[106;5u", KeyCode::Char('j'), CONTROL),
        (b"\x1b[27;5;13~", KeyCode::Enter, CONTROL),
    ];
    for (bytes, code, modifiers) in table {
        assert_eq!(events(bytes), [key(*code, *modifiers)], "{bytes:?}");
        // A byte at a time, without a pause in between.
        let pieces: Vec<(&[u8], bool)> = bytes.chunks(1).map(|b| (b, false)).collect();
        let pieces = [&pieces[..], &[(&b""[..], true)]].concat();
        assert_eq!(
            read(&pieces),
            [Input::Event(key(*code, *modifiers))],
            "{bytes:?}"
        );
    }
}

#[test]
fn mouse_focus_and_pastes_are_read() {
    let mouse = |kind, column, row| {
        let modifiers = KeyModifiers::NONE;
        Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers,
        })
    };
    assert_eq!(
        events(b"\x1b[<0;12;7M\x1b[<32;13;7M\x1b[<0;13;7m\x1b[<64;1;1M\x1b[<65;1;1M"),
        [
            mouse(MouseEventKind::Down(MouseButton::Left), 11, 6),
            mouse(MouseEventKind::Drag(MouseButton::Left), 12, 6),
            mouse(MouseEventKind::Up(MouseButton::Left), 12, 6),
            mouse(MouseEventKind::ScrollUp, 0, 0),
            mouse(MouseEventKind::ScrollDown, 0, 0),
        ]
    );
    assert_eq!(
        events(b"\x1b[I\x1b[O"),
        [Event::FocusGained, Event::FocusLost]
    );
    let paste = b"\x1b[200~q\x1b[Aquit\r\x1b[201~j";
    let wanted = [
        Event::Paste("q\x1b[Aquit\r".into()),
        plain(KeyCode::Char('j')),
    ];
    assert_eq!(events(paste), wanted);
    let pieces: Vec<(&[u8], bool)> = paste.chunks(1).map(|b| (b, true)).collect();
    let found = read(&pieces);
    assert_eq!(found.last(), Some(&Input::Event(plain(KeyCode::Char('j')))));
}

const ANSWERS: [&[u8]; 12] = [
    b"\x1b_Gi=4211;OK\x1b\\",
    b"\x1b_Gi=7,p=1;ENOENT:no such picture\x1b\\",
    b"\x1bP>|kitty(0.26.5)\x1b\\",
    b"\x1bP1$r0;48:2:1:2:3m\x1b\\",
    b"\x1b]11;rgb:1d1d/2020/2121\x1b\\",
    b"\x1b]11;rgb:2323/2626/2727\x07",
    b"\x1b[6;17;8t",
    b"\x1b[?2026;2$y",
    b"\x1b[?62;52;c",
    b"\x1b[?2;0;1280;765S",
    b"\x1b[12;40R",
    b"\x1b[0n",
];

#[test]
fn no_answer_is_a_key() {
    for answer in ANSWERS {
        let wanted = if answer == b"\x1b[0n" {
            Input::Fence
        } else {
            Input::Reply(answer.to_vec())
        };
        assert_eq!(read(&[(answer, true)]), [wanted], "{answer:?}");
    }
}

#[test]
fn an_answer_cut_by_a_slow_line_is_no_key_either() {
    for answer in ANSWERS {
        for cut in 1..answer.len() {
            // So long a pause that what came so far had to be taken for what it looked like.
            let found = read(&[(&answer[..cut], true), (&answer[cut..], true), (b"j", true)]);
            let wrong = found.iter().filter(|input| {
                let Input::Event(Event::Key(key)) = input else {
                    return false;
                };
                // The introducer alone is a key like any other, and nothing is bound to it.
                let head = key.code == KeyCode::Esc || key.modifiers.contains(KeyModifiers::ALT);
                !head && key.code != KeyCode::Char('j')
            });
            assert_eq!(wrong.count(), 0, "{answer:?} at {cut}: {found:?}");
            assert_eq!(found.last(), Some(&Input::Event(plain(KeyCode::Char('j')))));
        }
    }
}

#[test]
fn nobodys_keyboard_stays_dead() {
    // Alt+P, then keys: no answer begins like that.
    assert_eq!(
        events(b"\x1bPjj"),
        [
            key(KeyCode::Char('P'), KeyModifiers::ALT),
            plain(KeyCode::Char('j')),
            plain(KeyCode::Char('j'))
        ]
    );
    // An answer that never ends is left behind with Ctrl-C or an arrow.
    let found = read(&[(b"\x1bP>|kitt", true), (b"\x03q", true)]);
    let wanted = [
        key(KeyCode::Char('c'), KeyModifiers::CONTROL),
        plain(KeyCode::Char('q')),
    ];
    assert_eq!(found, wanted.map(Input::Event));
    let found = read(&[(b"\x1b_Gi=1;O", true), (b"\x1b[A", true)]);
    assert_eq!(found, [Input::Event(plain(KeyCode::Up))]);
    // Escape, and somewhat later a bracket.
    let found = read(&[(b"\x1b", true), (b"[", true)]);
    assert_eq!(
        found,
        [plain(KeyCode::Esc), plain(KeyCode::Char('['))].map(Input::Event)
    );
    // Broken UTF-8 between keys.
    let found = events(b"a\xffb\xe7\x8c");
    assert_eq!(
        found,
        [plain(KeyCode::Char('a')), plain(KeyCode::Char('b'))]
    );
}

proptest! {
    /// Whatever is cut wherever, the keys between answers come out, and nothing else does.
    #[test]
    fn keys_between_answers_survive(
        parts in prop::collection::vec((0..ANSWERS.len(), prop::option::of(0..4usize)), 0..12),
        size in 1..40usize,
    ) {
        const KEYS: [(&[u8], KeyCode); 4] = [
            (b"j", KeyCode::Char('j')),
            (b"\x1b[A", KeyCode::Up),
            (b"\r", KeyCode::Enter),
            (b"\x1b[5~", KeyCode::PageUp),
        ];
        let (mut bytes, mut wanted) = (Vec::new(), Vec::new());
        for (answer, typed) in parts {
            bytes.extend_from_slice(ANSWERS[answer]);
            if let Some(typed) = typed {
                bytes.extend_from_slice(KEYS[typed].0);
                wanted.push(plain(KEYS[typed].1));
            }
        }
        let pieces: Vec<(&[u8], bool)> = bytes.chunks(size).map(|piece| (piece, false)).collect();
        let found = read(&pieces).into_iter().filter_map(|input| match input {
            Input::Event(event) => Some(event),
            _ => None,
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), wanted);
    }

    /// No bytes make it panic, and it never holds on to them for ever.
    #[test]
    fn anything_may_come(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1..20usize) {
        let pieces: Vec<(&[u8], bool)> = bytes.chunks(size).map(|piece| (piece, true)).collect();
        read(&pieces);
    }
}
