//! Cookie opening: nothing opens but what was sealed, byte for byte, under the name and for the purpose it was sealed for.
#![no_main]
#![allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]

use libfuzzer_sys::fuzz_target;
use sidegate::flow::{Goodbye, PendingLogin, State};
use sidegate::seal::{Jar, Purpose};
use sidegate_fuzz::{LATER, NOW, Seals};

thread_local! {
    static SEALS: Seals = Seals::new();
}

fuzz_target!(|bytes: &[u8]| {
    SEALS.with(|seals| {
        let name = seals.names.session();
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        // The key is fresh to the fuzzer: whatever opens is a forgery.
        for purpose in [
            Purpose::Session,
            Purpose::PendingLogin,
            Purpose::State,
            Purpose::SignOut,
        ] {
            assert!(seals.sealer.open(purpose, name, bytes, NOW).is_err());
        }
        assert!(State::open(&seals.sealer, text, NOW).is_err());
        assert!(Goodbye::open(&seals.sealer, text, NOW).is_err());
        assert!(PendingLogin::open(&seals.sealer, name, bytes, NOW).is_err());
        let header = [name.as_bytes(), b"=", bytes].concat();
        let jar = Jar::new(&seals.names, [&header[..], bytes].into_iter());
        assert!(seals.store.load(&seals.sealer, &jar, NOW).is_none());

        // Two bytes say where and how a genuine value is changed; the rest is what was sealed in it. A payload that is no
        // session opens and is then no session: that must not panic either.
        let [at, change, payload @ ..] = bytes else { return };
        let sealed = seals.sealer.seal(Purpose::Session, name, 0, LATER, payload).unwrap();
        let whole = format!("{name}={sealed}");
        let jar = Jar::new(&seals.names, std::iter::once(whole.as_bytes()));
        drop(seals.store.load(&seals.sealer, &jar, NOW));
        let mut changed = sealed.clone().into_bytes();
        let at = usize::from(*at) % changed.len();
        changed[at] ^= change;
        if changed != sealed.as_bytes() {
            assert!(seals.sealer.open(Purpose::Session, name, &changed, NOW).is_err());
        }
    });
});
