//! The guard in a real pty: this test starts itself again inside one and plays the part of the shell.

use atlascope::graphics::terminal::{Guard, Signal};
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

struct Shell {
    child: Box<dyn Child + Send + Sync>,
    tty: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    heard: Vec<u8>,
    keyboard: RefCell<Box<dyn Write + Send>>,
    _master: Box<dyn MasterPty + Send>,
}

impl Shell {
    fn start(test: &str, part: &str) -> Self {
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

    fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        while !reached(self) {
            let chunk = self.output.recv_timeout(Duration::from_secs(60));
            let chunk = chunk.unwrap_or_else(|_| panic!("{what}: {:?}", self.contents()));
            self.screen.process(&chunk);
            self.heard.extend_from_slice(&chunk);
        }
    }

    fn until_taken(&mut self) {
        self.until("the alternate screen", |shell| {
            shell.contents().contains("inside")
        });
        assert!(self.screen.screen().alternate_screen());
        assert!(self.screen.screen().hide_cursor());
        assert!(!self.cooked());
    }

    fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    fn cooked(&self) -> bool {
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    fn press_a_key(&self) {
        self.keyboard.borrow_mut().write_all(b"x").unwrap();
    }

    fn signal(&self, signal: Unix) {
        let pid = Pid::from_raw(self.child.process_id().unwrap() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn given_back(&self) -> bool {
        let screen = self.screen.screen();
        !screen.alternate_screen() && !screen.hide_cursor()
    }

    fn assert_given_back(&self) {
        assert!(self.given_back(), "{:?}", self.contents());
        assert!(self.cooked());
        let heard = String::from_utf8_lossy(&self.heard);
        let farewell = heard.rfind("farewell-bytes").expect("pictures are freed");
        assert!(heard.rfind("\x1b[?1049l").unwrap() > farewell);
    }
}

/// What the inner process does with the terminal.
fn inside(part: &str) {
    let (sender, signals) = channel();
    let guard = Guard::enter(move |signal| {
        let _ = sender.send(signal);
    })
    .unwrap();
    assert!(Guard::enter(|_| {}).is_err(), "there is one terminal");
    guard.farewell().set(b"\x1b_farewell-bytes\x1b\\".to_vec());
    let say = |word: &str| {
        let mut screen = atlascope::graphics::terminal::Screen::new();
        write!(screen, "\x1b[2J\x1b[5;5H{word}").unwrap();
        screen.flush().unwrap();
    };
    say("inside");
    match part {
        "drop" => wait_for_key(),
        "panic" => {
            wait_for_key();
            panic!("on purpose");
        }
        "other thread" => {
            let worker = std::thread::Builder::new().name("worker".to_owned());
            let worker = worker.spawn(|| panic!("elsewhere")).unwrap();
            assert!(worker.join().is_err());
            say("still inside");
            assert_eq!(signals.recv().unwrap(), Signal::Quit);
        }
        "signal" => assert_eq!(signals.recv().unwrap(), Signal::Quit),
        "deaf" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "suspend" => {
            assert_eq!(signals.recv().unwrap(), Signal::Suspend);
            guard.suspend().unwrap();
            say("inside again");
            // Stopped and continued by somebody else.
            assert_eq!(signals.recv().unwrap(), Signal::Continued);
            guard.resume().unwrap();
            say("inside once more");
            assert_eq!(signals.recv().unwrap(), Signal::Quit);
        }
        other => panic!("no part {other}"),
    }
    drop(guard);
}

fn wait_for_key() {
    std::io::stdin().read_exact(&mut [0]).unwrap();
}

/// The outer half of a test, or `None` in the inner process, which has played its part then.
fn outer(test: &str, part: &str) -> Option<Shell> {
    if std::env::var(PART).is_ok_and(|given| given == part) {
        inside(part);
        return None;
    }
    let mut shell = Shell::start(&format!("graphics::guard::{test}"), part);
    shell.until_taken();
    Some(shell)
}

#[test]
fn dropped() {
    let Some(mut shell) = outer("dropped", "drop") else {
        return;
    };
    shell.press_a_key();
    shell.until("the end", |shell| shell.contents().contains("1 passed"));
    shell.assert_given_back();
}

#[test]
fn panicked() {
    let Some(mut shell) = outer("panicked", "panic") else {
        return;
    };
    shell.press_a_key();
    shell.until("the end", |shell| shell.contents().contains("1 failed"));
    shell.assert_given_back();
    assert!(
        shell.contents().contains("on purpose"),
        "{}",
        shell.contents()
    );
}

#[test]
fn panicked_elsewhere() {
    let Some(mut shell) = outer("panicked_elsewhere", "other thread") else {
        return;
    };
    shell.until("the panic", |shell| {
        shell.contents().contains("still inside")
    });
    assert!(shell.screen.screen().alternate_screen());
    assert!(!shell.contents().contains("elsewhere"));
    shell.signal(Unix::TERM);
    shell.until("the end", |shell| shell.contents().contains("1 passed"));
    shell.assert_given_back();
    assert!(
        shell.contents().contains("elsewhere"),
        "{}",
        shell.contents()
    );
}

#[test]
fn asked_to_quit() {
    let Some(mut shell) = outer("asked_to_quit", "signal") else {
        return;
    };
    shell.signal(Unix::HUP);
    shell.until("the end", |shell| shell.contents().contains("1 passed"));
    shell.assert_given_back();
}

#[test]
fn asked_twice() {
    let Some(mut shell) = outer("asked_twice", "deaf") else {
        return;
    };
    // Signals of one kind merge while pending, so two kinds.
    shell.signal(Unix::INT);
    shell.signal(Unix::TERM);
    shell.until("the end", Shell::given_back);
    assert!(!shell.child.wait().unwrap().success());
    shell.assert_given_back();
}

#[test]
fn suspended_and_continued() {
    let Some(mut shell) = outer("suspended_and_continued", "suspend") else {
        return;
    };
    shell.signal(Unix::TSTP);
    shell.until("the stop", Shell::given_back);
    while !shell.cooked() {
        std::thread::yield_now();
    }
    shell.assert_given_back();
    shell.signal(Unix::CONT);
    shell.until("the return", |shell| {
        shell.contents().contains("inside again")
    });
    assert!(shell.screen.screen().alternate_screen());
    assert!(!shell.cooked());
    shell.signal(Unix::CONT);
    shell.until("the second return", |shell| {
        shell.contents().contains("inside once more")
    });
    assert!(!shell.cooked());
    shell.signal(Unix::TERM);
    shell.until("the end", |shell| shell.contents().contains("1 passed"));
    shell.assert_given_back();
}
