//! Addresses, proxies, TLS, admin listener.

use url::Url;

use super::new::New;
use super::old::Old;

pub(super) fn write(old: &mut Old, new: &mut New) {
    new.table("[server]");
    let prefix = old.text("proxy_prefix").filter(|prefix| prefix != "/oauth2");
    let https = public_url(old, new, prefix.as_deref().unwrap_or("/oauth2"));
    if let Some(prefix) = &prefix {
        new.key("prefix", prefix.trim_end_matches('/'));
    }
    let (plain, secure) = (old.text("http_address"), old.text("https_address"));
    let (certificate, key) = (old.text("tls_cert_file"), old.text("tls_key_file"));
    let tls = certificate.is_some() && key.is_some();
    if tls && plain.is_some() {
        new.note("http_address: with TLS every listener speaks TLS; leave the redirect from http to another server.");
    }
    let address = if tls {
        secure.or(Some(":443".to_owned()))
    } else {
        plain.or(Some("127.0.0.1:4180".to_owned()))
    };
    new.optional("listen", address.map(|address| vec![listen(&address)]));
    trusted(old, new);
    if tls {
        new.table("[server.tls]");
        new.optional("certificate", certificate);
        new.optional("key", key);
    }
    if let Some(address) = old.text("metrics_address") {
        new.table("[admin]");
        new.note("metrics_address: /metrics, and with it /livez and /readyz in place of ping_path and ready_path.");
        new.key("listen", listen(&address));
    }
    whitelist(old, new, https);
}

/// The origin of `redirect_url`. Whether it is https.
fn public_url(old: &mut Old, new: &mut New, prefix: &str) -> bool {
    let given = old.text("redirect_url");
    let url = given.as_deref().and_then(|text| Url::parse(text).ok());
    match url.filter(|url| matches!(url.scheme(), "http" | "https")) {
        Some(url) => {
            let origin = url.origin().ascii_serialization();
            if url.path() != format!("{prefix}/callback") {
                new.note(&format!(
                    "redirect_url: register {origin}{prefix}/callback with the provider, it was another path."
                ));
            }
            new.key("public_url", origin);
            url.scheme() == "https"
        }
        None => {
            new.note(
                "redirect_url was not there: write the address that browsers use, and register it with \
                 /oauth2/callback at the provider.",
            );
            new.line("#public_url = \"https://app.example.com\"");
            true
        }
    }
}

/// `http://:4180`, `127.0.0.1:4180`, `unix:///run/x.sock` as sidegate writes them.
fn listen(address: &str) -> String {
    let bare = ["http://", "https://"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme))
        .unwrap_or(address)
        .trim_end_matches('/');
    if let Some(path) = bare.strip_prefix("unix://").or_else(|| bare.strip_prefix("unix:")) {
        return format!("unix:{path}");
    }
    match bare.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => bare.to_owned(),
    }
}

fn trusted(old: &mut Old, new: &mut New) {
    let reverse = old.flag("reverse_proxy") == Some(true);
    let proxies = old.list("trusted_proxy_ips");
    if !proxies.is_empty() {
        new.key("trusted_proxies", proxies);
    } else if reverse {
        new.note(
            "reverse_proxy: everybody's X-Forwarded-* was believed. Name the networks of your proxies here, nobody is \
             believed until then.",
        );
        new.line("trusted_proxies = []");
    }
    if old
        .text("real_client_ip_header")
        .is_some_and(|name| !name.eq_ignore_ascii_case("x-forwarded-for"))
    {
        new.note("real_client_ip_header: only X-Forwarded-For is read, from trusted_proxies.");
    }
}

/// `whitelist_domains`: where `rd` may lead.
fn whitelist(old: &mut Old, new: &mut New, https: bool) {
    let scheme = if https { "https" } else { "http" };
    let mut allowed = Vec::new();
    let mut strange = false;
    for domain in old.list("whitelist_domains") {
        let (subdomains, host) = match domain.strip_prefix("*.").or_else(|| domain.strip_prefix('.')) {
            Some(host) => ("*.", host),
            None => ("", domain.as_str()),
        };
        if host.contains('*') || Url::parse(&format!("{scheme}://{host}/")).is_err() || host.contains('/') {
            strange = true;
        } else {
            allowed.push(format!("{scheme}://{subdomains}{host}"));
        }
    }
    if !allowed.is_empty() || strange {
        new.table("[redirects]");
        new.key("allowed", allowed);
    }
    if strange {
        new.note("whitelist_domains: an entry with any port or any host has no counterpart; name each origin.");
    }
}
