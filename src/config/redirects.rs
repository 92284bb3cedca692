//! `[redirects]`: where else `rd=` may lead.

use toml::Value;
use url::Url;

use super::reader::Reader;
use super::values::{Parsed, bare_origin, host_name, string};

/// An origin that `rd=` may lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// https
    pub https: bool,
    /// Host; with `subdomains`, the part after `*.`.
    pub host: String,
    /// `*.` in front: any subdomain, not the domain itself.
    pub subdomains: bool,
    /// Port, the scheme's default filled in.
    pub port: u16,
}

/// Reads `[redirects]`.
pub(super) fn read(r: &mut Reader<'_>) -> Vec<OriginPattern> {
    r.list("allowed", pattern)
}

fn pattern(value: &Value) -> Parsed<OriginPattern> {
    let wrong = || "is not an origin; write for example \"https://other.example.com\"".to_owned();
    let text = string(value)?;
    if text == "*" || text == "https://*" || text == "http://*" {
        return Err("lets anybody's site in; name the origins, \"https://*.example.com\"".to_owned());
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let (subdomains, host) = rest.strip_prefix("*.").map_or((false, rest), |host| (true, host));
    let url = Url::parse(&format!("{scheme}://{host}")).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong());
    }
    if url.fragment().is_some() || bare_origin(&url).is_err() {
        return Err("has a path; write scheme, host and port only".to_owned());
    }
    let host = url.host_str().and_then(host_name).ok_or_else(wrong)?;
    // `https://*.com` is nearly as bad as `*`, and no address has subdomains.
    let wide = !host.contains('.') || host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if subdomains && wide && host != "localhost" {
        return Err("covers more than one owner's sites; write for example \"https://*.example.com\"".to_owned());
    }
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    Ok(OriginPattern {
        https: url.scheme() == "https",
        host,
        subdomains,
        port,
    })
}
