//! Each way in which a server says no, not now or nothing, and whether a session survives it.

use std::time::Duration;

use super::{Reply, Server, json, reply, said};
use crate::provider::{Endpoint, Fault, Provider};
use crate::secret::Secret;

const TOKEN: &str = "refresh-token-of-alice";

async fn refused(provider: &Provider) -> crate::provider::ProviderError {
    let error = provider
        .refresh(&Secret::new(TOKEN.into()))
        .await
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.endpoint, Endpoint::Token);
    error
}

fn cut_off() -> Reply {
    Some(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access_token\":\"at\"".to_vec())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn only_a_definite_no_ends_a_session() {
    let json400 = |code: &str| reply(400, "application/json", &format!(r#"{{"error":"{code}"}}"#));
    let html = |status| reply(status, "text/html", "<h1>Sorry</h1>");
    let cases: Vec<(Reply, &str, bool)> = vec![
        (json400("invalid_grant"), "refused: status 400, invalid_grant", true),
        (
            json400("interaction_required"),
            "refused: status 400, interaction_required",
            true,
        ),
        (
            json400("unauthorized_client"),
            "refused: status 400, unauthorized_client",
            true,
        ),
        (reply(400, "text/plain", ""), "refused: status 400", true),
        (html(400), "refused: status 400", true),
        (html(401), "refused: status 401", true),
        (
            json(r#"{"error":"bad_refresh_token"}"#),
            "refused: status 200, bad_refresh_token",
            true,
        ),
        (
            json(r#"{"error":{"message":"no","code":190}}"#),
            "refused: status 200",
            true,
        ),
        (
            reply(200, "x/y", "error=expired&error_description=too+old"),
            "refused: status 200, expired (too old)",
            true,
        ),
        (
            reply(403, "application/json", r#"{"error":"invalid_grant"}"#),
            "refused: status 403, invalid_grant",
            true,
        ),
        (json400("invalid_client"), "refused: status 400, invalid_client", false),
        (
            reply(401, "x/y", r#"{"error":"invalid_client"}"#),
            "refused: status 401, invalid_client",
            false,
        ),
        (html(403), "refused: status 403", false),
        (html(404), "refused: status 404", false),
        (
            json400("temporarily_unavailable"),
            "not now: status 400, temporarily_unavailable",
            false,
        ),
        (json400("slow_down"), "not now: status 400, slow_down", false),
        (
            json(r#"{"error":"server_error"}"#),
            "not now: status 200, server_error",
            false,
        ),
        (html(408), "not now: status 408", false),
        (html(425), "not now: status 425", false),
        (
            reply(429, "x/y", r#"{"error":"invalid_grant"}"#),
            "not now: status 429, invalid_grant",
            false,
        ),
        (html(500), "not now: status 500", false),
        (html(503), "not now: status 503", false),
        (
            html(302),
            "unreadable answer: a redirect (302), which is never followed",
            false,
        ),
        (
            html(200),
            "unreadable answer: status 200, media type text/html: not JSON",
            false,
        ),
        (
            json(""),
            "unreadable answer: status 200, media type application/json: empty",
            false,
        ),
        (
            json(r#"{"access_t"#),
            "unreadable answer: status 200, media type application/json: JSON that ends too early",
            false,
        ),
        (
            json(r#"["at"]"#),
            "unreadable answer: status 200, media type application/json: JSON, but not an object",
            false,
        ),
        (json("{}"), "unreadable answer: no access_token", false),
        (
            json(r#"{"access_token":""}"#),
            "unreadable answer: no access_token",
            false,
        ),
        (
            json(r#"{"access_token":7}"#),
            "unreadable answer: no access_token",
            false,
        ),
        (
            json(r#"{"access_token":"a\r\nb"}"#),
            "unreadable answer: access_token has characters that no header can carry",
            false,
        ),
        (
            json(r#"{"access_token":"at","refresh_token":"ü"}"#),
            "unreadable answer: refresh_token has characters that no header can carry",
            false,
        ),
        (
            json(r#"{"access_token":"at","token_type":"mac"}"#),
            "unreadable answer: token_type is not Bearer",
            false,
        ),
        (
            json(r#"{"access_token":"at","token_type":["Bearer"]}"#),
            "unreadable answer: token_type is not Bearer",
            false,
        ),
    ];
    for (answer, text, ends) in cases {
        let server = Server::always(answer).await;
        let error = refused(&server.provider(|_| {})).await;
        assert_eq!(
            (said(&error).as_str(), error.ends_session(), error.is_silence()),
            (text, ends, false)
        );
        assert_eq!(server.requests().len(), 1, "{text}: a token request is sent once");
    }
}

#[tokio::test]
async fn silence_is_told_from_an_answer() {
    let quick = |config: &mut crate::config::Provider| config.timeout = Duration::from_millis(400);
    for answer in [None, Some(Vec::new()), cut_off()] {
        let server = Server::always(answer).await;
        let error = refused(&server.provider(quick)).await;
        assert!(error.is_silence() && !error.ends_session(), "{error}");
        assert_eq!(server.requests().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_silence_too() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::always(None).await;
    let url = format!("http://{closed}/token").parse().unwrap();
    let error = refused(&server.provider(|config| config.token_endpoint = Some(url))).await;
    assert!(error.is_silence() && !error.to_string().contains("/token"), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let server = Server::always(json(&format!(r#"{{"access_token":"{}"}}"#, "a".repeat(2 << 20)))).await;
    assert_eq!(
        said(&refused(&server.provider(|_| {})).await),
        "unreadable answer: more than 1048576 bytes"
    );
    let server = Server::always(json(&format!(r#"{{"access_token":"{}"}}"#, "a".repeat(65_537)))).await;
    assert_eq!(
        said(&refused(&server.provider(|_| {})).await),
        "unreadable answer: access_token is over 65536 bytes"
    );
}

#[tokio::test]
async fn an_error_text_never_repeats_what_we_sent() {
    let basic = "YXBwOmNsaWVudC1zZWNyZXQtb2YtYXBw"; // app:client-secret-of-app
    for echoed in [TOKEN, "client-secret-of-app", basic] {
        let body = format!(r#"{{"error":"invalid_grant","error_description":"bad: {echoed}!"}}"#);
        let server = Server::always(reply(400, "application/json", &body)).await;
        let error = refused(&server.provider(|_| {})).await;
        assert_eq!(said(&error), "refused: status 400, invalid_grant");
        assert!(!format!("{error:?}").contains(echoed));
        let server = Server::always(reply(400, "x/y", &format!(r#"{{"error":"{echoed}"}}"#))).await;
        assert_eq!(said(&refused(&server.provider(|_| {})).await), "refused: status 400");
    }
}

#[tokio::test]
async fn an_error_text_is_short_and_printable() {
    let body = format!(
        r#"{{"error":"invalid_grant","error_description":"a\r\nb\u0007ü{}"}}"#,
        "x".repeat(500)
    );
    let server = Server::always(reply(400, "application/json", &body)).await;
    let Fault::Refused {
        description: Some(text),
        ..
    } = refused(&server.provider(|_| {})).await.fault
    else {
        panic!("refused with a description")
    };
    assert_eq!(text.as_str(), format!("ab{}", "x".repeat(198)));
}

#[tokio::test]
async fn no_secret_goes_over_plain_http_to_another_machine() {
    let server = Server::always(None).await;
    let url: url::Url = "http://192.0.2.1/token?secret=x".parse().unwrap();
    let mut config = server.provider(|_| {}).config().clone();
    config.token_endpoint = Some(url);
    let problem = crate::provider::Provider::new(config, std::sync::Arc::new(|_, _| {}))
        .err()
        .unwrap();
    assert_eq!(
        problem,
        "providers.main: configuration: http://192.0.2.1/token is not https; \
         set insecure_allow_http = true only where nobody can listen in"
    );
}
