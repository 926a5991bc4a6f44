//! Completion scripts and the manual page, generated from the arguments.

use super::{Args, Failure, output};
use clap::CommandFactory as _;

pub(super) fn run(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "atlascope", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(())
}

/// One page for the program and all its commands.
pub(super) fn man() -> Result<(), Failure> {
    let command = Args::command();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let sub = sub
            .clone()
            .bin_name(format!("atlascope {}", sub.get_name()));
        let man = clap_mangen::Man::new(sub);
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        man.render_extra_section(&mut page)?;
    }
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(())
}
