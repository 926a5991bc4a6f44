//! The command line: the only part that reads arguments, environment, working directory and the clock of the day.
//!
//! Exit codes: 0 done (also when the reader of our output went away), 1 failed, 2 wrong usage, 130 interrupted. A retest
//! ends with 3 when a claim still holds and with 4 when one cannot be repeated.

mod args;
#[cfg(feature = "build")]
mod build;
#[cfg(feature = "build")]
mod classes;
mod completions;
#[cfg(all(feature = "build", feature = "explore"))]
mod demo;
mod doctor;
#[cfg(all(feature = "build", feature = "explore"))]
mod examiner;
#[cfg(feature = "explore")]
mod explore;
mod export;
mod failure;
mod info;
#[cfg(feature = "build")]
mod interrupt;
#[cfg(feature = "build")]
mod layers;
#[cfg(feature = "explore")]
mod locate;
#[cfg(all(feature = "build", feature = "explore"))]
mod locator;
mod logging;
#[cfg(feature = "build")]
mod networks;
mod open;
mod output;
#[cfg(feature = "build")]
mod patch;
#[cfg(feature = "build")]
mod predict;
#[cfg(feature = "build")]
mod progress;
#[cfg(feature = "build")]
mod pull;
#[cfg(feature = "explore")]
mod remember;
#[cfg(feature = "build")]
mod report;
#[cfg(all(feature = "build", feature = "explore"))]
mod reporter;
#[cfg(feature = "explore")]
mod show;
mod suspects;
#[cfg(feature = "build")]
mod train_demo;
mod written;

pub use args::Args;
pub use failure::{Failure, Kind};

use clap::Parser as _;
use std::ffi::OsString;
use std::process::ExitCode;

/// Parses `argv`, runs the command, reports its failure and gives the exit code.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(argv) {
        Ok(args) => args,
        Err(error) => {
            // clap knows whether this is help (stdout, 0) or a mistake (stderr, 2); a closed pipe is no failure.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    logging::start();
    match run(args) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(args: Args) -> Result<ExitCode, Failure> {
    use args::Command;
    let done = match args.command {
        #[cfg(feature = "build")]
        Command::Build(args) => build::run(&args),
        #[cfg(all(feature = "build", feature = "explore"))]
        Command::Demo(args) => demo::run(&args),
        #[cfg(feature = "build")]
        Command::Predict(args) => predict::run(&args),
        #[cfg(feature = "build")]
        Command::Layers(args) => layers::run(&args),
        #[cfg(feature = "build")]
        Command::Pull(args) => pull::run(&args),
        #[cfg(feature = "explore")]
        Command::Explore(args) => explore::run(&args),
        #[cfg(feature = "explore")]
        Command::Locate(args) => locate::run(&args),
        #[cfg(feature = "explore")]
        Command::Show(args) => show::run(&args),
        #[cfg(feature = "build")]
        Command::Patch(args) => patch::run(&args),
        Command::Suspects(args) => suspects::run(&args),
        #[cfg(feature = "build")]
        Command::Report(args) => report::report(&args),
        // What became of the claims is its exit code.
        #[cfg(feature = "build")]
        Command::Retest(args) => return report::retest(&args),
        Command::Export(args) => export::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        #[cfg(feature = "build")]
        Command::TrainDemo(args) => train_demo::run(&args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man => completions::man(),
    };
    done.map(|()| ExitCode::SUCCESS)
}
