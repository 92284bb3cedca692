//! OpenID Connect at panva's oidc-provider, a certified one.

use serde_json::json;

use crate::stage::{Setup, Stage};
use crate::support::seen::Seen;
use crate::support::wire::Response;

/// Path and query that a careless gateway would tidy up.
const PAGE: &str = "/reports/2026;draft?q=a%20b+c&x=%2F%3D&&empty=&q=%C3%BC";
/// User, e-mail, groups and name, as the app hears of them.
type Identity = [Option<&'static str>; 4];
const ALICE: Identity = [
    Some("alice"),
    Some("alice@example.com"),
    Some("editors,staff"),
    Some("alice"),
];

#[tokio::test]
async fn a_confidential_client_with_http_basic_whose_claims_are_in_userinfo() {
    let journey = Journey {
        client: "basic",
        settings: "userinfo = \"always\"",
        options: "",
        identity: ALICE,
        rd: Some("/public/bye?x=%2F"),
    };
    journey.walk().await;
}

#[tokio::test]
async fn a_confidential_client_with_its_secret_in_the_form_whose_claims_are_in_the_id_token() {
    let journey = Journey {
        client: "post",
        settings: "client_auth = \"post\"",
        options: "--claims-in-id-token",
        identity: ALICE,
        rd: None,
    };
    journey.walk().await;
}

#[tokio::test]
async fn a_public_client_that_learns_nothing_but_the_subject() {
    let journey = Journey {
        client: "public",
        settings: "client_auth = \"none\"",
        options: "",
        identity: [Some("alice"), None, None, None],
        rd: None,
    };
    journey.walk().await;
}

struct Journey {
    client: &'static str,
    settings: &'static str,
    options: &'static str,
    identity: Identity,
    /// Where the sign-out is to end; `None`: at the signed-out page.
    rd: Option<&'static str>,
}

impl Journey {
    async fn walk(&self) {
        let stage = Stage::start(Setup {
            provider: "panva",
            client: self.client,
            options: &format!("--access-token-ttl 3 {}", self.options),
            settings: self.settings,
            // The first request after the end refreshes, none before: so every call can be counted.
            session: "refresh_before = \"0s\"",
        })
        .await;
        let first = self.signs_in(&stage).await;
        let second = self.outlives_its_access_token(&stage, &first).await;
        self.signs_out(&stage, &second).await;
        let log = stage.stop().await;
        assert_eq!(log.outcomes("login"), ["success"]);
        assert_eq!(log.outcomes("refresh"), ["refreshed"]);
        assert_eq!(log.outcomes("sign_out"), ["local"]);
        assert_eq!(
            log.auth("/reports/2026;draft"),
            ["none", "session", "refreshed", "none"]
        );
    }

    /// Login → the same page, byte for byte; the access token that the app received.
    async fn signs_in(&self, stage: &Stage) -> String {
        let page = stage.visitor.open(PAGE, &stage.provider).await;
        let token = self.served(stage, &page);
        assert!(stage.provider.accepts(&token).await);
        let counts = stage.provider.counts().await;
        assert_eq!((counts.token(), counts.codes()), (1, 1), "{counts:?}");
        let info = stage.userinfo(&stage.visitor.browser).await;
        let groups = self.identity[2].map_or(json!([]), |_| json!(["editors", "staff"]));
        assert_eq!(
            (&info["user"], &info["email"], &info["groups"]),
            (&json!(self.identity[0]), &json!(self.identity[1]), &groups)
        );
        token
    }

    /// The access token ends, the session does not; the app receives the new one.
    async fn outlives_its_access_token(&self, stage: &Stage, first: &str) -> String {
        stage.until_over(&stage.visitor.browser).await;
        let page = stage.visitor.look(PAGE, &stage.provider).await;
        let token = self.served(stage, &page);
        assert_ne!(token, first);
        assert!(stage.provider.accepts(&token).await);
        let counts = stage.provider.counts().await;
        assert_eq!(
            (counts.token(), counts.codes(), counts.refreshes()),
            (2, 1, 1),
            "{counts:?}"
        );
        token
    }

    /// Signed out here and at the provider, whose own question is answered; the tokens are worth nothing any more.
    async fn signs_out(&self, stage: &Stage, token: &str) {
        stage.app.forget();
        let target = self.rd.map_or("/oauth2/sign_out".to_owned(), |rd| {
            let rd: String = url::form_urlencoded::byte_serialize(rd.as_bytes()).collect();
            format!("/oauth2/sign_out?rd={rd}")
        });
        let end = stage.visitor.sign_out(&target, &stage.provider).await;
        assert_eq!(end.status, 200, "{end:?}");
        match self.rd {
            Some(rd) => {
                let seen = stage.app.last();
                assert_eq!((seen.target.as_str(), identity(&seen)), (rd, [const { None }; 4]));
                assert_eq!((seen.header("authorization"), seen.header("cookie")), (None, None));
            }
            None => assert!(end.url.contains("/oauth2/signed_out?"), "{}", end.url),
        }
        assert_eq!(stage.provider.counts().await.revocations(), 1);
        assert!(!stage.provider.accepts(token).await);
        assert_eq!(stage.visitor.browser.cookies().len(), 0);
        let again = stage.visitor.look(PAGE, &stage.provider).await;
        assert!(
            again.text().contains("name=\"password\""),
            "the provider still knows the visitor: {again:?}"
        );
    }

    /// The app served the page first asked for, to the right person; the access token that it received.
    fn served(&self, stage: &Stage, page: &Response) -> String {
        assert_eq!(page.status, 200, "{page:?}");
        let seen = stage.app.last();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", PAGE));
        assert_eq!(identity(&seen), self.identity.map(|value| value.map(str::to_owned)));
        assert_eq!(seen.header("cookie"), None);
        stage.bearer(&seen)
    }
}

/// What a request tells the app about its visitor.
pub fn identity(seen: &Seen) -> [Option<String>; 4] {
    ["User", "Email", "Groups", "Preferred-Username"].map(|name| seen.header(&format!("X-Forwarded-{name}")))
}
