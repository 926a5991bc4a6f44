use atlascope::graphics::Protocol;
use atlascope::graphics::input::{Input, Parser};
use atlascope::graphics::probe::{
    Asked, Choice, Error, Graphics, Hints, Late, Patience, Replies, ask, decide, parse,
};
use atlascope::graphics::terminal::Raw;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use portable_pty::{MasterPty, PtySize, native_pty_system};
use rustix::fd::AsFd as _;
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

/// What terminals answered when asked, put together from their documented forms and recorded sessions.
const KITTY_26: &[u8] = b"\x1b_Gi=4211;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1bP1$r48:2:1:2:3m\x1b\\\
    \x1b]11;rgb:0000/0000/0000\x1b\\\x1b[6;17;8t\x1b[4;765;1280t\x1b[?2026;2$y\x1b[?62;c";
const KITTY_41: &[u8] =
    b"\x1b_Gi=4211;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1bP1$r0;48:2:1:2:3m\x1b\\\
    \x1b]11;rgb:1d1d/2020/2121\x1b\\\x1b[6;17;8t\x1b[4;765;1280t\x1b[?2026;2$y\x1b[?62;52;c";
const KONSOLE: &[u8] = b"\x1b_Gi=4211;OK\x1b\\\x1bP>|Konsole 25.04.2\x1b\\\
    \x1b]11;rgb:2323/2626/2727\x07\x1b[6;16;8t\x1b[4;720;1280t\x1b[?62;1;4c";
const XTERM: &[u8] = b"\x1bP>|XTerm(379)\x1b\\\x1bP1$r0;48:2::1:2:3m\x1b\\\
    \x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?2026;0$y\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c";
const MLTERM: &[u8] = b"\x1b[6;17;8t\x1b[4;765;1280t\x1b[?63;1;2;3;4;7;29c";
const FOOT: &[u8] = b"\x1bP>|foot(1.16.2)\x1b\\\x1bP1$r0;48:2::1:2:3m\x1b\\\
    \x1b]11;rgb:2424/2424/2424\x1b\\\x1b[6;15;7t\x1b[4;360;560t\x1b[?2026;2$y\x1b[?62;4;22c";
const XTERM_340: &[u8] = b"\x1bP>|XTerm(379)\x1b\\\x1bP1$r0;48:2::1:2:3m\x1b\\\
    \x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?1;0;256S\x1b[?2;0;1280;765S\x1b[?2026;0$y\
    \x1b[?63;1;2;4;6;9;15;16;22;28c";
const ITERM: &[u8] =
    b"\x1b_Gi=4211;OK\x1b\\\x1bP>|iTerm2 3.5.4\x1b\\\x1b[6;17;8t\x1b[?2026;2$y\x1b[?62;4c";
const GHOSTTY: &[u8] =
    b"\x1b_Gi=4211;OK\x1b\\\x1bP>|ghostty 1.1.3\x1b\\\x1b[6;17;8t\x1b[?2026;2$y\x1b[?62;22c";
const WINDOWS: &[u8] = b"\x1b[6;20;10t\x1b[?2026;2$y\x1b[?61;4;6;7;14;21;22;23;24;28;32;42c";
const TMUX: &[u8] = b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2;4c";
const REFUSING: &[u8] = b"\x1b_Gi=4211;EINVAL:no PNG\x1b\\\x1bP>|Other 1\x1b\\\x1b[?62c";

fn hints() -> Hints {
    Hints {
        term: Some("xterm-256color".to_owned()),
        grid: (160, 45),
        pixels: (1440, 810),
        ..Hints::default()
    }
}

const BLOCKS: Protocol = Protocol::HalfBlock { true_colour: true };
const FEW_COLOURS: Protocol = Protocol::HalfBlock { true_colour: false };

/// Name, answers, protocol, the terminal's name, pixels of a character, synchronized updates.
type Case = (
    &'static str,
    &'static [u8],
    Protocol,
    &'static str,
    (u16, u16),
    bool,
);

const CASES: &[Case] = &[
    (
        "kitty 0.26",
        KITTY_26,
        Protocol::Kitty,
        "kitty(0.26.5)",
        (8, 17),
        true,
    ),
    (
        "kitty 0.41",
        KITTY_41,
        Protocol::Kitty,
        "kitty(0.41.1)",
        (8, 17),
        true,
    ),
    (
        "Konsole",
        KONSOLE,
        Protocol::Kitty,
        "Konsole 25.04.2",
        (8, 16),
        false,
    ),
    // No size told: the kernel's 1440×810 pixels over 160×45 characters.
    ("xterm", XTERM, BLOCKS, "XTerm(379)", (9, 18), false),
    (
        "mlterm",
        MLTERM,
        Protocol::Sixel,
        "xterm-256color",
        (8, 17),
        false,
    ),
    ("foot", FOOT, Protocol::Sixel, "foot(1.16.2)", (7, 15), true),
    (
        "xterm -ti vt340",
        XTERM_340,
        Protocol::Sixel,
        "XTerm(379)",
        (9, 18),
        false,
    ),
    (
        "iTerm2",
        ITERM,
        Protocol::Iterm,
        "iTerm2 3.5.4",
        (8, 17),
        true,
    ),
    (
        "Ghostty",
        GHOSTTY,
        Protocol::Placeholders,
        "ghostty 1.1.3",
        (8, 17),
        true,
    ),
    (
        "Windows Terminal",
        WINDOWS,
        Protocol::Sixel,
        "xterm-256color",
        (10, 20),
        true,
    ),
    ("tmux", TMUX, FEW_COLOURS, "tmux 3.3a", (9, 18), false),
    ("refusing", REFUSING, FEW_COLOURS, "Other 1", (9, 18), false),
    ("silent", b"", FEW_COLOURS, "xterm-256color", (9, 18), false),
];

#[test]
fn terminals_get_the_protocol_they_can_draw() {
    for &(name, bytes, protocol, terminal, cell, synchronized) in CASES {
        let found = decide(&parse(bytes), &hints(), Choice::Auto);
        assert_eq!(found.protocol, protocol, "{name}: {}", found.reason);
        assert_eq!(found.terminal, terminal, "{name}");
        assert_eq!(found.cell_pixels, cell, "{name}");
        assert_eq!(found.synchronized, synchronized, "{name}");
    }
    let xterm = decide(&parse(XTERM_340), &hints(), Choice::Auto).sixel;
    assert_eq!((xterm.registers, xterm.largest), (256, Some((1280, 765))));
    assert_eq!(parse(KITTY_41).background, Some([0x1d, 0x20, 0x21]));
    assert_eq!(parse(KONSOLE).attributes, Some(vec![62, 1, 4]));
    assert_eq!(
        parse(REFUSING).graphics,
        Some(Graphics::Refused("EINVAL:no PNG".to_owned()))
    );
}

#[test]
fn hints_count_where_the_terminal_cannot_be_asked() {
    let with = |change: &dyn Fn(&mut Hints), bytes: &[u8]| {
        let mut hints = hints();
        change(&mut hints);
        decide(&parse(bytes), &hints, Choice::Auto)
    };
    let term = |term: &'static str| move |h: &mut Hints| h.term = Some(term.to_owned());
    let inside = |h: &mut Hints| h.multiplexer = Some("tmux".to_owned());

    assert_eq!(with(&term("dumb"), b"").protocol, Protocol::None);
    assert_eq!(
        with(&|h| h.no_color = true, KITTY_41).protocol,
        Protocol::None
    );
    assert_eq!(
        with(&|h| h.colorterm = Some("truecolor".into()), b"\x1b[?62c").protocol,
        BLOCKS
    );
    assert_eq!(with(&term("xterm-direct"), b"").protocol, BLOCKS);
    // A multiplexer that hides its name, and one in which the answer came through from outside unnamed.
    let screen = with(&term("screen-256color"), b"\x1b[?1;2c");
    assert_eq!(
        (screen.protocol, screen.multiplexer.as_deref()),
        (FEW_COLOURS, Some("screen"))
    );
    let passed = with(&inside, b"\x1b_Gi=4211;OK\x1b\\\x1b[?1;2c");
    assert_eq!(passed.protocol, FEW_COLOURS);
    // A window opened from inside tmux inherits its variables but draws pictures itself.
    let opened = with(&inside, KITTY_41);
    assert_eq!(
        (opened.protocol, opened.multiplexer),
        (Protocol::Kitty, None)
    );
    // Nonsense sizes are not believed.
    let odd = with(
        &|h| h.pixels = (0, 0),
        b"\x1b[6;0;0t\x1b[4;65535;65535t\x1b[?62c",
    );
    assert_eq!(odd.cell_pixels, (8, 16));
}

#[test]
fn a_person_decides_over_all_of_it() {
    let no_color = Hints {
        no_color: true,
        ..hints()
    };
    for (word, replies, protocol) in [
        ("kitty", TMUX, Protocol::Kitty),
        ("placeholders", TMUX, Protocol::Placeholders),
        ("iterm", XTERM, Protocol::Iterm),
        ("sixel", KITTY_41, Protocol::Sixel),
        ("halfblock", KITTY_41, BLOCKS),
        ("none", KITTY_41, Protocol::None),
        ("auto", KITTY_41, Protocol::None),
    ] {
        let choice: Choice = word.parse().unwrap();
        assert_eq!(
            decide(&parse(replies), &no_color, choice).protocol,
            protocol,
            "{word}"
        );
    }
    let error = "ascii".parse::<Choice>().unwrap_err();
    assert!(error.contains("halfblock"), "{error}");
}

/// A word of the person's counts more than the terminal's, and that more than a variable.
#[test]
fn the_background_comes_from_whoever_knows_it_best() {
    let told = b"\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\\x1b[?62c";
    let silent = b"\x1b[?62c";
    let says = |wanted: Option<&str>, variable: Option<[u8; 3]>, replies: &[u8]| {
        let hints = Hints {
            wanted: wanted.map(|word| word.parse().unwrap()),
            background: variable,
            ..hints()
        };
        decide(&parse(replies), &hints, Choice::Auto).background
    };
    assert_eq!(says(None, None, silent), None);
    assert_eq!(says(None, Some([229; 3]), silent), Some([229; 3]));
    assert_eq!(says(None, Some([229; 3]), told), Some([253, 246, 227]));
    assert_eq!(says(Some("dark"), Some([229; 3]), told), Some([0; 3]));
    let read = |value: &'static str| {
        Hints::from_env(&move |name| (name == "COLORFGBG").then(|| value.to_owned())).background
    };
    assert_eq!(read("0;15"), Some([255; 3]));
    assert_eq!(read("nonsense"), None);
}

#[test]
fn environment_is_read_through_the_lookup() {
    let read = |pairs: &'static [(&str, &str)]| {
        Hints::from_env(&move |name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    let hints = read(&[
        ("TERM", "xterm"),
        ("SSH_CONNECTION", "a b"),
        ("STY", "1.x"),
        ("NO_COLOR", ""),
    ]);
    assert!(hints.ssh && !hints.no_color);
    assert_eq!(hints.multiplexer.as_deref(), Some("screen"));
    assert_eq!(Patience::of(&hints).silent, Duration::from_secs(4));
    assert_eq!(Patience::of(&read(&[])).silent, Duration::from_secs(1));
    assert!(read(&[("NO_COLOR", "1")]).no_color);
}

#[test]
fn every_cut_and_every_noise_is_survived() {
    let full = parse(KITTY_26);
    for end in 0..KITTY_26.len() {
        let cut = parse(&KITTY_26[..end]);
        assert_eq!(cut.attributes, None, "{end}");
        assert_eq!(cut.stray, 0, "{end}");
        assert!(cut.graphics.is_none() || cut.graphics == full.graphics);
    }
    // Keys typed meanwhile, a cut-off string, an unknown answer.
    let noisy = parse(b"jj\x1b[A\x1bP>|ki\x1b[6;17;8t\x1b]4;1;x\x07q\x1b[?62c");
    assert_eq!(noisy.stray, 3);
    assert_eq!(noisy.cell, Some((8, 17)));
    assert_eq!(noisy.attributes, Some(vec![62]));
    assert_eq!(
        parse(b"\x1b]11;rgb:f/80/fff\x07").background,
        Some([255, 128, 255])
    );
    assert_eq!(parse(b"\x1b]11;rgb:/80/fffff\x07").background, None);
    assert_eq!(parse(b"\x1bP1$r0m\x1b\\").true_colour, Some(false));
}

struct Pty {
    master: Box<dyn MasterPty + Send>,
    tty: File,
}

impl Pty {
    fn open() -> Self {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let name = pair.master.tty_name().unwrap();
        let mut options = File::options();
        options.read(true).write(true);
        options.custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32);
        let tty = options.open(name).unwrap();
        Self {
            master: pair.master,
            tty,
        }
    }

    /// Asks in raw mode while a thread plays the terminal: it waits for the last question and sends `pieces`,
    /// with a breath between them.
    fn converse(&self, pieces: Vec<Vec<u8>>, patience: Patience) -> Result<Asked, Error> {
        let mut reader = self.master.try_clone_reader().unwrap();
        let mut writer = self.master.take_writer().unwrap();
        let terminal = std::thread::spawn(move || {
            let mut heard = Vec::new();
            while !heard.ends_with(b"\x1b[c") {
                let mut chunk = [0; 256];
                let n = reader.read(&mut chunk).unwrap();
                heard.extend_from_slice(&chunk[..n]);
            }
            for piece in pieces {
                std::thread::sleep(Duration::from_millis(2));
                writer.write_all(&piece).unwrap();
            }
            // Hanging up would end the wait.
            (heard, writer, reader)
        });
        let raw = Raw::enter(&self.tty).unwrap();
        assert!(
            !self
                .local_modes()
                .intersects(LocalModes::ECHO | LocalModes::ICANON)
        );
        let answer = ask(self.tty.as_fd(), &hints(), patience);
        raw.leave(true).unwrap();
        assert!(
            self.local_modes()
                .contains(LocalModes::ECHO | LocalModes::ICANON)
        );
        let (heard, _writer, _reader) = terminal.join().unwrap();
        assert!(printable(&heard).is_empty(), "{heard:?}");
        answer
    }

    fn local_modes(&self) -> LocalModes {
        tcgetattr(&self.tty).unwrap().local_modes
    }
}

/// What a terminal that skips unknown sequences would print.
fn printable(bytes: &[u8]) -> String {
    let mut screen = vt100::Parser::default();
    screen.process(bytes);
    screen.screen().contents()
}

const LONG: Patience = Patience {
    silent: Duration::from_secs(60),
    rest: Duration::from_secs(60),
};
const SHORT: Patience = Patience {
    silent: Duration::from_millis(20),
    rest: Duration::from_millis(40),
};

#[test]
fn answers_count_however_they_are_cut() {
    for size in [1, 7, 1000] {
        let pieces = KITTY_26.chunks(size).map(<[u8]>::to_vec).collect();
        let asked = Pty::open().converse(pieces, LONG).unwrap();
        assert_eq!(asked.replies, parse(KITTY_26));
        assert!(!asked.outstanding, "the last answer ended the wait");
    }
}

#[test]
fn a_silent_terminal_is_not_waited_for_for_ever() {
    let asked = Pty::open().converse(Vec::new(), SHORT).unwrap();
    assert_eq!(asked.replies, Replies::default());
    assert!(asked.outstanding && asked.round_trip.is_none());
}

#[test]
fn what_came_before_the_deadline_counts() {
    let first = KITTY_26[..30].to_vec();
    let asked = Pty::open().converse(vec![first], SHORT).unwrap();
    assert!(asked.outstanding && asked.round_trip.is_some());
    assert_eq!(asked.replies.graphics, Some(Graphics::Ok));
    assert!(asked.replies.attributes.is_none());
}

#[test]
fn ctrl_c_ends_the_wait() {
    let answer = Pty::open().converse(vec![b"\x1b[?2026;2$y\x03".to_vec()], LONG);
    assert!(matches!(answer, Err(Error::Interrupted)), "{answer:?}");
}

#[test]
fn what_is_typed_meanwhile_is_kept() {
    let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
    let pieces = [&b"jj"[..], KITTY_26, b"/"].concat();
    for size in [1, 5, 1000] {
        let mut pieces: Vec<Vec<u8>> = pieces.chunks(size).map(<[u8]>::to_vec).collect();
        // The last answer ends the wait; what comes later is for the next reader.
        pieces.pop_if(|last| last == b"/");
        let asked = Pty::open().converse(pieces, LONG).unwrap();
        let j = key(KeyCode::Char('j'), KeyModifiers::NONE);
        assert_eq!(asked.typed[..2], [j.clone(), j]);
        assert_eq!(asked.replies, parse(KITTY_26));
    }
}

#[test]
fn late_answers_still_decide() {
    let first = KITTY_26[..30].to_vec();
    let asked = Pty::open().converse(vec![first], SHORT).unwrap();
    assert!(asked.outstanding);
    let mut late = Late::new(hints(), Choice::Auto, &asked);
    let mut found = None;
    // As the reader hands them on: one by one.
    let mut parser = Parser::new();
    parser.feed(&KITTY_26[asked.answers.len()..], &mut |input| {
        if let Input::Reply(answer) = input {
            assert!(found.is_none(), "decided before the last answer");
            found = late.answered(&answer);
        }
    });
    let found = found.unwrap();
    assert_eq!(found.protocol, Protocol::Kitty);
    assert_eq!(found.terminal, "kitty(0.26.5)");
}

#[test]
fn tmux_is_asked_for_the_terminal_around_it() {
    const OUTER: &[u8] = b"\x1bP>|kitty(0.41.1)\x1b\\\x1b_Gi=4211;OK\x1b\\";
    let pty = Pty::open();
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut writer = pty.master.take_writer().unwrap();
    let tmux = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let mut hear = |until: &[u8]| {
            while !heard.ends_with(until) {
                let mut chunk = [0; 256];
                let n = reader.read(&mut chunk).unwrap();
                heard.extend_from_slice(&chunk[..n]);
            }
            std::mem::take(&mut heard)
        };
        hear(b"\x1b[c");
        writer.write_all(TMUX).unwrap();
        let question = hear(b"\x1b\x1b\\\x1b\\");
        assert!(question.starts_with(b"\x1bPtmux;\x1b\x1b[>0q\x1b\x1b_G"));
        writer.write_all(OUTER).unwrap();
        (writer, reader)
    });
    let raw = Raw::enter(&pty.tty).unwrap();
    let asked = ask(pty.tty.as_fd(), &hints(), LONG).unwrap();
    raw.leave(true).unwrap();
    let _open = tmux.join().unwrap();
    assert!(!asked.outstanding);
    let found = decide(&asked.replies, &hints(), Choice::Auto);
    assert_eq!(found.protocol, Protocol::Placeholders, "{}", found.reason);
    assert!(found.passthrough);
    assert_eq!(found.outer.as_deref(), Some("kitty(0.41.1)"));
}

#[test]
fn placeholders_need_a_terminal_that_has_them() {
    for (version, has) in [
        ("kitty(0.41.1)", true),
        ("kitty(0.28.0)", true),
        ("kitty(1.0)", true),
        ("kitty(0.26.5)", false),
        ("Konsole 25.04.2", false),
        ("ghostty 1.1.3", true),
        ("WezTerm 20240203", false),
    ] {
        let mut replies = parse(TMUX);
        let outer = format!("\x1bP>|{version}\x1b\\\x1b_Gi=4211;OK\x1b\\");
        replies.outer = Some(Box::new(parse(outer.as_bytes())));
        let found = decide(&replies, &hints(), Choice::Auto);
        assert_eq!(
            found.protocol == Protocol::Placeholders,
            has,
            "{}",
            found.reason
        );
    }
    // tmux that lets nothing through says how to change that.
    let mut replies = parse(TMUX);
    replies.outer = Some(Box::default());
    let found = decide(&replies, &hints(), Choice::Auto);
    assert_eq!(found.protocol, FEW_COLOURS);
    assert!(
        found.reason.contains("allow-passthrough"),
        "{}",
        found.reason
    );
}
