//! Which claims of a well-signed id_token are believed.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::keys::{TestKey, b64};
use super::{Server, not_found, reply, said};
use crate::clock::Timestamp;
use crate::config;
use crate::provider::{Claims, Provider, ProviderError};
use crate::secret::Secret;

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000);
const ISSUER: &str = "https://id.example.com";

/// An issuer whose keys can be exchanged while it runs.
pub(super) struct Issuer {
    pub(super) server: Server,
    pub(super) jwks: Arc<Mutex<Value>>,
}

impl Issuer {
    pub(super) async fn with(keys: Value) -> Self {
        let jwks = Arc::new(Mutex::new(json!({ "keys": keys })));
        let shown = Arc::clone(&jwks);
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/jwks" => reply(200, "application/jwk-set+json", &shown.lock().to_string()),
            _ => not_found(),
        })
        .await;
        Self { server, jwks }
    }

    /// A client of this issuer; the endpoints are named.
    pub(super) fn client(&self, algorithms: &[&str], change: impl FnOnce(&mut config::Provider)) -> Provider {
        self.server.provider(|config| {
            // Discovery answers 404 here, so that the named endpoints are all there is.
            config.issuer = Some(self.server.origin.clone());
            config.jwks_uri = Some(format!("{}/jwks", self.server.origin).parse().unwrap());
            config.signing_algs = algorithms.iter().map(|&name| name.to_owned()).collect();
            change(config);
        })
    }

    /// Good claims with some of them exchanged; `null` takes one away.
    pub(super) fn claims(&self, changes: &Value) -> Value {
        let mut claims = json!({
            "iss": self.server.origin, "sub": "alice", "aud": "app", "nonce": "n-1",
            "exp": NOW.0 + 300, "iat": NOW.0, "at_hash": null,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }
}

pub(super) async fn verify(client: &Provider, raw: &str) -> Result<Claims, ProviderError> {
    client.verify_id_token(raw, Some("n-1"), None, NOW).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_claim_is_judged() {
    let key = TestKey::p256();
    let issuer = Issuer::with(json!([key.jwk("1")])).await;
    let client = issuer.client(&["ES256"], |_| {});
    let now = NOW.0;
    let cases = [
        (json!({"aud": ["app"]}), ""),
        (json!({"aud": ["app", "api"], "azp": "app"}), ""),
        (json!({"azp": "app"}), ""),
        (json!({"exp": now - 59, "iat": now + 60, "nbf": now + 60}), ""),
        (json!({"exp": 1e300, "iat": -1e300, "nbf": -5}), ""),
        (json!({"exp": now as f64 + 0.5}), ""),
        (json!({"sub": "x".repeat(255), "extra": {"a": [null]}}), ""),
        (json!({"iss": ISSUER}), "iss is not the issuer"),
        (
            json!({"iss": format!("{}/", issuer.server.origin)}),
            "iss is not the issuer",
        ),
        (json!({"iss": [issuer.server.origin]}), "iss is not the issuer"),
        (json!({"aud": "api"}), "aud does not name client_id"),
        (json!({"aud": ["api"], "azp": "app"}), "aud does not name client_id"),
        (json!({"aud": ["app", 7], "azp": "app"}), "aud does not name client_id"),
        (json!({"aud": []}), "aud does not name client_id"),
        (json!({"aud": null}), "aud does not name client_id"),
        (json!({"aud": ["app", "api"]}), "several audiences, but no azp"),
        (json!({"aud": ["app", "api"], "azp": "api"}), "azp is not client_id"),
        (json!({"azp": "api"}), "azp is not client_id"),
        (json!({"azp": ["app"]}), "azp is not client_id"),
        (json!({"exp": now - 60}), "has expired (exp)"),
        (json!({"exp": -1}), "has expired (exp)"),
        (json!({"exp": (now + 300).to_string()}), "exp is not a number"),
        (json!({"exp": null}), "has no exp"),
        (json!({"iat": null}), "has no iat"),
        (json!({"iat": "1"}), "iat is not a number"),
        (
            json!({"iat": now + 61}),
            "issued in the future (iat); compare the clocks",
        ),
        (json!({"iat": 1e300}), "issued in the future (iat); compare the clocks"),
        (json!({"nbf": now + 61}), "not yet valid (nbf); compare the clocks"),
        (json!({"nbf": "0"}), "nbf is not a number"),
        (json!({"sub": ""}), "sub is empty"),
        (json!({"sub": 7}), "sub is not a string"),
        (json!({"sub": null}), "has no sub"),
        (json!({"sub": "x".repeat(256)}), "sub is over 255 characters"),
        (json!({"nonce": "n-2"}), "nonce is not the one of this login"),
        (json!({"nonce": ["n-1"]}), "nonce is not the one of this login"),
        (json!({"nonce": null}), "has no nonce"),
    ];
    for (changes, problem) in cases {
        let raw = key.sign(&json!({"alg": "ES256", "kid": "1"}), &issuer.claims(&changes));
        match verify(&client, &raw).await {
            Ok(_) => assert_eq!("", problem, "{changes}"),
            Err(error) => assert_eq!(said(&error), format!("not trusted: {problem}"), "{changes}"),
        }
    }
    assert_eq!(issuer.server.count("/jwks"), 1, "keys are kept");
}

#[tokio::test]
async fn a_refreshed_id_token_needs_no_nonce() {
    let key = TestKey::p256();
    let issuer = Issuer::with(json!([key.jwk("1")])).await;
    let client = issuer.client(&["ES256"], |_| {});
    for nonce in [json!(null), json!("n-1")] {
        let raw = key.sign(
            &json!({"alg": "ES256", "kid": "1"}),
            &issuer.claims(&json!({ "nonce": nonce })),
        );
        client.verify_id_token(&raw, None, None, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn an_access_token_that_was_exchanged_is_noticed() {
    let key = TestKey::p256();
    let issuer = Issuer::with(json!([key.jwk("1")])).await;
    let client = issuer.client(&["ES256"], |_| {});
    let hash = b64(&ring::digest::digest(&ring::digest::SHA256, b"at").as_ref()[..16]);
    let raw = key.sign(
        &json!({"alg": "ES256", "kid": "1"}),
        &issuer.claims(&json!({ "at_hash": hash })),
    );
    let with = async |token: &str| {
        client
            .verify_id_token(&raw, None, Some(&Secret::new(token.into())), NOW)
            .await
    };
    with("at").await.unwrap();
    assert_eq!(
        said(&with("other").await.unwrap_err()),
        "not trusted: at_hash does not fit the access token"
    );
}
