//! What was issued: codes, grants, tokens and browser sessions, in memory. Time is an argument.

use std::time::Duration;

use super::key::{random_text, sha256_base64url};
use super::shelf::Shelf;
use crate::clock::Timestamp;

/// How many entries of each kind are remembered.
const CAPACITY: usize = 20_000;

/// Everything that was issued and may still be asked about.
pub(super) struct Ledger {
    codes: Shelf<Code>,
    grants: Shelf<Grant>,
    access_tokens: Shelf<AccessToken>,
    refresh_tokens: Shelf<RefreshToken>,
    browsers: Shelf<Browser>,
}

/// What one person allowed one client; every token points at it, so that revoking it ends them all.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) client_id: String,
    /// [`super::Person::username`]
    pub(super) username: String,
    /// Scopes with one blank between them.
    pub(super) scope: String,
    pub(super) auth_time: Timestamp,
    /// The provider's browser session (OpenID Connect Back-Channel Logout §2.1).
    pub(super) sid: String,
}

/// An authorization request that a person agreed to.
pub(super) struct Agreed {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) nonce: Option<String>,
}

/// A grant and the id under which the ledger keeps it.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) id: String,
    pub(super) grant: Grant,
    /// Of the authorization request; a refresh has none (OpenID Connect Core §12.2).
    pub(super) nonce: Option<String>,
}

/// The provider's own session in a browser, found by the value of its cookie.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) username: String,
    pub(super) sid: String,
    pub(super) auth_time: Timestamp,
    expires: Timestamp,
}

/// `invalid_grant` (RFC 6749 §5.2), and why: for `error_description`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidGrant(pub(super) &'static str);

struct Code {
    grant_id: String,
    client_id: String,
    redirect_uri: String,
    code_challenge: String,
    nonce: Option<String>,
    expires: Timestamp,
    spent: bool,
}

struct AccessToken {
    grant_id: String,
    expires: Timestamp,
}

struct RefreshToken {
    grant_id: String,
    spent: bool,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            codes: Shelf::new(CAPACITY),
            grants: Shelf::new(CAPACITY),
            access_tokens: Shelf::new(CAPACITY),
            refresh_tokens: Shelf::new(CAPACITY),
            browsers: Shelf::new(CAPACITY),
        }
    }

    /// A code for what was agreed to (RFC 6749 §4.1.2).
    pub(super) fn issue_code(&mut self, agreed: Agreed, expires: Timestamp) -> String {
        let (code, grant_id) = (random_text(), random_text());
        let Agreed {
            grant,
            redirect_uri,
            code_challenge,
            nonce,
        } = agreed;
        let client_id = grant.client_id.clone();
        self.grants.put(grant_id.clone(), grant);
        let entry = Code {
            grant_id,
            client_id,
            redirect_uri,
            code_challenge,
            nonce,
            expires,
            spent: false,
        };
        self.codes.put(code.clone(), entry);
        code
    }

    /// Takes a code in, once. Any attempt by its own client spends it; a second one revokes what the first one got.
    ///
    /// # Errors
    /// [`InvalidGrant`]: unknown, spent, expired, another client's, another redirect URI, wrong verifier (RFC 7636 §4.6).
    pub(super) fn redeem(
        &mut self,
        code: &str,
        client_id: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        now: Timestamp,
    ) -> Result<Granted, InvalidGrant> {
        let entry = self.codes.entry_mut(code).filter(|c| c.client_id == client_id);
        let Some(entry) = entry else {
            return Err(InvalidGrant("this code is not known"));
        };
        if std::mem::replace(&mut entry.spent, true) {
            let grant_id = entry.grant_id.clone();
            self.grants.remove(&grant_id);
            return Err(InvalidGrant("this code was used before; its tokens are revoked"));
        }
        if now >= entry.expires {
            return Err(InvalidGrant("this code has expired"));
        }
        if redirect_uri != Some(&entry.redirect_uri) {
            return Err(InvalidGrant("redirect_uri is not that of the authorization request"));
        }
        if verifier.map(|v| sha256_base64url(v.as_bytes())).as_ref() != Some(&entry.code_challenge) {
            return Err(InvalidGrant("code_verifier does not match the code_challenge"));
        }
        let (id, nonce) = (entry.grant_id.clone(), entry.nonce.take());
        let grant = self
            .grants
            .entry(&id)
            .cloned()
            .ok_or(InvalidGrant("this grant was revoked"))?;
        Ok(Granted { id, grant, nonce })
    }

    /// Takes a refresh token in; with `rotate` it is spent by that, and a spent one revokes its grant
    /// (RFC 9700 §4.14.2).
    ///
    /// # Errors
    /// [`InvalidGrant`]: unknown, another client's, spent, or revoked.
    pub(super) fn refresh(&mut self, token: &str, client_id: &str, rotate: bool) -> Result<Granted, InvalidGrant> {
        let unknown = InvalidGrant("this refresh token is not known");
        let Some(entry) = self.refresh_tokens.entry_mut(token) else {
            return Err(unknown);
        };
        let id = entry.grant_id.clone();
        let grant = match self.grants.entry(&id) {
            None => return Err(InvalidGrant("this grant was revoked")),
            Some(grant) if grant.client_id != client_id => return Err(unknown),
            Some(grant) => grant.clone(),
        };
        if entry.spent {
            self.grants.remove(&id);
            return Err(InvalidGrant("this refresh token was used before; the grant is revoked"));
        }
        entry.spent = rotate;
        Ok(Granted { id, grant, nonce: None })
    }

    /// An access token of a grant; opaque.
    pub(super) fn issue_access_token(&mut self, granted: &Granted, expires: Timestamp) -> String {
        let token = random_text();
        self.access_tokens.put(
            token.clone(),
            AccessToken {
                grant_id: granted.id.clone(),
                expires,
            },
        );
        token
    }

    /// A refresh token of a grant; opaque, without an expiry of its own.
    pub(super) fn issue_refresh_token(&mut self, granted: &Granted) -> String {
        let token = random_text();
        self.refresh_tokens.put(
            token.clone(),
            RefreshToken {
                grant_id: granted.id.clone(),
                spent: false,
            },
        );
        token
    }

    /// The grant of an access token that is good at `now`.
    pub(super) fn grant_of(&self, access_token: &str, now: Timestamp) -> Option<&Grant> {
        let token = self.access_tokens.entry(access_token).filter(|t| now < t.expires)?;
        self.grants.entry(&token.grant_id)
    }

    /// Revokes a client's own token: an access token alone, a refresh token with its whole grant (RFC 7009 §2.1).
    /// Unknown and foreign tokens change nothing.
    pub(super) fn revoke(&mut self, token: &str, client_id: &str) {
        let grants = &self.grants;
        let own = |grant_id: &str| grants.entry(grant_id).is_some_and(|g| g.client_id == client_id);
        if self.access_tokens.entry(token).is_some_and(|t| own(&t.grant_id)) {
            self.access_tokens.remove(token);
        } else if let Some(id) = self
            .refresh_tokens
            .entry(token)
            .map(|t| t.grant_id.clone())
            .filter(|id| own(id))
        {
            self.grants.remove(&id);
        }
    }

    /// A browser session for `username`; the text is the cookie's value.
    pub(super) fn open_browser(&mut self, username: &str, lifetime: Duration, now: Timestamp) -> (String, Browser) {
        let (cookie, sid) = (random_text(), random_text());
        let browser = Browser {
            username: username.to_owned(),
            sid,
            auth_time: now,
            expires: now.plus(lifetime),
        };
        self.browsers.put(cookie.clone(), browser.clone());
        (cookie, browser)
    }

    /// The browser session of a cookie, if it is good at `now`.
    pub(super) fn browser(&self, cookie: &str, now: Timestamp) -> Option<&Browser> {
        self.browsers.entry(cookie).filter(|b| now < b.expires)
    }

    /// Ends a browser session and every grant that was given in it.
    pub(super) fn close_browser(&mut self, sid: &str) {
        self.browsers.retain(|b| b.sid != sid);
        self.grants.retain(|g| g.sid != sid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);
    const URI: &str = "http://app/cb";

    fn ledger_with_code() -> (Ledger, String) {
        let mut ledger = Ledger::new();
        let grant = Grant {
            client_id: "app".into(),
            username: "alice".into(),
            scope: "openid".into(),
            auth_time: NOW,
            sid: "s".into(),
        };
        let code_challenge = sha256_base64url(b"verifier");
        let agreed = Agreed {
            grant,
            redirect_uri: URI.into(),
            code_challenge,
            nonce: Some("n".into()),
        };
        let code = ledger.issue_code(agreed, NOW.plus(Duration::from_secs(60)));
        (ledger, code)
    }

    #[test]
    fn a_code_is_good_once_and_a_second_use_revokes_what_the_first_got() {
        let (mut ledger, code) = ledger_with_code();
        let granted = ledger.redeem(&code, "app", Some(URI), Some("verifier"), NOW).unwrap();
        assert_eq!(granted.nonce.as_deref(), Some("n"));
        let access = ledger.issue_access_token(&granted, Timestamp(2_000));
        assert!(ledger.grant_of(&access, NOW).is_some());
        assert!(ledger.redeem(&code, "app", Some(URI), Some("verifier"), NOW).is_err());
        assert!(ledger.grant_of(&access, NOW).is_none());
    }

    #[test]
    fn a_code_needs_its_verifier_its_redirect_uri_its_client_and_its_time() {
        for (client, uri, verifier, now, why) in [
            (
                "app",
                Some(URI),
                Some("another"),
                NOW,
                "code_verifier does not match the code_challenge",
            ),
            (
                "app",
                Some(URI),
                None,
                NOW,
                "code_verifier does not match the code_challenge",
            ),
            (
                "app",
                Some("http://app/cb/"),
                Some("verifier"),
                NOW,
                "redirect_uri is not that of the authorization request",
            ),
            (
                "app",
                None,
                Some("verifier"),
                NOW,
                "redirect_uri is not that of the authorization request",
            ),
            ("other", Some(URI), Some("verifier"), NOW, "this code is not known"),
            (
                "app",
                Some(URI),
                Some("verifier"),
                Timestamp(1_060),
                "this code has expired",
            ),
        ] {
            let (mut ledger, code) = ledger_with_code();
            assert_eq!(
                ledger.redeem(&code, client, uri, verifier, now).unwrap_err(),
                InvalidGrant(why)
            );
        }
    }

    #[test]
    fn a_spent_refresh_token_revokes_the_winners_tokens_too() {
        let (mut ledger, code) = ledger_with_code();
        let granted = ledger.redeem(&code, "app", Some(URI), Some("verifier"), NOW).unwrap();
        let first = ledger.issue_refresh_token(&granted);
        let granted = ledger.refresh(&first, "app", true).unwrap();
        let second = ledger.issue_refresh_token(&granted);
        assert!(ledger.refresh(&second, "other", true).is_err());
        assert!(ledger.refresh(&first, "app", true).is_err());
        assert_eq!(
            ledger.refresh(&second, "app", true).unwrap_err(),
            InvalidGrant("this grant was revoked")
        );
    }

    #[test]
    fn without_rotation_a_refresh_token_stays_good() {
        let (mut ledger, code) = ledger_with_code();
        let granted = ledger.redeem(&code, "app", Some(URI), Some("verifier"), NOW).unwrap();
        let token = ledger.issue_refresh_token(&granted);
        for _ in 0..3 {
            assert!(ledger.refresh(&token, "app", false).is_ok());
        }
    }

    #[test]
    fn only_the_own_client_revokes() {
        let (mut ledger, code) = ledger_with_code();
        let granted = ledger.redeem(&code, "app", Some(URI), Some("verifier"), NOW).unwrap();
        let (access, refresh) = (
            ledger.issue_access_token(&granted, Timestamp(2_000)),
            ledger.issue_refresh_token(&granted),
        );
        ledger.revoke(&refresh, "other");
        ledger.revoke(&access, "other");
        assert!(ledger.grant_of(&access, NOW).is_some());
        ledger.revoke(&access, "app");
        assert!(ledger.grant_of(&access, NOW).is_none());
        assert!(ledger.refresh(&refresh, "app", true).is_ok());
        ledger.revoke(&refresh, "app");
        assert!(ledger.refresh(&refresh, "app", true).is_err());
    }
}
