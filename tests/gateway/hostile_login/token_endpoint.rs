//! A token endpoint that misbehaves costs the visitor this login, within the provider's timeout, and nobody a secret.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::nobody_came_in;
use crate::support::answer::Answer;
use crate::support::gateway::{CLIENT_SECRET, Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::within;

const HTML: &str = "<html><body>You will be redirected</body></html>";

/// With a provider that is given up soon.
async fn impatient(provider: &str) -> Gateway {
    Gateway::start_with(Setup {
        provider: format!("timeout = \"1s\"\n{provider}"),
        ..Setup::default()
    })
    .await
}

/// What a token endpoint can get wrong.
#[expect(clippy::too_many_lines, reason = "a table")]
fn wrong_answers() -> Vec<(&'static str, Answer)> {
    let fixed = |status, media_type, body: &str| Answer::status(status, media_type, body);
    let json = |text: &str| Answer::status(200, "application/json", text);
    let form = "application/x-www-form-urlencoded";
    vec![
        ("500", Answer::error(500, "server_error")),
        ("503", Answer::error(503, "temporarily_unavailable")),
        ("429", Answer::error(429, "slow_down")),
        ("400", Answer::error(400, "invalid_grant")),
        ("401", Answer::error(401, "invalid_client")),
        ("error with status 200", json(r#"{"error":"invalid_grant"}"#)),
        ("silence", Answer::Hang),
        ("closed", Answer::Close),
        ("lost", Answer::Lost),
        ("HTML with 200", fixed(200, "text/html", HTML)),
        ("HTML with 502", fixed(502, "text/html", HTML)),
        ("cut JSON", Answer::CutShort),
        ("JSON that ends early", json(r#"{"access_token":"a","token_type":"Bea"#)),
        ("empty", json("")),
        ("a list", json(r#"["access_token"]"#)),
        ("a string", json(r#""access_token""#)),
        ("deep", json(&"[".repeat(200_000))),
        ("deep objects", json(&"{\"a\":".repeat(100_000))),
        (
            "not UTF-8",
            Answer::status(200, "application/json", b"{\"access_token\":\"\xff\"}".to_vec()),
        ),
        (
            "no access token",
            Answer::json(|answer| drop(answer.as_object_mut().unwrap().remove("access_token"))),
        ),
        (
            "an empty access token",
            Answer::json(|answer| answer["access_token"] = json!("")),
        ),
        (
            "a null access token",
            Answer::json(|answer| answer["access_token"] = json!(null)),
        ),
        (
            "a list as access token",
            Answer::json(|answer| answer["access_token"] = json!(["a"])),
        ),
        (
            "a line break in the access token",
            Answer::json(|a| a["access_token"] = json!("a\r\nX-Forwarded-User: root")),
        ),
        (
            "a huge access token",
            Answer::json(|answer| answer["access_token"] = json!("x".repeat(200_000))),
        ),
        (
            "wrong token type",
            Answer::json(|answer| answer["token_type"] = json!("DPoP")),
        ),
        (
            "token type mac",
            Answer::json(|answer| answer["token_type"] = json!("mac")),
        ),
        (
            "a list as token type",
            Answer::json(|answer| answer["token_type"] = json!(["Bearer"])),
        ),
        (
            "no id_token",
            Answer::json(|answer| drop(answer.as_object_mut().unwrap().remove("id_token"))),
        ),
        (
            "a null id_token",
            Answer::json(|answer| answer["id_token"] = json!(null)),
        ),
        (
            "a form without an id_token",
            fixed(200, form, "access_token=a&token_type=bearer"),
        ),
        ("50 MB", Answer::Huge(50 << 20)),
        (
            "a claim that no header carries",
            Answer::id_token(|_, claims| claims["sub"] = json!("a\r\nb")),
        ),
    ]
}

#[tokio::test]
async fn a_wrong_answer_is_a_502_in_time_after_exactly_one_request() {
    let gateway = impatient("").await;
    for (what, answer) in wrong_answers() {
        let browser = gateway.browser();
        let callback = browser.login_until_callback("/", "alice").await;
        gateway.idp.forget();
        gateway.idp.script(Endpoint::Token, [answer]);
        let began = Instant::now();
        let answer = browser.visit(&callback).send().await;
        assert_eq!(answer.status, 502, "{what}");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{what} took {:?}",
            began.elapsed()
        );
        nobody_came_in(&gateway, &answer, 1, what);
        assert!(!answer.text().contains("redirected"), "{what}");
    }
}

#[tokio::test]
async fn what_many_servers_forget_is_forgiven() {
    let gateway = Gateway::start().await;
    for (what, answer) in [
        (
            "no token type",
            Answer::json(|answer| drop(answer.as_object_mut().unwrap().remove("token_type"))),
        ),
        (
            "token type in other case",
            Answer::json(|answer| answer["token_type"] = json!("bEARER")),
        ),
        (
            "expires_in as text",
            Answer::json(|answer| answer["expires_in"] = json!("120")),
        ),
        (
            "an absurd expires_in",
            Answer::json(|answer| answer["expires_in"] = json!(1e300)),
        ),
        (
            "a negative expires_in",
            Answer::json(|answer| answer["expires_in"] = json!(-1)),
        ),
        (
            "members that nobody knows",
            Answer::json(|answer| answer["x"] = json!({"y": [null]})),
        ),
    ] {
        gateway.idp.script(Endpoint::Token, [answer]);
        assert_eq!(gateway.browser().login("/", "alice").await.status, 200, "{what}");
    }
}

#[tokio::test]
async fn a_redirect_takes_no_secret_anywhere() {
    let gateway = Gateway::start_with(Setup {
        provider: "userinfo = \"always\"".into(),
        ..Setup::default()
    })
    .await;
    // The app plays the host that the redirect leads to: whatever it is asked before anybody is signed in came from there.
    let elsewhere = format!("{}/steal", gateway.app.url());
    for status in [301, 302, 303, 307, 308] {
        for endpoint in [Endpoint::Token, Endpoint::Userinfo] {
            let browser = gateway.browser();
            let callback = browser.login_until_callback("/", "alice").await;
            gateway.idp.forget();
            gateway
                .idp
                .script(endpoint, [Answer::Redirect(status, elsewhere.clone())]);
            let answer = browser.visit(&callback).send().await;
            assert_eq!(answer.status, 502, "{status} from {endpoint:?}");
            nobody_came_in(&gateway, &answer, 1, "a redirect");
        }
    }
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    gateway.app.forget();
    for endpoint in [Endpoint::Token, Endpoint::Userinfo, Endpoint::Revocation] {
        gateway.idp.always(endpoint, {
            let elsewhere = elsewhere.clone();
            move || Answer::Redirect(307, elsewhere.clone())
        });
    }
    browser.fetch("POST", "/oauth2/refresh").send().await;
    browser.visit("/oauth2/sign_out").send().await;
    gateway.idp.reached(Endpoint::Revocation, 1).await;
    assert_eq!(gateway.app.seen().len(), 0);
}

#[tokio::test]
async fn metadata_that_leave_the_issuers_https_send_nothing_in_the_clear() {
    for (member, url) in [
        ("token_endpoint", "http://plain.example.com/token"),
        ("token_endpoint", "ftp://127.0.0.1/token"),
        ("token_endpoint", "http://user:password@127.0.0.1/token"),
        ("token_endpoint", "not a url"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "http://plain.example.com/authorize"),
        ("authorization_endpoint", "data:text/html,x"),
        ("end_session_endpoint", "javascript:alert(1)"),
        ("jwks_uri", "http://plain.example.com/jwks"),
        ("jwks_uri", "file:///etc/passwd"),
    ] {
        let gateway = Gateway::start().await;
        gateway.idp.metadata(move |metadata| metadata[member] = json!(url));
        let answer = gateway.browser().visit("/").send().await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (502, None),
            "{member} = {url}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_and_never_held_in_memory() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"access_token\":\"",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{\"a\":\"",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Padding: ",
        "HTTP/1.1 ",
    ] {
        let gateway = impatient("").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let token_endpoint = format!("http://{}/token", listener.local_addr().unwrap());
        gateway
            .idp
            .metadata(move |metadata| metadata["token_endpoint"] = json!(token_endpoint));
        let flood = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(head.as_bytes()).await;
            // A chunk of 16 KiB; where nothing is chunked it is text like any other.
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            let mut taken = 0_usize;
            while stream.write_all(chunk.as_bytes()).await.is_ok() {
                taken += chunk.len();
            }
            taken
        });
        let browser = gateway.browser();
        let callback = browser.login_until_callback("/", "alice").await;
        let began = Instant::now();
        assert_eq!(browser.visit(&callback).send().await.status, 502, "{head}");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{head} took {:?}",
            began.elapsed()
        );
        // One mebibyte is read; the rest is what the kernel's buffers hold.
        let taken = within("the end of the flood", flood).await.unwrap();
        assert!(taken < 32 << 20, "{head}: {taken} bytes");
    }
}

#[tokio::test]
async fn the_client_secret_goes_where_it_belongs_and_in_one_way_only() {
    for (client_auth, in_header) in [("basic", true), ("post", false)] {
        let gateway = impatient(&format!("client_auth = \"{client_auth}\"")).await;
        assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
        let request = gateway.idp.last(Endpoint::Token);
        assert_eq!(request.header("authorization").is_some(), in_header, "{client_auth}");
        assert_eq!(
            request.form("client_secret").as_deref(),
            (!in_header).then_some(CLIENT_SECRET),
            "{client_auth}"
        );
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Authorize] {
            let seen = gateway.idp.last(endpoint);
            assert_eq!(
                (seen.header("authorization"), seen.target.contains(CLIENT_SECRET)),
                (None, false)
            );
        }
    }
}
