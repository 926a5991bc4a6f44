//! Real terminals, where they are installed: what their windows show against what the map should look like, tmux in
//! between, and SSH.

use super::expected::{Comparison, compare, screen, state};
use super::{SIZE, quit, sample, shows, spec};
use crate::support::terminal::{Line, Personality, Terminal};
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::graphics::Protocol;
use atlascope::store;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_atlascope");

/// False, with a line that says what is skipped, unless all programs are installed.
fn installed(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .stdout(Stdio::null())
            .status();
        !found.is_ok_and(|status| status.success())
    });
    if let Some(program) = missing {
        println!("skipped: {program} is not installed");
    }
    missing.is_none()
}

/// Ends a program with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An X server without a screen to look at.
struct Display {
    _server: Running,
    name: String,
}

impl Display {
    fn open() -> Self {
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1400x900x24",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut number)
            .unwrap();
        Self {
            _server: Running(server),
            name: format!(":{}", number.trim()),
        }
    }

    fn run(&self, program: &str, args: &[&str]) -> Running {
        let child = Command::new(program)
            .args(args)
            .env("DISPLAY", &self.name)
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("TMUX")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Running(child)
    }

    fn picture(&self, file: &Path) -> image::RgbaImage {
        let status = Command::new("import")
            .args(["-display", &self.name, "-window", "root"])
            .arg(file)
            .status()
            .unwrap();
        assert!(status.success());
        image::open(file).unwrap().into_rgba8()
    }
}

/// Opens the sample in a terminal's window and compares what is seen there. The program tells the size of a character
/// and of the window through files.
fn in_window(program: &str, args: &[&str], protocol: Protocol) {
    if !installed(&["Xvfb", "import", program]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.atlas");
    // Icons so large that they are shown whole.
    let made = atlas(&SampleSpec {
        grids: vec![10],
        ..spec()
    });
    store::write(&path, &made).unwrap();
    let (doctor, size) = (folder.path().join("doctor"), folder.path().join("size"));
    let script = format!(
        "cd {folder}; stty size > {size}; {BINARY} doctor > {doctor}; exec {BINARY} explore --no-session {path}",
        folder = folder.path().display(),
        size = size.display(),
        doctor = doctor.display(),
        path = path.display(),
    );
    let display = Display::open();
    let mut all = args.to_vec();
    all.extend(["bash", "-c", &script]);
    let _window = display.run(program, &all);
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let found = seen(&made, &display, (&doctor, &size), protocol);
        let well = found.icons >= 30 && found.mean < 8.0 && found.worst < 32.0;
        if well {
            return;
        }
        let time_left = begun.elapsed() < Duration::from_secs(60);
        assert!(time_left, "{program}: {found:?}");
    }
}

fn seen(
    made: &atlascope::atlas::Atlas,
    display: &Display,
    (doctor, size): (&Path, &Path),
    protocol: Protocol,
) -> Comparison {
    let numbers = |text: &str| -> Vec<u16> {
        let parts = text.split(|c: char| !c.is_ascii_digit());
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    let text = std::fs::read_to_string(doctor).unwrap_or_default();
    let cell = text.lines().find(|line| line.contains("character"));
    let size = std::fs::read_to_string(size).unwrap_or_default();
    let (Some(&[w, h]), &[rows, columns]) = (
        cell.map(numbers)
            .as_deref()
            .and_then(|n| n.first_chunk::<2>()),
        &numbers(&size)[..],
    ) else {
        return Comparison::default();
    };
    assert!(text.contains(protocol.name()), "{text}");
    let state = state(made, screen((columns, rows), (w, h), protocol), "");
    let picture = display.picture(&doctor.with_file_name("shot.png"));
    compare(&state, &picture)
}

#[test]
fn a_window_of_kitty_shows_the_map() {
    let args = [
        "--config",
        "NONE",
        "-o",
        "font_size=10",
        "-o",
        "remember_window_size=no",
        "-o",
        "initial_window_width=150c",
        "-o",
        "initial_window_height=45c",
        "-o",
        "background=#000000",
    ];
    in_window("kitty", &args, Protocol::Kitty);
}

#[test]
fn a_window_of_xterm_shows_the_map() {
    let args = [
        "-ti",
        "vt340",
        "-xrm",
        "XTerm*numColorRegisters: 256",
        "-xrm",
        "XTerm*maxGraphicSize: 2000x2000",
        "-fa",
        "DejaVu Sans Mono",
        "-fs",
        "10",
        "-geometry",
        "150x45+0+0",
        "-b",
        "0",
        "-bw",
        "0",
        "+sb",
        "-bg",
        "black",
        "-fg",
        "white",
        "-e",
    ];
    in_window("xterm", &args, Protocol::Sixel);
}

#[test]
fn a_window_of_mlterm_shows_the_map() {
    let args = [
        "--geometry=150x45+0+0",
        "-w",
        "14",
        "--border=0",
        "--lborder=0",
        "--sbmod=none",
        "-b",
        "black",
        "-f",
        "white",
        "-e",
    ];
    in_window("mlterm", &args, Protocol::Sixel);
}

#[test]
fn tmux_lets_pictures_through() {
    if !installed(&["tmux"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (made, path) = sample(folder.path());
    let configuration = folder.path().join("tmux.conf");
    std::fs::write(
        &configuration,
        "set -g allow-passthrough on\nset -g status off\nset -g default-terminal tmux-256color\n",
    )
    .unwrap();
    let command = format!("{BINARY} explore --no-session {}", path.display());
    let socket = folder.path().join("socket");
    let args = [
        "-u",
        "-S",
        socket.to_str().unwrap(),
        "-f",
        configuration.to_str().unwrap(),
        "new-session",
        &command,
    ];
    let env = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8")];
    let terminal = Terminal::run(("tmux", &args), &env, Personality::NewKitty, SIZE, None);
    terminal.wait_for("status line", 30, |screen| screen.contains("? help"));
    terminal.wait_for("protocol", 10, |screen| screen.contains("placeholders"));
    let mut keys = String::new();
    for step in ["i++", "lllllll", "jj"] {
        keys.push_str(step);
        terminal.send(step);
        let state = state(&made, screen(SIZE, (8, 16), Protocol::Placeholders), &keys);
        shows(&terminal, &state, (5.0, 255.0), &keys);
    }
    quit(terminal);
}

/// The binary behind sshd on this machine, and a slow line in front of the client.
#[test]
fn ssh_over_a_slow_line_shows_the_map() {
    if !installed(&["ssh", "ssh-keygen", "/usr/sbin/sshd"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (made, path) = sample(folder.path());
    let Some((_server, port)) = sshd(folder.path()) else {
        println!("skipped: sshd does not run here");
        return;
    };
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let key = folder.path().join("key");
    let to = format!("{}@127.0.0.1", user.trim());
    let command = format!("{BINARY} explore --no-session {}", path.display());
    let port = port.to_string();
    let args = [
        "-tt",
        "-F",
        "none",
        "-p",
        &port,
        "-i",
        key.to_str().unwrap(),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        &to,
        &command,
    ];
    let line = Some(Line::SLOW);
    let terminal = Terminal::run(("ssh", &args), &[], Personality::Kitty, SIZE, line);
    terminal.wait_for("status line", 30, |screen| screen.contains("? help"));
    let mut keys = String::new();
    for step in ["i++", "lllllll"] {
        keys.push_str(step);
        terminal.send(step);
        let state = state(&made, screen(SIZE, (8, 16), Protocol::Kitty), &keys);
        shows(&terminal, &state, (5.0, 255.0), &keys);
    }
    quit(terminal);
}

/// A server on the loopback for one key; `None` where it does not start.
fn sshd(folder: &Path) -> Option<(Running, u16)> {
    for name in ["host", "key"] {
        let status = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join(name))
            .status();
        assert!(status.unwrap().success());
    }
    std::fs::copy(folder.join("key.pub"), folder.join("allowed")).unwrap();
    // Only root's sshd wants this folder, and only root can make it.
    let _ = std::fs::create_dir_all("/run/sshd");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let at = folder.display();
    let lines = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/allowed\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
         PermitRootLogin prohibit-password\nPidFile none\n"
    );
    let configuration = folder.join("sshd.conf");
    std::fs::write(&configuration, lines).unwrap();
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-f"])
        .arg(&configuration)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut server = Running(child);
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(50));
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((server, port));
        }
        if server.0.try_wait().unwrap().is_some() {
            return None;
        }
    }
    None
}
