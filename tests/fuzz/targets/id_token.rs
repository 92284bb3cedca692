//! id_tokens: a text that the provider did not sign is refused; claims that it did sign are taken only where every rule of
//! OpenID Connect Core §3.1.3.7 holds, judged here a second time and in other words.
#![no_main]
#![allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use sidegate_fuzz::NOW;
use sidegate_fuzz::provider::Stage;

thread_local! {
    static STAGE: Stage = Stage::new();
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    STAGE.with(|stage| {
        let verify = |raw: &str| stage.run(stage.provider.verify_id_token(raw, Some("n"), None, NOW));
        assert!(verify(text).is_err(), "a forgery");
        // `[header, claims]` is laid over an honest token and signed by the provider itself.
        let Ok(Value::Array(parts)) = serde_json::from_str(text) else {
            return;
        };
        let (mut header, mut claims) = (stage.key.header("JWT"), honest(&stage.issuer));
        for (into, from) in [&mut header, &mut claims].into_iter().zip(parts) {
            let Value::Object(members) = from else { return };
            for (name, value) in members {
                into[name] = value;
            }
        }
        if verify(&stage.key.sign(&header, &claims)).is_ok() {
            assert_eq!((&header["alg"], header.get("crit")), (&json!("ES256"), None));
            assert_eq!((&claims["iss"], &claims["nonce"]), (&json!(stage.issuer), &json!("n")));
            assert!(claims["aud"] == "app" || claims["aud"].as_array().unwrap().contains(&json!("app")));
            assert!(claims["azp"].is_null() || claims["azp"] == "app");
            assert!(claims["exp"].as_f64().unwrap() + 61.0 > NOW.0 as f64);
            assert!(claims["iat"].as_f64().unwrap() < NOW.0 as f64 + 61.0);
            assert!(!claims["sub"].as_str().unwrap().is_empty());
        }
    });
});

fn honest(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "app", "sub": "alice", "nonce": "n", "iat": NOW.0, "exp": NOW.0 + 60})
}
