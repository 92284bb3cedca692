//! `sidegate keygen`: 32 random bytes, base64url without padding.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

pub(super) fn run() -> ExitCode {
    let mut key = Zeroizing::new([0; 32]);
    if let Err(error) = getrandom::fill(&mut key[..]) {
        super::complain(&format!("no random bytes: {error}"));
        return ExitCode::FAILURE;
    }
    super::print(&Zeroizing::new(URL_SAFE_NO_PAD.encode(&key[..])))
}
