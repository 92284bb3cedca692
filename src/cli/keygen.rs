//! `sidegate keygen`: 32 random bytes, base64url without padding.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

pub(super) fn run() -> ExitCode {
    match fresh() {
        Ok(key) => super::print(&key),
        Err(error) => {
            super::complain(&format!("no random bytes: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A fresh session key as the configuration has it.
pub(super) fn fresh() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut key[..])?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(&key[..])))
}
