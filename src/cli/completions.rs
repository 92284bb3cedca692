//! `sidegate completions SHELL`.

use std::process::ExitCode;

use clap::CommandFactory;

pub(super) fn run(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::Arguments::command(), "sidegate", &mut script);
    super::print(String::from_utf8_lossy(&script).trim_end())
}
