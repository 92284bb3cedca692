//! Plain OAuth2 by named endpoints, claims from `/api/me`: django-oauth-toolkit, and Authlib without refresh tokens.

use crate::openid::identity;
use crate::stage::{Setup, Stage};
use crate::support::wire::Response;

const PAGE: &str = "/a//b?next=%2Fadmin%3Fx&y";
/// Whose names these servers give to the claims.
const CLAIMS: &str = "claims = { user = \"username\", name = \"username\" }";
/// The first request after the end refreshes, none before: so every call can be counted.
const REFRESH_AT_THE_END: &str = "refresh_before = \"0s\"";

#[tokio::test]
async fn django_with_http_basic_and_a_secret_that_must_be_encoded() {
    django("basic", "", "").await;
}

#[tokio::test]
async fn django_with_the_secret_in_the_form_and_a_reused_refresh_token_ending_the_grant() {
    django("post", "client_auth = \"post\"", "--reuse-protection").await;
}

#[tokio::test]
async fn django_with_a_public_client() {
    django("public", "client_auth = \"none\"", "").await;
}

async fn django(client: &str, settings: &str, options: &str) {
    let stage = Stage::start(Setup {
        provider: "django",
        client,
        options: &format!("--access-token-ttl 3 {options}"),
        settings: &format!("{settings}\n{CLAIMS}"),
        session: REFRESH_AT_THE_END,
    })
    .await;
    let first = served(&stage, &stage.visitor.open(PAGE, &stage.provider).await);
    assert!(stage.provider.accepts(&first).await);
    stage.until_over(&stage.visitor.browser).await;
    let second = served(&stage, &stage.visitor.look(PAGE, &stage.provider).await);
    assert_ne!(first, second);
    assert!(stage.provider.accepts(&second).await);
    let counts = stage.provider.counts().await;
    assert_eq!(
        (counts.token(), counts.codes(), counts.refreshes()),
        (2, 1, 1),
        "{counts:?}"
    );
    signs_out(&stage, &second).await;
    let log = stage.stop().await;
    assert_eq!(
        (log.outcomes("login"), log.outcomes("refresh")),
        (vec!["success"], vec!["refreshed"])
    );
    assert_eq!(log.outcomes("sign_out"), ["local"]);
}

#[tokio::test]
async fn authlib_without_a_refresh_token_revokes_the_access_token_at_sign_out() {
    let stage = Stage::start(Setup {
        provider: "authlib",
        client: "public",
        settings: &format!("client_auth = \"none\"\n{CLAIMS}"),
        ..Setup::default()
    })
    .await;
    let token = served(&stage, &stage.visitor.open(PAGE, &stage.provider).await);
    assert!(stage.provider.accepts(&token).await);
    signs_out(&stage, &token).await;
    let log = stage.stop().await;
    assert_eq!(
        (log.outcomes("login"), log.outcomes("sign_out")),
        (vec!["success"], vec!["local"])
    );
}

#[tokio::test]
async fn authlib_without_a_refresh_token_signs_in_again_when_the_access_token_is_over() {
    let stage = Stage::start(Setup {
        provider: "authlib",
        client: "public",
        options: "--access-token-ttl 3",
        settings: &format!("client_auth = \"none\"\n{CLAIMS}"),
        ..Setup::default()
    })
    .await;
    let first = served(&stage, &stage.visitor.open(PAGE, &stage.provider).await);
    stage.until_over(&stage.visitor.browser).await;
    let api = stage.visitor.browser.fetch("GET", PAGE).send().await;
    assert_eq!((api.status, &api.json()["error"]), (401, &"unauthenticated".into()));
    let second = served(&stage, &consented(&stage).await);
    assert_ne!(first, second);
    let counts = stage.provider.counts().await;
    assert_eq!((counts.token(), counts.codes()), (2, 2), "{counts:?}");
    let log = stage.stop().await;
    assert_eq!((log.outcomes("login").len(), log.outcomes("refresh").len()), (2, 0));
}

/// The server still knows the person: of its two forms only the second is asked again.
async fn consented(stage: &Stage) -> Response {
    let forms = stage.provider.forms("forms").split_off(1);
    stage.visitor.fill_in(PAGE, &stage.provider, forms).await
}

/// The app served the page first asked for, to Alice; the access token that it received.
fn served(stage: &Stage, page: &Response) -> String {
    assert_eq!(page.status, 200, "{page:?}");
    let seen = stage.app.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", PAGE));
    let alice = ["alice", "alice@example.com", "editors,staff", "alice"];
    assert_eq!(identity(&seen), alice.map(|value| Some(value.to_owned())));
    assert_eq!(seen.header("cookie"), None);
    stage.bearer(&seen)
}

/// These servers have no sign-out of their own: the tokens are revoked, and the gateway's page says so.
async fn signs_out(stage: &Stage, token: &str) {
    let end = stage.visitor.sign_out("/oauth2/sign_out", &stage.provider).await;
    assert_eq!(
        (end.status, end.url.ends_with("/oauth2/signed_out")),
        (200, true),
        "{end:?}"
    );
    assert_eq!(stage.provider.counts().await.revocations(), 1);
    assert!(!stage.provider.accepts(token).await);
    assert_eq!(stage.visitor.browser.cookies().len(), 0);
    let api = stage.visitor.browser.fetch("GET", PAGE).send().await;
    assert_eq!(api.status, 401);
}
