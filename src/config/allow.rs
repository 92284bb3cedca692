//! `allow` of a route: who of the signed-in visitors gets through.

use toml::Value;

use super::providers::claim_path;
use super::reader::Reader;
use super::routes::Access;
use super::values::{Parsed, filled, host_name};

/// `allow`: any of a list, all of the kinds. Empty: everybody who is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Values of the `user` claim.
    pub users: Vec<String>,
    /// Verified e-mail addresses, lower case.
    pub emails: Vec<String>,
    /// Domains of verified e-mail addresses, lower case.
    pub email_domains: Vec<String>,
    /// Any of these groups.
    pub groups: Vec<String>,
    /// Claim (a key of [`Provider::claims`](crate::config::Provider::claims)) and value.
    pub claims: Vec<(String, String)>,
}

/// Reads `allow`. An empty string is refused everywhere: it would match what a provider leaves out.
pub(super) fn read(r: &mut Reader<'_>, access: Access) -> Allow {
    let Some(mut table) = r.table("allow") else {
        return Allow::default();
    };
    let allow = Allow {
        users: table.list("users", filled),
        emails: table.list("emails", email),
        email_domains: table.list("email_domains", domain),
        groups: table.list("groups", filled),
        claims: table.pairs("claims", |name, value| {
            claim_path(name)?;
            filled(value)
        }),
    };
    drop(table);
    if allow != Allow::default() && matches!(access, Access::Public | Access::Deny) {
        r.problem(
            "allow",
            "asks who a visitor is, but access lets nobody be asked; write access = \"login\"",
        );
    }
    allow
}

fn email(value: &Value) -> Parsed<String> {
    let text = filled(value)?.to_lowercase();
    match text.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => Ok(text),
        _ => Err("is not an e-mail address; write for example \"ada@example.com\"".to_owned()),
    }
}

fn domain(value: &Value) -> Parsed<String> {
    let text = filled(value)?;
    host_name(&text)
        .filter(|_| !text.contains('@'))
        .ok_or_else(|| "is not a domain; write for example \"example.com\"".to_owned())
}
