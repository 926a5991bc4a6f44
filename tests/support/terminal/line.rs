//! A line with a delay and a limited rate, as SSH over a long way is.
//!
//! Bytes wait in a buffer, leave it at the line's rate in packets, and arrive half a round trip later. The buffer is
//! as large as what lies between a program and the wire under SSH (pseudo-terminal, sshd, TCP): a program that just
//! writes is far ahead of what is seen.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What a line is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    /// There and back.
    pub(crate) round_trip: Duration,
    /// Towards the terminal.
    pub(crate) bytes_per_second: f64,
}

impl Line {
    /// 100 ms and 10 Mbit/s.
    pub(crate) const SLOW: Line = Line {
        round_trip: Duration::from_millis(100),
        bytes_per_second: 1.25e6,
    };
}

/// Bytes between the program and the wire.
const BUFFER: usize = 1 << 20;
/// Bytes of a packet.
const PACKET: usize = 1400;

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    closed: bool,
}

/// One direction of a line.
#[derive(Debug)]
pub(super) struct Way {
    queue: Arc<(Mutex<Queue>, Condvar)>,
    delay: Duration,
    bytes_per_second: f64,
    /// When the wire is free.
    free: Instant,
}

impl Way {
    /// `deliver` is called on a thread of its own with what arrives, when it arrives.
    pub(super) fn open(
        delay: Duration,
        bytes_per_second: f64,
        mut deliver: impl FnMut(&[u8]) + Send + 'static,
    ) -> Self {
        let queue: Arc<(Mutex<Queue>, Condvar)> = Arc::default();
        let theirs = Arc::clone(&queue);
        thread::spawn(move || {
            while let Some((due, bytes)) = next(&theirs) {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                deliver(&bytes);
                let mut queue = theirs.0.lock().unwrap();
                queue.bytes -= bytes.len();
                theirs.1.notify_all();
            }
        });
        Self {
            queue,
            delay,
            bytes_per_second,
            free: Instant::now(),
        }
    }

    /// Puts bytes on the line; waits while its buffer is full.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        for packet in bytes.chunks(PACKET) {
            let queue = self.queue.0.lock().unwrap();
            let mut queue = (self.queue.1)
                .wait_while(queue, |queue| queue.bytes > BUFFER)
                .unwrap();
            let on_wire = Duration::from_secs_f64(packet.len() as f64 / self.bytes_per_second);
            self.free = self.free.max(Instant::now()) + on_wire;
            queue.bytes += packet.len();
            (queue.packets).push_back((self.free + self.delay, packet.to_vec()));
            self.queue.1.notify_all();
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.queue.0.lock().unwrap().closed = true;
        self.queue.1.notify_all();
    }
}

fn next(shared: &(Mutex<Queue>, Condvar)) -> Option<(Instant, Vec<u8>)> {
    let queue = shared.0.lock().unwrap();
    let waiting = |queue: &mut Queue| queue.packets.is_empty() && !queue.closed;
    let mut queue = shared.1.wait_while(queue, waiting).unwrap();
    queue.packets.pop_front()
}
