//! Where metadata are looked for, what is believed of them, and how seldom they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Seen, Server, json, not_found, reply, said};
use crate::provider::kept::Kept;
use crate::provider::{Endpoint, Fault, Kind, ProviderError};

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

fn origin(seen: &Seen) -> String {
    format!("http://{}", seen.header("host").unwrap())
}

fn document(issuer: &str, more: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","authorization_endpoint":"{issuer}/authorize","token_endpoint":"{issuer}/token"{more}}}"#
    )
}

#[tokio::test]
async fn everything_the_provider_says_is_known() {
    let server = Server::start(|seen| {
        let at = origin(seen);
        json(&document(
            &at,
            &format!(
                r#","userinfo_endpoint":"{at}/me","jwks_uri":"{at}/jwks","revocation_endpoint":"{at}/revoke",
                "end_session_endpoint":"{at}/end","token_endpoint_auth_methods_supported":["client_secret_post"],
                "id_token_signing_alg_values_supported":["ES256"],"authorization_response_iss_parameter_supported":true"#
            ),
        ))
    })
    .await;
    let metadata = server.discovered(|_| {}).metadata().await.unwrap();
    let at = |path: &str| format!("{}{path}", server.origin).parse::<url::Url>().unwrap();
    assert_eq!(metadata.issuer.as_deref(), Some(server.origin.as_str()));
    assert_eq!(metadata.authorization_endpoint, at("/authorize"));
    assert_eq!(metadata.token_endpoint, at("/token"));
    assert_eq!(metadata.userinfo_endpoint, Some(at("/me")));
    assert_eq!(metadata.jwks_uri, Some(at("/jwks")));
    assert_eq!(metadata.revocation_endpoint, Some(at("/revoke")));
    assert_eq!(metadata.end_session_endpoint, Some(at("/end")));
    assert_eq!(metadata.token_endpoint_auth_methods, ["client_secret_post"]);
    assert_eq!(metadata.signing_algs, ["ES256"]);
    assert!(metadata.iss_parameter);
    assert_eq!(metadata.kind, Kind::OpenIdConnect);
}

#[tokio::test]
async fn rfc_8414_is_asked_where_openid_discovery_is_not_there() {
    for absent in [
        not_found(),
        reply(200, "text/html", "<app></app>"),
        reply(302, "x/y", ""),
        json("{}"),
    ] {
        let server = Server::start(move |seen| match seen.path.strip_prefix(OAUTH) {
            Some(path) => json(&document(&format!("{}{path}", origin(seen)), "")),
            None => absent.clone(),
        })
        .await;
        let issuer = format!("{}/tenant/1", server.origin);
        let found = server
            .discovered(|config| config.issuer = Some(issuer.clone()))
            .metadata()
            .await
            .unwrap();
        assert_eq!(found.issuer, Some(issuer));
        let asked: Vec<_> = server.requests().into_iter().map(|seen| seen.path).collect();
        assert_eq!(asked, [format!("/tenant/1{OPENID}"), format!("{OAUTH}/tenant/1")]);
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_issuer_is_part_of_its_name_only() {
    let server = Server::start(|seen| json(&document(&format!("{}/", origin(seen)), ""))).await;
    let issuer = format!("{}/", server.origin);
    server
        .discovered(|config| config.issuer = Some(issuer))
        .metadata()
        .await
        .unwrap();
    assert_eq!(server.count(OPENID), 1);
}

#[tokio::test]
async fn an_issuer_of_another_name_is_refused_with_both_names() {
    let server = Server::start(|seen| json(&document(&format!("{}/", origin(seen)), ""))).await;
    let error = server.discovered(|_| {}).metadata().await.unwrap_err();
    let issuer = &server.origin;
    assert_eq!(
        said(&error),
        format!(
            "configuration: the provider calls itself \"{issuer}/\", but issuer is \"{issuer}\"; \
             write exactly what it calls itself"
        )
    );
    assert_eq!(server.count(OAUTH), 0);
}

#[tokio::test]
async fn what_does_not_work_says_who_is_at_fault() {
    let cases: [(&str, &str); 4] = [
        (
            r#""token_endpoint":"http://192.0.2.1/t""#,
            "configuration: http://192.0.2.1/t is not https; ",
        ),
        (
            r#""token_endpoint":"/token""#,
            "unreadable answer: token_endpoint of the metadata is not a URL",
        ),
        (
            r#""token_endpoint":"https://id/t#x""#,
            "configuration: an endpoint has a fragment (#)",
        ),
        (
            r#""x":1"#,
            "configuration: no token_endpoint in the metadata; name it in providers.main",
        ),
    ];
    for (member, text) in cases {
        let server = Server::start(move |seen| {
            let at = origin(seen);
            json(&format!(
                r#"{{"issuer":"{at}","authorization_endpoint":"{at}/a",{member}}}"#
            ))
        })
        .await;
        let error = server.discovered(|_| {}).metadata().await.unwrap_err();
        assert!(said(&error).starts_with(text), "{error}");
        assert_eq!((error.endpoint, error.is_silence()), (Endpoint::Discovery, false));
    }
}

#[tokio::test]
async fn what_the_operator_names_wins_and_is_enough() {
    let server = Server::always(not_found()).await;
    let named = server.provider(|config| {
        config.issuer = Some(server.origin.clone());
        config.jwks_uri = Some("https://id/jwks".parse().unwrap());
    });
    let metadata = named.metadata().await.unwrap();
    assert_eq!(
        (metadata.issuer.as_ref(), metadata.kind),
        (Some(&server.origin), Kind::OpenIdConnect)
    );

    let server = Server::start(|seen| json(&document(&origin(seen), r#","jwks_uri":"https://id/jwks""#))).await;
    let named = server.discovered(|config| config.token_endpoint = Some("https://own/token".parse().unwrap()));
    assert_eq!(
        named.metadata().await.unwrap().token_endpoint.as_str(),
        "https://own/token"
    );
}

#[tokio::test]
async fn without_keys_or_openid_it_is_plain_oauth2() {
    let server = Server::start(|seen| json(&document(&origin(seen), r#","jwks_uri":"https://id/jwks""#))).await;
    for (scopes, kind) in [
        (vec!["openid"], Kind::OpenIdConnect),
        (vec!["read"], Kind::OAuth2),
        (vec![], Kind::OAuth2),
    ] {
        let scopes = scopes.into_iter().map(str::to_owned).collect();
        assert_eq!(
            server
                .discovered(|config| config.scopes = scopes)
                .metadata()
                .await
                .unwrap()
                .kind,
            kind
        );
    }
    let server = Server::always(None).await;
    assert_eq!(server.provider(|_| {}).metadata().await.unwrap().kind, Kind::OAuth2);
}

#[test]
fn keys_without_an_issuer_are_an_error_of_the_operators() {
    let mut config = super::bare();
    let url = |text: &str| Some(text.parse().unwrap());
    config.authorization_endpoint = url("https://id/a");
    config.token_endpoint = url("https://id/t");
    config.jwks_uri = url("https://id/jwks");
    let problem = crate::provider::Provider::new(config, Arc::new(|_, _| {}))
        .err()
        .unwrap();
    assert!(
        problem.starts_with("providers.main: configuration: jwks_uri without issuer: "),
        "{problem}"
    );
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (path, text) in [
        ("/no/such/file".into(), "cannot read"),
        (file.path().to_owned(), "has no certificate"),
    ] {
        let mut config = super::bare();
        config.ca_file = Some(path);
        let problem = crate::provider::Provider::new(config, Arc::new(|_, _| {}))
            .err()
            .unwrap();
        assert!(
            problem.starts_with("providers.main.ca_file: ") && problem.contains(text),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn many_visitors_cause_one_request_and_its_failure_is_remembered() {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let server = Server::start(move |seen| match is_up.load(Ordering::SeqCst) {
        true => json(&document(&origin(seen), "")),
        false => reply(503, "x/y", ""),
    })
    .await;
    let down = server.discovered(|_| {});
    let (a, b, c) = tokio::join!(down.metadata(), down.metadata(), down.metadata());
    for outcome in [a, b, c, down.metadata().await] {
        assert_eq!(said(&outcome.unwrap_err()), "not now: status 503");
    }
    assert_eq!(server.requests().len(), 1);

    up.store(true, Ordering::SeqCst);
    let fresh = server.discovered(|_| {});
    let (a, b, c) = tokio::join!(fresh.metadata(), fresh.metadata(), fresh.metadata());
    assert!(a.is_ok() && b.is_ok() && c.is_ok() && fresh.metadata().await.is_ok());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn how_long_requests_took_is_reported() {
    let server = Server::always(not_found()).await;
    let (sender, reported) = std::sync::mpsc::channel();
    let config = server.discovered(|_| {}).config().clone();
    let observed = crate::provider::Provider::new(config, Arc::new(move |endpoint, _| sender.send(endpoint).unwrap()));
    observed.unwrap().metadata().await.unwrap_err();
    assert_eq!(reported.try_iter().collect::<Vec<_>>(), ["discovery", "discovery"]);
}

fn failing() -> ProviderError {
    ProviderError {
        provider: "main".into(),
        endpoint: Endpoint::Discovery,
        fault: Fault::Unreachable("x".into()),
    }
}

/// A kept value that counts its fetches and fails while `up` is false.
fn counted(up: &Arc<AtomicBool>) -> (Kept<usize>, Arc<std::sync::atomic::AtomicUsize>) {
    let fetches = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (up, count) = (Arc::clone(up), Arc::clone(&fetches));
    let fetch = move || -> futures_util::future::BoxFuture<'static, Result<usize, ProviderError>> {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = if up.load(Ordering::SeqCst) {
            Ok(number)
        } else {
            Err(failing())
        };
        Box::pin(async move { outcome })
    };
    (Kept::new(failing(), Box::new(fetch)), fetches)
}

#[tokio::test]
async fn a_provider_in_trouble_is_asked_less_and_less() {
    let (kept, fetches) = counted(&Arc::new(AtomicBool::new(false)));
    let start = Instant::now();
    let mut at = start;
    // The n-th back-off is over after 2^n s at the latest, and lasts three quarters of that at least.
    for (n, seconds) in [1_u64, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        kept.current(at).await.unwrap_err();
        kept.current(at + Duration::from_millis(seconds * 740))
            .await
            .unwrap_err();
        assert_eq!(fetches.load(Ordering::SeqCst), n + 1, "after {:?}", at - start);
        at += Duration::from_secs(seconds) + Duration::from_millis(500);
    }
}

#[tokio::test]
async fn what_is_old_is_renewed_in_the_background_and_kept_when_that_fails() {
    let up = Arc::new(AtomicBool::new(true));
    let (kept, _) = counted(&up);
    let start = Instant::now();
    assert_eq!(*kept.current(start).await.unwrap(), 1);
    assert_eq!(*kept.current(start + Duration::from_secs(3500)).await.unwrap(), 1);
    let later = start + Duration::from_secs(3700);
    assert_eq!(*kept.current(later).await.unwrap(), 1, "the old one, at once");
    while *kept.current(later).await.unwrap() == 1 {
        tokio::task::yield_now().await;
    }
    up.store(false, Ordering::SeqCst);
    let much_later = later + Duration::from_secs(7200);
    assert_eq!(*kept.current(much_later).await.unwrap(), 2);
    kept.renewed(much_later).await.map(drop).unwrap_err();
    assert_eq!(*kept.current(much_later).await.unwrap(), 2);
}

#[tokio::test]
async fn renewal_on_demand_is_throttled() {
    let (kept, fetches) = counted(&Arc::new(AtomicBool::new(true)));
    let start = Instant::now();
    kept.current(start).await.unwrap();
    assert_eq!(kept.renewed(start).await.unwrap().as_deref(), Some(&2));
    assert_eq!(kept.renewed(start + Duration::from_secs(29)).await.unwrap(), None);
    assert_eq!(
        kept.renewed(start + Duration::from_secs(30)).await.unwrap().as_deref(),
        Some(&3)
    );
    assert_eq!(fetches.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_visitor_who_leaves_does_not_cut_off_the_others() {
    let (go, gate) = tokio::sync::watch::channel(false);
    let fetch = move || -> futures_util::future::BoxFuture<'static, Result<u8, ProviderError>> {
        let mut gate = gate.clone();
        Box::pin(async move { gate.wait_for(|open| *open).await.map(|_| 7).map_err(|_| failing()) })
    };
    let kept = Kept::new(failing(), Box::new(fetch));
    let now = Instant::now();
    let mut first = Box::pin(kept.current(now));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    drop(first);
    let mut second = Box::pin(kept.current(now));
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    go.send(true).unwrap();
    assert_eq!(*second.await.unwrap(), 7);
}

#[test]
fn a_fetch_that_ended_with_its_runtime_is_begun_again() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let fetch = move || -> futures_util::future::BoxFuture<'static, Result<u8, ProviderError>> {
        let up = is_up.load(Ordering::SeqCst);
        Box::pin(async move { if up { Ok(7) } else { std::future::pending().await } })
    };
    let kept = Kept::new(failing(), Box::new(fetch));
    let now = Instant::now();
    let first = runtime();
    let mut waiting = Box::pin(kept.current(now));
    first.block_on(async { assert!(futures_util::poll!(waiting.as_mut()).is_pending()) });
    drop(first);
    up.store(true, Ordering::SeqCst);
    let second = runtime();
    assert_eq!(second.block_on(waiting).unwrap_err(), failing());
    assert_eq!(*second.block_on(kept.current(now)).unwrap(), 7);
}
