//! `sidegate check`: is the configuration good?

use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(file: &Path) -> ExitCode {
    match super::load(file) {
        Ok(config) => {
            let (routes, providers) = (config.routes.len(), config.providers.len());
            super::print(&format!(
                "{}: good ({routes} routes, {providers} providers)",
                file.display()
            ))
        }
        Err(code) => code,
    }
}
