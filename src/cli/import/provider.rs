//! Kinds of providers, endpoints, client, claims.

use toml::{Table, Value};

use super::new::{New, inline};
use super::old::Old;

/// What oauth2-proxy has built in for a kind of provider.
#[derive(Default)]
struct BuiltIn {
    issuer: Option<String>,
    /// authorization, token, userinfo
    endpoints: Option<[&'static str; 3]>,
    scopes: &'static [&'static str],
    claims: &'static [(&'static str, &'static str)],
    authorization_params: &'static [(&'static str, &'static str)],
    userinfo: Option<&'static str>,
    note: Option<&'static str>,
}

const OPENID: &[&str] = &["openid", "email", "profile"];

/// Whether an e-mail counts that the provider does not call verified.
pub(super) fn write(old: &mut Old, new: &mut New) -> bool {
    let name = old.text("provider").unwrap_or_else(|| "google".to_owned());
    new.table("[providers.main]");
    new.optional("display_name", old.text("provider_display_name"));
    let built_in = built_in(&name, old);
    if let Some(note) = built_in.note {
        new.note(&format!("provider {name}: {note}"));
    }
    endpoints(old, new, &built_in);
    client(old, new);
    scopes(old, new, &built_in);
    params(old, new, &built_in);
    new.optional("userinfo", built_in.userinfo);
    claims(old, new, &built_in);
    let unverified_email = old.flag("insecure_oidc_allow_unverified_email") == Some(true);
    if unverified_email {
        new.key("insecure_allow_unverified_email", true);
    }
    let files = old.list("provider_ca_files");
    if let [first, rest @ ..] = &files[..] {
        new.key("ca_file", first.as_str());
        if !rest.is_empty() {
            new.note("provider_ca_files: one file only; put the certificates into one.");
        }
    }
    if old.text("code_challenge_method").is_some_and(|method| method != "S256") {
        new.note("code_challenge_method: always S256.");
    }
    unverified_email
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn built_in(name: &str, old: &mut Old) -> BuiltIn {
    let openid = BuiltIn {
        scopes: OPENID,
        ..BuiltIn::default()
    };
    match name {
        "google" => BuiltIn {
            issuer: Some("https://accounts.google.com".to_owned()),
            // Google gives a refresh token for these only.
            authorization_params: &[("access_type", "offline"), ("prompt", "consent")],
            ..openid
        },
        "azure" | "entra-id" => {
            let tenant = old.text("azure_tenant").filter(|tenant| tenant != "common");
            BuiltIn {
                issuer: tenant.map(|tenant| format!("https://login.microsoftonline.com/{tenant}/v2.0")),
                note: Some("one tenant a provider; what Entra ID calls email is not verified unless it says so."),
                ..openid
            }
        }
        "gitlab" => BuiltIn {
            issuer: Some("https://gitlab.com".to_owned()),
            userinfo: Some("always"),
            scopes: &["openid", "email"],
            ..openid
        },
        "github" => BuiltIn {
            endpoints: Some([
                "https://github.com/login/oauth/authorize",
                "https://github.com/login/oauth/access_token",
                "https://api.github.com/user",
            ]),
            scopes: &["read:user", "user:email"],
            claims: &[("user", "login"), ("name", "login")],
            note: Some("GitHub does not say whether an e-mail is verified: rules about e-mails match nobody."),
            ..BuiltIn::default()
        },
        "linkedin" => BuiltIn {
            issuer: Some("https://www.linkedin.com/oauth".to_owned()),
            ..openid
        },
        "oidc" | "keycloak-oidc" | "adfs" | "cidaas" => openid,
        "login.gov" => BuiltIn {
            issuer: Some("https://secure.login.gov/".to_owned()),
            scopes: &["openid", "email"],
            note: Some("login.gov wants private_key_jwt or PKCE without a secret."),
            ..BuiltIn::default()
        },
        _ => BuiltIn {
            note: Some("nothing is built in for it; name its issuer, or its endpoints and where its claims are."),
            ..openid
        },
    }
}

fn endpoints(old: &mut Old, new: &mut New, built_in: &BuiltIn) {
    let issuer = old.text("oidc_issuer_url").or_else(|| built_in.issuer.clone());
    let named = [
        ("authorization_endpoint", old.text("login_url"), 0),
        ("token_endpoint", old.text("redeem_url"), 1),
        ("userinfo_endpoint", old.text("profile_url"), 2),
    ];
    // Of discovery's endpoints none needs to be named, and one that is out of date would win.
    let discovers = issuer.is_some() && old.flag("skip_oidc_discovery") != Some(true);
    let jwks = old.text("oidc_jwks_url");
    if issuer.is_none() && built_in.endpoints.is_none() && named.iter().all(|(_, url, _)| url.is_none()) {
        new.note("oidc_issuer_url was not there: write the provider's issuer.");
        new.line("#issuer = \"https://id.example.com\"");
    }
    new.optional("issuer", issuer.clone());
    for (key, url, at) in named {
        let known = || built_in.endpoints.map(|all| all[at].to_owned());
        if !discovers {
            new.optional(key, url.or_else(known));
        } else if url.is_some() {
            new.note(&format!("{key}: comes from the issuer's discovery."));
        }
    }
    if !discovers {
        new.optional("jwks_uri", jwks);
    }
}

fn client(old: &mut Old, new: &mut New) {
    match old.text("client_id") {
        Some(id) => new.key("client_id", id),
        None => {
            new.note("client_id was not in the file.");
            new.line("#client_id = \"\"");
        }
    }
    match (old.text("client_secret"), old.text("client_secret_file")) {
        (Some(secret), _) => new.key("client_secret", secret),
        (None, Some(file)) => new.key("client_secret", inline("file", file)),
        (None, None) => {
            new.note("client_secret was not in the file; for a client without one remove this line.");
            new.key("client_secret", inline("env", "OAUTH2_PROXY_CLIENT_SECRET"));
        }
    }
}

fn scopes(old: &mut Old, new: &mut New, built_in: &BuiltIn) {
    let given: Vec<String> = old
        .text("scope")
        .map(|text| text.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default();
    if given.is_empty() {
        new.key("scopes", built_in.scopes.to_vec());
    } else {
        new.key("scopes", given);
    }
}

fn params(old: &mut Old, new: &mut New, built_in: &BuiltIn) {
    let mut params: Table = built_in
        .authorization_params
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
        .collect();
    for key in ["prompt", "acr_values"] {
        if let Some(value) = old.text(key) {
            params.insert(key.to_owned(), value.into());
        }
    }
    // Google's older word for prompt; with prompt there it means nothing.
    old.text("approval_prompt");
    if !params.is_empty() {
        new.key("authorization_params", params);
    }
    match old.text("resource") {
        Some(resource) if url::Url::parse(&resource).is_ok() => new.key("resource", vec![resource]),
        Some(_) => new.note("resource: is no absolute URI (RFC 8707); the provider may want it in a scope."),
        None => {}
    }
}

fn claims(old: &mut Old, new: &mut New, built_in: &BuiltIn) {
    let mut claims: Table = built_in
        .claims
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
        .collect();
    let user_id = old.text("user_id_claim");
    let email = old
        .text("oidc_email_claim")
        .or(user_id)
        .filter(|claim| claim != "email");
    if let Some(claim) = email {
        new.note("oidc_email_claim: rules about e-mails match only where the provider says email_verified.");
        claims.insert("email".to_owned(), claim.into());
    }
    if let Some(claim) = old.text("oidc_groups_claim").filter(|claim| claim != "groups") {
        claims.insert("groups".to_owned(), claim.into());
    }
    if !claims.is_empty() {
        new.key("claims", claims);
    }
}
