//! Upstreams, who may in, what needs no login, headers.
//!
//! | file | what it is |
//! |---|---|
//! | `mod` | the tables that are printed |
//! | `rules` | who may in: `allow`, or closed |
//! | `special` | routes for patterns: open without a login, or without a redirect |
//! | `paths` | oauth2-proxy's patterns become paths, where they can |

mod paths;
mod rules;
mod special;

use std::path::Path;

use toml::{Table, Value};
use url::Url;

use self::rules::Rules;
use self::special::{Printed, others, preflight, special};
use super::new::New;
use super::old::Old;

/// One server behind the gateway, at a path.
struct Upstream {
    name: String,
    path: String,
}

/// What is the same on every route.
struct Every {
    rules: Rules,
    authorization: Authorization,
    host_header: bool,
}

/// What the application gets as `Authorization`.
enum Authorization {
    None,
    IdToken,
    AccessToken,
    Basic(String),
}

pub(super) fn write(old: &mut Old, new: &mut New, unverified_email: bool, file: &Path) {
    let upstreams = upstreams(old, new);
    let every = Every {
        rules: rules::read(old, unverified_email, file),
        authorization: authorization(old, new),
        host_header: old.flag("pass_host_header") != Some(false),
    };
    let mut printed: Vec<Printed<'_>> = Vec::new();
    for upstream in &upstreams {
        new.table("[[routes]]");
        new.key("path", upstream.path.as_str());
        every.rules.write(new);
        every.write(new, upstream, false);
        printed.push(Printed {
            path: upstream.path.clone(),
            method: None,
            public: false,
            upstream,
        });
    }
    let open = [old.list("skip_auth_routes"), old.list("skip_auth_regex")].concat();
    for text in open {
        special(new, &every, &upstreams, &mut printed, &text, true);
    }
    for text in old.list("api_routes") {
        special(new, &every, &upstreams, &mut printed, &text, false);
    }
    others(new, &every, &printed);
    if old.flag("skip_auth_preflight") == Some(true) {
        preflight(new, &every, &printed);
    }
    identity(old, new);
}

/// `upstreams`, each a table of its own.
fn upstreams(old: &mut Old, new: &mut New) -> Vec<Upstream> {
    let insecure = old.flag("ssl_upstream_insecure_skip_verify") == Some(true);
    let patience = old.seconds("upstream_timeout").ok().flatten();
    let mut found: Vec<Upstream> = Vec::new();
    for text in old.list("upstreams") {
        let Some((server, path)) = server(&text) else {
            new.note(
                "upstreams: files (file://) and fixed answers (static://) have no counterpart; serve them elsewhere.",
            );
            continue;
        };
        if found.iter().any(|known| known.path == path) {
            new.note("upstreams: two at one path; the first counts.");
            continue;
        }
        let name = match found.len() {
            0 => "app".to_owned(),
            count => format!("app{}", count + 1),
        };
        new.table(&format!("[upstreams.{name}]"));
        new.key("servers", vec![server.as_str()]);
        if let Some(seconds @ 1..) = patience {
            new.key("read_timeout", super::new::duration(seconds));
        }
        if insecure && server.starts_with("https:") {
            new.key("insecure_skip_verify", true);
        }
        found.push(Upstream { name, path });
    }
    if found.is_empty() {
        new.note("No upstream: write [[routes]] with path and upstream, or leave this one closed for auth requests.");
        new.table("[[routes]]");
        new.key("path", "/");
        new.key("access", "deny");
    }
    found
}

/// Server and path: the path of the URL is the path on our side too.
fn server(text: &str) -> Option<(String, String)> {
    let url = Url::parse(text).ok()?;
    match url.scheme() {
        "unix" => Some((format!("unix:{}", url.path()), "/".to_owned())),
        "http" | "https" => {
            let path = match url.path().trim_end_matches('/') {
                "" => "/",
                path => path,
            };
            Some((url.origin().ascii_serialization(), path.to_owned()))
        }
        _ => None,
    }
}

fn authorization(old: &mut Old, new: &mut New) -> Authorization {
    let password = old.text("basic_auth_password");
    let basic = old.flag("pass_basic_auth") != Some(false);
    let id_token = old.flag("pass_authorization_header") == Some(true);
    let access_token = old.flag("pass_access_token") == Some(true);
    if access_token {
        new.note(
            "pass_access_token: the access token comes as Authorization: Bearer, never as X-Forwarded-Access-Token.",
        );
    }
    match password {
        _ if id_token => Authorization::IdToken,
        Some(password) if basic => Authorization::Basic(password),
        _ if access_token => Authorization::AccessToken,
        _ => {
            new.note("authorization: a client's own is passed on with \"keep\" only; here nobody's is.");
            Authorization::None
        }
    }
}

impl Every {
    /// What a route needs beside its path and access.
    fn write(&self, new: &mut New, upstream: &Upstream, public: bool) {
        new.key("upstream", upstream.name.as_str());
        match &self.authorization {
            // As oauth2-proxy does: a client's own goes through where nobody is asked who they are.
            _ if public => new.key("authorization", "keep"),
            Authorization::None => new.key("authorization", "none"),
            Authorization::IdToken => new.key("authorization", "id_token"),
            Authorization::AccessToken => new.key("authorization", "access_token"),
            Authorization::Basic(password) => {
                new.key("authorization", "basic");
                new.key("basic_password", password.as_str());
            }
        }
        if !self.host_header {
            new.key("host_header", "upstream");
        }
    }
}

fn identity(old: &mut Old, new: &mut New) {
    let email_as_user = old.flag("prefer_email_to_user") == Some(true);
    let sent = old.flag("pass_user_headers") != Some(false);
    old.flag("set_xauthrequest");
    if !sent {
        new.table("[identity_headers]");
    } else if email_as_user {
        new.table("[identity_headers]");
        let headers: Table = [
            ("X-Forwarded-User", "email"),
            ("X-Forwarded-Email", "email"),
            ("X-Forwarded-Groups", "groups"),
            ("X-Forwarded-Preferred-Username", "name"),
        ]
        .into_iter()
        .map(|(header, claim)| (header.to_owned(), Value::from(claim)))
        .collect();
        for (header, claim) in headers {
            new.key(&header, claim);
        }
    }
}
