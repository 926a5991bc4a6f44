//! Causal tests: closed forms, the synthetic world's planted shortcuts, and the commands.

mod closed_form;
mod commands;
mod schema;
mod world;
