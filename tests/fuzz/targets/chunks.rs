//! Chunk joining: any `Cookie` lines are read in bounded work, and a value that was split is found among them.
#![no_main]
#![allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use sidegate::seal::{Jar, MAX_PARTS, SPLIT_PAST, split};
use sidegate_fuzz::Seals;

thread_local! {
    static SEALS: Seals = Seals::new();
}

fuzz_target!(|bytes: &[u8]| {
    SEALS.with(|seals| {
        let names = &seals.names;
        let jar = Jar::new(names, bytes.split(|byte| *byte == b'\n'));
        for candidate in jar.session_candidates() {
            assert!(candidate.len() <= bytes.len() * MAX_PARTS);
        }
        assert!(jar.session_names().iter().all(|name| names.is_ours(name.as_bytes())));
        assert!(jar.login_names().iter().all(|name| names.is_login(name.as_bytes())));

        // A value of the input's own making, repeated until it has to be split, among the input's own lines.
        let times = bytes.first().map_or(1, |first| usize::from(*first) * 8);
        let value = URL_SAFE_NO_PAD.encode(bytes.repeat(times).into_iter().take(30_000).collect::<Vec<_>>());
        if value.len() < 40 {
            return;
        }
        match split(names.session(), value.clone()) {
            Err(_) => assert!(value.len() > (MAX_PARTS - 1) * SPLIT_PAST),
            Ok(cookies) => {
                assert!(
                    cookies
                        .iter()
                        .all(|(name, value)| name.len() + value.len() <= SPLIT_PAST)
                );
                let own: Vec<String> = cookies
                    .iter()
                    .rev()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let jar = Jar::new(names, own.iter().map(String::as_bytes));
                assert!(
                    jar.session_candidates()
                        .any(|candidate| *candidate == *value.as_bytes())
                );
            }
        }
    });
});
