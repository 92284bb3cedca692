//! What our cookies are called.

use crate::config::Config;

/// The names of our cookies, with the prefix that the browser enforces (RFC 6265bis §4.1.3).
#[derive(Clone, Debug)]
pub struct CookieNames {
    session: String,
    login: String,
}

impl CookieNames {
    /// Names for this configuration: with https `__Host-`, or `__Secure-` for a session cookie with a domain.
    pub fn new(config: &Config) -> Self {
        let (name, https) = (&config.session.cookie_name, config.server.public_url.https);
        let session = match (https, &config.session.cookie_domain) {
            (false, _) => "",
            (true, None) => "__Host-",
            (true, Some(_)) => "__Secure-",
        };
        let login = if https { "__Host-" } else { "" };
        Self {
            session: format!("{session}{name}"),
            login: format!("{login}{name}_login_"),
        }
    }

    /// The names for plain http, for tests.
    #[cfg(test)]
    pub(crate) fn plain(name: &str) -> Self {
        Self {
            session: name.to_owned(),
            login: format!("{name}_login_"),
        }
    }

    /// The session cookie; its parts add `_0`, `_1` …
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The cookie of the started login with this id.
    pub fn login(&self, id: &str) -> String {
        format!("{}{id}", self.login)
    }

    /// Whether this is the cookie of a started login.
    pub fn is_login(&self, name: &[u8]) -> bool {
        name.starts_with(self.login.as_bytes())
    }

    /// Whether this is the session cookie or a part of one.
    pub fn is_session(&self, name: &[u8]) -> bool {
        name.strip_prefix(self.session.as_bytes())
            .is_some_and(|rest| rest.is_empty() || part_number(rest).is_some())
    }

    /// Whether the cookie is ours and never reaches an upstream, nor is accepted from one.
    pub fn is_ours(&self, name: &[u8]) -> bool {
        self.is_session(name) || self.is_login(name)
    }

    /// The number in a part's name: `3` for `sidegate_3`.
    pub(super) fn part(&self, name: &[u8]) -> Option<usize> {
        name.strip_prefix(self.session.as_bytes()).and_then(part_number)
    }
}

fn part_number(rest: &[u8]) -> Option<usize> {
    let digits = rest.strip_prefix(b"_")?;
    let short = (1..=4).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if short {
        std::str::from_utf8(digits).ok()?.parse().ok()
    } else {
        None
    }
}
