//! The provider's keys (RFC 7517), from its `jwks_uri` and from nowhere else.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use url::Url;

use super::Source;
use super::error::{Endpoint, Fault, ProviderError};
use super::http::Http;
use super::kept::Kept;
use crate::clock::Timestamp;

/// Most keys that are looked at; sets of real providers have under ten.
const KEY_LIMIT: usize = 64;
/// Most keys that are tried for a token that names none.
const TRIAL_LIMIT: usize = 8;

/// base64url, with or without padding.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys that can verify signatures.
pub(super) struct Jwks(Vec<Key>);

struct Key {
    kid: Option<String>,
    /// `alg`, where the key is for one only.
    algorithm: Option<String>,
    kind: KeyKind,
    key: DecodingKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Jwks {
    /// Members that cannot be used are skipped: unknown `kty` (RFC 7517 §5), encryption keys, short RSA keys.
    fn parse(document: &Map<String, Value>) -> Result<Self, Fault> {
        let Some(Value::Array(keys)) = document.get("keys") else {
            return Err(Fault::Malformed("keys without a list `keys`".into()));
        };
        Ok(Self(
            keys.iter()
                .filter_map(Value::as_object)
                .filter_map(Key::parse)
                .take(KEY_LIMIT)
                .collect(),
        ))
    }

    /// The keys that may have signed: the one with this `kid`, else those without a name (RFC 7515 §4.1.4).
    pub(super) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<&DecodingKey> {
        let fitting = || self.0.iter().filter(|key| key.fits(algorithm));
        let Some(kid) = kid else {
            return fitting().map(|key| &key.key).take(TRIAL_LIMIT).collect();
        };
        let named: Vec<_> = fitting()
            .filter(|key| key.kid.as_deref() == Some(kid))
            .map(|key| &key.key)
            .collect();
        if named.is_empty() {
            return fitting()
                .filter(|key| key.kid.is_none())
                .map(|key| &key.key)
                .take(TRIAL_LIMIT)
                .collect();
        }
        named.into_iter().take(TRIAL_LIMIT).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is a key of this name, whatever it is good for.
    pub(super) fn names(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
}

impl Key {
    fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |member: &str| jwk.get(member).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") || !may_verify(jwk) {
            return None;
        }
        let (kind, key) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (KeyKind::Rsa, rsa(text("n")?, text("e")?)?),
            ("EC", Some("P-256")) => (KeyKind::P256, ec(text("x")?, text("y")?, 32)?),
            ("EC", Some("P-384")) => (KeyKind::P384, ec(text("x")?, text("y")?, 48)?),
            ("OKP", Some("Ed25519")) => (KeyKind::Ed25519, DecodingKey::from_ed_der(&decoded(text("x")?)?)),
            _ => return None,
        };
        Some(Self {
            kid: text("kid").map(str::to_owned),
            algorithm: text("alg").map(str::to_owned),
            kind,
            key,
        })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::ES256 => KeyKind::P256,
            Algorithm::ES384 => KeyKind::P384,
            Algorithm::EdDSA => KeyKind::Ed25519,
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return false,
            _ => KeyKind::Rsa,
        };
        let named = self.algorithm.as_deref().map(super::id_token::algorithm);
        self.kind == kind && named.is_none_or(|named| named == Some(algorithm))
    }
}

/// RFC 7517 §4.3
fn may_verify(jwk: &Map<String, Value>) -> bool {
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    operations.is_none_or(|list| list.iter().any(|operation| operation == "verify"))
}

fn rsa(n: &str, e: &str) -> Option<DecodingKey> {
    let (n, e) = (decoded(n)?, decoded(e)?);
    // RFC 7518 §6.3.1.1 forbids leading zeros, `ring` refuses them, and some servers send one.
    let unsigned = |bytes: &[u8]| bytes.iter().position(|b| *b != 0).map(|first| bytes[first..].to_vec());
    let (n, e) = (unsigned(&n)?, unsigned(&e)?);
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    (bits >= 2048).then(|| DecodingKey::from_rsa_raw_components(&n, &e))
}

/// An uncompressed point (SEC 1 §2.3.3). Coordinates have full length (RFC 7518 §6.2.1.2); cut ones are filled up.
fn ec(x: &str, y: &str, length: usize) -> Option<DecodingKey> {
    let mut point = vec![4];
    for coordinate in [decoded(x)?, decoded(y)?] {
        point.resize(point.len() + length.checked_sub(coordinate.len())?, 0);
        point.extend(coordinate);
    }
    Some(DecodingKey::from_ec_der(&point))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// The keys of the provider whose metadata `source` gives: fetched when first needed.
pub(super) fn kept(source: Source, http: Http) -> Kept<Jwks> {
    let interrupted = http.error(Endpoint::Jwks, Fault::Unreachable("the request was cut short".into()));
    let fetch = move || -> BoxFuture<'static, Result<Jwks, ProviderError>> {
        let (source, http) = (source.clone(), http.clone());
        Box::pin(async move {
            let metadata = source.metadata().await?;
            let missing = || http.error(Endpoint::Jwks, Fault::Misconfigured("no jwks_uri".into()));
            fetch(metadata.jwks_uri.as_ref().ok_or_else(missing)?, &http)
                .await
                .map(|(keys, _)| keys)
        })
    };
    Kept::new(interrupted, Box::new(fetch))
}

/// The keys at `url`, and the server's clock where it says it.
pub(super) async fn fetch(url: &Url, http: &Http) -> Result<(Jwks, Option<Timestamp>), ProviderError> {
    let error = |fault| http.error(Endpoint::Jwks, fault);
    let answer = http.get(Endpoint::Jwks, url, None).await?;
    if !answer.is_success() {
        return Err(error(answer.refusal(&[])));
    }
    let keys = Jwks::parse(&answer.json().map_err(error)?).map_err(error)?;
    Ok((keys, answer.date))
}
