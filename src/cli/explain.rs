//! `sidegate explain`: which route a request matches, what the visitor gets and why, what the upstream would see.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};

use crate::config::Config;
use crate::provider::Claims;
use crate::proxy::{self, Question, Site};
use crate::telemetry::Metrics;

/// A stranger's address: nobody has it (RFC 5737).
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: super::ConfigFile,
    /// For example GET
    method: Method,
    /// A path, or a whole URL: its host is the Host header
    url: String,
    /// The visitor's claims as the provider sends them (a JSON object); without it there is no session
    #[arg(long, value_name = "FILE.json")]
    claims: Option<PathBuf>,
    /// A header of the client's, 'Name: value'; may stand several times
    #[arg(long = "header", value_name = "K: V", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Address that the request comes from: decides whether it is one of server.trusted_proxies
    #[arg(long, value_name = "IP", default_value_t = STRANGER)]
    from: IpAddr,
    /// The provider that the visitor signed in with; the route's first where it is absent
    #[arg(long, value_name = "NAME", requires = "claims")]
    provider: Option<String>,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let config = match super::load(&arguments.file.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match explanation(config, arguments) {
        Ok(lines) => super::print(&lines.join("\n")),
        Err(cause) => {
            super::complain(&cause);
            ExitCode::from(super::BAD_CONFIG)
        }
    }
}

fn explanation(config: Config, arguments: Arguments) -> Result<Vec<String>, String> {
    let public = &config.server.public_url;
    let own = public.origin.split_once("://").map_or("", |(_, host)| host);
    let (host, target) = parts(&arguments.url, own);
    let question = Question {
        method: arguments.method,
        target,
        host,
        headers: arguments.headers,
        from: arguments.from,
        claims: arguments.claims.as_deref().map(claims).transpose()?,
        provider: arguments.provider,
    };
    let site = Site::new(config, None, &Arc::new(Metrics::new()))?;
    let told = proxy::explain(&site, &question)?;
    let mut lines = vec![format!("route: {}", told.route), format!("answer: {}", told.answer)];
    lines.extend(told.because.iter().map(|line| format!("because: {line}")));
    lines.extend(told.upstream.iter().map(|line| format!("upstream: {line}")));
    Ok(lines)
}

/// Host and target of a URL, nothing normalised: what a client would put on the wire. The fragment stays with it.
fn parts(url: &str, own_host: &str) -> (String, String) {
    let url = url.split('#').next().unwrap_or_default();
    let Some((_, rest)) = url
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
    else {
        return (own_host.to_owned(), url.to_owned());
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    let slash = if target.starts_with('/') { "" } else { "/" };
    (host.to_owned(), format!("{slash}{target}"))
}

fn claims(file: &std::path::Path) -> Result<Claims, String> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| format!("{shown}: {error}"))?;
    serde_json::from_slice(&text).map_err(|_| {
        format!("{shown}: is not a JSON object; write the claims as an id_token has them, {{\"sub\": \"ada\"}}")
    })
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    let name = name.trim().parse().map_err(|_| "this names no header")?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "this is no header's value")?;
    Ok((name, value))
}
