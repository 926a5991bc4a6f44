//! `atlascope show`.
use super::{Failure, args::ShowArgs};
pub(super) fn run(_args: &ShowArgs) -> Result<(), Failure> { Err(Failure::failed("not yet")) }
