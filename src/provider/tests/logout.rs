//! Which logout tokens are believed, and what a probe finds.

use serde_json::{Value, json};

use super::id_token::{Issuer, NOW};
use super::keys::TestKey;
use super::{Server, reply, said};
use crate::clock::Timestamp;

fn changes(changes: &Value) -> Value {
    let mut claims = json!({
        "nonce": null, "sid": "s-1", "jti": "j-1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn only_a_logout_token_ends_a_session() {
    let key = TestKey::p256();
    let issuer = Issuer::with(json!([key.jwk("1")])).await;
    let client = issuer.client(&["ES256"], |_| {});
    let cases = [
        (json!({}), ""),
        (json!({"sub": null}), ""),
        (json!({"sid": null}), ""),
        (json!({"sub": null, "sid": null}), "names neither sub nor sid"),
        (json!({"sid": 7}), "sid is not a string"),
        (json!({"sub": ""}), "sub is empty"),
        (json!({"events": null}), "is not a logout token (events)"),
        (
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": true}}),
            "is not a logout token (events)",
        ),
        (json!({"nonce": "n-1"}), "has a nonce, which no logout token has"),
        (json!({"iss": "https://x"}), "iss is not the issuer"),
        (json!({"aud": "api"}), "aud does not name client_id"),
        (json!({"exp": NOW.0 - 60}), "has expired (exp)"),
        (
            json!({"iat": NOW.0 + 61}),
            "issued in the future (iat); compare the clocks",
        ),
    ];
    for (change, problem) in cases {
        let header = json!({"alg": "ES256", "typ": "logout+jwt", "kid": "1"});
        let raw = key.sign(&header, &issuer.claims(&changes(&change)));
        match client.verify_logout_token(&raw, NOW).await {
            Ok(_) => assert_eq!("", problem, "{change}"),
            Err(error) => assert_eq!(said(&error), format!("not trusted: {problem}"), "{change}"),
        }
    }
}

#[tokio::test]
async fn a_probe_counts_the_keys_and_reads_the_clock() {
    let issuer = Issuer::with(json!([TestKey::p256().jwk("1"), {"kty": "XYZ"}])).await;
    let probe = issuer.client(&[], |_| {}).probe().await.unwrap();
    assert_eq!((probe.keys, probe.clock), (Some(1), None));

    let answer = b"HTTP/1.1 405 X\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n\r\n";
    let server = Server::always(Some(answer.to_vec())).await;
    let probe = server.provider(|_| {}).probe().await.unwrap();
    assert_eq!((probe.keys, probe.clock), (None, Some(Timestamp(784_111_777))));

    let server = Server::always(reply(500, "x/y", "")).await;
    assert!(server.discovered(|_| {}).probe().await.is_err());
}
