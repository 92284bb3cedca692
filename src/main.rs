//! argv, exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidegate::cli::main()
}
