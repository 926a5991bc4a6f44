//! Causal tests: closed forms, the synthetic world's planted shortcuts, and the commands.

mod closed_form;
mod commands;
mod controls;
mod pictures;
mod refused;
mod reports;
mod schema;
mod world;
