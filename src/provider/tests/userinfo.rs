//! What is believed of userinfo.

use serde_json::json;

use super::keys::TestKey;
use super::{Reply, Server, json as object, reply, said};
use crate::provider::{Claims, ProviderError};
use crate::secret::Secret;

async fn ask(answer: Reply, expected: Option<&str>) -> (Result<Claims, ProviderError>, Server) {
    let server = Server::always(answer).await;
    let outcome = server
        .provider(|_| {})
        .userinfo(&Secret::new("access-token-1".into()), expected)
        .await;
    (outcome, server)
}

#[tokio::test]
async fn the_access_token_is_shown_and_any_object_is_taken() {
    let (claims, server) = ask(object(r#"{"id":7,"login":"alice"}"#), None).await;
    assert_eq!(claims.unwrap()["login"], "alice");
    let seen = server.requests().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/me"));
    assert_eq!(seen.header("authorization"), Some("Bearer access-token-1"));
}

#[tokio::test]
async fn userinfo_is_about_the_person_of_the_id_token() {
    let cases = [
        (object(r#"{"sub":"alice","email":"a@example.com"}"#), ""),
        (object(r#"{"sub":"bob"}"#), "not trusted: sub is not the id_token's"),
        (object(r#"{"sub":7}"#), "not trusted: sub is not the id_token's"),
        (object(r#"{"email":"a@example.com"}"#), "not trusted: has no sub"),
        (
            object("[]"),
            "unreadable answer: status 200, media type application/json: JSON, but not an object",
        ),
        (
            object(r#"{"error":"invalid_token"}"#),
            "refused: status 200, invalid_token",
        ),
        (
            reply(200, "text/html", "<html>"),
            "unreadable answer: status 200, media type text/html: not JSON",
        ),
        (reply(401, "x/y", ""), "refused: status 401"),
        (
            reply(
                403,
                "x/y",
                r#"{"error":"insufficient_scope","error_description":"of access-token-1"}"#,
            ),
            "refused: status 403, insufficient_scope",
        ),
        (reply(503, "x/y", ""), "not now: status 503"),
        (reply(200, "application/jwt", "opaque"), "not trusted: not a signed JWT"),
    ];
    for (answer, problem) in cases {
        match ask(answer, Some("alice")).await.0 {
            Ok(_) => assert_eq!(problem, ""),
            Err(error) => assert_eq!(said(&error), problem),
        }
    }
}

#[tokio::test]
async fn signed_userinfo_is_verified() {
    let (key, stranger) = (TestKey::p256(), TestKey::p256());
    let jwks = json!({"keys": [key.jwk("1")]}).to_string();
    let header = json!({"alg": "ES256", "kid": "1"});
    let cases = [
        (key.sign(&header, &json!({"sub": "alice"})), ""),
        (key.sign(&header, &json!({"sub": "alice", "aud": "app"})), ""),
        (
            key.sign(&header, &json!({"sub": "alice", "aud": "api"})),
            "not trusted: aud does not name client_id",
        ),
        (
            key.sign(&header, &json!({"sub": "alice", "iss": "https://x"})),
            "not trusted: iss is not the issuer",
        ),
        (
            stranger.sign(&header, &json!({"sub": "alice"})),
            "not trusted: the signature is wrong",
        ),
    ];
    for (signed, problem) in cases {
        let jwks = jwks.clone();
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/jwks" => object(&jwks),
            "/me" => reply(200, "application/jwt; charset=utf-8", &signed),
            _ => super::not_found(),
        })
        .await;
        let client = server.provider(|config| {
            config.issuer = Some(server.origin.clone());
            config.jwks_uri = Some(format!("{}/jwks", server.origin).parse().unwrap());
            config.signing_algs = vec!["ES256".into()];
        });
        match client.userinfo(&Secret::new("at".into()), Some("alice")).await {
            Ok(_) => assert_eq!(problem, ""),
            Err(error) => assert_eq!(said(&error), problem),
        }
    }
}

#[tokio::test]
async fn without_an_endpoint_the_operator_is_told() {
    let server = Server::always(None).await;
    let client = server.provider(|config| config.userinfo_endpoint = None);
    let error = client.userinfo(&Secret::new("at".into()), None).await.unwrap_err();
    assert_eq!(
        said(&error),
        "configuration: no userinfo_endpoint; name it, or set userinfo = \"never\""
    );
}
