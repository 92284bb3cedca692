//! The templates: compiled in, or the operator's own from `[pages] dir`.
//!
//! Own templates are all `*.html` files of that directory. `sign_in.html`, `error.html`, `signed_out.html` and
//! `confirm_sign_out.html` take the place of ours, `layout.html` that of the frame around them; others can be included
//! or extended. Each is compiled and rendered once with sample values when the configuration is read, so that a typing
//! error is found there and not by a visitor. Should one fail nevertheless, the visitor sees ours.

use std::fmt::Write as _;
use std::path::Path;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

use super::assets;
use super::model::{Action, ConfirmSignOutPage, ErrorPage, Field, OnwardPage, SignInPage, SignedOutPage};
use crate::config;

const SIGN_IN: &str = "sign_in.html";
const ERROR: &str = "error.html";
const SIGNED_OUT: &str = "signed_out.html";
const CONFIRM_SIGN_OUT: &str = "confirm_sign_out.html";

const ONWARD: &str = "onward.html";

const BUILT_IN: [(&str, &str); 10] = [
    ("layout.html", include_str!("templates/layout.html")),
    (SIGN_IN, include_str!("templates/sign_in.html")),
    (ERROR, include_str!("templates/error.html")),
    (SIGNED_OUT, include_str!("templates/signed_out.html")),
    (CONFIRM_SIGN_OUT, include_str!("templates/confirm_sign_out.html")),
    (ONWARD, include_str!("templates/onward.html")),
    ("keep_form.html", include_str!("templates/keep_form.html")),
    ("form_not_kept.html", include_str!("templates/form_not_kept.html")),
    ("keep_fragment.html", include_str!("templates/keep_fragment.html")),
    ("resume.html", include_str!("templates/resume.html")),
];

/// What is shown where even our own template fails: a defect, but never an empty page.
const LAST_RESORT: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Error</title></head>\
    <body><h1>Something went wrong</h1><p>This page could not be shown.</p></body></html>\n";

/// The pages, ready to be filled in.
pub struct Pages {
    built_in: Environment<'static>,
    own: Option<Environment<'static>>,
    site: Site,
    prefix: String,
}

/// What every page has.
#[derive(Serialize)]
struct Site {
    title: String,
    contact: String,
    contact_href: String,
    css: String,
    icon: String,
}

#[derive(Serialize)]
struct View<'a, T: Serialize> {
    #[serde(flatten)]
    site: &'a Site,
    #[serde(flatten)]
    page: &'a T,
}

impl Pages {
    /// Compiles the templates. `prefix` is `[server] prefix`: the assets live under it.
    ///
    /// # Errors
    /// All problems of the own templates, one a line, each with its file and line.
    pub fn new(config: &config::Pages, prefix: &str) -> Result<Self, String> {
        let site = Site {
            title: config.title.clone(),
            contact: config.contact.clone(),
            contact_href: contact_href(&config.contact),
            css: assets::href(prefix, assets::STYLE),
            icon: assets::href(prefix, assets::ICON),
        };
        let mut pages = Self {
            built_in: built_in()?,
            own: None,
            site,
            prefix: prefix.to_owned(),
        };
        if let Some(dir) = &config.dir {
            pages.own = Some(own(dir)?);
            pages.try_each(dir)?;
        }
        Ok(pages)
    }

    /// Something is wrong, and what to do about it.
    pub fn error(&self, page: &ErrorPage<'_>) -> String {
        self.render(ERROR, page)
    }

    /// The chooser.
    pub fn sign_in(&self, page: &SignInPage<'_>) -> String {
        self.render(SIGN_IN, page)
    }

    /// After a sign-out.
    pub fn signed_out(&self, page: &SignedOutPage<'_>) -> String {
        self.render(SIGNED_OUT, page)
    }

    /// Asks before a sign-out that another site began. Sent with [`super::CSP_CONFIRM_SIGN_OUT`].
    pub fn confirm_sign_out(&self, page: &ConfirmSignOutPage<'_>) -> String {
        self.render(CONFIRM_SIGN_OUT, page)
    }

    /// Goes on by itself, from a page of our own: with `SameSite=Strict` a redirect would not bring the session along.
    pub fn onward(&self, page: &OnwardPage<'_>) -> String {
        self.render(ONWARD, page)
    }

    /// `[server] prefix`
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn render<T: Serialize>(&self, name: &str, page: &T) -> String {
        if let Some(own) = &self.own {
            match self.try_render(own, name, page) {
                Ok(text) => return text,
                Err(error) => {
                    tracing::error!(template = name, %error, "own template failed; the built-in one was shown")
                }
            }
        }
        self.try_render(&self.built_in, name, page).unwrap_or_else(|error| {
            tracing::error!(template = name, %error, "built-in template failed");
            LAST_RESORT.to_owned()
        })
    }

    fn try_render<T: Serialize>(
        &self,
        environment: &Environment<'static>,
        name: &str,
        page: &T,
    ) -> Result<String, minijinja::Error> {
        environment
            .get_template(name)?
            .render(Serde(View { site: &self.site, page }))
    }

    /// Renders each of the own pages with sample values, once with every value there and once with as few as can be.
    fn try_each(&self, dir: &Path) -> Result<(), String> {
        let Some(own) = &self.own else { return Ok(()) };
        let actions = [Action {
            label: "Try again",
            href: "/",
        }];
        let fields = [Field { name: "rd", value: "/" }];
        let mut problems = Vec::new();
        for full in [true, false] {
            let some = |text: &'static str| if full { text } else { "" };
            let actions = if full { &actions[..] } else { &[] };
            let error = ErrorPage {
                status: 503,
                heading: "Heading",
                explanation: "Explanation.",
                next: some("Next."),
                actions,
                request_id: "sample",
                cause: some("sample"),
            };
            let sign_in = SignInPage {
                host: some("app.example.com"),
                notice: some("Notice."),
                choices: actions,
            };
            let confirm = ConfirmSignOutPage {
                action: "/",
                fields: &fields,
                stay_href: "/",
            };
            problems.extend(self.try_render(own, ERROR, &error).err());
            problems.extend(self.try_render(own, SIGN_IN, &sign_in).err());
            problems.extend(
                self.try_render(own, SIGNED_OUT, &SignedOutPage { sign_in_href: "/" })
                    .err(),
            );
            problems.extend(self.try_render(own, CONFIRM_SIGN_OUT, &confirm).err());
        }
        let mut problems: Vec<String> = problems.iter().map(|error| told(dir, error)).collect();
        problems.sort_unstable();
        problems.dedup();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n"))
        }
    }
}

/// An environment with our templates.
fn built_in() -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(print);
    for (name, source) in BUILT_IN {
        environment
            .add_template(name, source)
            .map_err(|error| format!("built-in {error}"))?;
    }
    Ok(environment)
}

/// Ours, and the operator's in place of them and beside them.
fn own(dir: &Path) -> Result<Environment<'static>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut environment = built_in()?;
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.ends_with(".html"))
        else {
            continue;
        };
        match std::fs::read_to_string(&path) {
            Ok(source) => {
                let added = environment.add_template_owned(name.to_owned(), source);
                problems.extend(added.err().map(|error| told(dir, &error)));
            }
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
    }
    problems.sort_unstable();
    if problems.is_empty() {
        Ok(environment)
    } else {
        Err(problems.join("\n"))
    }
}

/// `dir/error.html:12: what is wrong`; where one template brought in another, the innermost is named.
fn told(dir: &Path, error: &minijinja::Error) -> String {
    let mut at = error;
    while let Some(inner) = std::error::Error::source(at).and_then(|e| e.downcast_ref::<minijinja::Error>()) {
        at = inner;
    }
    let mut text = String::new();
    if let Some(name) = at.name() {
        let _ = write!(text, "{}:{}: ", dir.join(name).display(), at.line().unwrap_or_default());
    }
    let _ = write!(text, "{}", at.kind());
    if let Some(detail) = at.detail() {
        let _ = write!(text, ": {detail}");
    }
    text
}

/// Prints a value into a page, escaped (HTML Living Standard §13.3). minijinja's own way writes `/` as a reference too,
/// which makes links hard to read for people and scripts, and is not needed in quoted attributes or text.
fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let Some(text) = value.as_str().filter(|_| !value.is_safe()) else {
        return minijinja::escape_formatter(out, state, value);
    };
    let mut rest = text;
    while let Some(place) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, special) = rest.split_at(place);
        out.write_str(before)?;
        out.write_str(match special.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#39;",
        })?;
        rest = special.get(1..).unwrap_or_default();
    }
    Ok(out.write_str(rest)?)
}

/// A link to the contact where it looks like an address: e-mail or URL. Empty otherwise.
fn contact_href(contact: &str) -> String {
    let plain = !contact.chars().any(|c| c.is_whitespace() || c.is_control());
    if plain && (contact.starts_with("https://") || contact.starts_with("http://")) {
        contact.to_owned()
    } else if plain && contact.contains('@') && !contact.contains([':', '?', '/']) {
        format!("mailto:{contact}")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests;
