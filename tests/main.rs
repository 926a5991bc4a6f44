//! All integration tests in one binary; one module per part of the program.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]
#![allow(missing_docs, reason = "test names say it")]

mod causal;
mod cli;
mod end_to_end;
mod explorer;
mod featurevis;
mod graphics;
mod hub;
mod kernels;
mod layout;
mod locate;
mod network;
mod networks;
mod pipeline;
mod planted;
mod prebuilt;
mod store;
mod support;
mod suspects;
mod terminals;
mod tidy;
mod world;
