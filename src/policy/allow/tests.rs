//! Any of a list, all of the kinds.

use super::*;

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Judges jo, jo@example.com, in the groups staff and "a,b", of department it (and ops).
fn judge(allow: &Allow) -> Result<(), Denial<'_>> {
    let groups = list(&["staff", "a,b"]);
    let claims = [
        ("department".to_owned(), list(&["it", "ops"])),
        ("level".to_owned(), list(&["3"])),
    ];
    let identity = Identity {
        user: Some("jo"),
        email: Some("Jo@Example.com"),
        email_verified: true,
        groups: &groups,
        claims: &claims,
    };
    allows(allow, &identity)
}

fn email(allow: &Allow, email: Option<&str>, verified: bool) -> Result<(), String> {
    let identity = Identity {
        user: None,
        email,
        email_verified: verified,
        groups: &[],
        claims: &[],
    };
    allows(allow, &identity).map_err(|denial| denial.to_string())
}

#[test]
fn an_empty_rule_lets_everybody_in() {
    let nobody = Identity {
        user: None,
        email: None,
        email_verified: false,
        groups: &[],
        claims: &[],
    };
    assert_eq!(allows(&Allow::default(), &nobody), Ok(()));
}

fn users(values: &[&str]) -> Allow {
    Allow {
        users: list(values),
        ..Allow::default()
    }
}

fn emails(values: &[&str]) -> Allow {
    Allow {
        emails: list(values),
        ..Allow::default()
    }
}

fn domains(values: &[&str]) -> Allow {
    Allow {
        email_domains: list(values),
        ..Allow::default()
    }
}

fn groups(values: &[&str]) -> Allow {
    Allow {
        groups: list(values),
        ..Allow::default()
    }
}

fn claims(values: &[(&str, &str)]) -> Allow {
    Allow {
        claims: pairs(values),
        ..Allow::default()
    }
}

#[test]
fn any_of_a_list_is_enough() {
    let allowed = [
        users(&["al", "jo"]),
        emails(&["al@example.com", "jo@example.com"]),
        domains(&["other.example", "example.com"]),
        groups(&["admins", "staff"]),
        groups(&["a,b"]),
        claims(&[("department", "hr"), ("department", "ops")]),
        claims(&[("department", "it"), ("level", "3")]),
    ];
    for allow in allowed {
        assert_eq!(judge(&allow), Ok(()), "{allow:?}");
    }
}

#[test]
fn the_kind_that_fails_is_named() {
    let denied = [
        (users(&["Jo", "j", "jo ", ""]), Denial::User),
        (emails(&["al@example.com"]), Denial::Email),
        (domains(&["mail.example.com"]), Denial::EmailDomain),
        (groups(&["Staff", "a", "b", "sta"]), Denial::Group),
        (claims(&[("department", "hr")]), Denial::Claim("department")),
        (claims(&[("department", "it"), ("level", "4")]), Denial::Claim("level")),
        (claims(&[("absent", "")]), Denial::Claim("absent")),
    ];
    for (allow, denial) in &denied {
        assert_eq!(judge(allow), Err(*denial), "{allow:?}");
    }
}

#[test]
fn all_of_the_kinds_are_needed() {
    let mut allow = Allow {
        users: list(&["jo"]),
        emails: list(&["jo@example.com"]),
        email_domains: list(&["example.com"]),
        groups: list(&["staff"]),
        claims: pairs(&[("level", "3")]),
    };
    assert_eq!(judge(&allow), Ok(()));
    allow.groups = list(&["admins"]);
    assert_eq!(judge(&allow), Err(Denial::Group));
}

#[test]
fn domains_match_exactly() {
    let allow = Allow {
        email_domains: list(&["example.com"]),
        ..Allow::default()
    };
    for address in ["jo@example.com", "JO@EXAMPLE.COM", "j.o+x@example.com"] {
        assert_eq!(email(&allow, Some(address), true), Ok(()), "{address}");
    }
    let strangers = [
        "a@evil.com@example.com",
        "\"a@evil.com\"@example.com",
        "jo@example.com@evil.com",
        "jo@sub.example.com",
        "jo@evilexample.com",
        "jo@example.com.",
        "jo@example.com.evil.com",
        "jo@example.com ",
        "jo@example.comm",
        "@example.com",
        "example.com",
        "jo@",
        "",
    ];
    for address in strangers {
        assert_eq!(
            email(&allow, Some(address), true),
            Err(Denial::EmailDomain.to_string()),
            "{address}"
        );
    }
    assert_eq!(email(&allow, None, true), Err(Denial::EmailDomain.to_string()));
}

#[test]
fn an_unverified_email_matches_no_rule() {
    let rules = [emails(&["jo@example.com"]), domains(&["example.com"])];
    for allow in &rules {
        assert_eq!(
            email(allow, Some("jo@example.com"), false),
            Err(Denial::UnverifiedEmail.to_string())
        );
        assert_eq!(email(allow, Some("jo@example.com"), true), Ok(()));
    }
    assert_eq!(email(&rules[0], None, false), Err(Denial::Email.to_string()));
}
