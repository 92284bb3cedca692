//! `sidegate demo`: an embedded provider, a sample app and the gateway, on this machine and for looking only.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::demo::provider::{Bound, Provider, Settings};
use crate::demo::sample;
use crate::secret::Secret;
use crate::server::StartError;
use crate::telemetry;

const CLIENT_ID: &str = "demo";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Port of the gateway on localhost; the admin listener takes the next one
    #[arg(long, default_value_t = 4180, value_parser = clap::value_parser!(u16).range(1..65535))]
    port: u16,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let serve = || -> Result<(), String> {
        let runtime = super::run::runtime(0).map_err(|error| error.to_string())?;
        runtime.block_on(demo(arguments.port))
    };
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            super::complain(&cause);
            ExitCode::FAILURE
        }
    }
}

async fn demo(port: u16) -> Result<(), String> {
    let origin = format!("http://localhost:{port}");
    let secret = random()?;
    let settings = Settings::demo(CLIENT_ID, Some(Secret::new(secret.clone())), &origin, "/oauth2");
    // By address while the gateway goes by name: cookies know no ports, and so the two do not mix.
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let failed = |error: std::io::Error| format!("the demo cannot listen: {error}");
    let provider: Bound = Provider::bind(anywhere, settings).await.map_err(failed)?;
    let sample = TcpListener::bind(anywhere).await.map_err(failed)?;
    let app = sample.local_addr().map_err(failed)?;
    let text = configuration(port, provider.issuer(), &secret, &random()?, app);
    let config = Config::parse(&text, Path::new(""), std::iter::empty()).map_err(|problems| problems.to_string())?;
    telemetry::init_logs(config.log.format, config.log.level);
    let issuer = provider.issuer().to_owned();
    tokio::spawn(provider.serve(std::future::pending()));
    tokio::spawn(sample::serve(sample, "/oauth2", std::future::pending()));
    super::run::until_signal(config, None, || {
        super::complain(&welcome(&origin, &issuer, app, port));
    })
    .await
    .map_err(|error| match error {
        StartError::Bind { .. } => format!("{error}: sidegate demo --port 5180"),
        StartError::Unusable(_) => error.to_string(),
    })
}

fn random() -> Result<String, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// An ordinary configuration, as an operator would write it.
fn configuration(port: u16, issuer: &str, client_secret: &str, key: &str, app: SocketAddr) -> String {
    let admin = port + 1;
    format!(
        r#"
[server]
listen = ["127.0.0.1:{port}"]
public_url = "http://localhost:{port}"

[admin]
listen = "127.0.0.1:{admin}"

[providers.demo]
display_name = "Demo login"
issuer = "{issuer}"
client_id = "{CLIENT_ID}"
client_secret = "{client_secret}"
scopes = ["openid", "profile", "email", "offline_access"]

[session]
keys = ["{key}"]

[upstreams.sample]
servers = ["http://{app}"]

[[routes]]
path = "/"
upstream = "sample"

[[routes]]
path = "/public"
upstream = "sample"
access = "public"

[[routes]]
path = "/admin"
upstream = "sample"
allow = {{ groups = ["admins"] }}

[log]
format = "text"
"#
    )
}

fn welcome(origin: &str, issuer: &str, app: SocketAddr, port: u16) -> String {
    let admin = port + 1;
    format!(
        "\n  sidegate demo: for looking and for development only\n\n  \
         open      {origin}\n  \
         sign in   as alice (staff, admins) or bob (staff); there is no password\n\n  \
         try       {origin}/admin/   only alice may; bob gets a page that says so\n            \
         {origin}/public/  open to everybody, no session looked at\n            \
         curl -i {origin}/   a program gets 401, not a login page\n            \
         watch the page: the access token lives 120 s and is refreshed before it ends\n\n  \
         metrics   http://127.0.0.1:{admin}/metrics\n  \
         provider  {issuer}\n  \
         app       http://{app}   behind the gateway; opened directly it knows nobody\n\n  \
         stop with Ctrl-C\n"
    )
}
