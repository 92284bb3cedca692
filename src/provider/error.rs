//! What can go wrong with an authorization server, by who is at fault. Nothing here ever holds a token, a code or a
//! secret: `Display` and `Debug` are safe to log.

use std::fmt;

use oauth2::basic::BasicErrorResponseType as ErrorCode;

/// Longest text of the provider's that is kept, in characters.
const TEXT_LIMIT: usize = 200;

/// Which of the provider's endpoints was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// OpenID Connect Discovery 1.0 §4, RFC 8414 §3
    Discovery,
    /// RFC 7517 §5
    Jwks,
    /// RFC 6749 §3.2
    Token,
    /// OpenID Connect Core §5.3
    Userinfo,
    /// RFC 7009 §2
    Revocation,
}

impl Endpoint {
    /// The word for logs and for the `endpoint` label of the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
            Self::Revocation => "revocation",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that came from the provider, cut to 200 printable ASCII characters, so that it can neither forge a log line nor
/// fill a disk. Never made from text that holds something secret that we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printable(String);

impl Printable {
    /// What of `text` is fit to print; `None` where nothing is.
    pub fn new(text: &str) -> Option<Self> {
        let kept: String = text
            .chars()
            .filter(|c| *c == ' ' || c.is_ascii_graphic())
            .take(TEXT_LIMIT)
            .collect();
        let kept = kept.trim();
        (!kept.is_empty()).then(|| Self(kept.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened, by who is at fault. Texts are ours and safe to log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Silence: no connection, TLS, time out, the connection was cut.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The provider asks to come back later: 408, 425, 429, 5xx, or one of RFC 6749's and RFC 8628's codes for that.
    #[error("not now: status {status}{}", Code(code.as_deref()))]
    Temporary {
        /// HTTP status, 200 where only the body says it.
        status: u16,
        /// `error` of the body, where it has one.
        code: Option<String>,
    },
    /// A definite no (RFC 6749 §5.2).
    #[error("refused: status {status}{}{}", Code(error.as_ref().map(AsRef::as_ref)), Description(description.as_ref()))]
    Refused {
        /// HTTP status, 200 where only the body says it.
        status: u16,
        /// `error`, where the body has one.
        error: Option<ErrorCode>,
        /// `error_description`, fit to print.
        description: Option<Printable>,
    },
    /// It answered, but not what the protocol says: HTML, cut JSON, no access token, a redirect, too large.
    #[error("unreadable answer: {0}")]
    Malformed(String),
    /// It answered, but what it said did not pass verification: signature, `iss`, `aud`, `exp`, `nonce`, `sub` …
    #[error("not trusted: {0}")]
    Untrusted(String),
    /// It cannot be verified just now: the key is unknown, and the keys were fetched a moment ago.
    #[error("not verified: {0}")]
    Unverified(String),
    /// The configuration and the provider do not fit together.
    #[error("configuration: {0}")]
    Misconfigured(String),
}

struct Code<'a>(Option<&'a str>);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| write!(f, ", {code}"))
    }
}

struct Description<'a>(Option<&'a Printable>);

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, " ({text})"))
    }
}

/// One failed conversation with one provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider {provider}, {endpoint} endpoint: {fault}")]
pub struct ProviderError {
    /// The NAME in `[providers.NAME]`.
    pub provider: String,
    /// Which endpoint was asked.
    pub endpoint: Endpoint,
    /// What happened.
    pub fault: Fault,
}

impl ProviderError {
    /// Whether the provider said nothing at all: 503 with `Retry-After` rather than 502.
    pub fn is_silence(&self) -> bool {
        matches!(self.fault, Fault::Unreachable(_))
    }

    /// Whether a refresh that failed like this ends the session: a definite no to this refresh token. 400 and 401 are
    /// one whatever their body, and so is an error inside a 200; other 4xx only where they say `invalid_grant`, since a
    /// firewall answers 403 and a wrong path 404. `invalid_client` is the operator's error and ends nobody's session.
    pub fn ends_session(&self) -> bool {
        match &self.fault {
            Fault::Refused {
                error: Some(ErrorCode::InvalidClient),
                ..
            } => false,
            Fault::Refused {
                error: Some(ErrorCode::InvalidGrant),
                ..
            } => true,
            Fault::Refused { status, .. } => matches!(status, 200 | 400 | 401),
            _ => false,
        }
    }
}
