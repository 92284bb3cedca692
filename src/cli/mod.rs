//! The command line, one file a command.

mod check;
mod completions;
#[cfg(feature = "demo")]
mod demo;
mod explain;
mod healthcheck;
mod import;
mod keygen;
mod live;
mod run;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// The configuration is bad (`EX_USAGE` of sysexits.h).
const BAD_CONFIG: u8 = 64;

/// Everything that the command line can say.
#[derive(Debug, Parser)]
#[command(
    name = "sidegate",
    version,
    about,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or SIGINT
    Run(ConfigFile),
    /// Validate the configuration: all problems at once, exit 64 if there are any
    Check(check::Arguments),
    /// Say what a request would get and why, without sending anything
    Explain(explain::Arguments),
    /// Print a fresh session key
    Keygen,
    /// Print the configuration that does what an oauth2-proxy configuration did
    Import {
        /// oauth2-proxy's --config file (TOML)
        file: PathBuf,
    },
    /// Ask the running gateway whether it is ready; for a container's HEALTHCHECK
    Healthcheck(OptionalConfigFile),
    /// Provider, sample app and gateway on this machine, to look at; for development only
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
    /// Print shell completions
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration (TOML)
    #[arg(long, env = "SIDEGATE_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct OptionalConfigFile {
    /// The configuration (TOML); without it the admin listener is looked for at its default address
    #[arg(long, env = "SIDEGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the program; the whole of `main`.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(file) => run::run(&file.config),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Keygen => keygen::run(),
        Command::Import { file } => import::run(&file),
        Command::Healthcheck(file) => healthcheck::run(file.config.as_deref()),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// Loads the configuration, or prints all its problems to stderr.
fn load(file: &std::path::Path) -> Result<Config, ExitCode> {
    Config::load(file, std::env::vars()).map_err(|problems| {
        complain(&problems.to_string());
        ExitCode::from(BAD_CONFIG)
    })
}

/// One line for the operator on stderr. A closed stderr is no reason to fail.
fn complain(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// One line of output on stdout; where nobody reads it, the exit code says so.
fn print(line: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
