//! A real pty around this very test program: a test starts itself again inside one and plays the shell.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal as Unix, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use std::cell::RefCell;
use std::fs::File;
use std::io::{Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Names the part that the inner process plays.
const PART: &str = "ATLASCOPE_TEST_GUARD";

pub(super) struct Shell {
    pub(super) child: Box<dyn Child + Send + Sync>,
    tty: File,
    output: Receiver<Vec<u8>>,
    pub(super) screen: vt100::Parser,
    pub(super) heard: Vec<u8>,
    keyboard: RefCell<Box<dyn Write + Send>>,
    _master: Box<dyn MasterPty + Send>,
}

impl Shell {
    pub(super) fn start(test: &str, part: &str) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize {
                rows: 24,
                cols: 120,
                ..PtySize::default()
            })
            .unwrap();
        let mut options = File::options();
        options.read(true).write(true);
        options.custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32);
        let tty = options.open(pair.master.tty_name().unwrap()).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(PART, part);
        command.env("RUST_BACKTRACE", "0");
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                if sender.send(chunk[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            tty,
            output,
            screen: vt100::Parser::new(24.try_into().unwrap(), 120.try_into().unwrap(), 0),
            heard: Vec::new(),
            keyboard: RefCell::new(pair.master.take_writer().unwrap()),
            _master: pair.master,
        }
    }

    pub(super) fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        while !reached(self) {
            let chunk = self.output.recv_timeout(Duration::from_secs(60));
            let chunk = chunk.unwrap_or_else(|_| panic!("{what}: {:?}", self.contents()));
            self.screen.process(&chunk);
            self.heard.extend_from_slice(&chunk);
        }
    }

    pub(super) fn until_taken(&mut self) {
        self.until("the alternate screen", |shell| {
            shell.contents().contains("inside")
        });
        assert!(self.screen.screen().alternate_screen());
        assert!(self.screen.screen().hide_cursor());
        assert!(!self.cooked());
    }

    pub(super) fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    pub(super) fn cooked(&self) -> bool {
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    pub(super) fn press_a_key(&self) {
        self.keyboard.borrow_mut().write_all(b"x").unwrap();
    }

    pub(super) fn signal(&self, signal: Unix) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.process_id().unwrap() as i32).unwrap()
    }

    pub(super) fn given_back(&self) -> bool {
        let screen = self.screen.screen();
        !screen.alternate_screen() && !screen.hide_cursor()
    }

    pub(super) fn assert_given_back(&self) {
        assert!(self.given_back(), "{:?}", self.contents());
        assert!(self.cooked());
        let heard = String::from_utf8_lossy(&self.heard);
        let farewell = heard.rfind("farewell-bytes").expect("pictures are freed");
        assert!(heard.rfind("\x1b[?1049l").unwrap() > farewell);
    }
}

/// The outer half of `test`, or `None` in the inner process, which has played its part by `inside` then.
pub(super) fn outer(test: &str, part: &str, inside: impl Fn(&str)) -> Option<Shell> {
    if std::env::var(PART).is_ok_and(|given| given == part) {
        inside(part);
        return None;
    }
    Some(Shell::start(&format!("graphics::{test}"), part))
}
