//! One HTTP answer of the provider's, and how an answer that is not the one hoped for is classified. Bodies hold tokens:
//! there is no `Debug`, and no text of a body gets into an error but a bounded `error` and `error_description`.

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::error::{Fault, Printable};
use crate::clock::Timestamp;
use oauth2::basic::BasicErrorResponseType as ErrorCode;

/// A piece of a secret this long, bytes, is not kept.
const TELLING_PIECE: usize = 8;

/// A complete answer.
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// Media type, lower case, without parameters; empty where the header is absent.
    pub(super) media_type: String,
    /// The server's clock, by its `Date`.
    pub(super) date: Option<Timestamp>,
    /// The body.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// 2xx
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text, without a byte order mark and edge blanks; `None` where it is not UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        let bytes = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        std::str::from_utf8(bytes).ok().map(str::trim)
    }

    /// The body as a JSON object, whatever its media type says.
    pub(super) fn json(&self) -> Result<Map<String, Value>, Fault> {
        let text = self.text().ok_or_else(|| self.unreadable("not UTF-8"))?;
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(self.unreadable("JSON, but not an object")),
            Err(e) if e.is_eof() && !text.is_empty() => Err(self.unreadable("JSON that ends too early")),
            Err(_) => Err(self.unreadable(if text.is_empty() { "empty" } else { "not JSON" })),
        }
    }

    /// The body as a JSON object, or as the form that older servers send (`access_token=…&token_type=…`).
    pub(super) fn json_or_form(&self) -> Result<Map<String, Value>, Fault> {
        self.json().or_else(|fault| self.form().ok_or(fault))
    }

    /// Told by its content and not by its media type: PHP servers call theirs `text/html`.
    fn form(&self) -> Option<Map<String, Value>> {
        let text = self.text()?;
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let members: Map<String, Value> = form_urlencoded::parse(text.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        (members.contains_key("access_token") || members.contains_key("error")).then_some(members)
    }

    fn unreadable(&self, what: &str) -> Fault {
        let media_type = Printable::new(&self.media_type);
        let named = media_type.as_ref().map_or("none", Printable::as_str);
        Fault::Malformed(format!("status {}, media type {named}: {what}", self.status))
    }

    /// What an answer means that is not a success. `sent` are the secrets of the request: text that repeats one of them
    /// is not kept.
    pub(super) fn refusal(&self, sent: &[&str]) -> Fault {
        if (300..400).contains(&self.status) {
            return Fault::Malformed(format!("a redirect ({}), which is never followed", self.status));
        }
        let members = self.json_or_form().unwrap_or_default();
        refusal(self.status, &members, sent)
    }
}

/// The error in the body of an answer with status 200, if it is one.
pub(super) fn hidden_refusal(status: u16, members: &Map<String, Value>, sent: &[&str]) -> Option<Fault> {
    match members.get("error") {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::String(code)) if code.is_empty() => None,
        Some(_) => Some(refusal(status, members, sent)),
    }
}

fn refusal(status: u16, members: &Map<String, Value>, sent: &[&str]) -> Fault {
    let code = members
        .get("error")
        .and_then(Value::as_str)
        .filter(|code| is_code(code) && !repeats(code, sent));
    let later = matches!(code, Some("temporarily_unavailable" | "slow_down" | "server_error"));
    if later || matches!(status, 408 | 425 | 429 | 500..) {
        return Fault::Temporary {
            status,
            code: code.map(str::to_owned),
        };
    }
    if !(200..300).contains(&status) && !(400..500).contains(&status) {
        return Fault::Malformed(format!("status {status}"));
    }
    let description = members.get("error_description").and_then(Value::as_str);
    let description = description
        .filter(|text| !repeats(text, sent))
        .and_then(Printable::new)
        .filter(|text| !gives_away(text.as_str(), sent));
    Fault::Refused {
        status,
        error: code.and_then(error_code),
        description,
    }
}

/// RFC 6749 §5.2 lets a code have any printable character; those in use are words.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b))
}

fn error_code(code: &str) -> Option<ErrorCode> {
    let source: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = code.into_deserializer();
    ErrorCode::deserialize(source).ok()
}

/// Whether `text` repeats one of the secrets, as it is or as it stood in the form.
fn repeats(text: &str, sent: &[&str]) -> bool {
    sent.iter().filter(|secret| !secret.is_empty()).any(|secret| {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        text.contains(secret) || text.contains(&encoded)
    })
}

/// Whether `text` has a piece of one of the secrets, in any case: servers that echo cut and fold what they echo.
fn gives_away(text: &str, sent: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    sent.iter().any(|secret| {
        let secret = secret.to_ascii_lowercase();
        let mut pieces = text.as_bytes().windows(TELLING_PIECE);
        pieces.any(|piece| secret.as_bytes().windows(TELLING_PIECE).any(|own| own == piece))
    })
}
