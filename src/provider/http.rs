//! The one HTTP client of a provider: our own TLS roots, no redirects, no proxy from the environment, one time limit for
//! the whole call, one size limit for every answer. The only user of `reqwest`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::error::{Endpoint, Fault, ProviderError};
use super::probe::http_date;
use crate::config;
use crate::secret::Secret;

/// Told how long each request took: endpoint (see [`Endpoint::as_str`]) and time, whatever the outcome.
pub type Observer = Arc<dyn Fn(&'static str, Duration) + Send + Sync>;

/// Largest answer that is read, bytes.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// How long a connection is kept for the next request. Short, because a request on a connection that the server is just
/// closing fails, and a token request is never sent twice; the shortest common server default is 2 s.
const POOL_IDLE: Duration = Duration::from_secs(1);

/// The client of one provider; clones share connections.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    provider: Arc<str>,
    allow_http: bool,
    timeout: Duration,
    observer: Observer,
}

impl Http {
    /// Reads the CA file. The error is for the operator and names the key.
    pub(super) fn new(config: &config::Provider, observer: Observer) -> Result<Self, String> {
        let named = |what: String| format!("providers.{}.{what}", config.name);
        let roots = trusted_roots(config.ca_file.as_deref()).map_err(|e| named(format!("ca_file: {e}")))?;
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| named(format!("tls: {e}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .timeout(config.timeout)
            .pool_idle_timeout(POOL_IDLE)
            .user_agent(concat!("sidegate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| named(format!("http: {}", cause(&e))))?;
        Ok(Self {
            client,
            provider: config.name.as_str().into(),
            allow_http: config.insecure_allow_http,
            timeout: config.timeout,
            observer,
        })
    }

    /// A failure of this provider's.
    pub(super) fn error(&self, endpoint: Endpoint, fault: Fault) -> ProviderError {
        ProviderError {
            provider: self.provider.as_ref().to_owned(),
            endpoint,
            fault,
        }
    }

    /// GET, with the access token as RFC 6750 §2.1 says where there is one.
    pub(super) async fn get(
        &self,
        endpoint: Endpoint,
        url: &Url,
        bearer: Option<&Secret>,
    ) -> Result<Answer, ProviderError> {
        let mut request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            let header = sensitive(Zeroizing::new(format!("Bearer {}", token.reveal())).as_str());
            let header = header.ok_or_else(|| self.error(endpoint, Fault::Malformed("the access token".into())))?;
            request = request.header(AUTHORIZATION, header);
        }
        self.send(endpoint, url, request).await
    }

    /// POST of a form, already encoded.
    pub(super) async fn post(
        &self,
        endpoint: Endpoint,
        url: &Url,
        authorization: Option<HeaderValue>,
        form: String,
    ) -> Result<Answer, ProviderError> {
        let mut request = self
            .client
            .post(url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        if let Some(header) = authorization {
            request = request.header(AUTHORIZATION, header);
        }
        self.send(endpoint, url, request).await
    }

    /// Sends exactly one request and reads the whole answer. Every status is an `Ok` here.
    async fn send(
        &self,
        endpoint: Endpoint,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, ProviderError> {
        self.allowed(url).map_err(|fault| self.error(endpoint, fault))?;
        let began = Instant::now();
        let outcome = self.exchange(request).await;
        (self.observer)(endpoint.as_str(), began.elapsed());
        outcome.map_err(|fault| self.error(endpoint, fault))
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Answer, Fault> {
        let mut response = request.send().await.map_err(|e| self.silence(&e))?;
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let media_type = media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let date = response
            .headers()
            .get(DATE)
            .and_then(|v| v.to_str().ok())
            .and_then(http_date);
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|e| self.silence(&e))? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(Fault::Malformed(format!("more than {ANSWER_LIMIT} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            media_type,
            date,
            body,
        })
    }

    fn silence(&self, error: &reqwest::Error) -> Fault {
        Fault::Unreachable(match error {
            e if e.is_timeout() => format!("nothing within {} s", self.timeout.as_secs_f32()),
            e => cause(e),
        })
    }

    /// Whether we may talk to this URL: https, or http where a secret cannot be overheard or the operator insists.
    pub(super) fn allowed(&self, url: &Url) -> Result<(), Fault> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http || is_loopback(url) => {}
            "http" => {
                return Err(Fault::Misconfigured(format!(
                    "{} is not https; set insecure_allow_http = true only where nobody can listen in",
                    shown(url)
                )));
            }
            _ => return Err(Fault::Misconfigured(format!("{} is not an https URL", shown(url)))),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Fault::Misconfigured(format!(
                "{} holds a user name or password",
                shown(url)
            )));
        }
        Ok(())
    }
}

/// A header value that no `Debug` prints; `None` where the text cannot be one.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The URL without what may be secret in it.
fn shown(url: &Url) -> String {
    format!(
        "{}://{}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        url.path()
    )
}

/// `localhost`, 127.0.0.0/8 and `::1`.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// The innermost cause: "connection refused" and not "error sending request for url (…)". Never holds a URL.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if std::ptr::addr_eq(innermost, error) {
        "the request could not be made".into()
    } else {
        innermost.to_string()
    }
}

/// The system's roots and those of `ca_file`.
fn trusted_roots(ca_file: Option<&Path>) -> Result<rustls::RootCertStore, String> {
    let mut roots = rustls::RootCertStore::empty();
    // Certificates of the system that cannot be read are skipped, as every other program on the machine does.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let Some(path) = ca_file else { return Ok(roots) };
    let file = path.display();
    let pem = std::fs::read(path).map_err(|e| format!("cannot read {file}: {e}"))?;
    let mut found = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| format!("{file} is not PEM; write a file of PEM certificates"))?;
        roots
            .add(certificate)
            .map_err(|e| format!("{file}: a certificate that cannot be used: {e}"))?;
        found += 1;
    }
    if found == 0 {
        return Err(format!("{file} has no certificate; write a file of PEM certificates"));
    }
    Ok(roots)
}
