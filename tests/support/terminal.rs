//! The real binary in a pseudo-terminal that answers queries as a known terminal would.

// Paths, because the benchmarks include this file from elsewhere.
#[path = "terminal/answers.rs"]
mod answers;
#[path = "terminal/line.rs"]
mod line;
#[path = "terminal/picture.rs"]
mod picture;
#[path = "terminal/stream.rs"]
mod stream;

pub(crate) use answers::Personality;
pub(crate) use line::Line;
use picture::Shown as Pictures;
#[allow(unused_imports, reason = "tests and benchmarks each use a part")]
pub(crate) use stream::{Piece, outside, pieces, split};

use line::Way;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Writer = Arc<Mutex<Box<dyn std::io::Write + Send>>>;

/// The end of a frame, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// When.
    pub(crate) at: Instant,
    /// Bytes that had arrived.
    pub(crate) bytes: usize,
    /// The status line then.
    pub(crate) status: String,
}

struct State {
    screen: vt100::Parser,
    /// What is seen, as another terminal understands the same bytes; fed only when somebody looks.
    seen_by: Pictures,
    /// Bytes that it was fed.
    fed: usize,
    raw: Vec<u8>,
    /// Up to here queries have been answered.
    answered: usize,
    /// Up to here the ends of frames have been looked for.
    seen: usize,
    shown: Vec<Shown>,
    last: Instant,
}

impl State {
    /// What is seen now.
    fn look(&mut self) -> &mut Pictures {
        let (n, bytes) = outside(&self.raw[self.fed..]);
        self.seen_by.feed(&bytes);
        self.fed += n;
        &mut self.seen_by
    }

    /// Takes what arrived; returns replies.
    fn take(&mut self, bytes: &[u8], personality: Personality) -> Vec<u8> {
        const ENDS: [&[u8]; 2] = [b"\x1b[?2026l", b"\x1b[5n"];
        self.raw.extend_from_slice(bytes);
        self.last = Instant::now();
        let mut done = self.raw.len() - bytes.len();
        while let Some(escape) = self.raw[self.seen..].iter().position(|&b| b == 0x1b) {
            let at = self.seen + escape;
            let rest = &self.raw[at..];
            let end = ENDS.iter().find(|end| rest.starts_with(end));
            if end.is_none() && rest.len() < 8 {
                self.seen = at;
                break;
            }
            self.seen = at + end.map_or(1, |end| end.len());
            if end.is_some() {
                let start = done.min(self.seen);
                self.screen.process(&self.raw[start..self.seen]);
                done = self.seen.max(done);
                let screen = self.screen.screen();
                let rows = screen.size().0.get();
                let status = screen.rows(0, u16::MAX).nth(usize::from(rows) - 1);
                self.shown.push(Shown {
                    at: self.last,
                    bytes: self.seen,
                    status: status.unwrap_or_default(),
                });
            }
        }
        self.screen.process(&self.raw[done..]);
        let (replies, answered) = answers::answer(&self.raw, self.answered, personality);
        self.answered = answered;
        replies
    }
}

/// A running program in a pseudo-terminal.
pub(crate) struct Terminal {
    state: Arc<Mutex<State>>,
    /// From the person to the program.
    keys: Arc<Mutex<Keys>>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
}

/// The way of keys and answers.
enum Keys {
    Direct(Writer),
    Slow(Way),
}

impl Keys {
    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Direct(writer) => {
                let mut writer = writer.lock().unwrap();
                // The program may be gone.
                let _ = writer.write_all(bytes).and_then(|()| writer.flush());
            }
            Self::Slow(way) => way.send(bytes),
        }
    }
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
        size: (u16, u16),
    ) -> Self {
        Self::start_over(args, env, personality, size, None)
    }

    /// As [`Self::start_with`], at the far end of a line.
    pub(crate) fn start_over(
        args: &[&str],
        env: &[(&str, &str)],
        personality: Personality,
        size: (u16, u16),
        line: Option<Line>,
    ) -> Self {
        let program = env!("CARGO_BIN_EXE_atlascope");
        Self::run((program, args), env, personality, size, line)
    }

    /// As [`Self::start_over`], any program.
    pub(crate) fn run(
        (program, args): (&str, &[&str]),
        env: &[(&str, &str)],
        personality: Personality,
        (columns, rows): (u16, u16),
        line: Option<Line>,
    ) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: columns * 8,
            pixel_height: rows * 16,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
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
        let keys = Arc::new(Mutex::new(match line {
            None => Keys::Direct(writer),
            Some(line) => Keys::Slow(Way::open(
                line.round_trip / 2,
                f64::INFINITY,
                move |bytes| {
                    Keys::Direct(Arc::clone(&writer)).send(bytes);
                },
            )),
        }));
        let screen = vt100::Parser::new(size_of(rows), size_of(columns), 0);
        let state = Arc::new(Mutex::new(State {
            screen,
            seen_by: Pictures::new((columns, rows)),
            fed: 0,
            raw: Vec::new(),
            answered: 0,
            seen: 0,
            shown: Vec::new(),
            last: Instant::now(),
        }));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (shared, answers) = (Arc::clone(&state), Arc::clone(&keys));
        let deliver = move |bytes: &[u8]| {
            let replies = shared.lock().unwrap().take(bytes, personality);
            if !replies.is_empty() {
                answers.lock().unwrap().send(&replies);
            }
        };
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            let mut way = None;
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                let Some(line) = line else {
                    deliver(&buffer[..n]);
                    continue;
                };
                let deliver = deliver.clone();
                way.get_or_insert_with(|| {
                    Way::open(line.round_trip / 2, line.bytes_per_second, deliver)
                })
                .send(&buffer[..n]);
            }
        });
        Self {
            state,
            keys,
            child,
            master: pair.master,
        }
    }

    /// Types `keys`.
    pub(crate) fn send(&self, keys: &str) {
        self.keys.lock().unwrap().send(keys.as_bytes());
    }

    /// The text on the screen, one line per row.
    pub(crate) fn screen(&self) -> String {
        self.state.lock().unwrap().screen.screen().contents()
    }

    /// The pixels on the screen of a terminal with that background: opaque where pictures lie, transparent elsewhere.
    #[allow(dead_code, reason = "for tests of pictures")]
    pub(crate) fn picture_on(&self, background: [u8; 3]) -> image::RgbaImage {
        self.state.lock().unwrap().look().pictures(background)
    }

    /// The same of half-blocks, on black.
    #[allow(dead_code, reason = "for tests of pictures")]
    pub(crate) fn half_blocks(&self) -> image::RgbaImage {
        self.state.lock().unwrap().look().half_blocks([0; 3])
    }

    /// Most bytes of pictures that the terminal held at any time.
    #[allow(dead_code, reason = "for tests of pictures")]
    pub(crate) fn most_held(&self) -> usize {
        self.state.lock().unwrap().look().most_held
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

    /// Row and column of the cursor.
    #[allow(dead_code, reason = "for tests of pictures")]
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.state.lock().unwrap().screen.screen().cursor_position()
    }

    /// Everything written so far.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.state.lock().unwrap().raw.clone()
    }

    /// The ends of all frames so far.
    #[allow(dead_code, reason = "for measurements")]
    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.state.lock().unwrap().shown.clone()
    }

    /// When the last bytes arrived, and how many there are.
    #[allow(dead_code, reason = "for measurements")]
    pub(crate) fn last(&self) -> (Instant, usize) {
        let state = self.state.lock().unwrap();
        (state.last, state.raw.len())
    }

    /// Waits until nothing has arrived for `quiet`.
    #[allow(dead_code, reason = "for measurements")]
    pub(crate) fn wait_quiet(&self, quiet: Duration) {
        let begun = Instant::now();
        loop {
            let since = self.last().0.max(begun).elapsed();
            if since >= quiet {
                return;
            }
            std::thread::sleep(quiet.saturating_sub(since).max(Duration::from_millis(1)));
        }
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
        // The terminal first: what the program answers with belongs to the new size.
        let mut state = self.state.lock().unwrap();
        state.look().resize((columns, rows));
        let screen = state.screen.screen_mut();
        screen.set_size(size_of(rows), size_of(columns));
        self.master.resize(size).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn size_of(n: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(n).unwrap()
}
