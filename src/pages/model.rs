//! What goes into each page. Own templates see the same names; absent values are false in an `if`.

use serde::{Serialize, Serializer};

/// A link that the visitor may follow. One that leads neither to a path on this origin nor to an http(s) URL is printed
/// as `#`: escaping alone would let a `javascript:` through.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Action<'a> {
    /// What it says: "Try again".
    pub label: &'a str,
    /// Where it leads.
    #[serde(serialize_with = "link")]
    pub href: &'a str,
}

/// A hidden field of a form.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// `error.html`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ErrorPage<'a> {
    /// HTTP status of the answer.
    pub status: u16,
    /// What happened, in a few words: the page's title and heading.
    pub heading: &'a str,
    /// What happened, in a sentence or two.
    pub explanation: &'a str,
    /// What the visitor can do now; empty: nothing is said.
    pub next: &'a str,
    /// Links; the first is the one we advise.
    pub actions: &'a [Action<'a>],
    /// As in the log.
    pub request_id: &'a str,
    /// A short code for whoever is asked for help: `access_denied`; empty: left out.
    pub cause: &'a str,
}

/// `sign_in.html`; its `title` is the operator's.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SignInPage<'a> {
    /// Host that the visitor goes on to; empty: left out.
    pub host: &'a str,
    /// Why the page is shown, where that is not plain; empty: left out.
    pub notice: &'a str,
    /// One link a provider, labelled as it should read: "Continue with Corporate login".
    pub choices: &'a [Action<'a>],
}

/// `onward.html`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OnwardPage<'a> {
    /// Where it goes.
    #[serde(serialize_with = "link")]
    pub href: &'a str,
}

/// `signed_out.html`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SignedOutPage<'a> {
    /// Starts a login.
    #[serde(serialize_with = "link")]
    pub sign_in_href: &'a str,
}

/// The page that asks whether a sign-out that another site began is wanted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ConfirmSignOutPage<'a> {
    /// Where the form is posted.
    #[serde(serialize_with = "link")]
    pub action: &'a str,
    /// What is posted.
    pub fields: &'a [Field<'a>],
    /// Where "Stay signed in" leads.
    #[serde(serialize_with = "link")]
    pub stay_href: &'a str,
}

pub(super) fn link<S: Serializer>(href: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let on_this_origin = href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\");
    let elsewhere = href.starts_with("https://") || href.starts_with("http://");
    let clean = !href.chars().any(char::is_control);
    serializer.serialize_str(if clean && (on_this_origin || elsewhere) {
        href
    } else {
        "#"
    })
}
