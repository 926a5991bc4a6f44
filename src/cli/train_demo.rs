//! `atlascope train-demo`: the trainer of the embedded network.

use super::args::TrainDemoArgs;
use super::interrupt::Interrupt;
use super::progress::Report;
use super::{Failure, build, output};
use crate::train;

pub(super) fn run(args: &TrainDemoArgs) -> Result<(), Failure> {
    build::check_output(&args.output, args.force)?;
    let mut recipe = train::TrainRecipe::default();
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    recipe.epochs = args.epochs.unwrap_or(recipe.epochs);
    let report = Report::new(Interrupt::listen()?);
    let trained = train::demo(&recipe, &args.output, &report);
    report.finish();
    let accuracy = trained.map_err(|error| Failure::from(error).hint("the same command goes on from its checkpoint"))?;
    output::print(&format!("held-out accuracy {:.1} %\n", accuracy * 100.0))?;
    Ok(())
}
