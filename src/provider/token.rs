//! Token requests (RFC 6749 §4.1.3, §6) and revocation (RFC 7009), built here and not by the `oauth2` crate because
//! servers differ. Each is exactly one HTTP request: a code or a rotating refresh token must never be sent twice.

use http::HeaderValue;
use oauth2::{AuthorizationCode, PkceCodeVerifier};
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::Provider;
use super::answer::{Answer, hidden_refusal};
use super::client_auth;
use super::error::{Endpoint, Fault, ProviderError};
use super::metadata::Metadata;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Longest token that is taken, bytes. Far more than fits into cookies or headers, far less than fills memory.
const TOKEN_LIMIT: usize = 64 * 1024;
/// `expires` above this is an instant and not a number of seconds.
const FIRST_INSTANT: u64 = 1_000_000_000;

/// What the token endpoint granted (RFC 6749 §5.1).
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// Fit for an `Authorization` header: visible ASCII, never empty.
    pub access_token: Secret,
    /// Absent at a refresh: the old one stays good (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// Not verified yet.
    pub id_token: Option<Secret>,
    /// How long the access token is good; `None`: not said.
    pub lifetime: Option<Lifetime>,
    /// Granted scopes, blanks between them; `None`: as asked for.
    pub scope: Option<String>,
}

/// How long an access token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// From the answer on.
    Seconds(u64),
    /// Until then.
    Instant(Timestamp),
}

impl Lifetime {
    /// When the token stops being good, if the answer came at `now`.
    pub fn ends(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Seconds(seconds) => Timestamp(now.0.saturating_add(seconds)),
            Self::Instant(instant) => instant,
        }
    }
}

/// `token_type_hint` (RFC 7009 §2.1)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTypeHint {
    /// `access_token`
    AccessToken,
    /// `refresh_token`
    RefreshToken,
}

type Form = Vec<(String, Zeroizing<String>)>;

impl Provider {
    /// Redeems an authorization code (RFC 6749 §4.1.3): exactly one token request, never repeated.
    ///
    /// # Errors
    /// Any [`Fault`]; the code is used up after all but those of discovery.
    pub async fn redeem(
        &self,
        code: &AuthorizationCode,
        verifier: Option<&PkceCodeVerifier>,
        redirect_uri: &str,
    ) -> Result<TokenResponse, ProviderError> {
        let mut form = Form::new();
        add(&mut form, "grant_type", "authorization_code");
        add(&mut form, "code", code.secret());
        add(&mut form, "redirect_uri", redirect_uri);
        if let Some(verifier) = verifier {
            add(&mut form, "code_verifier", verifier.secret());
        }
        let secrets = [
            code.secret().as_str(),
            verifier.map_or("", |verifier| verifier.secret()),
        ];
        self.request_token(form, &secrets).await
    }

    /// Renews the access token (RFC 6749 §6): exactly one token request, never repeated.
    ///
    /// # Errors
    /// Any [`Fault`]; see [`ProviderError::ends_session`].
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<TokenResponse, ProviderError> {
        let mut form = Form::new();
        add(&mut form, "grant_type", "refresh_token");
        add(&mut form, "refresh_token", refresh_token.reveal());
        self.request_token(form, &[refresh_token.reveal()]).await
    }

    /// Gives a token back (RFC 7009 §2). Without a revocation endpoint there is nothing to do.
    ///
    /// # Errors
    /// Any [`Fault`]; the token then lives as long as the provider says.
    pub async fn revoke(&self, token: &Secret, hint: TokenTypeHint) -> Result<(), ProviderError> {
        let metadata = self.metadata().await?;
        let Some(url) = &metadata.revocation_endpoint else {
            return Ok(());
        };
        let mut form = Form::new();
        add(&mut form, "token", token.reveal());
        let hint = match hint {
            TokenTypeHint::AccessToken => "access_token",
            TokenTypeHint::RefreshToken => "refresh_token",
        };
        add(&mut form, "token_type_hint", hint);
        let authorization = client_auth::apply(&self.config, &metadata, &mut form);
        let answer = self
            .http
            .post(Endpoint::Revocation, url, authorization.clone(), encoded(&form))
            .await?;
        if answer.is_success() {
            return Ok(());
        }
        let sent = self.sent(&[token.reveal()], authorization.as_ref());
        Err(self.http.error(Endpoint::Revocation, answer.refusal(&sent)))
    }

    async fn request_token(&self, mut form: Form, secrets: &[&str]) -> Result<TokenResponse, ProviderError> {
        let metadata = self.metadata().await?;
        let authorization = self.complete_form(&mut form, &metadata);
        let url = &metadata.token_endpoint;
        let answer = self
            .http
            .post(Endpoint::Token, url, authorization.clone(), encoded(&form))
            .await?;
        let sent = self.sent(secrets, authorization.as_ref());
        granted(&answer, &sent).map_err(|fault| self.http.error(Endpoint::Token, fault))
    }

    /// Adds what every token request carries: `resource` (RFC 8707 §2.2), `token_params`, the client.
    fn complete_form(&self, form: &mut Form, metadata: &Metadata) -> Option<HeaderValue> {
        for resource in &self.config.resource {
            add(form, "resource", resource);
        }
        let authorization = client_auth::apply(&self.config, metadata, form);
        for (name, value) in &self.config.token_params {
            // RFC 6749 §3.2: no parameter twice; ours are what the flow depends on.
            if !form.iter().any(|(known, _)| known == name && known != "resource") {
                add(form, name, value);
            }
        }
        authorization
    }

    /// What must never come back in an error text.
    fn sent<'a>(&'a self, secrets: &[&'a str], authorization: Option<&'a HeaderValue>) -> Vec<&'a str> {
        let client_secret = self.config.client_secret.as_ref().map(Secret::reveal);
        let header = authorization.and_then(|header| header.to_str().ok()?.strip_prefix("Basic "));
        secrets.iter().copied().chain(client_secret).chain(header).collect()
    }
}

fn add(form: &mut Form, name: &str, value: &str) {
    form.push((name.to_owned(), Zeroizing::new(value.to_owned())));
}

fn encoded(form: &Form) -> String {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form {
        body.append_pair(name, value);
    }
    body.finish()
}

/// RFC 6749 §5.1, as leniently as real servers need it.
fn granted(answer: &Answer, sent: &[&str]) -> Result<TokenResponse, Fault> {
    if !answer.is_success() {
        return Err(answer.refusal(sent));
    }
    let mut members = answer.json_or_form()?;
    if let Some(fault) = hidden_refusal(answer.status, &members, sent) {
        return Err(fault);
    }
    match members.get("token_type") {
        // RFC 6749 §5.1 demands it, but a server that forgets it means Bearer.
        None | Some(Value::Null) => {}
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Err(Fault::Malformed("token_type is not Bearer".into())),
    }
    let access_token = token(&mut members, "access_token")?;
    Ok(TokenResponse {
        access_token: access_token.ok_or_else(|| Fault::Malformed("no access_token".into()))?,
        refresh_token: token(&mut members, "refresh_token")?,
        id_token: token(&mut members, "id_token")?,
        lifetime: lifetime(&members),
        scope: members.get("scope").and_then(scope),
    })
}

/// A token, taken out of the answer. Absent, empty or not a string (`false` from PHP) is none.
fn token(members: &mut Map<String, Value>, name: &str) -> Result<Option<Secret>, Fault> {
    let Some(Value::String(text)) = members.remove(name) else {
        return Ok(None);
    };
    let token = Secret::new(text);
    match token.reveal() {
        "" => Ok(None),
        text if text.len() > TOKEN_LIMIT => Err(Fault::Malformed(format!("{name} is over {TOKEN_LIMIT} bytes"))),
        text if !text.bytes().all(|b| b.is_ascii_graphic()) => Err(Fault::Malformed(format!(
            "{name} has characters that no header can carry"
        ))),
        _ => Ok(Some(token)),
    }
}

fn lifetime(members: &Map<String, Value>) -> Option<Lifetime> {
    if let Some(seconds) = members.get("expires_in").and_then(whole) {
        return Some(Lifetime::Seconds(seconds));
    }
    members.get("expires").and_then(whole).map(|number| match number {
        instant if instant > FIRST_INSTANT => Lifetime::Instant(Timestamp(instant)),
        seconds => Lifetime::Seconds(seconds),
    })
}

/// A number that is not negative, its fraction cut, also when written as a string. Too large becomes the largest.
fn whole(value: &Value) -> Option<u64> {
    let float = match value {
        Value::Number(number) => match number.as_u64() {
            Some(exact) => return Some(exact),
            None => number.as_f64()?,
        },
        Value::String(text) => match text.trim().parse::<u64>() {
            Ok(exact) => return Some(exact),
            Err(_) => text.trim().parse::<f64>().ok()?,
        },
        _ => return None,
    };
    // `as` saturates; NaN and negative numbers fail the comparison.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (float >= 0.0).then_some(float as u64)
}

/// RFC 6749 §3.3, but some servers put commas between scopes and some send a list.
fn scope(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    let commas = !text.contains(' ');
    let words = text.split(|c: char| c == ' ' || (commas && c == ','));
    let words: Vec<&str> = words
        .filter(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic()))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}
