//! What the provider sent the browser back with (RFC 6749 §4.1.2, OpenID Connect Core §3.1.2.5, RFC 9207).

use oauth2::AuthorizationCode;
use url::form_urlencoded;

/// Longest `code` or `state` that is read, bytes.
const LONGEST: usize = 8 * 1024;

/// An authorization response.
#[derive(Debug)]
pub enum Callback {
    /// The visitor may come in.
    Granted(Granted),
    /// The provider says no (RFC 6749 §4.1.2.1).
    Denied {
        /// `state`, where the provider sent it.
        state: String,
        /// `iss` (RFC 9207 §2).
        iss: Option<String>,
        /// `error`, as one of the registered codes or its own; visible ASCII, at most 64 characters.
        code: String,
    },
}

/// An authorization response with a code.
#[derive(Debug)]
pub struct Granted {
    /// RFC 6749 §4.1.2
    pub code: AuthorizationCode,
    /// Sealed [`super::State`].
    pub state: String,
    /// RFC 9207 §2
    pub iss: Option<String>,
}

/// The parameters are no authorization response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// RFC 6749 §3.1: no parameter more than once.
    #[error("parameter {0} came more than once")]
    Repeated(&'static str),
    /// Needed, and absent or empty.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// Longer than anything a provider sends.
    #[error("parameter {0} is too long")]
    TooLong(&'static str),
    /// Both an error and a code.
    #[error("both a code and an error came")]
    Contradictory,
    /// Not an error code (RFC 6749 §4.1.2.1).
    #[error("the error code has characters that no error code has")]
    BadErrorCode,
}

impl Callback {
    /// Reads a query or a form.
    ///
    /// # Errors
    /// [`CallbackError`] names the parameter, never its value.
    pub fn parse(query: &str) -> Result<Self, CallbackError> {
        let (mut code, mut state, mut iss, mut error) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let (name, slot) = match &*name {
                "code" => ("code", &mut code),
                "state" => ("state", &mut state),
                "iss" => ("iss", &mut iss),
                "error" => ("error", &mut error),
                _ => continue,
            };
            if value.len() > LONGEST {
                return Err(CallbackError::TooLong(name));
            }
            if slot.replace(value.into_owned()).is_some() {
                return Err(CallbackError::Repeated(name));
            }
        }
        let state = state
            .filter(|text| !text.is_empty())
            .ok_or(CallbackError::Missing("state"))?;
        match (
            code.filter(|text| !text.is_empty()),
            error.filter(|text| !text.is_empty()),
        ) {
            (Some(code), None) => Ok(Self::Granted(Granted {
                code: AuthorizationCode::new(code),
                state,
                iss,
            })),
            (None, Some(code)) if is_error_code(&code) => Ok(Self::Denied { state, iss, code }),
            (None, Some(_)) => Err(CallbackError::BadErrorCode),
            (None, None) => Err(CallbackError::Missing("code")),
            (Some(_), Some(_)) => Err(CallbackError::Contradictory),
        }
    }

    /// The sealed `state`.
    pub fn state(&self) -> &str {
        match self {
            Self::Granted(granted) => &granted.state,
            Self::Denied { state, .. } => state,
        }
    }

    /// `iss` (RFC 9207 §2).
    pub fn iss(&self) -> Option<&str> {
        match self {
            Self::Granted(granted) => granted.iss.as_deref(),
            Self::Denied { iss, .. } => iss.as_deref(),
        }
    }
}

/// RFC 6749 §4.1.2.1: `%x20-21 / %x23-5B / %x5D-7E`; narrower here, since it is logged and shown.
fn is_error_code(code: &str) -> bool {
    code.len() <= 64
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_providers_send() {
        let granted = Callback::parse("code=a%2Bb&state=s&iss=https%3A%2F%2Fid&session_state=x").unwrap();
        assert_eq!((granted.state(), granted.iss()), ("s", Some("https://id")));
        let Callback::Granted(granted) = granted else {
            panic!("not granted")
        };
        assert_eq!(granted.code.secret(), "a+b");
        let denied = Callback::parse("error=access_denied&error_description=no&state=s").unwrap();
        assert!(matches!(denied, Callback::Denied { code, .. } if code == "access_denied"));
    }

    #[test]
    fn refuses_everything_else() {
        use CallbackError::*;
        for (query, expected) in [
            ("", Missing("state")),
            ("code=a", Missing("state")),
            ("state=s", Missing("code")),
            ("code=&state=s", Missing("code")),
            ("code=a&state=", Missing("state")),
            ("code=a&code=b&state=s", Repeated("code")),
            ("code=a&state=s&state=s", Repeated("state")),
            ("code=a&state=s&iss=x&iss=y", Repeated("iss")),
            ("error=a&error=b&state=s", Repeated("error")),
            ("code=a&error=b&state=s", Contradictory),
            ("error=%3Cscript%3E&state=s", BadErrorCode),
            ("error=a%0d%0ab&state=s", BadErrorCode),
        ] {
            assert_eq!(Callback::parse(query).unwrap_err(), expected, "{query}");
        }
        let long = format!("code={}&state=s", "x".repeat(LONGEST + 1));
        assert_eq!(Callback::parse(&long).unwrap_err(), TooLong("code"));
    }
}
