//! Two pixels per character.
