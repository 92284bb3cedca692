//! Pages are whole, and nothing that goes into them can become markup.

use super::super::{CSP, CSP_CONFIRM_SIGN_OUT, asset};
use super::*;

const EVIL: &str = "</title></h1><script>alert(1)</script><img src=x onerror=\"alert(1)\">'\"&{{ title }}{% raw %}";
const EVIL_HREF: &str = "/x\"><script>alert(1)</script>?a=1&b='2'";

fn pages(config: &config::Pages) -> Pages {
    Pages::new(config, "/oauth2").unwrap()
}

fn config(dir: Option<&Path>, text: &str) -> config::Pages {
    config::Pages {
        dir: dir.map(Path::to_path_buf),
        title: text.into(),
        contact: text.into(),
    }
}

/// Every page, each field filled with `text` and each link with `href`.
fn every_page(pages: &Pages, text: &str, href: &str) -> [String; 4] {
    let actions = [Action { label: text, href }, Action { label: text, href }];
    let error = ErrorPage {
        status: 403,
        heading: text,
        explanation: text,
        next: text,
        actions: &actions,
        request_id: text,
        cause: text,
    };
    let fields = [Field {
        name: text,
        value: text,
    }];
    [
        pages.error(&error),
        pages.sign_in(&SignInPage {
            host: text,
            notice: text,
            choices: &actions,
        }),
        pages.signed_out(&SignedOutPage { sign_in_href: href }),
        pages.confirm_sign_out(&ConfirmSignOutPage {
            action: href,
            fields: &fields,
            stay_href: href,
        }),
    ]
}

/// The page's tags, with everything between them cut away; panics where a tag does not close.
fn tags(page: &str) -> Vec<&str> {
    page.split('<')
        .skip(1)
        .map(|tag| tag.split_once('>').unwrap().0)
        .collect()
}

#[test]
fn markup_in_any_field_stays_text() {
    let good = every_page(&pages(&config(None, "x")), "x", "/x");
    let evil = every_page(&pages(&config(None, EVIL)), EVIL, EVIL_HREF);
    for (good, evil) in good.iter().zip(&evil) {
        let names = |page: &str| {
            tags(page)
                .iter()
                .map(|t| t.split([' ', '\n']).next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(good), names(evil));
        assert!(!evil.contains("<script") && !evil.contains("onerror=\""), "{evil}");
    }
    assert!(evil[0].contains("&lt;script&gt;") && evil[0].contains("{{ title }}"));
}

#[test]
fn links_lead_only_where_links_may_lead() {
    let pages = pages(&config(None, ""));
    for (href, printed) in [
        (
            "/oauth2/start?rd=%2Fa&provider=x",
            "\"/oauth2/start?rd=%2Fa&amp;provider=x\"",
        ),
        ("https://app.example.com/", "\"https://app.example.com/\""),
        ("javascript:alert(1)", "\"#\""),
        ("data:text/html,x", "\"#\""),
        ("//evil.example", "\"#\""),
        ("/\\evil.example", "\"#\""),
        ("/\t/evil.example", "\"#\""),
        ("", "\"#\""),
    ] {
        for page in every_page(&pages, "x", href) {
            assert!(page.contains(&format!("href={printed}")), "{href} in {page}");
        }
    }
}

#[test]
fn every_page_is_whole_and_needs_no_script() {
    for page in every_page(&pages(&config(None, "Sign in")), "text", "/x") {
        assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{page}");
        assert!(page.trim_end().ends_with("</html>"));
        assert!(page.contains("name=\"viewport\"") && page.contains("charset=\"utf-8\""));
        assert_eq!(page.matches("<h1").count(), 1);
        assert_eq!(page.matches("<main").count(), 1);
        for forbidden in ["<script", "<style", " style=", " onclick=", "{{", "{%"] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
        let mut open = Vec::new();
        for tag in tags(&page).into_iter().filter(|tag| !tag.starts_with('!')) {
            let name = tag.split([' ', '\n']).next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{page}"),
                None if ["meta", "link", "img", "input"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?} in {page}");
    }
}

#[test]
fn assets_that_pages_name_exist_under_the_prefix() {
    let page = Pages::new(&config(None, ""), "/auth")
        .unwrap()
        .signed_out(&SignedOutPage { sign_in_href: "/" });
    let names: Vec<&str> = page
        .split("\"/auth/static/")
        .skip(1)
        .map(|rest| rest.split('?').next().unwrap())
        .collect();
    assert_eq!(names.len(), 3);
    assert!(names.into_iter().all(|name| asset(name).is_some()));
}

#[test]
fn what_is_absent_leaves_no_trace() {
    let page = pages(&config(None, "")).error(&ErrorPage {
        status: 404,
        heading: "Not found",
        explanation: "There is nothing here.",
        next: "",
        actions: &[],
        request_id: "r-1",
        cause: "",
    });
    assert!(page.contains("Error 404") && page.contains("r-1"));
    for absent in ["Cause", "<nav", "<footer", "<p></p>"] {
        assert!(!page.contains(absent), "{absent} in {page}");
    }
}

#[test]
fn contacts_become_links_where_they_are_addresses() {
    for (contact, href) in [
        ("help@example.com", "mailto:help@example.com"),
        ("https://help.example.com/x", "https://help.example.com/x"),
        ("the help desk, room 4", ""),
        ("javascript:alert(1)//@", ""),
        ("ask help@example.com", ""),
        ("", ""),
    ] {
        assert_eq!(contact_href(contact), href, "{contact}");
    }
}

#[test]
fn own_templates_take_the_place_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("brand.html"), "<b>{{ title }}</b>").unwrap();
    std::fs::write(
        dir.path().join("error.html"),
        "<h1>{{ heading }}</h1>{% include 'brand.html' %}",
    )
    .unwrap();
    std::fs::write(dir.path().join("notes.txt"), "{% not a template").unwrap();
    let [error, sign_in, ..] = every_page(&pages(&config(Some(dir.path()), "<T>")), "<x>", "/x");
    assert_eq!(error, "<h1>&lt;x&gt;</h1><b>&lt;T&gt;</b>");
    assert!(sign_in.starts_with("<!DOCTYPE html>"));
}

#[test]
fn mistakes_in_own_templates_are_named_with_file_and_line() {
    let refused = |name: &str, source: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), source).unwrap();
        let error = Pages::new(&config(Some(dir.path()), "x"), "/oauth2").err().unwrap();
        error.replace(&format!("{}/", dir.path().display()), "")
    };
    assert!(refused("error.html", "<h1>\n{% if %}").starts_with("error.html:2: syntax error: "));
    assert!(refused("error.html", "\n\n{{ haeding }}").starts_with("error.html:3: undefined value"));
    assert!(refused("sign_in.html", "{{ title|shout }}").starts_with("sign_in.html:1: unknown filter: "));
    assert!(refused("signed_out.html", "{% include 'nowhere.html' %}").contains("nowhere.html"));
    let absent = Pages::new(&config(Some(Path::new("/nonexistent/pages")), "x"), "/oauth2")
        .err()
        .unwrap();
    assert!(absent.starts_with("/nonexistent/pages: "), "{absent}");
}

#[test]
fn an_own_template_that_fails_late_shows_ours() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("error.html"),
        "{% if status == 403 %}{{ nothing.there }}{% endif %}",
    )
    .unwrap();
    let [error, ..] = every_page(&pages(&config(Some(dir.path()), "x")), "y", "/x");
    assert!(error.contains("Error 403"));
}

#[test]
fn the_policies_let_nothing_run_and_nobody_frame() {
    for csp in [CSP, CSP_CONFIRM_SIGN_OUT] {
        for directive in [
            "default-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(csp.contains(directive), "{directive} is not in {csp}");
        }
        assert!(!csp.contains("unsafe") && !csp.contains("  "), "{csp}");
    }
}

/// Writes samples for looking at: `SIDEGATE_SAMPLES=dir cargo test --lib pages -- --ignored`.
#[test]
#[ignore = "for looking at pages, not a test"]
fn samples() {
    let Some(dir) = std::env::var_os("SIDEGATE_SAMPLES").map(std::path::PathBuf::from) else {
        return;
    };
    let config = config::Pages {
        dir: None,
        title: "Sign in".into(),
        contact: "it-help@example.com".into(),
    };
    let pages = Pages::new(&config, ".").unwrap();
    write_assets(&dir.join("static"));
    let links = ["Corporate login", "GitHub", "Partner Identity"].map(|label| Action { label, href: "/" });
    let error = ErrorPage {
        status: 403,
        heading: "You have no access to this page",
        explanation: "You are signed in as jdoe, but this account is not allowed here.",
        next: "Sign in with another account, or ask for access.",
        actions: &[
            Action {
                label: "Use another account",
                href: "/",
            },
            Action {
                label: "Back to start",
                href: "/",
            },
        ],
        request_id: "01J9ZK4T8Y3N6Q2W5E7R0A1B2C",
        cause: "not_allowed",
    };
    let written = [
        pages.error(&error),
        pages.sign_in(&SignInPage {
            host: "app.example.com",
            notice: "Your session has ended.",
            choices: &links,
        }),
        pages.signed_out(&SignedOutPage { sign_in_href: "/" }),
        pages.confirm_sign_out(&ConfirmSignOutPage {
            action: "/x",
            fields: &[],
            stay_href: "/",
        }),
    ];
    for (name, page) in [ERROR, SIGN_IN, SIGNED_OUT, CONFIRM_SIGN_OUT].iter().zip(written) {
        std::fs::write(dir.join(name), page).unwrap();
    }
}

fn write_assets(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    for name in [assets::STYLE, assets::ICON] {
        std::fs::write(dir.join(name), asset(name).unwrap().body).unwrap();
    }
}
