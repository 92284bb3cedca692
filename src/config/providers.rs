//! `[providers.*]`: the authorization servers.

use std::path::PathBuf;
use std::time::Duration;

use toml::Value;
use url::Url;

use super::problems::alternatives;
use super::reader::Reader;
use super::values::{Parsed, duration, filled, is_local, span, string, web_url};
use crate::secret::Secret;

/// One `[providers.NAME]`.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The NAME in `[providers.NAME]`.
    pub name: String,
    /// What the chooser shows; the name where it is absent.
    pub display_name: String,
    /// OpenID Connect issuer; `None`: endpoints are named. Kept as the operator wrote it: issuers compare byte for byte.
    pub issuer: Option<String>,
    /// RFC 6749 §3.1
    pub authorization_endpoint: Option<Url>,
    /// RFC 6749 §3.2
    pub token_endpoint: Option<Url>,
    /// OpenID Connect Core §5.3
    pub userinfo_endpoint: Option<Url>,
    /// RFC 7517
    pub jwks_uri: Option<Url>,
    /// RFC 7009
    pub revocation_endpoint: Option<Url>,
    /// OpenID Connect RP-Initiated Logout 1.0
    pub end_session_endpoint: Option<Url>,
    /// RFC 6749 §2.2
    pub client_id: String,
    /// RFC 6749 §2.3.1; `None` for public clients.
    pub client_secret: Option<Secret>,
    /// How the client shows who it is.
    pub client_auth: ClientAuth,
    /// RFC 6749 §3.3
    pub scopes: Vec<String>,
    /// Put between scopes in the request.
    pub scope_separator: String,
    /// RFC 8707
    pub resource: Vec<String>,
    /// Added to the authorization request.
    pub authorization_params: Vec<(String, String)>,
    /// Added to every token request.
    pub token_params: Vec<(String, String)>,
    /// RFC 7636; false only with `pkce = "off"` and `insecure_disable_pkce = true`.
    pub pkce: bool,
    /// Accepted JWS algorithms; empty: what the metadata lists.
    pub signing_algs: Vec<String>,
    /// When userinfo is asked.
    pub userinfo: Userinfo,
    /// Claim name (`user`, `email`, `groups`, `name`, and more) to the path in the provider's claims, split at dots.
    /// Always has those four; claims that routes name by path (`{claim.a.b}`, `allow.claims`) are added under that path.
    pub claims: Vec<(String, Vec<String>)>,
    /// Extra CA certificates (PEM) trusted for this provider.
    pub ca_file: Option<PathBuf>,
    /// For each call, connect and body included.
    pub timeout: Duration,
    /// Leeway for `exp`, `iat` and `nbf`.
    pub clock_leeway: Duration,
    /// Plain `http://` endpoints allowed outside localhost.
    pub insecure_allow_http: bool,
    /// An e-mail that is not verified may match rules.
    pub insecure_allow_unverified_email: bool,
}

impl Provider {
    /// Whether both say the same, secrets included.
    pub fn same_as(&self, other: &Self) -> bool {
        let secret = match (&self.client_secret, &other.client_secret) {
            (Some(one), Some(other)) => one.same_as(other),
            (None, None) => true,
            _ => false,
        };
        // Secrets print as `[secret]`, everything else as it is.
        secret && format!("{self:?}") == format!("{other:?}")
    }
}

/// `client_auth`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// By metadata: basic where it is listed or nothing is, else post; `none` without a secret.
    Auto,
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    /// Public client.
    None,
}

/// `userinfo`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Userinfo {
    /// When there is no id_token.
    Auto,
    /// After every login and refresh.
    Always,
    /// Never.
    Never,
}

/// Parameters of the authorization request that sidegate sets itself.
const AUTHORIZATION_PARAMS: &[&str] = &[
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "request",
    "request_uri",
];

/// Parameters of token requests that sidegate sets itself.
const TOKEN_PARAMS: &[&str] = &[
    "grant_type",
    "code",
    "redirect_uri",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "code_verifier",
    "refresh_token",
    "resource",
];

/// RFC 7518 §3.1 and RFC 8037 §3.1; HMAC has to be named here to be accepted at all.
const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512",
];

/// The claims that always have a name, and where they are unless the operator says otherwise.
const CLAIMS: &[(&str, &str)] = &[
    ("user", "sub"),
    ("email", "email"),
    ("groups", "groups"),
    ("name", "preferred_username"),
];

/// Reads one `[providers.NAME]`.
pub(super) fn read(name: String, r: &mut Reader<'_>) -> Provider {
    let insecure_allow_http = r.flag("insecure_allow_http", false);
    let scopes = scopes(r);
    let provider = Provider {
        display_name: r.optional("display_name", filled).unwrap_or_else(|| name.clone()),
        name,
        issuer: issuer(r, insecure_allow_http),
        authorization_endpoint: endpoint(r, "authorization_endpoint", insecure_allow_http),
        token_endpoint: endpoint(r, "token_endpoint", insecure_allow_http),
        userinfo_endpoint: endpoint(r, "userinfo_endpoint", insecure_allow_http),
        jwks_uri: endpoint(r, "jwks_uri", insecure_allow_http),
        revocation_endpoint: endpoint(r, "revocation_endpoint", insecure_allow_http),
        end_session_endpoint: endpoint(r, "end_session_endpoint", insecure_allow_http),
        client_id: r
            .required("client_id", "the name that the provider gave this client", filled)
            .unwrap_or_default(),
        client_secret: None,
        client_auth: ClientAuth::Auto,
        scopes,
        scope_separator: r.or("scope_separator", " ".to_owned(), |value| match string(value)? {
            text if text.is_empty() => Err("is empty; write \" \" or \",\"".to_owned()),
            text => Ok(text),
        }),
        resource: r.list("resource", resource),
        authorization_params: params(r, "authorization_params", AUTHORIZATION_PARAMS),
        token_params: params(r, "token_params", TOKEN_PARAMS),
        pkce: pkce(r),
        signing_algs: r.list("signing_algs", algorithm),
        userinfo: Userinfo::Auto,
        claims: claims(r),
        ca_file: r.ca_file("ca_file"),
        timeout: r.or("timeout", Duration::from_secs(10), span),
        clock_leeway: r.or("clock_leeway", Duration::from_secs(60), duration),
        insecure_allow_http,
        insecure_allow_unverified_email: r.flag("insecure_allow_unverified_email", false),
    };
    r.choice("response_mode", &[("query", ())]);
    require_endpoints(r, &provider);
    let provider = with_client(r, provider);
    with_userinfo(r, provider)
}

/// `client_secret`, `client_auth`, and whether they fit each other.
fn with_client(r: &mut Reader<'_>, provider: Provider) -> Provider {
    let client_secret = r.secret("client_secret");
    let choices = [
        ("auto", ClientAuth::Auto),
        ("basic", ClientAuth::Basic),
        ("post", ClientAuth::Post),
        ("none", ClientAuth::None),
    ];
    let client_auth = r.choice("client_auth", &choices).unwrap_or(ClientAuth::Auto);
    // A secret that is there and cannot be read has its own line already.
    let absent = client_secret.is_none() && !r.failed("client_secret");
    if absent && matches!(client_auth, ClientAuth::Basic | ClientAuth::Post) {
        r.problem(
            "client_auth",
            "needs client_secret; add it, or write \"none\" for a public client",
        );
    }
    if absent && provider.signing_algs.iter().any(|alg| alg.starts_with("HS")) {
        r.problem(
            "signing_algs",
            "has HMAC, which needs client_secret; add it or remove the HS algorithms",
        );
    }
    Provider {
        client_secret,
        client_auth,
        ..provider
    }
}

fn with_userinfo(r: &mut Reader<'_>, provider: Provider) -> Provider {
    let choices = [
        ("auto", Userinfo::Auto),
        ("always", Userinfo::Always),
        ("never", Userinfo::Never),
    ];
    let userinfo = r.choice("userinfo", &choices).unwrap_or(Userinfo::Auto);
    if userinfo == Userinfo::Always && provider.issuer.is_none() && provider.userinfo_endpoint.is_none() {
        r.problem("userinfo", "needs userinfo_endpoint; add it or write \"auto\"");
    }
    Provider { userinfo, ..provider }
}

/// Without an issuer there is nothing to discover: the two endpoints of every login must be named.
fn require_endpoints(r: &Reader<'_>, provider: &Provider) {
    if provider.issuer.is_some() || r.failed("issuer") {
        return;
    }
    let endpoints = [
        ("authorization_endpoint", &provider.authorization_endpoint),
        ("token_endpoint", &provider.token_endpoint),
    ];
    if endpoints.iter().all(|(key, url)| url.is_none() && !r.failed(key)) {
        let write = "the provider's issuer, \"https://id.example.com\", or authorization_endpoint and token_endpoint";
        r.problem("issuer", format!("is missing; write {write}"));
        return;
    }
    for (key, url) in endpoints {
        if url.is_none() && !r.failed(key) {
            r.problem(key, "is missing; write its address, or the provider's issuer");
        }
    }
}

fn issuer(r: &mut Reader<'_>, allow_http: bool) -> Option<String> {
    r.optional("issuer", |value| {
        let url = web_url(value)?;
        // OpenID Connect Core §2 and RFC 8414 §2: no query, no fragment.
        if url.query().is_some() {
            return Err("has a query; write the issuer without \"?\"".to_owned());
        }
        secure(&url, allow_http)?;
        string(value)
    })
}

fn endpoint(r: &mut Reader<'_>, key: &str, allow_http: bool) -> Option<Url> {
    r.optional(key, |value| {
        let url = web_url(value)?;
        secure(&url, allow_http)?;
        Ok(url)
    })
}

fn secure(url: &Url, allow_http: bool) -> Parsed<()> {
    if url.scheme() == "https" || allow_http || is_local(url) {
        return Ok(());
    }
    Err("is plain http; write https, or insecure_allow_http = true for a test network".to_owned())
}

/// RFC 6749 §3.3
fn scopes(r: &mut Reader<'_>) -> Vec<String> {
    if !r.has("scopes") {
        r.take("scopes");
        return ["openid", "profile", "email"].map(str::to_owned).to_vec();
    }
    r.list("scopes", |value| {
        let text = string(value)?;
        let token = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || !text.bytes().all(token) {
            return Err("is not one scope; write each in quotes of its own, [\"openid\", \"email\"]".to_owned());
        }
        Ok(text)
    })
}

/// RFC 8707 §2
fn resource(value: &Value) -> Parsed<String> {
    let text = string(value)?;
    match Url::parse(&text) {
        Ok(url) if url.fragment().is_none() => Ok(text),
        _ => Err("is not an absolute URI; write for example \"https://api.example.com\"".to_owned()),
    }
}

fn params(r: &mut Reader<'_>, key: &str, ours: &[&str]) -> Vec<(String, String)> {
    r.pairs(key, |name, value| {
        if ours.contains(&name) {
            return Err("is set by sidegate itself; remove it".to_owned());
        }
        string(value)
    })
}

fn pkce(r: &mut Reader<'_>) -> bool {
    let on = r.choice("pkce", &[("S256", true), ("off", false)]).unwrap_or(true);
    if !r.flag("insecure_disable_pkce", false) && !on {
        r.problem(
            "pkce",
            "is off; write \"S256\", or insecure_disable_pkce = true as well",
        );
        return true;
    }
    on
}

fn algorithm(value: &Value) -> Parsed<String> {
    let text = string(value)?;
    match text.as_str() {
        "none" => Err("accepts anything unsigned; remove it".to_owned()),
        known if ALGORITHMS.contains(&known) => Ok(text),
        _ => Err(format!(
            "is not an algorithm that sidegate verifies; write {}",
            alternatives(ALGORITHMS.iter().copied())
        )),
    }
}

/// The mapping in the operator's words over the defaults.
fn claims(r: &mut Reader<'_>) -> Vec<(String, Vec<String>)> {
    let mut claims: Vec<(String, Vec<String>)> = CLAIMS
        .iter()
        .map(|(name, path)| ((*name).to_owned(), vec![(*path).to_owned()]))
        .collect();
    let given = r.pairs("claims", |_, value| claim_path(&string(value)?));
    for (name, path) in given {
        match claims.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = path,
            None => claims.push((name, path)),
        }
    }
    claims
}

/// Where a claim is: split at dots. A claim that is named by a URL (`https://example.com/groups`) is one name, dots and all.
pub(super) fn claim_path(text: &str) -> Parsed<Vec<String>> {
    if text.contains("://") {
        return Ok(vec![text.to_owned()]);
    }
    let path: Vec<String> = text.split('.').map(str::to_owned).collect();
    if path.iter().any(|segment| segment.trim().is_empty()) {
        return Err("is not a claim; write for example \"groups\" or \"realm_access.roles\"".to_owned());
    }
    Ok(path)
}
