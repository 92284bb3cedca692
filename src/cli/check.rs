//! `sidegate check`: is the configuration good?

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: super::ConfigFile,
    /// Contact each provider and each upstream too; exit 69 where one does not answer as it should
    #[arg(long)]
    live: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let file = &arguments.file.config;
    match super::load(file) {
        Ok(config) => {
            let (routes, providers) = (
                count(config.routes.len(), "route"),
                count(config.providers.len(), "provider"),
            );
            let good = super::print(&format!("{}: good ({routes}, {providers})", file.display()));
            if arguments.live { super::live::run(config) } else { good }
        }
        Err(code) => code,
    }
}

fn count(number: usize, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}
