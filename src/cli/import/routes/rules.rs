//! Who may in: `allow`, or closed where a restriction has no counterpart.

use std::path::Path;

use toml::{Table, Value};

use super::super::new::New;
use super::super::old::Old;
use super::super::session::beside;

/// Restrictions of single providers that ask the provider's own API.
const OWN_API: &[&str] = &[
    "github_org",
    "github_team",
    "github_repo",
    "google_group",
    "google_groups",
    "bitbucket_team",
    "bitbucket_repository",
    "gitlab_project",
    "gitlab_projects",
];

/// The rules of every route that needs a login.
#[derive(Default)]
pub(super) struct Rules {
    allow: Table,
    /// Why nobody may in.
    closed: Vec<String>,
    notes: Vec<String>,
}

pub(super) fn read(old: &mut Old, unverified_email: bool, file: &Path) -> Rules {
    let mut rules = Rules::default();
    rules.emails(old, unverified_email, file);
    rules.groups(old);
    for option in OWN_API {
        if !old.list(option).is_empty() {
            rules.closed.push((*option).to_owned());
        }
    }
    let users = old.list("github_users");
    if !users.is_empty() {
        rules.allow.insert("users".to_owned(), users.into());
    }
    rules
}

impl Rules {
    fn emails(&mut self, old: &mut Old, unverified_email: bool, file: &Path) {
        let domains = old.list("email_domains");
        let anybody = domains.iter().any(|domain| domain == "*");
        let named = old.text("authenticated_emails_file");
        let subdomains = domains
            .iter()
            .any(|domain| domain.starts_with(['.', '*']) && domain != "*");
        if subdomains && !anybody {
            self.closed.push("email_domains (subdomains)".to_owned());
        }
        let addresses = named.as_deref().map(|name| addresses(file, name));
        match (anybody, addresses) {
            (true, _) => {}
            (false, None) if domains.is_empty() => self.closed.push("email_domains (was not in the file)".to_owned()),
            (false, None) => {
                self.allow.insert("email_domains".to_owned(), domains.into());
            }
            (false, Some(Some(emails))) if domains.is_empty() && !emails.is_empty() => {
                self.allow.insert("emails".to_owned(), emails.into());
            }
            // Either of the two let somebody in; here all the kinds of rules must be met.
            (false, Some(_)) => self.closed.push("authenticated_emails_file".to_owned()),
        }
        let asked = self.allow.contains_key("emails") || self.allow.contains_key("email_domains");
        if asked && !unverified_email {
            self.notes.push(
                "An e-mail counts where the provider says email_verified = true; for one that never does: \
                 insecure_allow_unverified_email."
                    .to_owned(),
            );
        }
    }

    fn groups(&mut self, old: &mut Old) {
        let names = ["allowed_groups", "gitlab_groups", "keycloak_groups", "keycloak_group"];
        let mut groups: Vec<String> = names.iter().flat_map(|name| old.list(name)).collect();
        groups.dedup();
        if !groups.is_empty() {
            self.allow.insert("groups".to_owned(), groups.into());
        }
        match &old.list("allowed_roles")[..] {
            [] => {}
            [role] => {
                self.notes.push(
                    "allowed_roles: were read from the access token; let the provider put them into the id_token."
                        .to_owned(),
                );
                let (claim, role) = match role.split_once(':') {
                    Some((client, role)) => (format!("resource_access.{client}.roles"), role),
                    None => ("realm_access.roles".to_owned(), role.as_str()),
                };
                let rule: Table = [(claim, Value::from(role))].into_iter().collect();
                self.allow.insert("claims".to_owned(), rule.into());
            }
            _ => self.closed.push("allowed_roles (several)".to_owned()),
        }
    }

    /// The lines of a route.
    pub(super) fn write(&self, new: &mut New) {
        for note in &self.notes {
            new.note(note);
        }
        if self.closed.is_empty() {
            if !self.allow.is_empty() {
                new.key("allow", self.allow.clone());
            }
            return;
        }
        new.note(&format!(
            "CLOSED: {} said who may in and has no counterpart. Say it with `allow` and remove access = \"deny\".",
            self.closed.join(", ")
        ));
        new.key("access", "deny");
        if !self.allow.is_empty() {
            new.line(&format!("#allow = {}", Value::from(self.allow.clone())));
        }
    }
}

/// One address a line, `#` begins a comment; `None` where the file cannot be read.
fn addresses(file: &Path, name: &str) -> Option<Vec<String>> {
    let text = beside(file, name)?;
    let lines = text.lines().map(str::trim);
    let filled = lines.filter(|line| !line.is_empty() && !line.starts_with('#') && line.contains('@'));
    Some(filled.map(str::to_owned).collect())
}
