//! What was secret, what was written for others, and whether the one is in the other.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::form_urlencoded;

use crate::support::browser::Browser;
use crate::support::gateway::{CLIENT_ID, CLIENT_SECRET, Gateway, KEY};
use crate::support::idp::Endpoint;
use crate::support::seen::Seen;
use crate::support::wire::Response;

/// Texts that many threads write to.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub fn add(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Secrets by value, each with what it is; texts by where they stood.
#[derive(Default)]
pub struct Witness {
    secrets: BTreeMap<String, String>,
    told: Vec<(String, String)>,
}

impl Witness {
    /// Something secret.
    pub fn hide(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 8, "{what} is too short to be told from other text");
        self.secrets.insert(secret.to_owned(), what.to_owned());
    }

    /// Something that was written for others.
    pub fn tell(&mut self, what: &str, text: &str) {
        self.told.push((what.to_owned(), text.to_owned()));
    }

    /// The gateway's answer to something that went wrong: its page, and its header but for what is meant for the browser.
    pub fn answer(&mut self, what: &str, answer: &Response) {
        assert!(answer.status >= 400 || answer.status == 0, "{what}: {}", answer.status);
        let public = |name: &str| !["set-cookie", "location"].contains(&name.to_ascii_lowercase().as_str());
        let head: Vec<String> = answer
            .lines
            .iter()
            .filter(|(name, _)| public(name))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        self.tell(what, &format!("{}\n{}", head.join("\n"), answer.text()));
    }

    /// Every cookie that a browser has now.
    pub fn cookies(&mut self, browser: &Browser) {
        for (name, value) in browser.cookies() {
            self.hide(&format!("cookie {name}"), &value);
        }
    }

    /// Everything secret that went between the gateway, its provider and its app, and its metrics.
    pub async fn end(&mut self, gateway: &Gateway) {
        self.hide("the session key", KEY);
        self.hide("the client secret", CLIENT_SECRET);
        self.hide(
            "the client's credentials",
            &STANDARD_NO_PAD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")),
        );
        let idp = &gateway.idp;
        for seen in idp.seen(Endpoint::Token).iter().chain(&idp.seen(Endpoint::Revocation)) {
            self.parameters(seen, &["code", "code_verifier", "refresh_token", "token"], Seen::form);
        }
        for seen in idp
            .seen(Endpoint::Authorize)
            .iter()
            .chain(&idp.seen(Endpoint::EndSession))
        {
            self.parameters(seen, &["state", "nonce", "id_token_hint"], Seen::query);
        }
        for seen in gateway.app.seen().iter().chain(&idp.seen(Endpoint::Userinfo)) {
            if let Some(token) = seen.header("authorization") {
                self.hide("an access token", token.split(' ').nth(1).unwrap());
            }
        }
        let admin = Browser::new(&format!("http://{}", gateway.admin));
        let metrics = admin.request("GET", "/metrics").send().await.text();
        assert!(metrics.contains("sidegate_http_requests_total"), "{metrics}");
        self.tell("the metrics", &metrics);
    }

    fn parameters(&mut self, seen: &Seen, names: &[&str], find: impl Fn(&Seen, &str) -> Option<String>) {
        for name in names {
            if let Some(value) = find(seen, name) {
                self.hide(name, &value);
            }
        }
    }

    /// Panics with the secret's name, and never the secret, where one is found.
    pub fn judge(&self) {
        assert!(self.secrets.len() > 30, "only {} secrets were seen", self.secrets.len());
        for what in [
            "code",
            "code_verifier",
            "nonce",
            "state",
            "refresh_token",
            "id_token_hint",
            "an access token",
        ] {
            assert!(self.secrets.values().any(|own| own == what), "no {what} was seen");
        }
        let found: Vec<String> = self
            .told
            .iter()
            .flat_map(|(place, text)| self.found(text).map(move |what| format!("{what} is in {place}")))
            .collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
        let (secret, _) = self.secrets.first_key_value().unwrap();
        assert!(
            self.found(&format!("…{secret}…")).next().is_some(),
            "the tripwire itself is broken"
        );
    }

    /// What is in `text`: whole or in part, as it is or in one of the usual codings.
    fn found<'s>(&'s self, text: &'s str) -> impl Iterator<Item = &'s str> {
        let there = move |secret: &&String| {
            spellings(secret)
                .iter()
                .any(|spelling| text.contains(spelling.as_str()))
        };
        self.secrets
            .keys()
            .filter(there)
            .map(|secret| self.secrets[secret].as_str())
    }
}

fn spellings(secret: &str) -> Vec<String> {
    let mut spellings = vec![
        secret.to_owned(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    // A JWT's header is no secret, and a sealed value's first characters name its key.
    let body = secret.split_once('.').map_or(secret, |(_, rest)| rest);
    if body.is_ascii() && body.len() >= 40 {
        spellings.extend([body[8..24].to_owned(), body[body.len() - 16..].to_owned()]);
    }
    spellings
}
