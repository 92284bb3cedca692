//! A session sealed elsewhere, under the same key, is none here.

use std::path::Path;

use sidegate::clock::Timestamp;
use sidegate::config::Config;
use sidegate::seal::{CookieNames, Party, Purpose, Sealer};
use sidegate::secret::Secret;
use sidegate::session::{CookieStore, Identity, Lifetimes, Session, Tokens};

use super::user;
use crate::support::gateway::{CLIENT_ID, Gateway, KEY};

/// How another deployment differs.
type Change = fn(&mut Deployment);

/// What a deployment seals with; every field is one that a value is bound to.
struct Deployment {
    key: &'static str,
    issuer: String,
    client_id: String,
    public_url: String,
    provider: &'static str,
    cookie: &'static str,
    purpose: Purpose,
}

impl Deployment {
    fn of(gateway: &Gateway) -> Self {
        Self {
            key: KEY,
            issuer: gateway.idp.issuer().to_owned(),
            client_id: CLIENT_ID.to_owned(),
            public_url: gateway.origin.clone(),
            provider: "main",
            cookie: "sidegate",
            purpose: Purpose::Session,
        }
    }

    /// Mallory's session as this deployment seals it: the value of its cookie.
    fn seal(&self) -> String {
        let config = format!(
            "[server]\npublic_url = \"{}\"\n[providers.main]\nissuer = \"https://id\"\nclient_id = \"c\"\n\
             [session]\nkeys = [\"{}\"]\n[[routes]]\npath = \"/\"\nupstream = \"http://127.0.0.1:1\"",
            self.public_url, self.key
        );
        let config = Config::parse(&config, Path::new(""), std::iter::empty()).unwrap();
        let party = Party {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
        };
        let sealer = Sealer::new(&config.session.keys, &[party], &self.public_url);
        let (names, lifetimes) = (CookieNames::new(&config), Lifetimes::new(&config.session));
        let store = CookieStore::new(names.clone(), lifetimes, vec![self.provider.to_owned()]);
        let whole = store.seal(&sealer, &mallory(self.provider)).unwrap().remove(0).1;
        if (self.cookie, self.purpose) == (names.session(), Purpose::Session) {
            return whole;
        }
        let opened = sealer.open(
            Purpose::Session,
            names.session(),
            whole.as_bytes(),
            sidegate::clock::now(),
        );
        let opened = opened.unwrap();
        let sealed = sealer.seal(self.purpose, self.cookie, 0, opened.expires_at, opened.payload());
        sealed.unwrap()
    }
}

fn mallory(provider: &str) -> Session {
    let now = sidegate::clock::now();
    Session {
        provider: provider.to_owned(),
        identity: Identity {
            user: Some("mallory".into()),
            ..Identity::default()
        },
        tokens: Tokens {
            access_token: Secret::new("a".into()),
            refresh_token: None,
            id_token: None,
            obtained_at: now,
            expires_at: Some(Timestamp(now.0 + 600)),
            jitter: 0,
            from_userinfo: false,
        },
        signed_in_at: now,
        seen_at: now,
    }
}

#[tokio::test]
async fn a_cookie_of_another_deployment_with_the_same_key_is_no_session() {
    const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let gateway = Gateway::start().await;
    let line = |deployment: &Deployment| format!("sidegate={}", deployment.seal());
    assert_eq!(
        user(&gateway, &[&line(&Deployment::of(&gateway))]).await.as_deref(),
        Some("mallory")
    );
    let cases: [(&str, Change); 12] = [
        ("another key", |d| d.key = OTHER_KEY),
        ("another issuer", |d| d.issuer = "https://id.example.com".into()),
        ("an issuer with a slash more", |d| d.issuer.push('/')),
        ("another client", |d| d.client_id = "other".into()),
        ("the client's name in other case", |d| d.client_id = "APP".into()),
        ("issuer and client cut elsewhere", |d| {
            d.client_id = format!("{}{}", d.issuer.pop().unwrap(), d.client_id);
        }),
        ("another host", |d| d.public_url = "http://127.0.0.1:80".into()),
        ("another port", |d| d.public_url = "http://localhost:1".into()),
        ("another provider's name", |d| d.provider = "elsewhere"),
        ("another cookie", |d| d.cookie = "other"),
        ("a started login's purpose", |d| d.purpose = Purpose::PendingLogin),
        ("the purpose of state", |d| d.purpose = Purpose::State),
    ];
    for (what, change) in cases {
        let mut deployment = Deployment::of(&gateway);
        change(&mut deployment);
        assert_eq!(user(&gateway, &[&line(&deployment)]).await, None, "{what}");
    }
}
