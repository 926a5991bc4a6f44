//! A log file for those who ask for one: never on the screen, which belongs to the explorer.

use super::output;
use crate::paths::Paths;
use std::fs::File;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// The variable that switches the log on; its value says what to log (`debug`, `atlascope::graphics=trace`).
pub(super) const VARIABLE: &str = "ATLASCOPE_LOG";

/// Where the log goes.
pub(super) fn path(paths: &Paths) -> std::path::PathBuf {
    paths.state.join("atlascope.log")
}

/// Starts logging when [`VARIABLE`] is set; a log that cannot be opened is said once and does not stop anything.
pub(super) fn start() {
    let Ok(filter) = std::env::var(VARIABLE) else {
        return;
    };
    let paths = Paths::resolve(|name| std::env::var(name).ok());
    let path = path(&paths);
    let opened = std::fs::create_dir_all(&paths.state)
        .and_then(|()| File::options().create(true).append(true).open(&path));
    match opened {
        Ok(file) => {
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(EnvFilter::new(filter))
                .with_ansi(false)
                .with_writer(Mutex::new(file))
                .finish();
            // Fails only when another subscriber is set, and nobody else sets one.
            let _ = tracing::subscriber::set_global_default(subscriber);
        }
        Err(error) => output::error_line("note", &format!("no log in {}: {error}", path.display())),
    }
}
