//! `atlascope train-demo`: the trainer of the embedded network.

use super::args::TrainDemoArgs;
use super::interrupt::Interrupt;
use super::progress::Report;
use super::{Failure, output, written};
use crate::train::{self, TrainError, TrainRecipe};
use std::fmt::Write as _;

pub(super) fn run(args: &TrainDemoArgs) -> Result<(), Failure> {
    written::check_output(&args.output, args.force)?;
    let mut recipe = TrainRecipe::default();
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    recipe.epochs = args.epochs.map_or(recipe.epochs, |epochs| epochs as usize);
    let interrupt = Interrupt::listen()?;
    let report = Report::new(interrupt.clone());
    let trained = train::demo(&recipe, &args.output, &report);
    report.finish();
    let result = match trained {
        Ok(result) => result,
        Err(TrainError::Interrupted(_)) => {
            let code = interrupt.exit_code();
            return Err(Failure::interrupted("the training was interrupted").stopped_with(code));
        }
        Err(error) => return Err(error.into()),
    };
    let mut text = format!("held-out accuracy {:.1} %\n", result.accuracy * 100.0);
    let without = result.accuracy_without * 100.0;
    let _ = writeln!(text, "without planted shortcuts {without:.1} %");
    for probe in &result.probes {
        let _ = writeln!(text, "{probe:?}");
    }
    output::print(&text)?;
    Ok(())
}
