//! The support itself: what the other tests stand on.

use serde_json::{Value, json};
use sidegate::demo::sample;

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gate::Gate;
use crate::support::idp::{Endpoint, Idp};
use crate::support::upstream::{App, Reply};
use crate::support::wire::{Response, raw};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLBACK: &str = "http://localhost:1/oauth2/callback";

fn authorization_request(idp: &Idp) -> String {
    format!(
        "{}/authorize?client_id=app&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Foauth2%2Fcallback&response_type=code\
         &scope=openid%20profile&state=xyz&nonce=n&code_challenge_method=S256\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        idp.issuer()
    )
}

async fn idp() -> (Idp, Browser) {
    let idp = Idp::start().await;
    idp.register("app", Some("s3cret"), "http://localhost:1");
    let browser = Browser::new("http://localhost:1");
    (idp, browser)
}

async fn ask(idp: &Idp, browser: &Browser, form: &[(&str, &str)]) -> Response {
    let form = [&[("client_id", "app"), ("client_secret", "s3cret")], form].concat();
    browser
        .request("POST", &format!("{}/token", idp.issuer()))
        .form(&form)
        .send()
        .await
}

/// Logs in as Alice and redeems the code.
async fn tokens(idp: &Idp, browser: &Browser) -> Value {
    let callback = browser.login_until_callback(&authorization_request(idp), "alice").await;
    let url = url::Url::parse(&callback).unwrap();
    let field = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!(
        (field("state"), field("iss")),
        ("xyz".to_owned(), idp.issuer().to_owned())
    );
    redeem(idp, browser, &field("code")).await.json()
}

async fn redeem(idp: &Idp, browser: &Browser, code: &str) -> Response {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    ask(idp, browser, &form).await
}

async fn refresh(idp: &Idp, browser: &Browser, answer: &Value) -> Response {
    let token = answer["refresh_token"].as_str().unwrap();
    ask(
        idp,
        browser,
        &[("grant_type", "refresh_token"), ("refresh_token", token)],
    )
    .await
}

#[tokio::test]
async fn a_login_gives_tokens_that_rotate_and_a_spent_one_ends_the_grant() {
    let (idp, browser) = idp().await;
    let first = tokens(&idp, &browser).await;
    let claims = idp
        .provider()
        .key()
        .verify(first["id_token"].as_str().unwrap())
        .unwrap();
    assert_eq!((&claims["sub"], &claims["nonce"]), (&json!("demo|alice"), &json!("n")));

    let second = refresh(&idp, &browser, &first).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(refresh(&idp, &browser, &first).await.json()["error"], "invalid_grant");
    assert_eq!(refresh(&idp, &browser, &second).await.json()["error"], "invalid_grant");
    assert_eq!(idp.count(Endpoint::Token), 4);
    assert_eq!(
        idp.last(Endpoint::Token).form("grant_type").as_deref(),
        Some("refresh_token")
    );
}

#[tokio::test]
async fn the_provider_knows_the_browser_again_and_signs_it_out_on_demand() {
    let (idp, browser) = idp().await;
    let id_token = tokens(&idp, &browser).await["id_token"].as_str().unwrap().to_owned();
    idp.forget();
    let again = browser.visit(&authorization_request(&idp)).send().await;
    assert_eq!((again.status, idp.count(Endpoint::Login)), (303, 0));

    let out = format!(
        "{}/end_session?id_token_hint={id_token}&state=s&post_logout_redirect_uri=\
         http%3A%2F%2Flocalhost%3A1%2Foauth2%2Fsigned_out",
        idp.issuer()
    );
    let elsewhere = browser.visit(&out.replace("signed_out", "elsewhere")).send().await;
    assert_eq!(elsewhere.status, 400);
    assert_eq!(
        browser.visit(&out).send().await.location(),
        "http://localhost:1/oauth2/signed_out?state=s"
    );
    assert_eq!(browser.visit(&authorization_request(&idp)).send().await.status, 200);
}

#[tokio::test]
async fn a_script_fails_cuts_lies_and_then_ends() {
    let (idp, browser) = idp().await;
    let first = tokens(&idp, &browser).await;
    idp.script(
        Endpoint::Token,
        [
            Answer::error(503, "temporarily_unavailable"),
            Answer::Close,
            Answer::json(|answer| answer["expires_in"] = json!("60")),
        ],
    );
    assert_eq!(refresh(&idp, &browser, &first).await.status, 503);
    assert_eq!(refresh(&idp, &browser, &first).await.status, 0);
    let second = refresh(&idp, &browser, &first).await.json();
    assert_eq!(second["expires_in"], "60");

    idp.script(
        Endpoint::Token,
        [
            Answer::MisSigned,
            Answer::id_token(|_, claims| claims["aud"] = json!("else")),
            Answer::Lost,
        ],
    );
    let key = idp.provider().key();
    let third = refresh(&idp, &browser, &second).await.json();
    assert!(key.verify(third["id_token"].as_str().unwrap()).is_none());
    let fourth = refresh(&idp, &browser, &third).await.json();
    assert_eq!(key.verify(fourth["id_token"].as_str().unwrap()).unwrap()["aud"], "else");
    assert_eq!(refresh(&idp, &browser, &fourth).await.status, 0);
    assert_eq!(refresh(&idp, &browser, &fourth).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_held_answer_waits_for_the_test_and_a_server_comes_back_on_its_port() {
    let (idp, browser) = idp().await;
    let discovery = format!("{}/.well-known/openid-configuration", idp.issuer());
    let gate = Gate::shut();
    idp.script(Endpoint::Discovery, [Answer::held(&gate)]);
    idp.metadata(|metadata| metadata["issuer"] = json!("https://else.example"));
    let test = async {
        gate.arrived(1).await;
        assert_eq!(idp.count(Endpoint::Discovery), 1);
        gate.open();
    };
    let (answer, ()) = tokio::join!(browser.visit(&discovery).send(), test);
    assert_eq!(answer.json()["issuer"], "https://else.example");

    idp.down().await;
    assert!(tokio::net::TcpStream::connect(idp.addr()).await.is_err());
    idp.up().await;
    assert_eq!(browser.visit(&discovery).send().await.status, 200);
}

#[tokio::test]
async fn the_app_echoes_streams_upgrades_and_does_as_told() {
    let app = App::start().await;
    let browser = Browser::new(&app.url());
    let echoed = browser
        .request("POST", "/a/../b;c?d=%2F")
        .line("X_Odd: 1")
        .line("x-odd: 2")
        .body("text/plain", "hi")
        .send()
        .await;
    assert_eq!(
        (echoed.json()["target"].as_str(), echoed.json()["body"].as_str()),
        (Some("/a/../b;c?d=%2F"), Some("hi"))
    );
    assert_eq!(
        (echoed.echoed("x_odd"), echoed.echoed("x-odd")),
        (vec!["1".to_owned()], vec!["2".to_owned()])
    );

    app.script(
        "/c",
        [
            Reply::with(200, &[("set-cookie", "a=1"), ("set-cookie", "b=2")]),
            Reply::CutShort,
        ],
    );
    assert_eq!(browser.visit("/c").send().await.set_cookies(), ["a=1", "b=2"]);
    assert!(serde_json::from_slice::<Value>(&browser.visit("/c").send().await.body).is_err());
    assert_eq!(app.last().header("cookie").as_deref(), Some("a=1; b=2"));

    let (events, sender) = Reply::events();
    app.script("/events", [events]);
    let (head, mut connection) = browser.fetch("GET", "/events").open().await;
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    sender.send("data: 1\n\n".into()).unwrap();
    assert!(connection.until("data: 1\n\n").await.contains("data: 1"));

    let handshake = browser.request("GET", "/ws").header("Upgrade", "websocket");
    let (head, mut socket) = handshake
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .open()
        .await;
    assert_eq!(
        (head.status, head.header("sec-websocket-accept")),
        (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    );
    socket.send(b"ping").await;
    assert_eq!(socket.until("ping").await, "ping");
}

#[tokio::test]
async fn the_sample_app_shows_pages_ticks_and_echoes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(sample::serve(listener, "/oauth2", std::future::pending()));
    let browser = Browser::new(&format!("http://{addr}"));
    let page = browser
        .visit("/some/where?x=1")
        .header("X-Forwarded-User", "alice")
        .send()
        .await
        .text();
    assert!(page.contains("alice") && page.contains("sign_out?rd=/"), "{page}");
    let (_, mut events) = browser.fetch("GET", "/events").open().await;
    assert!(events.until("data: 0\n\n").await.contains("data: 0"));
    let json = browser
        .fetch("GET", "/headers.json")
        .header("Authorization", "Bearer abcdefghi")
        .send()
        .await;
    assert_eq!(json.echoed("authorization"), ["Bearer abcdefghi"]);

    let handshake = browser
        .request("GET", "/ws")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13");
    let (head, mut socket) = handshake
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .open()
        .await;
    assert_eq!(head.status, 101);
    // One masked text frame "hi" under the mask 0 (RFC 6455 §5.2); the echo comes unmasked.
    socket.send(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await;
    assert!(socket.until("hi").await.ends_with("\u{2}hi"));
}

#[tokio::test]
async fn raw_bytes_get_raw_bytes() {
    let app = App::start().await;
    let answer = raw(app.addr(), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}
