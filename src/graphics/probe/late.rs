//! Answers that come after the deadline.
//!
//! A key reader takes an APC, DCS or OSC sequence apart into presses: Alt+`_`, `G`, `i`, …, Alt+`\`. Each of
//! those would be a command. While answers are outstanding, this sieve stands in front of the key presses.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Longest answer that is swallowed; a person who really pressed Alt+`_` gets the keyboard back after so many.
const LONGEST: usize = 256;

/// Swallows key presses that are pieces of late answers.
#[derive(Debug, Clone, Default)]
pub struct LateReplies {
    active: bool,
    /// Presses swallowed since an introducer, while inside a sequence.
    inside: Option<usize>,
}

impl LateReplies {
    /// A sieve that works only when answers are outstanding ([`super::Capabilities::outstanding`]).
    pub fn new(outstanding: bool) -> Self {
        Self {
            active: outstanding,
            inside: None,
        }
    }

    /// True for a press that a person made.
    pub fn is_key(&mut self, event: &KeyEvent) -> bool {
        if !self.active {
            return true;
        }
        let alt = event.modifiers.contains(KeyModifiers::ALT);
        let KeyCode::Char(character) = event.code else {
            return self.inside.is_none();
        };
        match (self.inside, character) {
            (None, '_' | 'P' | ']') if alt => {
                self.inside = Some(0);
                false
            }
            (None, _) => true,
            (Some(_), '\\') if alt => {
                self.inside = None;
                false
            }
            // BEL ends an OSC.
            (Some(_), 'g') if event.modifiers.contains(KeyModifiers::CONTROL) => {
                self.inside = None;
                false
            }
            (Some(n), _) => {
                self.inside = (n < LONGEST).then_some(n + 1);
                false
            }
        }
    }
}
