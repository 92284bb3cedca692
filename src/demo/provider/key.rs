//! The signing key: ES256 (RFC 7518 §3.4), made when the provider starts, and the random texts it hands out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use ring::{digest, signature};
use serde_json::{Map, Value, json};

/// A P-256 key pair that signs and checks compact JWS (RFC 7515 §7.1).
pub struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
}

impl SigningKey {
    /// A fresh key; its id is taken from the public point, so that two keys never share one.
    #[expect(
        clippy::expect_used,
        reason = "fails only where the kernel has no random source; ring reads its own PKCS#8"
    )]
    pub fn generate() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("random source");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
            .expect("a key that ring has just made");
        let id = sha256_base64url(pair.public_key().as_ref())[..16].to_owned();
        Self { pair, id }
    }

    /// `kid` in the JWKS and in every header.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The header this key usually signs under: `alg`, `kid` and the given `typ` (`JWT`, `logout+jwt` …).
    pub fn header(&self, typ: &str) -> Value {
        json!({"alg": "ES256", "kid": self.id, "typ": typ})
    }

    /// Signs `claims` under `header` as it stands: a test may name another `alg` or `kid` than the truth.
    #[expect(clippy::expect_used, reason = "fails only where the kernel has no random source")]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = self
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .expect("random source");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// The claims of a token that this key signed; times are not looked at.
    pub fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let (input, signature) = token.rsplit_once('.')?;
        let (_, claims) = input.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref())
            .verify(input.as_bytes(), &signature)
            .ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    /// The public key as a JWK (RFC 7517, RFC 7518 §6.2.1).
    pub fn jwk(&self) -> Value {
        // ring gives the uncompressed point: 0x04, 32 bytes of x, 32 bytes of y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

/// 256 random bits as 43 characters that need no escaping: a code, a token, a session id.
#[expect(clippy::expect_used, reason = "fails only where the kernel has no random source")]
pub(super) fn random_text() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("random source");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// BASE64URL(SHA256(text)): the S256 challenge of a verifier (RFC 7636 §4.2).
pub(super) fn sha256_base64url(text: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text))
}

/// `at_hash`: the left half of the access token's SHA-256 (OpenID Connect Core §3.1.3.6).
pub(super) fn access_token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, token.as_bytes()).as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_token_verifies_and_a_changed_one_does_not() {
        let key = SigningKey::generate();
        let token = key.sign(&key.header("JWT"), &json!({"sub": "a"}));
        assert_eq!(key.verify(&token).unwrap()["sub"], "a");
        assert!(SigningKey::generate().verify(&token).is_none());
        let other = key.sign(&key.header("JWT"), &json!({"sub": "b"}));
        let mixed = format!(
            "{}.{}",
            other.rsplit_once('.').unwrap().0,
            token.rsplit_once('.').unwrap().1
        );
        assert!(key.verify(&mixed).is_none());
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        assert_eq!(
            sha256_base64url(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
