//! The one place where a request's effect on our cookies becomes `Set-Cookie` values.

use std::time::Duration;

use cookie::{Cookie, SameSite, time};

use super::context::CookieWork;
use super::site::Site;
use crate::clock::Timestamp;
use crate::config;
use crate::flow::PendingLogin;
use crate::seal::Jar;
use crate::session::SessionChange;
use crate::telemetry::Metrics;

/// At most this many cookies are deleted by one answer.
const MOST_DELETIONS: usize = 20;
/// At most this many started logins in one browser; the oldest gives way.
const MOST_LOGINS: usize = 5;

/// `Set-Cookie` values for an answer that leaves now; nothing the second time.
pub(super) fn apply(site: &Site, metrics: &Metrics, work: &mut CookieWork, now: Timestamp) -> Vec<String> {
    if std::mem::replace(&mut work.applied, true) {
        return Vec::new();
    }
    work.take_renewal();
    let mut lines = std::mem::take(&mut work.logins);
    if matches!(work.change, SessionChange::Clear) {
        delete_all(site, &work.session_names, &[], &mut lines);
    }
    match site.store.cookies(&site.sealer, &work.change) {
        Ok(None) => {}
        Ok(Some(cookies)) => {
            let bytes = cookies.pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
            metrics.session_cookie_bytes(bytes);
            let kept: Vec<&str> = cookies.pairs.iter().map(|(name, _)| name.as_str()).collect();
            delete_all(site, &work.session_names, &kept, &mut lines);
            let left = cookies.ends_at.since(now);
            let new = cookies.pairs.into_iter();
            lines.extend(new.map(|(name, value)| session_cookie(site, name, value, Some(left))));
        }
        Err(error) => tracing::error!(%error,
            "a session could not be written to its cookies; ask the provider for fewer claims or scopes or shorter tokens, or write store = \"redis\""),
    }
    lines
}

fn delete_all(site: &Site, names: &[String], kept: &[&str], lines: &mut Vec<String>) {
    let gone = names
        .iter()
        .filter(|name| !kept.contains(&name.as_str()))
        .take(MOST_DELETIONS);
    lines.extend(gone.map(|name| session_cookie(site, name.clone(), String::new(), None)));
}

/// `left`: how long it stays; `None` deletes it.
fn session_cookie(site: &Site, name: String, value: String, left: Option<Duration>) -> String {
    let config = &site.config.session;
    let mut cookie = base(
        site,
        name,
        value,
        same_site(config.same_site),
        left.filter(|_| config.persistent),
        left.is_none(),
    );
    if let Some(domain) = &config.cookie_domain {
        cookie.set_domain(domain.clone());
    }
    cookie.set_partitioned(config.partitioned.then_some(true));
    cookie.to_string()
}

/// The cookie of a login that was begun; `value` empty deletes it.
pub(super) fn login_cookie(site: &Site, name: String, value: String) -> String {
    let deleted = value.is_empty();
    let left = (!deleted).then_some(site.config.session.login_timeout);
    base(site, name, value, SameSite::Lax, left, deleted).to_string()
}

/// Deletions of started logins, so that with one more there are [`MOST_LOGINS`]: what does not open first, then the
/// oldest.
pub(super) fn room_for_login(site: &Site, jar: &Jar<'_>, now: Timestamp) -> Vec<String> {
    let mut begun: Vec<(Option<Timestamp>, &str)> = jar
        .login_names()
        .into_iter()
        .map(|name| {
            let ends = jar
                .values(name)
                .find_map(|value| PendingLogin::ends_at(&site.sealer, name, value, now));
            (ends, name)
        })
        .collect();
    begun.sort_unstable();
    let surplus = (begun.len() + 1).saturating_sub(MOST_LOGINS).min(MOST_DELETIONS);
    begun
        .into_iter()
        .take(surplus)
        .map(|(_, name)| login_cookie(site, name.to_owned(), String::new()))
        .collect()
}

fn base(
    site: &Site,
    name: String,
    value: String,
    same_site: SameSite,
    left: Option<Duration>,
    deleted: bool,
) -> Cookie<'static> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(same_site);
    cookie.set_secure(site.config.server.public_url.https.then_some(true));
    if deleted {
        cookie.set_max_age(time::Duration::ZERO);
        cookie.set_expires(time::OffsetDateTime::UNIX_EPOCH);
    } else if let Some(left) = left {
        cookie.set_max_age(time::Duration::seconds(
            i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        ));
    }
    cookie
}

fn same_site(configured: config::SameSite) -> SameSite {
    match configured {
        config::SameSite::Lax => SameSite::Lax,
        config::SameSite::Strict => SameSite::Strict,
        config::SameSite::None => SameSite::None,
    }
}
