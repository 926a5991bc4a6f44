//! Parse, run, exit code.

fn main() -> std::process::ExitCode {
    atlascope::cli::main(std::env::args_os())
}
