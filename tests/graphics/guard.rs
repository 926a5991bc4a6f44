//! The guard in a real pty: whatever ends the program, the shell finds its terminal as it was.

use super::shell;
use atlascope::graphics::terminal::{Guard, Signal};
use rustix::process::{Signal as Unix, WaitOptions, waitpid};
use shell::Shell;
use std::io::{Read as _, Write as _};
use std::sync::mpsc::channel;
use std::time::Duration;

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
        other => unreachable!("no part {other}"),
    }
    drop(guard);
}

fn wait_for_key() {
    std::io::stdin().read_exact(&mut [0]).unwrap();
}

fn outer(test: &str, part: &str) -> Option<Shell> {
    let mut shell = shell::outer(&format!("guard::{test}"), part, inside)?;
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
    // As a shell does before it says "Stopped".
    let (_, status) = waitpid(Some(shell.pid()), WaitOptions::UNTRACED)
        .unwrap()
        .unwrap();
    assert!(status.stopped());
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
