//! Who of the signed-in visitors a route is for: any of a list, all of the kinds.

use crate::config::Allow;

/// What is known of a signed-in visitor.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The `user` claim.
    pub user: Option<&'a str>,
    /// The `email` claim.
    pub email: Option<&'a str>,
    /// Whether the provider says so, or the operator set `insecure_allow_unverified_email`.
    pub email_verified: bool,
    /// The `groups` claim.
    pub groups: &'a [String],
    /// Further claims by the name that rules use, with all their values.
    pub claims: &'a [(String, Vec<String>)],
}

/// The first kind of rule that a visitor did not meet; for the log, never for the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial<'r> {
    /// `allow.users`
    #[error("user is not in allow.users")]
    User,
    /// There is a rule for e-mails, and the visitor's is not verified.
    #[error("e-mail is not verified")]
    UnverifiedEmail,
    /// `allow.emails`
    #[error("e-mail is not in allow.emails")]
    Email,
    /// `allow.email_domains`
    #[error("e-mail is not of a domain in allow.email_domains")]
    EmailDomain,
    /// `allow.groups`
    #[error("no group is in allow.groups")]
    Group,
    /// `allow.claims`, with the claim's name.
    #[error("claim {0} has no value in allow.claims")]
    Claim(&'r str),
}

/// Whether a route's rule lets a visitor in. An empty rule lets everybody in who is signed in.
///
/// Users, groups and claims compare byte for byte; e-mails and domains without regard to ASCII case. Several values of
/// one claim are alternatives, several claims are all needed.
///
/// # Errors
/// The first kind that the visitor does not meet.
pub fn allows<'r>(allow: &'r Allow, identity: &Identity<'_>) -> Result<(), Denial<'r>> {
    let among = |list: &[String], value: &str| list.iter().any(|listed| listed == value);
    if !allow.users.is_empty() && !identity.user.is_some_and(|user| among(&allow.users, user)) {
        return Err(Denial::User);
    }
    allows_email(allow, identity)?;
    if !allow.groups.is_empty() && !identity.groups.iter().any(|group| among(&allow.groups, group)) {
        return Err(Denial::Group);
    }
    let missing = allow.claims.iter().find(|(name, _)| !has_claim(allow, identity, name));
    missing.map_or(Ok(()), |(name, _)| Err(Denial::Claim(name)))
}

fn allows_email(allow: &Allow, identity: &Identity<'_>) -> Result<(), Denial<'static>> {
    if allow.emails.is_empty() && allow.email_domains.is_empty() {
        return Ok(());
    }
    if identity.email.is_some() && !identity.email_verified {
        return Err(Denial::UnverifiedEmail);
    }
    let among = |list: &[String], value: &str| list.iter().any(|listed| listed.eq_ignore_ascii_case(value));
    if !allow.emails.is_empty() && !identity.email.is_some_and(|email| among(&allow.emails, email)) {
        return Err(Denial::Email);
    }
    let domain = identity.email.and_then(domain_of);
    if !allow.email_domains.is_empty() && !domain.is_some_and(|domain| among(&allow.email_domains, domain)) {
        return Err(Denial::EmailDomain);
    }
    Ok(())
}

/// What follows the `@`. An address with two of them (`a@evil.com@example.com`) has no domain: mail systems disagree on
/// which one counts, and RFC 5321 §4.1.2 has the first only inside quotes, which nobody uses.
fn domain_of(email: &str) -> Option<&str> {
    let (local, domain) = email.rsplit_once('@')?;
    (!local.is_empty() && !local.contains('@')).then_some(domain)
}

/// Whether the visitor's claim has any of the values that the rule lists for it.
fn has_claim(allow: &Allow, identity: &Identity<'_>, name: &str) -> bool {
    let has = |value: &String| {
        identity
            .claims
            .iter()
            .any(|(claim, values)| claim == name && values.contains(value))
    };
    allow.claims.iter().any(|(claim, value)| claim == name && has(value))
}

#[cfg(test)]
mod tests;
