//! The real binary in a pseudo-terminal that answers queries as a known terminal would.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the terminal says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Personality {
    /// kitty 0.26: graphics, cell size, synchronized output.
    Kitty,
    /// A plain terminal: answers DA1 only.
    Plain,
    /// Answers nothing at all.
    Mute,
}

type Writer = Arc<Mutex<Box<dyn std::io::Write + Send>>>;

struct State {
    screen: vt100::Parser,
    raw: Vec<u8>,
    /// Up to here queries have been answered.
    answered: usize,
}

/// A running program in a pseudo-terminal.
pub(crate) struct Terminal {
    state: Arc<Mutex<State>>,
    writer: Writer,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts the binary with `args` in a terminal of `columns` × `rows`.
    pub(crate) fn start(
        args: &[&str],
        personality: Personality,
        (columns, rows): (u16, u16),
    ) -> Self {
        Self::start_with(args, &[], personality, (columns, rows))
    }

    /// As [`Self::start`], with environment variables on top of a bare environment.
    pub(crate) fn start_with(
        args: &[&str],
        env: &[(&str, &str)],
        personality: Personality,
        (columns, rows): (u16, u16),
    ) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: columns * 8,
            pixel_height: rows * 16,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_atlascope"));
        command.args(args);
        command.env_clear();
        command.cwd(std::env::temp_dir());
        for (key, value) in [
            ("TERM", "xterm-256color"),
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
        ] {
            command.env(key, value);
        }
        for (key, value) in env {
            command.env(key, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let writer: Writer = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let screen = vt100::Parser::new(size_of(rows), size_of(columns), 0);
        let state = Arc::new(Mutex::new(State {
            screen,
            raw: Vec::new(),
            answered: 0,
        }));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (shared, answers) = (Arc::clone(&state), Arc::clone(&writer));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                let mut state = shared.lock().unwrap();
                state.screen.process(&buffer[..n]);
                state.raw.extend_from_slice(&buffer[..n]);
                let (replies, answered) = answer(&state.raw, state.answered, personality);
                state.answered = answered;
                drop(state);
                if !replies.is_empty() {
                    let mut writer = answers.lock().unwrap();
                    let _ = writer.write_all(&replies).and_then(|()| writer.flush());
                }
            }
        });
        Self {
            state,
            writer,
            child,
            master: pair.master,
        }
    }

    /// Types `keys`.
    pub(crate) fn send(&self, keys: &str) {
        let mut writer = self.writer.lock().unwrap();
        writer
            .write_all(keys.as_bytes())
            .and_then(|()| writer.flush())
            .unwrap();
    }

    /// The text on the screen, one line per row.
    pub(crate) fn screen(&self) -> String {
        self.state.lock().unwrap().screen.screen().contents()
    }

    /// True while the alternate screen is shown.
    pub(crate) fn on_alternate_screen(&self) -> bool {
        self.state
            .lock()
            .unwrap()
            .screen
            .screen()
            .alternate_screen()
    }

    /// True while the cursor is hidden.
    pub(crate) fn cursor_is_hidden(&self) -> bool {
        self.state.lock().unwrap().screen.screen().hide_cursor()
    }

    /// Everything written so far.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.state.lock().unwrap().raw.clone()
    }

    /// Waits until the screen satisfies `wanted`; fails with the screen after `seconds`.
    pub(crate) fn wait_for(&self, what: &str, seconds: u64, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "no {what} within {seconds} s; the screen:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of the program and gives its exit code.
    pub(crate) fn wait_exit(&mut self, seconds: u64) -> u32 {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The reader may still hold the last bytes.
                std::thread::sleep(Duration::from_millis(100));
                return status.exit_code();
            }
            assert!(
                Instant::now() < deadline,
                "still running after {seconds} s; the screen:\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process id of the program.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Changes the terminal's size.
    pub(crate) fn resize(&self, (columns, rows): (u16, u16)) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: columns * 8,
            pixel_height: rows * 16,
        };
        self.master.resize(size).unwrap();
        self.state
            .lock()
            .unwrap()
            .screen
            .screen_mut()
            .set_size(size_of(rows), size_of(columns));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Replies to the queries in `raw[from..]`, and up to where they are answered.
fn answer(raw: &[u8], from: usize, personality: Personality) -> (Vec<u8>, usize) {
    let kitty: &[(&[u8], &[u8])] = &[
        (b"\x1b[>q", b"\x1bP>|kitty(0.26.5)\x1b\\"),
        (b"\x1b[16t", b"\x1b[6;16;8t"),
        (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
        (b"\x1b]11;?\x1b\\", b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
        (b"\x1b[c", b"\x1b[?62;c"),
    ];
    let plain: &[(&[u8], &[u8])] = &[(b"\x1b[c", b"\x1b[?62;c")];
    let table = match personality {
        Personality::Kitty => kitty,
        Personality::Plain => plain,
        Personality::Mute => return (Vec::new(), raw.len()),
    };
    let (mut replies, mut at) = (Vec::new(), from);
    while at < raw.len() {
        let rest = &raw[at..];
        if rest[0] != 0x1b {
            at += 1;
            continue;
        }
        if rest.starts_with(b"\x1b_G") {
            let Some(end) = rest.windows(2).position(|pair| pair == b"\x1b\\") else {
                break;
            };
            let control = String::from_utf8_lossy(&rest[3..end]).into_owned();
            let keys = control.split(';').next().unwrap_or_default();
            if personality == Personality::Kitty && keys.split(',').any(|key| key == "a=q") {
                let id = keys
                    .split(',')
                    .find_map(|key| key.strip_prefix("i="))
                    .unwrap_or("0");
                replies.extend_from_slice(format!("\x1b_Gi={id};OK\x1b\\").as_bytes());
            }
            at += end + 2;
            continue;
        }
        if let Some((query, reply)) = table.iter().find(|(query, _)| rest.starts_with(query)) {
            replies.extend_from_slice(reply);
            at += query.len();
        } else if rest.len() < 16 {
            // A query may still be cut in two.
            break;
        } else {
            at += 1;
        }
    }
    (replies, at)
}

fn size_of(n: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(n).unwrap()
}
