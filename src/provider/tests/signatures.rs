//! Which signatures are believed, and which keys.

use std::sync::Arc;

use base64::Engine as _;
use parking_lot::Mutex;
use serde_json::json;

use super::id_token::{Issuer, NOW, verify};
use super::keys::{TestKey, b64, hs256, message};
use super::{Server, reply, said};
use crate::provider::{Endpoint, Provider};

async fn refusal(client: &Provider, raw: &str) -> String {
    let error = verify(client, raw).await.unwrap_err();
    assert!(matches!(error.endpoint, Endpoint::Token | Endpoint::Jwks), "{error}");
    said(&error)
}

#[tokio::test]
async fn every_usual_signature_is_read() {
    let keys = [
        ("ES256", TestKey::p256()),
        ("EdDSA", TestKey::ed25519()),
        ("RS256", TestKey::rsa()),
    ];
    let keys = keys
        .into_iter()
        .chain([("PS256", TestKey::rsa()), ("Ed25519", TestKey::ed25519())]);
    for (algorithm, key) in keys {
        let issuer = Issuer::with(json!([key.jwk("1")])).await;
        let client = issuer.client(&[algorithm], |_| {});
        let raw = key.sign(&json!({"alg": algorithm, "kid": "1"}), &issuer.claims(&json!({})));
        assert_eq!(verify(&client, &raw).await.unwrap()["sub"], "alice", "{algorithm}");
        assert_eq!(issuer.server.count("/jwks"), 1);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn no_forged_token_gets_through() {
    let (key, other) = (TestKey::rsa(), TestKey::p256());
    let issuer = Issuer::with(json!([key.jwk("1")])).await;
    let client = issuer.client(&[], |_| {});
    let claims = issuer.claims(&json!({}));
    let good = key.sign(&json!({"alg": "RS256", "kid": "1"}), &claims);
    verify(&client, &good).await.unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let modulus = key.jwk("1")["n"].as_str().unwrap().to_owned();
    let forged = message(
        &json!({"alg": "RS256", "kid": "1"}),
        &issuer.claims(&json!({"sub": "mallory"})),
    );
    let unsigned = |algorithm: &str| format!("{}.", message(&json!({"alg": algorithm, "kid": "1"}), &claims));
    let embedded = json!({"alg": "ES256", "jwk": other.jwk("1"), "jku": "https://evil/jwks", "x5c": ["x"]});
    let not_accepted = "signed with an algorithm that is not accepted here";
    let cases = [
        (unsigned("none"), not_accepted),
        (unsigned("None"), not_accepted),
        (unsigned("RS256"), "the signature is wrong"),
        (
            hs256(modulus.as_bytes(), &claims),
            "signed with HS256, which is not accepted here",
        ),
        (
            hs256(b"client-secret-of-app", &claims),
            "signed with HS256, which is not accepted here",
        ),
        (format!("{forged}.{signature}"), "the signature is wrong"),
        (format!("{head}.{}", b64(&[0; 256])), "the signature is wrong"),
        (format!("{head}.{signature}="), "the signature is wrong"),
        (
            other.sign(&embedded, &claims),
            "signed with ES256, which is not accepted here",
        ),
        (
            key.sign(&json!({"alg": "PS256", "kid": "1"}), &claims),
            "signed with PS256, which is not accepted here",
        ),
        (key.sign(&json!({"alg": "ES512", "kid": "1"}), &claims), not_accepted),
        (
            key.sign(&json!({"alg": "RS256", "kid": "1", "crit": ["exp"]}), &claims),
            "has a critical header that is not understood",
        ),
        (
            key.sign(&json!({"alg": "RS256", "kid": 1}), &claims),
            "kid is not a string",
        ),
        (key.sign(&json!({"kid": "1"}), &claims), "names no signature algorithm"),
        (
            key.sign(&json!({"alg": "RS256", "kid": "1"}), &json!([])),
            "the payload is not a JSON object",
        ),
        (key.sign(&json!([]), &claims), "the header is not a JSON object"),
        (format!("{good}.x.y"), "the payload is not base64url"),
        ("opaque".into(), "not a signed JWT"),
        ("..".into(), "the header is not a JSON object"),
        ("a".repeat(70_000), "a JWT over 65536 bytes"),
    ];
    for (raw, problem) in cases {
        assert_eq!(
            refusal(&client, &raw).await,
            format!("not trusted: {problem}"),
            "{:.80}",
            raw
        );
    }
    assert_eq!(issuer.server.count("/jwks"), 1);
}

#[tokio::test]
async fn hmac_only_where_the_operator_names_it_and_then_never_with_a_public_key() {
    let key = TestKey::rsa();
    let issuer = Issuer::with(json!([key.jwk("1"), {"kty": "oct", "kid": "1", "k": "c2VjcmV0"}])).await;
    let client = issuer.client(&["HS256", "RS256"], |_| {});
    let claims = issuer.claims(&json!({}));
    verify(&client, &hs256(b"client-secret-of-app", &claims)).await.unwrap();
    let modulus = key.jwk("1")["n"].as_str().unwrap().to_owned();
    for secret in [modulus.as_bytes(), b"secret", b""] {
        assert_eq!(
            refusal(&client, &hs256(secret, &claims)).await,
            "not trusted: the signature is wrong"
        );
    }
    let public = issuer.client(&["HS256"], |config| config.client_secret = None);
    assert!(
        refusal(&public, &hs256(b"", &claims))
            .await
            .starts_with("not trusted: signed with a key")
    );
}

#[tokio::test]
async fn algorithms_are_those_of_the_metadata_without_none_and_hmac() {
    let (key, document) = (TestKey::p256(), Arc::new(Mutex::new(String::new())));
    let (jwks, shown) = (json!({"keys": [key.jwk("1")]}).to_string(), Arc::clone(&document));
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/jwks" => super::json(&jwks),
        _ => super::json(&shown.lock()),
    })
    .await;
    let at = server.origin.clone();
    *document.lock() = json!({
        "issuer": at, "authorization_endpoint": format!("{at}/a"), "token_endpoint": format!("{at}/t"),
        "jwks_uri": format!("{at}/jwks"), "id_token_signing_alg_values_supported": ["none", "HS256", "ES512", "ES256"],
    })
    .to_string();
    let client = server.discovered(|_| {});
    let claims = json!({"iss": at, "sub": "alice", "aud": "app", "nonce": "n-1", "exp": NOW.0 + 9, "iat": NOW.0});
    verify(&client, &key.sign(&json!({"alg": "ES256", "kid": "1"}), &claims))
        .await
        .unwrap();
    let hmac = refusal(&client, &hs256(b"client-secret-of-app", &claims)).await;
    assert_eq!(hmac, "not trusted: signed with HS256, which is not accepted here");
}

#[tokio::test]
async fn new_keys_are_fetched_once_and_strangers_cannot_make_us_ask_again() {
    let (old, new, stranger) = (TestKey::p256(), TestKey::p256(), TestKey::p256());
    let issuer = Issuer::with(json!([old.jwk("old")])).await;
    let client = issuer.client(&["ES256"], |_| {});
    let claims = issuer.claims(&json!({}));
    verify(&client, &old.sign(&json!({"alg": "ES256", "kid": "old"}), &claims))
        .await
        .unwrap();
    issuer.jwks.lock()["keys"] = json!([old.jwk("old"), new.jwk("new")]);
    let rotated = new.sign(&json!({"alg": "ES256", "kid": "new"}), &claims);
    let (a, b) = tokio::join!(verify(&client, &rotated), verify(&client, &rotated));
    assert!(a.is_ok() && b.is_ok());
    for kid in ["x", "y", "z"] {
        let raw = stranger.sign(&json!({"alg": "ES256", "kid": kid}), &claims);
        assert_eq!(
            refusal(&client, &raw).await,
            "not verified: signed with a key that the provider did not publish a moment ago"
        );
    }
    let raw = stranger.sign(&json!({"alg": "ES256", "kid": "old"}), &claims);
    assert_eq!(refusal(&client, &raw).await, "not trusted: the signature is wrong");
    assert_eq!(issuer.server.count("/jwks"), 2);
}

#[tokio::test]
async fn a_token_that_names_no_key_is_tried_with_those_that_fit() {
    let (key, other, encryption) = (TestKey::p256(), TestKey::p256(), TestKey::p256());
    let mut wrong_use = encryption.jwk("3");
    wrong_use["use"] = json!("enc");
    let unusable = [
        json!({"kty": "XYZ", "kid": "5"}),
        json!("text"),
        json!({"kty": "RSA", "n": b64(&[255; 128]), "e": "AQAB"}),
    ];
    let mut keys = vec![other.jwk("1"), key.jwk("2"), wrong_use, TestKey::ed25519().jwk("4")];
    keys.extend(unusable);
    let issuer = Issuer::with(json!(keys)).await;
    let client = issuer.client(&["ES256", "RS256"], |_| {});
    let claims = issuer.claims(&json!({}));
    verify(&client, &key.sign(&json!({"alg": "ES256"}), &claims))
        .await
        .unwrap();
    let raw = encryption.sign(&json!({"alg": "ES256", "kid": "3"}), &claims);
    assert_eq!(
        refusal(&client, &raw).await,
        "not trusted: signed with a key that the provider does not publish"
    );
}

#[tokio::test]
async fn keys_written_in_other_ways_are_read() {
    let (rsa, ec) = (TestKey::rsa(), TestKey::p256());
    let mut padded = rsa.jwk("r");
    let modulus = [&[0][..], &super::keys::unb64(padded["n"].as_str().unwrap())].concat();
    padded["n"] = json!(base64::engine::general_purpose::URL_SAFE.encode(modulus));
    padded["alg"] = json!("RS256");
    let mut nameless = ec.jwk("e");
    nameless.as_object_mut().unwrap().remove("kid");
    nameless["key_ops"] = json!(["verify"]);
    let issuer = Issuer::with(json!([padded, nameless])).await;
    let client = issuer.client(&["ES256", "RS256", "PS256"], |_| {});
    let claims = issuer.claims(&json!({}));
    verify(&client, &rsa.sign(&json!({"alg": "RS256", "kid": "r"}), &claims))
        .await
        .unwrap();
    verify(&client, &ec.sign(&json!({"alg": "ES256", "kid": "e"}), &claims))
        .await
        .unwrap();
    let contradicts = rsa.sign(&json!({"alg": "PS256", "kid": "r"}), &claims);
    assert_eq!(
        refusal(&client, &contradicts).await,
        "not trusted: signed with a key that the provider does not publish"
    );
}

#[tokio::test]
async fn keys_that_do_not_come_are_told_from_a_bad_signature() {
    for (answer, text, silent) in [
        (reply(500, "x/y", ""), "not now: status 500", false),
        (
            reply(200, "x/y", "<html>"),
            "unreadable answer: status 200, media type x/y: not JSON",
            false,
        ),
        (
            super::json("{}"),
            "unreadable answer: keys without a list `keys`",
            false,
        ),
        (Some(Vec::new()), "", true),
    ] {
        let server = Server::start(move |seen| {
            if seen.path == "/jwks" {
                answer.clone()
            } else {
                super::not_found()
            }
        })
        .await;
        let issuer = Issuer {
            server,
            jwks: Arc::default(),
        };
        let client = issuer.client(&["ES256"], |_| {});
        let raw = TestKey::p256().sign(&json!({"alg": "ES256", "kid": "1"}), &issuer.claims(&json!({})));
        let error = verify(&client, &raw).await.unwrap_err();
        assert_eq!((error.endpoint, error.is_silence()), (Endpoint::Jwks, silent));
        assert!(silent || said(&error) == text, "{error}");
    }
}
