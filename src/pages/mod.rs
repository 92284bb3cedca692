//! What a person sees: pages that work without scripts, two that carry a form over the login with one, and their assets.
//!
//! | file | what it is |
//! |---|---|
//! | `model` | what goes into each page: typed, borrowed text |
//! | `render` | [`Pages`]: the templates, the built-in ones and the operator's own |
//! | `carry` | the pages that carry a form or a fragment over the login |
//! | `assets` | [`asset`]: the style sheet, the icon and the one script |
//!
//! Every value is escaped where it is printed, and links lead only to paths on this origin or to http(s) URLs, whatever
//! a caller passes. The `Content-Security-Policy` that goes with each page lets nothing run that a mistake let in.

mod assets;
mod carry;
mod model;
mod render;

pub use assets::{Asset, asset};
pub use carry::{CSP_KEEP, CSP_RESUME, FormNotKeptPage, KeepFormPage, KeepFragmentPage, ResumePage};
pub use model::{Action, ConfirmSignOutPage, ErrorPage, Field, OnwardPage, SignInPage, SignedOutPage};
pub use render::Pages;

/// `Content-Security-Policy` (CSP Level 3) of every page but [`Pages::confirm_sign_out`]'s. No inline style or script,
/// no framing; forms only to ourselves.
pub const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                       frame-ancestors 'none'";

/// `Content-Security-Policy` of [`Pages::confirm_sign_out`]. Browsers hold `form-action` also against the redirects that
/// follow a form: to the provider's end-session endpoint and to wherever that leads. So it names the schemes.
pub const CSP_CONFIRM_SIGN_OUT: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                                        form-action 'self' https: http:; base-uri 'none'; frame-ancestors 'none'";
