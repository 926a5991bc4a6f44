//! Lines to stdout and stderr. Writing to a terminal that has gone away (a dropped SSH line) never panics.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Somebody draws on the terminal.
static DRAWN_ON: AtomicBool = AtomicBool::new(false);

/// While it lives, lines for people go to the log: in the middle of a picture they would break it.
#[cfg(feature = "explore")]
pub(super) struct Quiet(());

#[cfg(feature = "explore")]
impl Quiet {
    pub(super) fn new() -> Self {
        DRAWN_ON.store(true, Ordering::Relaxed);
        Self(())
    }
}

#[cfg(feature = "explore")]
impl Drop for Quiet {
    fn drop(&mut self) {
        DRAWN_ON.store(false, Ordering::Relaxed);
    }
}

/// True when stderr is a terminal that may be coloured (`NO_COLOR`, `TERM=dumb`).
pub(super) fn colours_on_stderr() -> bool {
    std::io::stderr().is_terminal() && !colours_unwanted()
}

/// True when the user asked for no colours: `NO_COLOR` set and not empty, or a dumb terminal.
pub(super) fn colours_unwanted() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// One line to stderr with a lead word: `error: …`, `hint: …`.
pub(super) fn error_line(lead: &str, text: &str) {
    if DRAWN_ON.load(Ordering::Relaxed) {
        tracing::info!("{lead}: {text}");
        return;
    }
    let text = visible(text);
    let mut stderr = std::io::stderr().lock();
    let _ = if colours_on_stderr() {
        let colour = if lead == "error" { "1;31" } else { "1;36" };
        writeln!(stderr, "\x1b[{colour}m{lead}:\x1b[0m {text}")
    } else {
        writeln!(stderr, "{lead}: {text}")
    };
}

/// Text for people to stdout. What files say is printed here too, so control characters other than line ends and tabs
/// stand as their pictures: no file commands the terminal.
///
/// # Errors
/// Those of writing; a closed pipe ends the program quietly.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(visible(text).as_bytes())?;
    stdout.flush()
}

/// The text with the pictures of control characters (␛) in their place; line ends and tabs stay.
fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    let commands = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(commands) {
        return text.into();
    }
    let shown = |c: char| match c {
        c if !commands(c) => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('?'),
        _ => '␡',
    };
    text.chars().map(shown).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_do_not_command_the_terminal() {
        assert_eq!(visible("a\tb\n"), "a\tb\n");
        assert_eq!(visible("\x1b[31mred\r\u{9b}2J"), "␛[31mred␍␡2J");
    }
}
