//! The provider ends sessions: OpenID Connect Back-Channel and Front-Channel Logout 1.0.

use serde_json::{Value, json};
use sidegate::clock;

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gateway::{CLIENT_ID, Gateway};
use crate::support::idp::Endpoint;
use crate::support::wire::Response;

type Change = fn(&mut Value);

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Signs Alice in; `sid` is in her id_token.
async fn sign_in(gateway: &Gateway, sid: &'static str) -> Browser {
    gateway.idp.script(
        Endpoint::Token,
        [Answer::id_token(move |_, claims| claims["sid"] = json!(sid))],
    );
    let browser = gateway.browser();
    assert_eq!(browser.login("/", "alice").await.status, 200);
    browser
}

async fn signed_in(browser: &Browser) -> bool {
    browser.fetch("GET", "/oauth2/userinfo").send().await.status == 200
}

fn claims(gateway: &Gateway, jti: &str) -> Value {
    let now = clock::now().0;
    json!({"iss": gateway.idp.issuer(), "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": jti,
           "sid": "s1", "events": {EVENT: {}}})
}

async fn tell(gateway: &Gateway, claims: &Value) -> Response {
    let provider = gateway.idp.provider();
    let token = provider.sign(&provider.key().header("logout+jwt"), claims);
    let browser = gateway.browser();
    browser
        .request("POST", "/oauth2/backchannel_logout")
        .form(&[("logout_token", &token)])
        .send()
        .await
}

#[tokio::test]
async fn a_logout_token_ends_the_session_it_names_and_no_other() {
    let gateway = Gateway::start().await;
    let (other, alice) = (sign_in(&gateway, "s2").await, sign_in(&gateway, "s1").await);
    let told = tell(&gateway, &claims(&gateway, "one")).await;
    assert_eq!((told.status, told.header("cache-control")), (200, Some("no-store")));
    assert!(!signed_in(&alice).await);
    assert!(signed_in(&other).await);
    assert!(gateway.metric("sidegate_sign_outs_total{kind=\"backchannel\"}").await >= 1.0);
}

#[tokio::test]
async fn a_subject_alone_ends_all_its_sessions_and_a_new_login_works() {
    let gateway = Gateway::start().await;
    let (here, there) = (sign_in(&gateway, "s1").await, sign_in(&gateway, "s2").await);
    let mut claims = claims(&gateway, "sub");
    claims["sub"] = json!("demo|alice");
    claims.as_object_mut().unwrap().remove("sid");
    assert_eq!(tell(&gateway, &claims).await.status, 200);
    assert!(!signed_in(&here).await && !signed_in(&there).await);
    gateway.advance(2);
    assert_eq!(here.login("/again", "alice").await.status, 200);
}

#[tokio::test]
async fn a_logout_token_ends_the_websockets_of_the_session_it_names_and_no_others() {
    let gateway = Gateway::start().await;
    let mut sockets = Vec::new();
    for sid in ["s1", "s2"] {
        let handshake = sign_in(&gateway, sid).await;
        let handshake = handshake.request("GET", "/ws").header("Upgrade", "websocket");
        let (answer, socket) = handshake.header("Origin", &gateway.origin).open().await;
        assert_eq!(answer.status, 101);
        sockets.push(socket);
    }
    assert_eq!(tell(&gateway, &claims(&gateway, "tunnel")).await.status, 200);
    assert!(sockets[0].is_closed().await);
    sockets[1].send(b"ping").await;
    assert_eq!(sockets[1].until("ping").await, "ping");
}

#[tokio::test]
async fn what_is_no_logout_token_is_400_and_ends_nothing() {
    let gateway = Gateway::start().await;
    let browser = sign_in(&gateway, "s1").await;
    let wrong: [(&str, Change); 9] = [
        ("§2.4 iss", |c| c["iss"] = json!("https://other.example")),
        ("§2.4 aud", |c| c["aud"] = json!("other")),
        ("§2.4 exp", |c| c["exp"] = json!(1)),
        ("§2.4 events", |c| c["events"] = json!({})),
        ("§2.4 no events", |c| drop(c.as_object_mut().unwrap().remove("events"))),
        ("§2.4 nonce", |c| c["nonce"] = json!("n")),
        ("§2.4 neither sub nor sid", |c| {
            drop(c.as_object_mut().unwrap().remove("sid"))
        }),
        ("§2.4 no jti", |c| drop(c.as_object_mut().unwrap().remove("jti"))),
        ("§2.4 sid of another type", |c| c["sid"] = json!(7)),
    ];
    for (rule, change) in wrong {
        let mut claims = claims(&gateway, rule);
        change(&mut claims);
        assert_eq!(tell(&gateway, &claims).await.status, 400, "{rule}");
    }
    let unsigned = gateway.browser();
    let none = unsigned
        .request("POST", "/oauth2/backchannel_logout")
        .form(&[("logout_token", "e30.e30.")])
        .send()
        .await;
    assert_eq!(
        (none.status, none.json()["error"].as_str()),
        (400, Some("invalid_request"))
    );
    assert!(signed_in(&browser).await);
}

#[tokio::test]
async fn a_replayed_logout_token_is_refused() {
    let gateway = Gateway::start().await;
    let _browser = sign_in(&gateway, "s1").await;
    let claims = claims(&gateway, "once");
    assert_eq!(tell(&gateway, &claims).await.status, 200);
    assert_eq!(tell(&gateway, &claims).await.status, 400);
}

#[tokio::test]
async fn front_channel_logout_works_without_a_cookie_in_the_providers_frame_only() {
    let gateway = Gateway::start().await;
    let (browser, frame) = (sign_in(&gateway, "s1").await, gateway.browser());
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let path = |iss: &str, sid: &str| format!("/oauth2/frontchannel_logout?iss={}&sid={}", encode(iss), encode(sid));
    for (iss, sid) in [("https://other.example", "s1"), (gateway.idp.issuer(), "")] {
        assert_eq!(frame.fetch("GET", &path(iss, sid)).send().await.status, 400);
    }
    let nobody = frame.fetch("GET", &path(gateway.idp.issuer(), "+}%[#")).send().await;
    assert_eq!(nobody.status, 200);
    assert!(signed_in(&browser).await);
    let out = frame.fetch("GET", &path(gateway.idp.issuer(), "s1")).send().await;
    let policy = format!("default-src 'none'; frame-ancestors {}", gateway.idp.issuer());
    assert_eq!(out.header("content-security-policy"), Some(policy.as_str()));
    assert_eq!(out.header("cache-control"), Some("no-store"));
    assert!(!signed_in(&browser).await);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}
