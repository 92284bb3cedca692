//! Token responses: any status and body is a grant that a header can carry, or an error that repeats nothing we sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth2::{AuthorizationCode, PkceCodeVerifier};
use sidegate_fuzz::CLIENT_SECRET;
use sidegate_fuzz::provider::Stage;

const CODE: &str = "tripwire-code-1234567890";
const VERIFIER: &str = "tripwire-verifier-1234567890-1234567890-1234567890";
const STATUS: [u16; 8] = [200, 201, 302, 400, 401, 403, 500, 503];

thread_local! {
    static STAGE: Stage = Stage::new();
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, body @ ..] = bytes else { return };
    let status = STATUS[usize::from(choice & 7)];
    let media_type = if choice & 8 == 0 {
        "application/json"
    } else {
        "text/html"
    };
    // `@` in the body becomes what we sent: a server that echoes.
    let body = String::from_utf8_lossy(body).replace('@', CODE);
    STAGE.with(|stage| {
        *stage.answer.borrow_mut() = (status, media_type, body.into_bytes());
        let code = AuthorizationCode::new(CODE.to_owned());
        let verifier = PkceCodeVerifier::new(VERIFIER.to_owned());
        let outcome = stage.run(stage.provider.redeem(
            &code,
            Some(&verifier),
            "https://app.example.com/oauth2/callback",
        ));
        match outcome {
            Ok(answer) => {
                assert!(status < 300, "a grant from status {status}");
                let tokens = [
                    Some(&answer.access_token),
                    answer.refresh_token.as_ref(),
                    answer.id_token.as_ref(),
                ];
                for token in tokens.into_iter().flatten() {
                    assert!(!token.reveal().is_empty() && token.reveal().bytes().all(|byte| byte.is_ascii_graphic()));
                }
            }
            Err(error) => {
                let told = format!("{error} {error:?}");
                assert!(
                    [CODE, VERIFIER, CLIENT_SECRET]
                        .iter()
                        .all(|secret| !told.contains(secret)),
                    "{told}"
                );
                assert!(!told.chars().any(char::is_control), "{told:?}");
            }
        }
    });
});
