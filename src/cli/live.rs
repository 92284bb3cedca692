//! `sidegate check --live`: contacts whoever the configuration names, and says what to register.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{self, Timestamp};
use crate::config::Config;
use crate::provider::{Kind, Probe, Provider};
use crate::proxy::Site;
use crate::server;
use crate::telemetry::Metrics;

/// A probe failed (`EX_UNAVAILABLE` of sysexits.h).
const UNAVAILABLE: u8 = 69;

pub(super) fn run(config: Config) -> ExitCode {
    let outcome = super::run::runtime(1)
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(probe(config)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(UNAVAILABLE),
        Err(cause) => {
            super::complain(&cause);
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// Whether everybody answered.
async fn probe(config: Config) -> Result<bool, String> {
    server::prepare_tls().map_err(|error| error.to_string())?;
    let site = Site::new(config, None, &Arc::new(Metrics::new()))?;
    let mut good = true;
    for provider in site.providers() {
        good &= provider_answers(provider).await;
    }
    for probe in site.upstreams().probe().await {
        let key = if probe.upstream == probe.server {
            format!("upstream {}", probe.server)
        } else {
            format!("upstream {} {}", probe.upstream, probe.server)
        };
        match probe.outcome {
            Ok(()) => drop(super::print(&format!("{key}: connects"))),
            Err(cause) => {
                good = false;
                super::complain(&format!(
                    "{key}: {cause}; start it, or correct its address in upstreams"
                ));
            }
        }
    }
    super::print(&format!("register as redirect URI: {}", site.redirect_uri()));
    super::print(&format!(
        "register as post-logout redirect URI: {}",
        site.signed_out_uri()
    ));
    Ok(good)
}

async fn provider_answers(provider: &Provider) -> bool {
    let config = provider.config();
    let key = format!("providers.{}", config.name);
    let probe = match provider.probe().await {
        Ok(probe) => probe,
        Err(error) => {
            super::complain(&format!("{key}: {} endpoint: {}", error.endpoint, error.fault));
            return false;
        }
    };
    super::print(&format!("{key}: {}", summary(&probe)));
    for (name, url) in endpoints(&probe) {
        super::print(&format!("{key}: {name} {url}"));
    }
    match (
        probe.keys,
        clock_problem(probe.clock, clock::now(), config.clock_leeway),
    ) {
        (Some(0), _) => {
            super::complain(&format!(
                "{key}: has no key that can verify a signature; look at its jwks_uri"
            ));
            false
        }
        (_, Some(problem)) => {
            super::complain(&format!("{key}: {problem}"));
            false
        }
        _ => true,
    }
}

/// `OpenID Connect, 2 keys, clock 1 s ahead of ours`
fn summary(probe: &Probe) -> String {
    let kind = match probe.metadata.kind {
        Kind::OpenIdConnect => "OpenID Connect",
        Kind::OAuth2 => "OAuth 2.0",
    };
    let keys = match probe.keys {
        None => String::new(),
        Some(1) => ", 1 key".to_owned(),
        Some(count) => format!(", {count} keys"),
    };
    let clock = probe.clock.map_or_else(
        || ", tells no time".to_owned(),
        |theirs| format!(", clock {}", difference(theirs, clock::now())),
    );
    format!("{kind}{keys}{clock}")
}

fn difference(theirs: Timestamp, ours: Timestamp) -> String {
    let (ahead, behind) = (theirs.since(ours).as_secs(), ours.since(theirs).as_secs());
    match (ahead, behind) {
        (0, 0) => "as ours".to_owned(),
        (0, behind) => format!("{behind} s behind ours"),
        (ahead, _) => format!("{ahead} s ahead of ours"),
    }
}

/// Past the leeway every login fails, because `iat` or `exp` does.
fn clock_problem(theirs: Option<Timestamp>, ours: Timestamp, leeway: Duration) -> Option<String> {
    let theirs = theirs?;
    let apart = theirs.since(ours).max(ours.since(theirs));
    (apart > leeway).then(|| {
        format!(
            "its clock is {}, more than clock_leeway; set this machine's clock",
            difference(theirs, ours)
        )
    })
}

fn endpoints(probe: &Probe) -> impl Iterator<Item = (&'static str, &url::Url)> {
    let metadata = &probe.metadata;
    [
        ("authorization_endpoint", Some(&metadata.authorization_endpoint)),
        ("token_endpoint", Some(&metadata.token_endpoint)),
        ("userinfo_endpoint", metadata.userinfo_endpoint.as_ref()),
        ("jwks_uri", metadata.jwks_uri.as_ref()),
        ("revocation_endpoint", metadata.revocation_endpoint.as_ref()),
        ("end_session_endpoint", metadata.end_session_endpoint.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, url)| Some((name, url?)))
}
