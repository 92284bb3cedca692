//! How the client shows who it is at the token and revocation endpoints (RFC 6749 §2.3.1, OpenID Connect Core §9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::http::sensitive;
use super::metadata::Metadata;
use crate::config::{self, ClientAuth};
use crate::secret::Secret;

/// The method of one client, decided once per request and never tried one after the other: a code is redeemed once.
enum Method<'a> {
    Basic(&'a Secret),
    Post(&'a Secret),
    Public,
}

fn method<'a>(config: &'a config::Provider, metadata: &Metadata) -> Method<'a> {
    let Some(secret) = &config.client_secret else {
        return Method::Public;
    };
    let listed = &metadata.token_endpoint_auth_methods;
    match config.client_auth {
        ClientAuth::None => Method::Public,
        ClientAuth::Post => Method::Post(secret),
        ClientAuth::Basic => Method::Basic(secret),
        // OpenID Connect Discovery §3: absent means client_secret_basic.
        ClientAuth::Auto if listed.is_empty() || listed.iter().any(|m| m == "client_secret_basic") => {
            Method::Basic(secret)
        }
        ClientAuth::Auto => Method::Post(secret),
    }
}

/// Adds the client to the form, or returns the `Authorization` header that names it.
pub(super) fn apply(
    config: &config::Provider,
    metadata: &Metadata,
    form: &mut Vec<(String, Zeroizing<String>)>,
) -> Option<HeaderValue> {
    let mut add = |name: &str, value: &str| form.push((name.to_owned(), Zeroizing::new(value.to_owned())));
    match method(config, metadata) {
        Method::Basic(secret) => return basic(&config.client_id, secret),
        Method::Post(secret) => {
            add("client_id", &config.client_id);
            add("client_secret", secret.reveal());
        }
        Method::Public => add("client_id", &config.client_id),
    }
    None
}

/// RFC 6749 §2.3.1: both are form-encoded before they are joined. A space becomes `%20` and not `+`, which every
/// decoder reads, also those that only know percent-encoding.
fn basic(client_id: &str, secret: &Secret) -> Option<HeaderValue> {
    let joined = Zeroizing::new(format!(
        "{}:{}",
        *percent_encoded(client_id),
        *percent_encoded(secret.reveal())
    ));
    sensitive(&Zeroizing::new(format!(
        "Basic {}",
        *Zeroizing::new(STANDARD.encode(joined.as_bytes()))
    )))
}

/// All but RFC 3986 §2.3's unreserved characters.
fn percent_encoded(text: &str) -> Zeroizing<String> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn every_server_reads_the_secret() {
        for (plain, sent) in [
            ("plain-secret_1.~", "plain-secret_1.~"),
            ("a b", "a%20b"),
            ("a+b:c%d/e=", "a%2Bb%3Ac%25d%2Fe%3D"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(*percent_encoded(plain), sent);
        }
    }
}
