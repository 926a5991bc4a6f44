//! Pictures between lines of text, in a real pty.

use super::shell::{Shell, outer};
use atlascope::graphics::probe::{Choice, Hints, Replies, decide};
use atlascope::graphics::{Capabilities, oneshot};
use std::io::Write as _;

fn capabilities(choice: Choice, colorterm: &str) -> Capabilities {
    let hints = Hints {
        colorterm: Some(colorterm.to_owned()),
        ..Hints::default()
    };
    decide(&Replies::default(), &hints, choice)
}

/// Red above, blue below.
fn flag(width: u32, height: u32) -> image::RgbaImage {
    image::RgbaImage::from_fn(width, height, |_, y| {
        image::Rgba(if y < height / 2 {
            [255, 0, 0, 255]
        } else {
            [0, 0, 255, 255]
        })
    })
}

fn inside(part: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\nbefore").unwrap();
    let (picture, capabilities) = match part {
        "kitty" => (flag(64, 64), capabilities(Choice::Kitty, "")),
        "kitty, tall" => (flag(16, 640), capabilities(Choice::Kitty, "")),
        "blocks" => (flag(64, 64), capabilities(Choice::HalfBlock, "truecolor")),
        "few colours" => (flag(64, 64), capabilities(Choice::HalfBlock, "")),
        _ => (flag(64, 64), capabilities(Choice::None, "")),
    };
    let printed = oneshot::print(&picture, 8, &capabilities).unwrap();
    writeln!(out, "after {printed}").unwrap();
}

fn finished(test: &str, part: &str) -> Option<Shell> {
    let mut shell = outer(&format!("oneshot::{test}"), part, inside)?;
    shell.until("the end", |shell| shell.contents().contains("1 passed"));
    Some(shell)
}

/// Lines between "before" and "after".
fn lines(shell: &Shell) -> usize {
    let contents = shell.contents();
    let row = |word: &str| contents.lines().position(|line| line.starts_with(word));
    row("after").unwrap() - row("before").unwrap() - 1
}

fn heard(shell: &Shell) -> String {
    String::from_utf8_lossy(&shell.heard).into_owned()
}

#[test]
fn kitty_takes_the_lines_it_needs() {
    let Some(shell) = finished("kitty_takes_the_lines_it_needs", "kitty") else {
        return;
    };
    // Characters of 8×16 pixels: 8 columns of a square picture are 4 rows.
    assert_eq!(lines(&shell), 4);
    let heard = heard(&shell);
    assert!(
        heard.contains("\x1b_Ga=T,f=100,t=d,c=8,r=4,C=1,q=2;"),
        "{heard:?}"
    );
    assert!(!heard.contains("m=1"), "a small picture is one piece");
    assert!(heard.contains("after true"));
}

#[test]
fn kitty_shrinks_what_is_taller_than_the_screen() {
    let Some(shell) = finished(
        "kitty_shrinks_what_is_taller_than_the_screen",
        "kitty, tall",
    ) else {
        return;
    };
    // 8 columns would be 160 rows; 24 rows leave 23 for the picture, which makes it one column wide.
    assert!(heard(&shell).contains("c=1,r=23,"), "{:?}", heard(&shell));
}

/// Four rows of `▄`, red above and blue below.
fn assert_flag(shell: &Shell, red: vt100::Color, blue: vt100::Color) {
    assert_eq!(lines(shell), 4);
    let contents = shell.contents();
    let first = contents.lines().position(|line| line.starts_with("before"));
    let first = first.unwrap() as u16 + 1;
    for (row, colour) in [(0, red), (1, red), (2, blue), (3, blue)] {
        let cell = shell.screen.screen().cell(first + row, 7).unwrap();
        assert_eq!(cell.contents(), "▄");
        assert_eq!((cell.fgcolor(), cell.bgcolor()), (colour, colour));
    }
}

#[test]
fn blocks_are_characters_in_colour() {
    let Some(shell) = finished("blocks_are_characters_in_colour", "blocks") else {
        return;
    };
    let (red, blue) = (vt100::Color::Rgb(255, 0, 0), vt100::Color::Rgb(0, 0, 255));
    assert_flag(&shell, red, blue);
}

#[test]
fn blocks_make_do_with_256_colours() {
    let Some(shell) = finished("blocks_make_do_with_256_colours", "few colours") else {
        return;
    };
    assert_flag(&shell, vt100::Color::Idx(196), vt100::Color::Idx(21));
}

#[test]
fn no_pictures_means_none() {
    let Some(shell) = finished("no_pictures_means_none", "none") else {
        return;
    };
    assert_eq!(lines(&shell), 0);
    assert!(heard(&shell).contains("after false"));
}
