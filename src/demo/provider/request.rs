//! An authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1), parsed and checked.

use super::params::Params;
use super::settings::{Client, Settings};

/// A request that may be answered with a code.
pub(super) struct AuthorizationRequest {
    pub(super) client_id: String,
    pub(super) back: Back,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: String,
    pub(super) prompt: Prompt,
    /// Seconds since the person was last seen to choose.
    pub(super) max_age: Option<u64>,
}

/// Where and how the answer goes back to the client; only made for a registered redirect URI.
#[derive(Debug)]
pub(super) struct Back {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    /// `response_mode=form_post`; otherwise the query.
    pub(super) form_post: bool,
}

/// Whether the login page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Only where the browser has no session with the provider.
    IfNeeded,
    /// Always: `login` or `select_account`.
    Always,
    /// Never: `none`.
    Never,
}

/// Why there is no code.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The client or its redirect URI is not known: told to the person, never redirected (RFC 6749 §4.1.2.1).
    Page(&'static str),
    /// Told to the client.
    Redirect(Back, &'static str, &'static str),
}

impl AuthorizationRequest {
    /// Checks the parameters of a query or form against the registered clients.
    pub(super) fn parse(text: &[u8], settings: &Settings) -> Result<Self, Refusal> {
        let params = Params::parse(text).ok_or(Refusal::Page("A parameter of this request stands twice."))?;
        let client = settings
            .clients
            .iter()
            .find(|client| Some(client.id.as_str()) == params.one("client_id"));
        let client = client.ok_or(Refusal::Page("This client_id is not known."))?;
        let back = Back::parse(&params, client)?;
        match fault(&params) {
            Some((error, description)) => Err(Refusal::Redirect(back, error, description)),
            None => Ok(Self {
                client_id: client.id.clone(),
                back,
                scope: params.one("scope").unwrap_or_default().to_owned(),
                nonce: params.one("nonce").map(str::to_owned),
                code_challenge: params.one("code_challenge").unwrap_or_default().to_owned(),
                prompt: Prompt::parse(params.one("prompt")).unwrap_or(Prompt::Always),
                max_age: params.one("max_age").and_then(|seconds| seconds.parse().ok()),
            }),
        }
    }
}

impl Back {
    fn parse(params: &Params, client: &Client) -> Result<Self, Refusal> {
        let uri = params
            .one("redirect_uri")
            .ok_or(Refusal::Page("This request has no redirect_uri."))?;
        // Character by character (RFC 9700 §2.1): no prefix, no pattern, no normalisation.
        if !client.redirect_uris.iter().any(|registered| registered == uri) {
            return Err(Refusal::Page("This redirect_uri is not registered for the client."));
        }
        Ok(Self {
            redirect_uri: uri.to_owned(),
            state: params.one("state").map(str::to_owned),
            form_post: params.one("response_mode") == Some("form_post"),
        })
    }
}

impl Prompt {
    /// `None` where the value makes no sense: `none` beside another (OpenID Connect Core §3.1.2.1).
    fn parse(value: Option<&str>) -> Option<Self> {
        let values: Vec<&str> = value.unwrap_or_default().split(' ').filter(|v| !v.is_empty()).collect();
        match values.as_slice() {
            ["none"] => Some(Self::Never),
            several if several.contains(&"none") => None,
            several if several.iter().any(|v| ["login", "select_account"].contains(v)) => Some(Self::Always),
            _ => Some(Self::IfNeeded),
        }
    }
}

/// What is wrong with a request whose redirect URI is good: error code and description.
fn fault(params: &Params) -> Option<(&'static str, &'static str)> {
    // 43 characters: BASE64URL of a SHA-256 (RFC 7636 §4.2).
    let challenge_fits = params
        .one("code_challenge")
        .is_some_and(|challenge| challenge.len() == 43);
    if params.one("request").is_some() {
        Some(("request_not_supported", "the request parameter is not supported"))
    } else if params.one("request_uri").is_some() {
        Some((
            "request_uri_not_supported",
            "the request_uri parameter is not supported",
        ))
    } else if params.one("response_type") != Some("code") {
        Some(("unsupported_response_type", "response_type must be code"))
    } else if !matches!(params.one("response_mode"), None | Some("query" | "form_post")) {
        Some(("invalid_request", "response_mode must be query or form_post"))
    } else if !challenge_fits || params.one("code_challenge_method") != Some("S256") {
        Some((
            "invalid_request",
            "PKCE is demanded: code_challenge with code_challenge_method S256",
        ))
    } else if Prompt::parse(params.one("prompt")).is_none() {
        Some(("invalid_request", "prompt=none stands alone"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "client_id=app&redirect_uri=http%3A%2F%2Fapp%2Foauth2%2Fcallback&response_type=code&scope=openid&state=s\
                        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn parse(text: &str) -> Result<AuthorizationRequest, Refusal> {
        AuthorizationRequest::parse(text.as_bytes(), &Settings::demo("app", None, "http://app", "/oauth2"))
    }

    #[test]
    fn a_good_request_is_taken() {
        let request = parse(GOOD).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        assert_eq!(
            (request.back.state.as_deref(), request.prompt),
            (Some("s"), Prompt::IfNeeded)
        );
    }

    #[test]
    fn a_redirect_uri_is_exactly_the_registered_one_or_nothing_is_redirected() {
        for (from, to) in [
            ("%2Fcallback", "%2Fcallback%2F"),
            ("%2Fcallback", "%2FCallback"),
            ("%2Fcallback", "%2Fcallback%3Fa%3Db"),
            ("%2Fcallback", "%2Fcallback%2F..%2Fcallback"),
            ("http%3A", "https%3A"),
            ("http%3A%2F%2Fapp", "http%3A%2F%2Fapp%3A80"),
            ("redirect_uri", "other"),
            ("client_id=app", "client_id=other"),
            ("state=s", "state=s&state=t"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert!(matches!(parse(&text), Err(Refusal::Page(_))), "{text}");
        }
    }

    #[test]
    fn other_faults_go_back_to_the_client() {
        for (from, to, error) in [
            ("response_type=code", "response_type=token", "unsupported_response_type"),
            ("&code_challenge=", "&x=", "invalid_request"),
            (
                "code_challenge_method=S256",
                "code_challenge_method=plain",
                "invalid_request",
            ),
            ("state=s", "state=s&prompt=none%20login", "invalid_request"),
            ("state=s", "state=s&request=x", "request_not_supported"),
            ("state=s", "state=s&response_mode=fragment", "invalid_request"),
        ] {
            match parse(&GOOD.replacen(from, to, 1)) {
                Err(Refusal::Redirect(back, named, _)) => {
                    assert_eq!((named, back.state.as_deref()), (error, Some("s")));
                }
                _ => panic!("{to} was not refused"),
            }
        }
    }
}
