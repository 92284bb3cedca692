//! Every answer that the gateway makes itself because something is wrong: one table from cause to status and words.
//!
//! The browser gets fixed words and the request id; the log gets the particulars.

use crate::flow::LoginError;
use crate::provider::{Endpoint, ProviderError};

/// Why a request is not forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    // The visitor's request.
    BadHost,
    ForeignHost,
    BadVersion,
    BadFraming,
    UpgradeToH2c,
    MethodNeverAllowed,
    HeaderTooLarge,
    BodyTooLarge,
    RequestSlow,
    BadTarget,
    AmbiguousPath,
    EncodedSlash,
    NoRoute,
    MethodNotAllowed(http::HeaderValue),
    NoSuchEndpoint,
    EndpointMethod(&'static str),
    // The visitor.
    Unauthenticated,
    CrossSite,
    NotAllowed,
    RouteDenies,
    NotSameOrigin,
    // The login.
    BadCallback,
    UnknownState,
    WrongIssuer,
    UnknownProvider,
    /// No logout token, or one that does not count (Back-Channel Logout 1.0 §2.8).
    BadLogoutToken,
    LoginLoop,
    /// The provider's error code, fit to be shown.
    ProviderDenied(String),
    ProviderError(String),
    ProviderSilent,
    ProviderWrong,
    SessionTooLarge,
    // A form that was kept over the login.
    KeptFormUnknown,
    KeptFormSent,
    // Behind us.
    RefreshUnavailable,
    SessionsUnavailable,
    UpstreamDown,
    UpstreamSlow,
    Internal,
}

/// How a cause is told.
pub(super) struct Words {
    pub(super) status: u16,
    /// `error` in JSON, the cause on a page.
    pub(super) code: &'static str,
    pub(super) heading: &'static str,
    /// What happened.
    pub(super) explanation: &'static str,
    /// What to do.
    pub(super) next: &'static str,
    /// Seconds for `Retry-After`.
    pub(super) retry_after: Option<u32>,
}

const fn words(status: u16, code: &'static str, told: [&'static str; 3]) -> Words {
    let [heading, explanation, next] = told;
    Words {
        status,
        code,
        heading,
        explanation,
        next,
        retry_after: None,
    }
}

const fn later(seconds: u32, words: Words) -> Words {
    Words {
        retry_after: Some(seconds),
        ..words
    }
}

const CANNOT: &str = "This request cannot be answered";
const LOGIN_FAILED: &str = "The login did not work";
const CHECK: &str = "Check the address.";
const AGAIN: &str = "Try to sign in again.";
const SOON: &str = "Try again in a moment.";

impl Cause {
    /// The outcome of a denial event, where this is one that is not logged with its particulars already.
    pub(super) fn denial(&self) -> Option<&'static str> {
        match self {
            Self::CrossSite | Self::NotSameOrigin => Some("cross_site"),
            Self::RouteDenies => Some("route"),
            _ => None,
        }
    }

    /// The table.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(super) fn words(&self) -> Words {
        use Cause::*;
        match self {
            BadHost | ForeignHost | BadVersion | BadFraming | UpgradeToH2c | MethodNeverAllowed | HeaderTooLarge
            | BodyTooLarge | RequestSlow | BadTarget | AmbiguousPath | EncodedSlash | NoRoute | MethodNotAllowed(_)
            | NoSuchEndpoint | EndpointMethod(_) | BadLogoutToken => self.request_words(),
            BadCallback | UnknownState | WrongIssuer | UnknownProvider | LoginLoop | ProviderDenied(_)
            | ProviderError(_) | ProviderSilent | ProviderWrong | SessionTooLarge => self.login_words(),
            Unauthenticated => words(
                401,
                "unauthenticated",
                ["Please sign in", "This page needs a login.", "Sign in and try again."],
            ),
            CrossSite | NotSameOrigin => words(
                403,
                "cross_site",
                [
                    "This request came from another site",
                    "It was not carried out.",
                    "If you meant it, open this site yourself and do it there.",
                ],
            ),
            NotAllowed | RouteDenies => words(
                403,
                "forbidden",
                [
                    "You may not see this page",
                    "This page is not for your account.",
                    "Use another account, or ask whoever runs this page for access.",
                ],
            ),
            KeptFormUnknown => words(
                400,
                "kept_form_unknown",
                [
                    "What you entered was not sent on",
                    "It was kept while you signed in, but it took too long, or it was kept for another page.",
                    "Go back to the form and send it again.",
                ],
            ),
            KeptFormSent => words(
                409,
                "kept_form_sent",
                [
                    "This was sent already",
                    "What you entered was kept while you signed in, and is sent on once only.",
                    "Look whether the application has it before you send it again.",
                ],
            ),
            RefreshUnavailable => later(
                5,
                words(
                    503,
                    "refresh_unavailable",
                    [
                        "Your session could not be renewed",
                        "The login service does not answer just now. You are still signed in.",
                        SOON,
                    ],
                ),
            ),
            SessionsUnavailable => later(
                5,
                words(
                    503,
                    "sessions_unavailable",
                    [
                        "Your session cannot be looked up",
                        "The place where sessions are kept does not answer just now. If you were signed in, you still are.",
                        SOON,
                    ],
                ),
            ),
            UpstreamDown => words(
                502,
                "upstream_unavailable",
                [
                    "The application does not answer",
                    "The application behind this page could not be reached.",
                    SOON,
                ],
            ),
            UpstreamSlow => words(
                504,
                "upstream_timeout",
                [
                    "The application takes too long",
                    "The application behind this page did not answer in time.",
                    SOON,
                ],
            ),
            Internal => words(
                500,
                "internal_error",
                [
                    "Something went wrong here",
                    "This is a fault of the gateway.",
                    "Try again; if it stays, tell whoever runs this page the request id.",
                ],
            ),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    fn request_words(&self) -> Words {
        use Cause::*;
        let bad = |code, explanation, next| words(400, code, [CANNOT, explanation, next]);
        match self {
            ForeignHost => words(
                421,
                "misdirected_request",
                [
                    "This address is not served here",
                    "The host name in the address is not one of this gateway's.",
                    CHECK,
                ],
            ),
            BadHost => bad("bad_host", "The request names no valid host, or more than one.", CHECK),
            BadVersion => words(
                505,
                "http_version",
                [
                    CANNOT,
                    "Its HTTP version is not spoken here.",
                    "Use HTTP/1.1 or HTTP/2.",
                ],
            ),
            BadFraming => bad("bad_framing", "It is not clear where the request ends.", "Try again."),
            BadLogoutToken => bad(
                "invalid_request",
                "This is no sign-out that counts.",
                "Nothing was changed.",
            ),
            UpgradeToH2c => bad(
                "bad_upgrade",
                "An upgrade to h2c is not possible here.",
                "Use HTTP/1.1.",
            ),
            HeaderTooLarge => words(
                431,
                "header_too_large",
                [
                    "The request's header is too large",
                    "Often it is the cookies.",
                    "Delete this site's cookies and try again.",
                ],
            ),
            BodyTooLarge => words(
                413,
                "body_too_large",
                ["This is too large", "It was not sent on.", "Send less at once."],
            ),
            RequestSlow => words(
                408,
                "request_timeout",
                ["This took too long", "The request did not come in time.", SOON],
            ),
            BadTarget => bad("bad_path", "The address is not a plain path.", CHECK),
            AmbiguousPath => bad(
                "ambiguous_path",
                "The address can be read in two ways.",
                "Write it without escapes, empty segments and parameters.",
            ),
            EncodedSlash => bad(
                "encoded_slash",
                "The address has an encoded slash, which is not allowed here.",
                CHECK,
            ),
            MethodNeverAllowed | MethodNotAllowed(_) | EndpointMethod(_) => words(
                405,
                "method_not_allowed",
                [
                    "This cannot be done here",
                    "The request's method is not allowed for this address.",
                    CHECK,
                ],
            ),
            _ => words(
                404,
                "not_found",
                ["Nothing here", "There is no page at this address.", CHECK],
            ),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    fn login_words(&self) -> Words {
        use Cause::*;
        let bad = |code, explanation| words(400, code, [LOGIN_FAILED, explanation, AGAIN]);
        match self {
            BadCallback => bad("bad_callback", "The login service's answer is incomplete."),
            UnknownState => words(
                400,
                "unknown_state",
                [
                    "This login is not known here",
                    "It may have taken too long, or been started somewhere else.",
                    AGAIN,
                ],
            ),
            WrongIssuer => bad(
                "wrong_issuer",
                "The answer came from another login service than the one that was asked.",
            ),
            UnknownProvider => bad("unknown_provider", "There is no such login service here."),
            LoginLoop => words(
                400,
                "login_loop",
                [
                    "The login does not get through",
                    "Your browser did not bring back the cookie that was set when the login began.",
                    "Allow cookies for this site, use the same address from beginning to end (https where it is offered), \
                 and check your computer's clock; then try again.",
                ],
            ),
            ProviderDenied(_) => words(
                403,
                "login_denied",
                [
                    "The login was not completed",
                    "The login service did not let you in, or the login was cancelled.",
                    "Try again, or use another account.",
                ],
            ),
            ProviderSilent => later(
                5,
                words(
                    503,
                    "provider_unavailable",
                    [
                        "The login service does not answer",
                        "Signing in is not possible just now.",
                        SOON,
                    ],
                ),
            ),
            SessionTooLarge => words(
                502,
                "session_too_large",
                [
                    "Your login is too large to keep",
                    "The login service says more about you than a browser can keep.",
                    "Whoever runs this page must ask it for less.",
                ],
            ),
            _ => words(
                502,
                "provider_error",
                [
                    "The login service gave a wrong answer",
                    "Signing in did not work.",
                    "Try again; if it stays, tell whoever runs this page the request id.",
                ],
            ),
        }
    }
}

impl From<&ProviderError> for Cause {
    fn from(error: &ProviderError) -> Self {
        if error.is_silence() {
            Self::ProviderSilent
        } else {
            Self::ProviderWrong
        }
    }
}

impl From<&LoginError> for Cause {
    fn from(error: &LoginError) -> Self {
        match error {
            LoginError::WrongIssuer => Self::WrongIssuer,
            // A silent token endpoint has spent the code: this login cannot be saved by waiting.
            LoginError::Provider(error) if matches!(error.endpoint, Endpoint::Discovery | Endpoint::Jwks) => {
                Self::from(error)
            }
            LoginError::Provider(_) => Self::ProviderWrong,
            LoginError::NoIdToken | LoginError::User(_) => Self::ProviderWrong,
            LoginError::Random(_) => Self::Internal,
        }
    }
}
