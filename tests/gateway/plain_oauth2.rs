//! OAuth 2.0 without OpenID Connect, client authentication, and several providers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::gateway::{CLIENT_ID, CLIENT_SECRET, Gateway, OVER, Setup};
use crate::support::idp::{Endpoint, Idp};

const ENDPOINTS: &str = "issuer = \"\"\nauthorization_endpoint = \"IDP/authorize\"\ntoken_endpoint = \"IDP/token\"\n\
                         scopes = [\"profile\", \"email\"]\n";

fn plain(more: &str) -> Setup {
    Setup::of_provider(&format!("{ENDPOINTS}{more}"))
}

#[tokio::test]
async fn without_an_issuer_userinfo_says_who_it_is_and_no_discovery_or_id_token_is_looked_at() {
    let gateway = Gateway::start_with(plain("userinfo_endpoint = \"IDP/userinfo\"")).await;
    let browser = gateway.browser();
    let answer = browser.login("/", "bob").await;
    assert_eq!(answer.echoed("x-forwarded-user"), ["demo|bob"]);
    assert_eq!(answer.echoed("x-forwarded-preferred-username"), ["bob"]);
    assert_eq!(
        (answer.echoed("x-forwarded-email"), answer.echoed("x-forwarded-groups")),
        (vec!["bob@example.com".to_owned()], vec!["staff".to_owned()])
    );
    let counts = [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Userinfo].map(|endpoint| gateway.idp.count(endpoint));
    assert_eq!(counts, [0, 0, 1]);
    assert_eq!(gateway.idp.seen(Endpoint::Authorize)[0].query("nonce"), None);
}

#[tokio::test]
async fn without_userinfo_there_is_a_token_and_no_identity() {
    let gateway = Gateway::start_with(plain("")).await;
    let browser = gateway.browser();
    let answer = browser.login("/", "alice").await;
    assert_eq!((answer.status, answer.echoed("authorization").len()), (200, 1));
    assert!(answer.echoed("x-forwarded-user").is_empty() && answer.echoed("x-forwarded-groups").is_empty());
    let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    assert_eq!((&info["user"], &info["groups"]), (&Value::Null, &json!([])));
    gateway.advance(OVER);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 200);
}

#[tokio::test]
async fn openid_asked_for_and_no_id_token_sent_is_502() {
    let gateway = Gateway::start().await;
    gateway.idp.change(|settings| settings.issue_id_token = false);
    let page = gateway.browser().login("/", "alice").await;
    assert_eq!(page.status, 502);
    assert!(page.text().contains("<code>provider_error</code>"));
}

#[tokio::test]
async fn extra_words_of_the_operator_go_where_they_belong() {
    let extra = "scope_separator = \",\"\nresource = [\"https://api.example.com/\", \"https://b.example.com/\"]\n\
                 authorization_params = { audience = \"api\", prompt = \"consent\" }\ntoken_params = { tenant = \"t 1\" }";
    let gateway = Gateway::start_with(plain(extra)).await;
    let browser = gateway.browser();
    assert_eq!(browser.login("/", "alice").await.status, 200);
    gateway.advance(OVER);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 200);

    let resources = ["https://api.example.com/", "https://b.example.com/"];
    let asked = &gateway.idp.seen(Endpoint::Authorize)[0];
    assert_eq!(asked.query("scope").as_deref(), Some("profile,email"));
    assert_eq!(asked.query_all("resource"), resources);
    assert_eq!(
        (asked.query("audience").as_deref(), asked.query("prompt").as_deref()),
        (Some("api"), Some("consent"))
    );
    let tokens = gateway.idp.seen(Endpoint::Token);
    assert_eq!(tokens.len(), 2);
    for request in tokens {
        assert_eq!(
            (request.form_all("resource"), request.form("tenant")),
            (resources.map(str::to_owned).to_vec(), Some("t 1".to_owned()))
        );
        assert_eq!(request.form("audience"), None);
    }
}

#[tokio::test]
async fn a_client_shows_who_it_is_in_the_way_that_the_operator_named() {
    for (auth, basic) in [("auto", true), ("basic", true), ("post", false)] {
        let gateway = Gateway::start_with(Setup::of_provider(&format!("client_auth = \"{auth}\""))).await;
        assert_eq!(gateway.browser().login("/", "alice").await.status, 200, "{auth}");
        let request = gateway.idp.last(Endpoint::Token);
        let header = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
        assert_eq!(request.header("authorization"), basic.then_some(header), "{auth}");
        assert_eq!(
            request.form("client_secret").as_deref(),
            (!basic).then_some(CLIENT_SECRET),
            "{auth}"
        );
        assert_eq!(
            request.form("client_id").as_deref(),
            (!basic).then_some(CLIENT_ID),
            "{auth}"
        );
    }
}

#[tokio::test]
async fn post_is_taken_where_the_provider_lists_no_basic() {
    let gateway = Gateway::start().await;
    gateway
        .idp
        .metadata(|metadata| metadata["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]));
    assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
    assert_eq!(
        gateway.idp.last(Endpoint::Token).form("client_secret").as_deref(),
        Some(CLIENT_SECRET)
    );
}

#[tokio::test]
async fn a_secret_of_any_characters_arrives_at_the_provider() {
    for auth in ["basic", "post"] {
        let odd = "a b%c+d:e/f&g=h\u{fc}";
        let provider = format!("client_secret = \"{odd}\"\nclient_auth = \"{auth}\"");
        let gateway = Gateway::start_with(Setup::of_provider(&provider)).await;
        gateway.idp.register(CLIENT_ID, Some(odd), &gateway.origin);
        let browser = gateway.browser();
        assert_eq!(browser.login("/", "alice").await.status, 200, "{auth}");
        gateway.advance(OVER);
        assert_eq!(browser.fetch("GET", "/").send().await.status, 200, "{auth}");
    }
}

#[tokio::test]
async fn a_public_client_names_itself_and_has_no_secret() {
    for provider in ["client_secret = \"\"", "client_auth = \"none\""] {
        let gateway = Gateway::start_with(Setup::of_provider(provider)).await;
        gateway.idp.register(CLIENT_ID, None, &gateway.origin);
        let browser = gateway.browser();
        assert_eq!(browser.login("/", "alice").await.status, 200, "{provider}");
        let request = gateway.idp.last(Endpoint::Token);
        assert_eq!(
            (request.form("client_id").as_deref(), request.header("authorization")),
            (Some(CLIENT_ID), None)
        );
        assert_eq!(request.form("client_secret"), None);
        browser.visit("/oauth2/sign_out").send().await;
        assert_eq!(
            gateway.idp.last(Endpoint::Revocation).form("client_id").as_deref(),
            Some(CLIENT_ID)
        );
    }
}

/// A gateway with a second provider; `/staff` takes only that one.
async fn with_two_providers() -> (Gateway, Idp) {
    let other = Idp::start().await;
    let rest = format!(
        "[providers.other]\ndisplay_name = \"The other & better\"\nissuer = \"{}\"\nclient_id = \"second\"\n\
         [[routes]]\npath = \"/\"\nupstream = \"APP\"\n\
         [[routes]]\npath = \"/staff\"\nupstream = \"APP\"\nproviders = [\"other\"]\n",
        other.issuer()
    );
    let gateway = Gateway::with_routes(&rest).await;
    other.register("second", None, &gateway.origin);
    (gateway, other)
}

#[tokio::test]
async fn with_several_providers_the_visitor_chooses_and_lands_on_the_page_first_asked_for() {
    let (gateway, other) = with_two_providers().await;
    let browser = gateway.browser();
    let to_chooser = browser.visit("/page?a=b&c").send().await;
    assert_eq!(to_chooser.location(), "/oauth2/sign_in?rd=%2Fpage%3Fa%3Db%26c");
    let chooser = browser.follow(&to_chooser).send().await;
    let text = chooser.text();
    assert!(
        text.contains(">main<") && text.contains(">The other &amp; better<"),
        "{text}"
    );
    let href = "/oauth2/start?provider=other&amp;rd=%2Fpage%3Fa%3Db%26c";
    assert!(text.replace("&#x2f;", "/").contains(href), "{text}");

    let page = browser.login(&href.replace("&amp;", "&"), "bob").await;
    assert_eq!((page.status, gateway.app.last().target.as_str()), (200, "/page?a=b&c"));
    assert_eq!(
        (gateway.idp.count(Endpoint::Token), other.count(Endpoint::Token)),
        (0, 1)
    );
    let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    assert_eq!(
        (&info["provider"], &info["user"]),
        (&json!("other"), &json!("demo|bob"))
    );
    assert_eq!(browser.visit("/oauth2/start?provider=third").send().await.status, 400);
}

#[tokio::test]
async fn a_route_with_its_own_provider_takes_only_sessions_of_that_one() {
    let (gateway, other) = with_two_providers().await;
    let browser = gateway.browser();
    assert_eq!(browser.login("/oauth2/start?provider=main", "alice").await.status, 200);
    assert_eq!(browser.fetch("GET", "/staff/x").send().await.status, 401);
    let begun = browser.visit("/staff/x").send().await;
    assert!(
        begun.location().starts_with(&format!("{}/authorize?", other.issuer())),
        "{begun:?}"
    );
    let page = browser.walk(begun, "bob").await;
    assert_eq!(
        (page.status, page.echoed("x-forwarded-user")),
        (200, vec!["demo|bob".to_owned()])
    );
    let gate = browser.fetch("GET", "/").send().await;
    assert_eq!(
        (gate.status, gate.echoed("x-forwarded-user")),
        (200, vec!["demo|bob".to_owned()])
    );
}

#[tokio::test]
async fn an_answer_of_one_provider_cannot_stand_for_anothers() {
    let (gateway, other) = with_two_providers().await;
    let browser = gateway.browser();
    let callback = browser
        .login_until_callback("/oauth2/start?provider=main", "alice")
        .await;
    let issuer = |idp: &Idp| url::form_urlencoded::byte_serialize(idp.issuer().as_bytes()).collect::<String>();
    let mixed = callback.replace(&issuer(&gateway.idp), &issuer(&other));
    assert_eq!(browser.visit(&mixed).send().await.status, 400);
    assert_eq!(
        (gateway.idp.count(Endpoint::Token), other.count(Endpoint::Token)),
        (0, 0)
    );
}
