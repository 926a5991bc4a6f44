//! `atlascope export`.
use super::{Failure, args::ExportArgs};
pub(super) fn run(_args: &ExportArgs) -> Result<(), Failure> { Err(Failure::failed("not yet")) }
