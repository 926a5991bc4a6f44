//! Answers that come after the deadline.

use super::{Asked, Capabilities, Choice, Hints, decide, parse};

/// Collects late answers until they are complete, and decides anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    hints: Hints,
    choice: Choice,
    answers: Vec<u8>,
    /// Once the terminal around tmux was asked, answers are its.
    outer: Option<Vec<u8>>,
}

impl Late {
    /// Goes on where `asked` ended.
    pub fn new(hints: Hints, choice: Choice, asked: &Asked) -> Self {
        Self {
            hints,
            choice,
            answers: asked.answers.clone(),
            outer: asked.outer.clone(),
        }
    }

    /// Takes an answer. With the last one comes what the terminal can do after all.
    pub fn answered(&mut self, answer: &[u8]) -> Option<Capabilities> {
        self.outer
            .as_mut()
            .unwrap_or(&mut self.answers)
            .extend_from_slice(answer);
        let mut replies = parse(&self.answers);
        let complete = if let Some(outer) = &self.outer {
            let outer = parse(outer);
            let complete = outer.is_outer();
            replies.outer = Some(Box::new(outer));
            complete
        } else {
            replies.attributes.is_some()
        };
        complete.then(|| decide(&replies, &self.hints, self.choice))
    }
}
