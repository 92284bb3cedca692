//! What the operator said: one TOML file and the environment become an immutable [`Config`], or the list of all problems.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use url::Url;

use crate::secret::Secret;

/// The whole configuration, checked and resolved. Never changed after it was made.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin] listen`; `None` turns the admin listener off.
    pub admin: Option<SocketAddr>,
    /// `[providers.*]`, sorted by name; never empty.
    pub providers: Vec<Provider>,
    /// `[session]`
    pub session: Session,
    /// Every upstream a route names; `Route::access` holds indexes into this list.
    pub upstreams: Vec<Upstream>,
    /// `[[routes]]` as written; never empty.
    pub routes: Vec<Route>,
    /// `[identity_headers]`: header and the claim (a key of [`Provider::claims`]) it carries.
    pub identity_headers: Vec<(HeaderName, String)>,
    /// `[redirects] allowed`
    pub allowed_redirects: Vec<OriginPattern>,
    /// `[pages]`
    pub pages: Pages,
    /// `[log]`
    pub log: Log,
}

/// The origin that browsers use (RFC 6454 §4): scheme, host and port of `public_url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// Whether the scheme is https: decides `Secure`, `__Host-` and HSTS.
    pub https: bool,
    /// Host as it stands in a `Host` header, lower case, IPv6 in brackets.
    pub host: String,
    /// Port, the scheme's default filled in.
    pub port: u16,
    /// The origin as browsers write it, no trailing slash, no default port: `https://app.example.com`.
    pub origin: String,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// Where the gateway listens; never empty.
    pub listen: Vec<Listen>,
    /// The origin that browsers use.
    pub public_url: PublicUrl,
    /// Where the gateway's own endpoints live: `/oauth2`, no trailing slash.
    pub prefix: String,
    /// Worker threads; 0: one per core.
    pub threads: usize,
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether Unix-socket peers are trusted too (`"unix"` in `trusted_proxies`).
    pub trust_unix: bool,
    /// After SIGTERM: not ready at once, still accepting this long.
    pub shutdown_delay: Duration,
    /// How long in-flight requests get after that.
    pub shutdown_timeout: Duration,
    /// `Host` values accepted besides `public_url`'s and the routes' own, lower case, with or without a port.
    pub hosts: Vec<String>,
    /// `hosts = ["*"]`
    pub any_host: bool,
    /// `Strict-Transport-Security` on own answers (https only).
    pub hsts: bool,
    /// `[server.tls]`; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Largest request header, bytes.
    pub request_header_limit: usize,
    /// Largest request body, bytes; 0: no limit.
    pub request_body_limit: u64,
    /// How long a keep-alive connection may be idle.
    pub idle_timeout: Duration,
}

/// One listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `host:port` or `[v6]:port`, resolved.
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

/// `[server.tls]`: PEM files, read and parsed once while checking.
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM certificate chain.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

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

/// `[session]`
#[derive(Clone, Debug)]
pub struct Session {
    /// 32-byte keys; the first seals, all open; never empty.
    pub keys: Vec<SessionKey>,
    /// Name as configured, without `__Host-`.
    pub cookie_name: String,
    /// `Domain`; `None`: host-only.
    pub cookie_domain: Option<String>,
    /// `SameSite`
    pub same_site: SameSite,
    /// `Partitioned`
    pub partitioned: bool,
    /// `Max-Age` on the session cookie.
    pub persistent: bool,
    /// Absolute, counted from login.
    pub lifetime: Duration,
    /// Ends a session without requests for this long; zero: never.
    pub idle_timeout: Duration,
    /// Refresh this long before expiry, at most half of the token's lifetime.
    pub refresh_before: Duration,
    /// Late requests with the old cookie get the same result this long.
    pub refresh_grace: Duration,
    /// How long a started login stays good.
    pub login_timeout: Duration,
}

/// A session key: 32 bytes, wiped when dropped.
#[derive(Clone)]
pub struct SessionKey(pub zeroize::Zeroizing<[u8; 32]>);

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

/// `same_site`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent on cross-site top-level navigations too.
    Lax,
    /// Same-site requests only.
    Strict,
    /// Everywhere; needs https.
    None,
}

/// A group of servers that serve the same application.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The NAME in `[upstreams.NAME]`, or the URL that a route gave.
    pub name: String,
    /// Never empty.
    pub servers: Vec<UpstreamServer>,
    /// Connecting, TLS included.
    pub connect_timeout: Duration,
    /// Between two reads; does not apply to WebSockets and event streams.
    pub read_timeout: Duration,
    /// CA certificates (PEM) trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Name asked for and verified by TLS; the server's host where it is absent.
    pub server_name: Option<String>,
    /// TLS certificates are not verified.
    pub insecure_skip_verify: bool,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamServer {
    /// `http://host:port` or `https://host:port`
    Tcp {
        /// https
        tls: bool,
        /// Host name or address, IPv6 without brackets.
        host: String,
        /// Port, the scheme's default filled in.
        port: u16,
    },
    /// `unix:/path`
    Unix(PathBuf),
}

/// One `[[routes]]`.
#[derive(Clone, Debug)]
pub struct Route {
    /// Path prefix, whole segments; starts with `/`.
    pub path: String,
    /// Hosts it applies to, lower case; empty: all.
    pub hosts: Vec<String>,
    /// Methods it applies to; empty: all.
    pub methods: Vec<Method>,
    /// Index into [`Config::upstreams`]; `None` only with [`Access::Deny`].
    pub upstream: Option<usize>,
    /// Who gets through.
    pub access: Access,
    /// What a visitor without a session gets.
    pub unauthenticated: Unauthenticated,
    /// Indexes into [`Config::providers`]; never empty.
    pub providers: Vec<usize>,
    /// Who of the signed-in visitors is allowed.
    pub allow: Allow,
    /// What the upstream gets as `Authorization`.
    pub authorization: Authorization,
    /// Put in place of the route's path (`rewrite`, or "/" for `strip_path = true`).
    pub rewrite: Option<String>,
    /// `Host` sent upstream.
    pub host_header: HostHeader,
    /// Added upstream.
    pub request_headers: Vec<(HeaderName, Template)>,
    /// Added to the answer.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
    /// Removed from the request.
    pub remove_request_headers: Vec<HeaderName>,
    /// Extra origins allowed for WebSocket upgrades.
    pub websocket_origins: Vec<String>,
    /// Let `%2F` through.
    pub encoded_slash: bool,
    /// Refuse cross-site unsafe requests that carry a session.
    pub csrf: bool,
    /// Largest request body, bytes; `None`: the server's; 0: no limit.
    pub max_body: Option<u64>,
}

/// `access`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only with a session.
    Login,
    /// With identity where there is a session.
    Optional,
    /// The session is not looked at.
    Public,
    /// Nobody.
    Deny,
}

/// `unauthenticated`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// Pages go to the login, everything else gets 401.
    Auto,
    /// Always the login.
    Redirect,
    /// Always 401.
    Status401,
}

/// `allow`: any of a list, all of the kinds. Empty: everybody who is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Values of the `user` claim.
    pub users: Vec<String>,
    /// Verified e-mail addresses, lower case.
    pub emails: Vec<String>,
    /// Domains of verified e-mail addresses, lower case.
    pub email_domains: Vec<String>,
    /// Any of these groups.
    pub groups: Vec<String>,
    /// Claim (a key of [`Provider::claims`]) and value.
    pub claims: Vec<(String, String)>,
}

/// `authorization`
#[derive(Clone, Debug)]
pub enum Authorization {
    /// `Bearer` + the access token.
    AccessToken,
    /// `Bearer` + the id_token.
    IdToken,
    /// Basic: user name + this password.
    Basic(Secret),
    /// Nothing.
    None,
    /// The client's own.
    Keep,
}

/// `host_header`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's.
    Preserve,
    /// The server's.
    Upstream,
    /// This.
    Literal(HeaderValue),
}

/// A header value with `{claim.NAME}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePart>);

/// One piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// As written.
    Text(String),
    /// Filled from the session: a key of [`Provider::claims`].
    Claim(String),
}

/// An origin that `rd=` may lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// https
    pub https: bool,
    /// Host; with `subdomains`, the part after `*.`.
    pub host: String,
    /// `*.` in front: any subdomain, not the domain itself.
    pub subdomains: bool,
    /// Port, the scheme's default filled in.
    pub port: u16,
}

/// `[pages]`
#[derive(Clone, Debug)]
pub struct Pages {
    /// Own templates.
    pub dir: Option<PathBuf>,
    /// Title of the sign-in page.
    pub title: String,
    /// Whom to ask, shown on error pages.
    pub contact: String,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// `json` or `text`.
    pub format: crate::telemetry::LogFormat,
    /// Least severe level that is written.
    pub level: tracing::level_filters::LevelFilter,
    /// Whether access lines are written.
    pub access: bool,
}
