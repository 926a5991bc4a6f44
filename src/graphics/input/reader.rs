//! The thread that reads the terminal.

use super::{Input, Parser};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::time::Duration;

/// Reads `tty` until it is gone or `take` answers false. Sleeps as long as nothing comes; only an unfinished
/// sequence sets a timer.
pub fn read(tty: &impl AsFd, take: &mut impl FnMut(Input) -> bool) {
    let mut parser = Parser::new();
    let mut chunk = [0; 4096];
    let mut wanted = true;
    while wanted {
        let ready = wait(tty, parser.patience());
        let mut deliver = |input| wanted &= take(input);
        if !ready {
            parser.settle(&mut deliver);
            continue;
        }
        match rustix::io::read(tty, &mut chunk) {
            // The other side has hung up.
            Ok(0) => return,
            Ok(n) => parser.feed(&chunk[..n], &mut deliver),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// False when the time passed without input.
fn wait(tty: &impl AsFd, limit: Option<Duration>) -> bool {
    let limit = limit.map(|limit| Timespec {
        tv_sec: limit.as_secs() as i64,
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    !matches!(
        poll(&mut [PollFd::new(tty, PollFlags::IN)], limit.as_ref()),
        Ok(0)
    )
}
