//! The pages that carry a form or a fragment over the login, in the storage of the browser's tab.
//!
//! What is carried stands in data attributes, which nothing executes; the one script is an asset of ours. Without it each
//! page says that nothing is carried and has a link that goes on. The operator has no templates for these.

use serde::Serialize;

use super::model::link;
use super::{Pages, assets};

/// `Content-Security-Policy` of the pages before the login: our own script, no forms.
pub const CSP_KEEP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'none'; \
                            base-uri 'none'; frame-ancestors 'none'";

/// `Content-Security-Policy` of the page after the login. Browsers hold `form-action` also against the redirects that
/// follow a form, and where the application sends its visitors is not for us to say; so it names the schemes.
pub const CSP_RESUME: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                              form-action 'self' https: http:; base-uri 'none'; frame-ancestors 'none'";

/// `keep_form.html`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KeepFormPage<'a> {
    /// The page's title and heading.
    pub heading: &'a str,
    /// Why the visitor sees the page; empty: left out.
    pub explanation: &'a str,
    /// What the script keeps it under.
    pub id: &'a str,
    /// The form.
    pub sealed: &'a str,
    /// Where the login begins that ends at the page after the login.
    #[serde(serialize_with = "link")]
    pub onward: &'a str,
    /// Where a login begins for a visitor whose browser keeps nothing.
    #[serde(serialize_with = "link")]
    pub plain: &'a str,
    /// Goes on with a click only.
    pub waits: bool,
}

/// `form_not_kept.html`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FormNotKeptPage<'a> {
    /// Why, in a sentence.
    pub reason: &'a str,
    /// Where the login begins.
    #[serde(serialize_with = "link")]
    pub plain: &'a str,
}

/// `keep_fragment.html`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KeepFragmentPage<'a> {
    /// What the script keeps it under.
    pub id: &'a str,
    /// Where the login begins that ends at the page after the login.
    #[serde(serialize_with = "link")]
    pub onward: &'a str,
    /// Where the login begins that ends at the page itself: for an address without a fragment.
    #[serde(serialize_with = "link")]
    pub plain: &'a str,
}

/// `resume.html`
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ResumePage<'a> {
    /// A form, else a fragment.
    pub form: bool,
    /// What the script kept it under.
    pub id: &'a str,
    /// Where the visitor goes on to.
    #[serde(serialize_with = "link")]
    pub to: &'a str,
    /// The name of the form's one field.
    pub field: &'a str,
}

#[derive(Serialize)]
struct Scripted<'a, T: Serialize> {
    script: &'a str,
    #[serde(flatten)]
    page: &'a T,
}

impl Pages {
    /// Keeps a form and goes on to the login. Sent with [`CSP_KEEP`].
    pub fn keep_form(&self, page: &KeepFormPage<'_>) -> String {
        self.scripted("keep_form.html", page)
    }

    /// Says that a form is not kept, before the login.
    pub fn form_not_kept(&self, page: &FormNotKeptPage<'_>) -> String {
        self.render("form_not_kept.html", page)
    }

    /// Keeps the address's fragment and goes on to the login. Sent with [`CSP_KEEP`].
    pub fn keep_fragment(&self, page: &KeepFragmentPage<'_>) -> String {
        self.scripted("keep_fragment.html", page)
    }

    /// Takes what was kept and goes on with it. Sent with [`CSP_RESUME`].
    pub fn resume(&self, page: &ResumePage<'_>) -> String {
        self.scripted("resume.html", page)
    }

    fn scripted<T: Serialize>(&self, name: &str, page: &T) -> String {
        let script = &assets::href(self.prefix(), assets::CARRY);
        self.render(name, &Scripted { script, page })
    }
}

#[cfg(test)]
mod tests {
    use super::super::asset;
    use super::*;
    use crate::config;

    const EVIL: &str = "\"></div><script>alert(1)</script>'&";

    fn pages() -> Pages {
        let config = config::Pages {
            dir: None,
            title: "Sign in".into(),
            contact: String::new(),
        };
        Pages::new(&config, "/auth").unwrap()
    }

    fn every_page(text: &str, href: &str) -> [String; 5] {
        let pages = pages();
        let form = KeepFormPage {
            heading: text,
            explanation: text,
            id: text,
            sealed: text,
            onward: href,
            plain: href,
            waits: true,
        };
        let resume = |form| ResumePage {
            form,
            id: text,
            to: href,
            field: text,
        };
        [
            pages.keep_form(&form),
            pages.form_not_kept(&FormNotKeptPage {
                reason: text,
                plain: href,
            }),
            pages.keep_fragment(&KeepFragmentPage {
                id: text,
                onward: href,
                plain: href,
            }),
            pages.resume(&resume(true)),
            pages.resume(&resume(false)),
        ]
    }

    #[test]
    fn the_only_script_is_our_asset_and_no_value_becomes_markup() {
        for (page, scripts) in every_page(EVIL, "/x\"><script>").iter().zip([1, 0, 1, 1, 1]) {
            assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
            assert_eq!(page.matches("<h1").count(), 1, "{page}");
            assert_eq!(page.matches("<script").count(), scripts, "{page}");
            let ours = page.split("<script src=\"/auth/static/").nth(1);
            assert!(ours.is_none_or(|rest| asset(rest.split('?').next().unwrap()).is_some()));
        }
    }

    #[test]
    fn without_the_script_each_page_has_a_visible_way_on() {
        for page in every_page("x", "/on") {
            let hidden = page.split_once("<div data-when=\"kept\" hidden>");
            let visible = hidden.map_or(page.as_str(), |(_, rest)| rest.split_once("</div>").unwrap().1);
            assert!(visible.contains("href=\"/on\""), "{page}");
        }
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for page in every_page("x", "javascript:alert(1)") {
            assert!(!page.contains("javascript:"), "{page}");
        }
    }
}
