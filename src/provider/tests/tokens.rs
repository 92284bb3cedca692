//! Token answers of every shape, and what a token request looks like on the wire.

use oauth2::{AuthorizationCode, PkceCodeVerifier};

use super::{Server, json, reply};
use crate::clock::Timestamp;
use crate::config::ClientAuth;
use crate::provider::{Lifetime, Provider, ProviderError, TokenResponse, TokenTypeHint};
use crate::secret::Secret;

async fn redeem(provider: &Provider) -> Result<TokenResponse, ProviderError> {
    let verifier = PkceCodeVerifier::new("verifier-0123456789-verifier-0123456789-abc".into());
    provider
        .redeem(
            &AuthorizationCode::new("the code".into()),
            Some(&verifier),
            "https://app/cb",
        )
        .await
}

#[tokio::test]
async fn a_login_survives_every_shape_that_servers_send() {
    let bodies = [
        ("application/json", r#"{"access_token":"at","token_type":"bearer"}"#),
        ("application/json", r#"{"access_token":"at","token_type":"bEARER"}"#),
        (
            "application/json;charset=UTF-8",
            r#"{"access_token":"at","token_type":"Bearer","scope":null}"#,
        ),
        ("application/json", r#"{"access_token":"at"}"#),
        (
            "application/json",
            r#"{"access_token":"at","refresh_token":null,"id_token":"","error":null,"error_description":""}"#,
        ),
        (
            "application/json",
            r#"{"access_token":"at","refresh_token":false,"user":{"id":[1,{"x":null}]},"n":1e3}"#,
        ),
        ("application/json", "\u{feff}{\"access_token\":\"at\"}\r\n"),
        ("text/html", r#" {"access_token":"at"} "#),
        (
            "application/x-www-form-urlencoded",
            "access_token=at&scope=a%2Cb&token_type=bearer",
        ),
        ("text/plain", "access_token=at&expires=5183999"),
        ("text/html; charset=UTF-8", "token_type=Bearer&access_token=at"),
    ];
    for (media_type, body) in bodies {
        let server = Server::always(reply(200, media_type, body)).await;
        let granted = redeem(&server.provider(|_| {}))
            .await
            .unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(granted.access_token.reveal(), "at", "{body}");
        assert!(granted.refresh_token.is_none() && granted.id_token.is_none(), "{body}");
    }
}

#[tokio::test]
async fn the_lifetime_is_understood_however_it_is_written() {
    let cases = [
        (r#""expires_in":3600"#, Some(Lifetime::Seconds(3600))),
        (r#""expires_in":"3600""#, Some(Lifetime::Seconds(3600))),
        (r#""expires_in":3599.9"#, Some(Lifetime::Seconds(3599))),
        (r#""expires_in":"3599.9""#, Some(Lifetime::Seconds(3599))),
        (r#""expires_in":0"#, Some(Lifetime::Seconds(0))),
        (r#""expires_in":1e30"#, Some(Lifetime::Seconds(u64::MAX))),
        (r#""expires_in":-1"#, None),
        (r#""expires_in":null,"expires":60"#, Some(Lifetime::Seconds(60))),
        (r#""expires_in":"soon","expires":"60""#, Some(Lifetime::Seconds(60))),
        (r#""expires":1000000000"#, Some(Lifetime::Seconds(1_000_000_000))),
        (
            r#""expires":1000000001"#,
            Some(Lifetime::Instant(Timestamp(1_000_000_001))),
        ),
        (
            r#""expires":"1999999999.5""#,
            Some(Lifetime::Instant(Timestamp(1_999_999_999))),
        ),
        (r#""expires":"Tue, 01 Jan 2030 00:00:00 GMT""#, None),
        (r#""expires_in":[3600]"#, None),
        (r#""x":1"#, None),
    ];
    for (member, expected) in cases {
        let server = Server::always(json(&format!(r#"{{"access_token":"at",{member}}}"#))).await;
        assert_eq!(
            redeem(&server.provider(|_| {})).await.unwrap().lifetime,
            expected,
            "{member}"
        );
    }
}

#[tokio::test]
async fn scopes_are_words_with_blanks_between_them() {
    let cases = [
        (r#""scope":"read write""#, Some("read write")),
        (r#""scope":"read,write""#, Some("read write")),
        (r#""scope":"urn:a,b read""#, Some("urn:a,b read")),
        (r#""scope":["read","write"]"#, Some("read write")),
        (r#""scope":"""#, None),
        (r#""scope":7"#, None),
        (r#""x":7"#, None),
    ];
    for (member, expected) in cases {
        let server = Server::always(json(&format!(r#"{{"access_token":"at",{member}}}"#))).await;
        assert_eq!(
            redeem(&server.provider(|_| {})).await.unwrap().scope.as_deref(),
            expected,
            "{member}"
        );
    }
}

#[tokio::test]
async fn the_token_request_carries_what_the_protocol_and_the_operator_say() {
    let server = Server::always(json(r#"{"access_token":"at"}"#)).await;
    let provider = server.provider(|config| {
        config.resource = vec!["https://a".into(), "https://b".into()];
        config.token_params = vec![("audience".into(), "x y".into()), ("code".into(), "never".into())];
    });
    redeem(&provider).await.unwrap();
    provider.refresh(&Secret::new("rt".into())).await.unwrap();
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/token"));
    assert_eq!(
        seen[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(seen[0].header("accept"), Some("application/json"));
    assert!(seen[0].header("user-agent").unwrap().starts_with("sidegate/"));
    assert_eq!(
        seen[0].body,
        "grant_type=authorization_code&code=the+code&redirect_uri=https%3A%2F%2Fapp%2Fcb\
         &code_verifier=verifier-0123456789-verifier-0123456789-abc\
         &resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb&audience=x+y"
    );
    let resources = "resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb";
    assert_eq!(
        seen[1].body,
        format!("grant_type=refresh_token&refresh_token=rt&{resources}&audience=x+y&code=never")
    );
}

/// A server whose metadata list these client authentication methods.
async fn listing(methods: &'static str) -> Server {
    Server::start(move |seen| {
        let origin = format!("http://{}", seen.header("host").unwrap());
        json(&match seen.path.as_str() {
            "/token" => r#"{"access_token":"at"}"#.to_owned(),
            _ => format!(
                r#"{{"issuer":"{origin}","authorization_endpoint":"{origin}/a","token_endpoint":"{origin}/token",
                "token_endpoint_auth_methods_supported":{methods}}}"#
            ),
        })
    })
    .await
}

#[tokio::test]
async fn the_client_shows_who_it_is_as_the_server_reads_it() {
    let basic = Some("Basic YXBwJTNBMTphJTIwYiUyQmM="); // app%3A1:a%20b%2Bc
    let cases = [
        (ClientAuth::Auto, "[]", true, basic, ""),
        (
            ClientAuth::Auto,
            r#"["client_secret_post","client_secret_basic"]"#,
            true,
            basic,
            "",
        ),
        (
            ClientAuth::Auto,
            r#"["client_secret_post"]"#,
            true,
            None,
            "&client_id=app%3A1&client_secret=a+b%2Bc",
        ),
        (
            ClientAuth::Auto,
            r#"["client_secret_basic"]"#,
            false,
            None,
            "&client_id=app%3A1",
        ),
        (ClientAuth::Basic, r#"["client_secret_post"]"#, true, basic, ""),
        (
            ClientAuth::Post,
            "[]",
            true,
            None,
            "&client_id=app%3A1&client_secret=a+b%2Bc",
        ),
        (ClientAuth::None, "[]", true, None, "&client_id=app%3A1"),
    ];
    for (method, listed, secret, header, body) in cases {
        let server = listing(listed).await;
        let provider = server.discovered(|config| {
            config.client_id = "app:1".into();
            config.client_secret = secret.then(|| Secret::new("a b+c".into()));
            config.client_auth = method;
        });
        provider.refresh(&Secret::new("rt".into())).await.unwrap();
        let seen = server.requests().pop().unwrap();
        assert_eq!(seen.header("authorization"), header, "{method:?} {listed}");
        assert_eq!(
            seen.body,
            format!("grant_type=refresh_token&refresh_token=rt{body}"),
            "{method:?} {listed}"
        );
    }
}

#[tokio::test]
async fn a_token_is_given_back_and_any_success_will_do() {
    for answer in [reply(200, "text/plain", ""), json("{}"), reply(204, "x/y", "")] {
        let server = Server::always(answer).await;
        let provider = server.provider(|_| {});
        provider
            .revoke(&Secret::new("rt".into()), TokenTypeHint::RefreshToken)
            .await
            .unwrap();
        let seen = server.requests().pop().unwrap();
        assert_eq!(
            (seen.path.as_str(), seen.body.as_str()),
            ("/revoke", "token=rt&token_type_hint=refresh_token")
        );
        assert!(seen.header("authorization").is_some());
    }
    let server = Server::always(None).await;
    let without = server.provider(|config| config.revocation_endpoint = None);
    without
        .revoke(&Secret::new("at".into()), TokenTypeHint::AccessToken)
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn tokens_do_not_print() {
    let body = r#"{"access_token":"secret-1","refresh_token":"secret-2","id_token":"secret-3","expires_in":9}"#;
    let server = Server::always(json(body)).await;
    let granted = redeem(&server.provider(|_| {})).await.unwrap();
    assert_eq!(granted.id_token.as_ref().unwrap().reveal(), "secret-3");
    assert!(!format!("{granted:?}").contains("secret-"));
}
