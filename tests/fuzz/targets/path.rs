//! Path judgement: what falls under the public route falls under no rule in any reading of a server behind us.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sidegate::config::Config;
use sidegate::policy::{Found, Router, Target};

static CONFIG: LazyLock<Config> = LazyLock::new(|| sidegate_fuzz::config("https://id.example.com"));
static ROUTER: LazyLock<Router> = LazyLock::new(|| Router::new(&CONFIG.routes));

fuzz_target!(|raw: &str| {
    let Ok(target) = Target::parse(raw) else { return };
    let judged = target.judged();
    assert!(judged.starts_with('/') && !judged.contains("//") && !judged.contains('\\'));
    assert!(!judged.chars().any(char::is_control));
    assert!(judged.split('/').all(|segment| segment != "." && segment != ".."));
    assert!(!target.raw_path.contains(['?', '#', ' ']));
    let method = "GET".parse().unwrap_or_default();
    let _ = target.beneath("/oauth2");
    // Route 0 is `/`, public; 1 is `/admin`. A naive server decodes as often as it likes, merges slashes, cuts
    // parameters and query: none of them may find /admin where the gateway found the public route.
    if ROUTER.find(&target, "app.example.com", &method) == Found::Route(0) {
        let mut reading = target.raw_path.to_owned();
        for _ in 0..4 {
            let path = reading.split(['?', '#']).next().unwrap_or_default();
            let mut segments = path
                .split(['/', '\\'])
                .map(|segment| segment.split(';').next().unwrap_or_default())
                .filter(|segment| !segment.is_empty());
            assert!(
                segments.next() != Some("admin"),
                "{raw:?} is {reading:?} to some server"
            );
            reading = decoded(&reading);
        }
    }
});

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let escape = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
