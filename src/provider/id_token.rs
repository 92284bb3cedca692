//! The id_token: OpenID Connect Core §3.1.3.7, on RFC 7519 and RFC 7515. Claims are judged here, from the JSON as it
//! came, because the rules of this page are stricter than a library's defaults.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use ring::digest;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::error::{Endpoint, Fault, ProviderError};
use super::metadata::Metadata;
use super::{Claims, Provider, signatures};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Longest JWT that is looked at, bytes.
const JWT_LIMIT: usize = 64 * 1024;
/// OpenID Connect Core §2: `sub` has at most 255 characters.
const SUBJECT_LIMIT: usize = 255;

impl Provider {
    /// Verifies an id_token (OpenID Connect Core §3.1.3.7) and returns its claims. With a `nonce` it must be there and
    /// equal; without one (after a refresh, Core §12.2) it may be absent. With an `access_token` an `at_hash` must fit.
    ///
    /// # Errors
    /// `Untrusted` names the rule that failed; any other [`Fault`] comes from fetching metadata or keys.
    pub async fn verify_id_token(
        &self,
        raw: &str,
        nonce: Option<&str>,
        access_token: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Claims, ProviderError> {
        let metadata = self.metadata().await?;
        let (algorithm, claims) = self.signed_claims(Endpoint::Token, raw, &metadata).await?;
        self.rules(&metadata, now)
            .judge(&claims, nonce)
            .and_then(|()| access_token.map_or(Ok(()), |token| at_hash(&claims, token, algorithm)))
            .map_err(|what| self.untrusted(Endpoint::Token, what))?;
        Ok(claims)
    }

    pub(super) fn rules<'a>(&'a self, metadata: &'a Metadata, now: Timestamp) -> Rules<'a> {
        Rules {
            issuer: metadata.issuer.as_deref(),
            client_id: &self.config.client_id,
            leeway: self.config.clock_leeway,
            now,
        }
    }

    /// The claims of a JWT that is signed as the metadata or `signing_algs` say, nothing else judged.
    pub(super) async fn signed_claims(
        &self,
        endpoint: Endpoint,
        raw: &str,
        metadata: &Metadata,
    ) -> Result<(Algorithm, Claims), ProviderError> {
        let untrusted = |what| self.untrusted(endpoint, what);
        let jws = Jws::parse(raw).map_err(untrusted)?;
        let algorithm = jws.algorithm().map_err(untrusted)?;
        if !self.accepted_algorithms(metadata).contains(&algorithm) {
            return Err(untrusted(format!(
                "signed with {algorithm:?}, which is not accepted here"
            )));
        }
        let kid = jws.kid().map_err(untrusted)?;
        if self
            .is_signed(&jws, kid, algorithm)
            .await
            .map_err(|e| e.unwrap_or_else(|| untrusted(UNKNOWN_KEY.into())))?
        {
            return Ok((algorithm, jws.claims));
        }
        Err(untrusted("the signature is wrong".into()))
    }

    /// `Err(None)`: no such key.
    async fn is_signed(
        &self,
        jws: &Jws<'_>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<bool, Option<ProviderError>> {
        if algorithm.family() == AlgorithmFamily::Hmac {
            // OpenID Connect Core §10.1: the key is the client secret. Only where the operator named the algorithm.
            let secret = self.config.client_secret.as_ref().ok_or(None)?;
            return Ok(jws.is_signed_by(&DecodingKey::from_secret(secret.reveal().as_bytes()), algorithm));
        }
        let keys = self.keys.current(Instant::now()).await?;
        let candidates = keys.candidates(kid, algorithm);
        if candidates.iter().any(|key| jws.is_signed_by(key, algorithm)) {
            return Ok(true);
        }
        if kid.is_some_and(|kid| keys.names(kid)) {
            return if candidates.is_empty() { Err(None) } else { Ok(false) };
        }
        // A name that we do not know, or none: the keys may have been changed (OpenID Connect Core §10.1.1).
        let Some(keys) = self.keys.renewed(Instant::now()).await? else {
            let what = "signed with a key that the provider did not publish a moment ago";
            return Err(Some(
                self.http.error(Endpoint::Jwks, Fault::Unverified(what.to_owned())),
            ));
        };
        let candidates = keys.candidates(kid, algorithm);
        if candidates.is_empty() {
            return Err(None);
        }
        Ok(candidates.iter().any(|key| jws.is_signed_by(key, algorithm)))
    }

    /// What the operator named; else what the metadata list, but never `none` and never HMAC; else RS256.
    fn accepted_algorithms(&self, metadata: &Metadata) -> Vec<Algorithm> {
        let named = |list: &[String]| -> Vec<Algorithm> { list.iter().filter_map(|name| algorithm(name)).collect() };
        if !self.config.signing_algs.is_empty() {
            return named(&self.config.signing_algs);
        }
        if metadata.signing_algs.is_empty() {
            return vec![Algorithm::RS256];
        }
        let mut listed = named(&metadata.signing_algs);
        listed.retain(|algorithm| algorithm.family() != AlgorithmFamily::Hmac);
        listed
    }

    /// Something that `endpoint` sent and that verification refuses; `what` holds no value of it.
    pub fn untrusted(&self, endpoint: Endpoint, what: String) -> ProviderError {
        self.http.error(endpoint, Fault::Untrusted(what))
    }
}

const UNKNOWN_KEY: &str = "signed with a key that the provider does not publish";

/// RFC 7518 §3.1, RFC 8037 §3.1 and its newer name (RFC 9864 §2.2). `None`: one we do not know, `none` among them.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    if name == "Ed25519" {
        Some(Algorithm::EdDSA)
    } else {
        name.parse().ok()
    }
}

/// A JWT in JWS compact serialization (RFC 7515 §7.1), decoded and not verified.
struct Jws<'a> {
    header: Map<String, Value>,
    claims: Claims,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    fn parse(raw: &'a str) -> Result<Self, String> {
        if raw.len() > JWT_LIMIT {
            return Err(format!("a JWT over {JWT_LIMIT} bytes"));
        }
        let not_jws = || "not a signed JWT".to_owned();
        let (message, signature) = raw.rsplit_once('.').ok_or_else(not_jws)?;
        let (header, payload) = message.split_once('.').ok_or_else(not_jws)?;
        Ok(Self {
            header: object(header, "header")?,
            claims: object(payload, "payload")?,
            message,
            signature,
        })
    }

    fn algorithm(&self) -> Result<Algorithm, String> {
        // RFC 7515 §4.1.11: we understand no extension, so that anything critical refuses the token. `jku`, `jwk`, `x5u`
        // and `x5c` are not looked at: a token does not choose the key that verifies it.
        if self.header.contains_key("crit") {
            return Err("has a critical header that is not understood".into());
        }
        let name = self
            .header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or("names no signature algorithm")?;
        algorithm(name).ok_or_else(|| "signed with an algorithm that is not accepted here".to_owned())
    }

    fn kid(&self) -> Result<Option<&str>, String> {
        match self.header.get("kid") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(kid)) => Ok(Some(kid)),
            Some(_) => Err("kid is not a string".into()),
        }
    }

    fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        signatures::verifies(self.message, self.signature, key, algorithm)
    }
}

fn object(part: &str, what: &str) -> Result<Map<String, Value>, String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| format!("the {what} is not base64url"))?;
    serde_json::from_slice(&bytes).map_err(|_| format!("the {what} is not a JSON object"))
}

/// What a JWT of the provider's is judged by.
pub(super) struct Rules<'a> {
    issuer: Option<&'a str>,
    client_id: &'a str,
    leeway: std::time::Duration,
    now: Timestamp,
}

impl Rules<'_> {
    fn judge(&self, claims: &Claims, nonce: Option<&str>) -> Result<(), String> {
        self.issuer(claims)?;
        subject(claims)?;
        self.audience(claims)?;
        self.times(claims)?;
        match (nonce, claims.get("nonce")) {
            (None, _) => Ok(()),
            (Some(ours), Some(Value::String(theirs))) if ours.as_bytes().ct_eq(theirs.as_bytes()).into() => Ok(()),
            (Some(_), None) => Err("has no nonce".into()),
            (Some(_), Some(_)) => Err("nonce is not the one of this login".into()),
        }
    }

    /// Core §3.1.3.7, 2: byte for byte.
    pub(super) fn issuer(&self, claims: &Claims) -> Result<(), String> {
        let issuer = self.issuer.ok_or("there is no issuer to compare with")?;
        let same = claims.get("iss").and_then(Value::as_str) == Some(issuer);
        if same {
            Ok(())
        } else {
            Err("iss is not the issuer".into())
        }
    }

    /// Core §3.1.3.7, 3 to 5.
    pub(super) fn audience(&self, claims: &Claims) -> Result<(), String> {
        audience(claims, self.client_id)?;
        let several = matches!(claims.get("aud"), Some(Value::Array(list)) if list.len() > 1);
        match claims.get("azp") {
            None | Some(Value::Null) if several => Err("several audiences, but no azp".into()),
            None | Some(Value::Null) => Ok(()),
            Some(azp) if azp == self.client_id => Ok(()),
            Some(_) => Err("azp is not client_id".into()),
        }
    }

    /// Core §3.1.3.7, 9 and 10.
    pub(super) fn times(&self, claims: &Claims) -> Result<(), String> {
        let expires = instant(claims, "exp")?.ok_or("has no exp")?;
        if self.now >= expires.plus(self.leeway) {
            return Err("has expired (exp)".into());
        }
        let issued = instant(claims, "iat")?.ok_or("has no iat")?;
        let latest = self.now.plus(self.leeway);
        if issued > latest {
            return Err("issued in the future (iat); compare the clocks".into());
        }
        match instant(claims, "nbf")? {
            Some(begins) if begins > latest => Err("not yet valid (nbf); compare the clocks".into()),
            _ => Ok(()),
        }
    }
}

pub(super) fn subject(claims: &Claims) -> Result<(), String> {
    match claims.get("sub") {
        Some(Value::String(sub)) if sub.is_empty() => Err("sub is empty".into()),
        Some(Value::String(sub)) if sub.chars().count() > SUBJECT_LIMIT => {
            Err(format!("sub is over {SUBJECT_LIMIT} characters"))
        }
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err("sub is not a string".into()),
        None => Err("has no sub".into()),
    }
}

/// RFC 7519 §4.1.3: one string or a list of strings.
pub(super) fn audience(claims: &Claims, client_id: &str) -> Result<(), String> {
    let ours = match claims.get("aud") {
        Some(Value::String(one)) => one == client_id,
        Some(Value::Array(list)) => list.iter().all(Value::is_string) && list.iter().any(|aud| aud == client_id),
        _ => false,
    };
    if ours {
        Ok(())
    } else {
        Err("aud does not name client_id".into())
    }
}

/// RFC 7519 §2 `NumericDate`; a string is none. Before 1970 counts as 1970, beyond all times as the last second.
fn instant(claims: &Claims, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let number = value.as_number().ok_or_else(|| format!("{name} is not a number"))?;
    // `as` saturates; the fraction is cut.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = number.as_u64().or_else(|| number.as_f64().map(|float| float as u64));
    seconds
        .map(|seconds| Some(Timestamp(seconds)))
        .ok_or_else(|| format!("{name} is not a number"))
}

/// Core §3.1.3.8: the left half of the access token's hash, by the hash of the signature.
fn at_hash(claims: &Claims, access_token: &Secret, algorithm: Algorithm) -> Result<(), String> {
    let Some(theirs) = claims.get("at_hash") else {
        return Ok(());
    };
    let hash = match algorithm {
        Algorithm::HS256 | Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &digest::SHA256,
        Algorithm::HS384 | Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        // Ed25519 is built on SHA-512.
        _ => &digest::SHA512,
    };
    let full = digest::digest(hash, access_token.reveal().as_bytes());
    let ours = URL_SAFE_NO_PAD.encode(&full.as_ref()[..full.as_ref().len() / 2]);
    if theirs.as_str() == Some(&ours) {
        Ok(())
    } else {
        Err("at_hash does not fit the access token".into())
    }
}
