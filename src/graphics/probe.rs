//! Asking the terminal what it is and what it can draw.
