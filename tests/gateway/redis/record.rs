//! Two requests that found the same session: neither takes back what the other wrote.

use std::path::Path;
use std::sync::Arc;

use sidegate::clock::Timestamp;
use sidegate::config::Config;
use sidegate::seal::{CookieNames, Jar, Party, Sealer};
use sidegate::secret::Secret;
use sidegate::session::{Identity, Lifetimes, Loaded, RedisStore, Session, Tokens};

use super::server::Server;
use crate::support::gateway::KEY;

const NOW: Timestamp = Timestamp(1_000);

struct Desk {
    store: Arc<RedisStore>,
    names: CookieNames,
    cookie: String,
}

impl Desk {
    /// With one session in Redis.
    async fn new(redis: &Server) -> Self {
        let text = format!(
            "[server]\npublic_url = \"http://app.test\"\n[providers.main]\nissuer = \"https://id\"\nclient_id = \"c\"\n\
             [session]\nkeys = [\"{KEY}\"]\nstore = \"redis\"\nredis = {{ url = \"{}\" }}\n\
             [[routes]]\npath = \"/\"\nupstream = \"http://127.0.0.1:1\"\n",
            redis.url()
        );
        let config = Config::parse(&text, Path::new(""), std::iter::empty()).unwrap();
        let party = Party {
            issuer: "https://id".into(),
            client_id: "c".into(),
        };
        let (names, lifetimes) = (CookieNames::new(&config), Lifetimes::new(&config.session));
        let sealer = Arc::new(Sealer::new(&config.session.keys, &[party], "http://app.test"));
        let redis = config.session.redis.clone().unwrap();
        let store = RedisStore::new(redis, None, names.clone(), lifetimes, vec!["main".into()], sealer);
        let store = Arc::new(store.unwrap());
        let ticket = store.begin(&session("first"), NOW).await.unwrap();
        let (name, value) = store.cookie(&ticket).unwrap();
        let cookie = format!("{name}={value}");
        Self { store, names, cookie }
    }

    async fn load(&self) -> Option<Loaded> {
        let jar = Jar::new(&self.names, std::iter::once(self.cookie.as_bytes()));
        self.store.load(&jar, NOW).await.unwrap()
    }

    async fn token(&self) -> Option<String> {
        let loaded = self.load().await?;
        Some(loaded.session.tokens.access_token.reveal().to_owned())
    }
}

fn session(token: &str) -> Session {
    Session {
        provider: "main".into(),
        identity: Identity::default(),
        tokens: Tokens {
            access_token: Secret::new(token.into()),
            refresh_token: Some(Secret::new("r".into())),
            id_token: None,
            obtained_at: NOW,
            expires_at: None,
            jitter: 0,
            from_userinfo: false,
        },
        signed_in_at: NOW,
        seen_at: NOW,
    }
}

#[tokio::test]
async fn the_time_of_a_request_does_not_take_a_refresh_back() {
    let redis = Server::start().await;
    let desk = Desk::new(&redis).await;
    let [early, late] = [desk.load().await, desk.load().await].map(|loaded| loaded.unwrap().record.unwrap());
    late.write_back(&session("second"), NOW).await.unwrap();
    early.write_back(&session("first"), NOW).await.unwrap();
    assert_eq!(desk.token().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn what_was_ended_is_not_written_back() {
    let redis = Server::start().await;
    let desk = Desk::new(&redis).await;
    let record = desk.load().await.unwrap().record.unwrap();
    record.delete().await.unwrap();
    record.write_back(&session("second"), NOW).await.unwrap();
    assert_eq!(desk.token().await, None);
}
