//! What a provider says about itself: OpenID Connect Discovery 1.0 §4, then RFC 8414 §3; or what the operator named.

use serde_json::{Map, Value};
use url::Url;

use super::error::{Endpoint, Fault, Printable, ProviderError};
use super::http::Http;
use crate::config;

/// Endpoints and abilities of a provider; what the configuration names wins over what the provider says.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Equal to the configured one, byte for byte; `None` where the endpoints are named without an issuer.
    pub issuer: Option<String>,
    /// RFC 6749 §3.1
    pub authorization_endpoint: Url,
    /// RFC 6749 §3.2
    pub token_endpoint: Url,
    /// OpenID Connect Core §5.3
    pub userinfo_endpoint: Option<Url>,
    /// RFC 7517 §5
    pub jwks_uri: Option<Url>,
    /// RFC 7009
    pub revocation_endpoint: Option<Url>,
    /// OpenID Connect RP-Initiated Logout 1.0 §2.1
    pub end_session_endpoint: Option<Url>,
    /// `token_endpoint_auth_methods_supported`; empty where absent.
    pub token_endpoint_auth_methods: Vec<String>,
    /// `id_token_signing_alg_values_supported`; empty where absent.
    pub signing_algs: Vec<String>,
    /// RFC 9207 §3: every authorization answer has an `iss`.
    pub iss_parameter: bool,
    /// Whether logins bring an id_token.
    pub kind: Kind,
}

/// Which protocol a login speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An id_token is demanded and verified.
    OpenIdConnect,
    /// No `jwks_uri`, or `openid` not asked for: an id_token that comes anyway is ignored.
    OAuth2,
}

/// What the operator named, where no issuer is asked.
pub(super) fn named(config: &config::Provider, http: &Http) -> Result<Metadata, Fault> {
    let metadata = assemble(config, None, &Map::new())?;
    checked(metadata, http)
}

/// Asks the issuer. `config.issuer` is `issuer`.
pub(super) async fn discover(config: &config::Provider, issuer: &str, http: &Http) -> Result<Metadata, ProviderError> {
    let error = |fault| http.error(Endpoint::Discovery, fault);
    let document = match document(issuer, http).await {
        // A server without discovery, and an operator who named what is needed beside the issuer.
        Err(e) if is_absent(&e.fault) && names_endpoints(config) => Map::new(),
        answer => answer?,
    };
    let metadata = assemble(config, Some(issuer), &document).map_err(error)?;
    checked(metadata, http).map_err(error)
}

fn names_endpoints(config: &config::Provider) -> bool {
    config.authorization_endpoint.is_some() && config.token_endpoint.is_some()
}

/// Whether the answer says that there is no such document here.
fn is_absent(fault: &Fault) -> bool {
    matches!(fault, Fault::Refused { .. } | Fault::Malformed(_))
}

/// The document of the first well-known place that has one. Many servers answer any path with a page of theirs, so that
/// an answer that is no such document counts as none. The first place's refusal tells more than the second's.
async fn document(issuer: &str, http: &Http) -> Result<Map<String, Value>, ProviderError> {
    let error = |fault| http.error(Endpoint::Discovery, fault);
    let places = places(issuer).map_err(error)?;
    let mut first = None;
    for place in places {
        match fetch(&place, issuer, http).await {
            Err(e) if is_absent(&e.fault) => first = first.or(Some(e)),
            answer => return answer,
        }
    }
    Err(first.unwrap_or_else(|| error(Fault::Malformed("no metadata".into()))))
}

/// OpenID Connect Discovery 1.0 §4: appended to the issuer. RFC 8414 §3.1: put between its host and path.
fn places(issuer: &str) -> Result<[Url; 2], Fault> {
    let wrong = || Fault::Misconfigured("issuer is not a URL; write it as the provider's documentation does".into());
    let trimmed = issuer.strip_suffix('/').unwrap_or(issuer);
    let openid = Url::parse(&format!("{trimmed}/.well-known/openid-configuration")).map_err(|_| wrong())?;
    let mut oauth = Url::parse(trimmed).map_err(|_| wrong())?;
    let path = oauth.path().trim_end_matches('/').to_owned();
    oauth.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Ok([openid, oauth])
}

async fn fetch(place: &Url, issuer: &str, http: &Http) -> Result<Map<String, Value>, ProviderError> {
    let error = |fault| http.error(Endpoint::Discovery, fault);
    let answer = http.get(Endpoint::Discovery, place, None).await?;
    if !answer.is_success() {
        return Err(error(answer.refusal(&[])));
    }
    let document = answer.json().map_err(error)?;
    let Some(theirs) = document.get("issuer").and_then(Value::as_str) else {
        return Err(error(Fault::Malformed("metadata without an issuer".into())));
    };
    if theirs == issuer {
        return Ok(document);
    }
    let theirs = Printable::new(theirs).map_or_else(String::new, |text| text.as_str().to_owned());
    Err(error(Fault::Misconfigured(format!(
        "the provider calls itself {theirs:?}, but issuer is {issuer:?}; write exactly what it calls itself"
    ))))
}

fn assemble(config: &config::Provider, issuer: Option<&str>, said: &Map<String, Value>) -> Result<Metadata, Fault> {
    let url = |named: &Option<Url>, member: &str| match (named, said.get(member)) {
        (Some(url), _) => Ok(Some(url.clone())),
        (None, Some(Value::String(text))) if !text.is_empty() => match Url::parse(text) {
            Ok(url) => Ok(Some(url)),
            Err(_) => Err(Fault::Malformed(format!("{member} of the metadata is not a URL"))),
        },
        _ => Ok(None),
    };
    let required = |found: Option<Url>, member: &str| {
        found.ok_or_else(|| {
            Fault::Misconfigured(format!(
                "no {member} in the metadata; name it in providers.{}",
                config.name
            ))
        })
    };
    let jwks_uri = url(&config.jwks_uri, "jwks_uri")?;
    let openid = jwks_uri.is_some() && config.scopes.iter().any(|scope| scope == "openid");
    Ok(Metadata {
        issuer: issuer.map(str::to_owned),
        authorization_endpoint: required(
            url(&config.authorization_endpoint, "authorization_endpoint")?,
            "authorization_endpoint",
        )?,
        token_endpoint: required(url(&config.token_endpoint, "token_endpoint")?, "token_endpoint")?,
        userinfo_endpoint: url(&config.userinfo_endpoint, "userinfo_endpoint")?,
        jwks_uri,
        revocation_endpoint: url(&config.revocation_endpoint, "revocation_endpoint")?,
        end_session_endpoint: url(&config.end_session_endpoint, "end_session_endpoint")?,
        token_endpoint_auth_methods: strings(said, "token_endpoint_auth_methods_supported"),
        signing_algs: strings(said, "id_token_signing_alg_values_supported"),
        iss_parameter: said.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        kind: if openid { Kind::OpenIdConnect } else { Kind::OAuth2 },
    })
}

fn strings(said: &Map<String, Value>, member: &str) -> Vec<String> {
    let listed = said.get(member).and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// RFC 6749 §3.1, §3.2: TLS at every endpoint, and no fragment. Without an issuer no id_token can be verified.
fn checked(metadata: Metadata, http: &Http) -> Result<Metadata, Fault> {
    let optional = [
        &metadata.userinfo_endpoint,
        &metadata.jwks_uri,
        &metadata.revocation_endpoint,
        &metadata.end_session_endpoint,
    ];
    let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint]
        .into_iter()
        .chain(optional.into_iter().flatten());
    for endpoint in endpoints {
        http.allowed(endpoint)?;
        if endpoint.fragment().is_some() {
            return Err(Fault::Misconfigured("an endpoint has a fragment (#)".into()));
        }
    }
    if metadata.kind == Kind::OpenIdConnect && metadata.issuer.is_none() {
        return Err(Fault::Misconfigured(
            "jwks_uri without issuer: id_tokens cannot be checked; write the issuer too, or leave out scope openid"
                .into(),
        ));
    }
    Ok(metadata)
}
