//! `check --live`: contacts whoever the configuration names.

use crate::process::{Ended, Folder, command, config, public};
use crate::support::answer::Answer;
use crate::support::idp::{Endpoint, Idp};
use crate::support::upstream::{App, Reply};

/// Asks beside the runtime that the provider and the app live on.
async fn check(idp: &str, app: &str) -> Ended {
    let text = config("", &public(app)).replace("http://127.0.0.1:9", idp);
    let (folder, file) = Folder::with(&text);
    let ended = tokio::task::spawn_blocking(move || {
        let _folder = folder;
        crate::process::end_of(command(&["check", "--live", "--config", &file]))
    });
    ended.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everybody_answers_it_says_what_they_are_and_what_to_register() {
    let (idp, app) = (Idp::start().await, App::start().await);
    let ended = check(idp.issuer(), &app.url()).await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let lines = ended.out_lines();
    for line in [
        format!("providers.main: authorization_endpoint {}/authorize", idp.issuer()),
        format!("providers.main: token_endpoint {}/token", idp.issuer()),
        format!("providers.main: jwks_uri {}/jwks", idp.issuer()),
        format!("upstream {}: connects", app.url()),
        "register as redirect URI: http://localhost:4180/oauth2/callback".to_owned(),
        "register as post-logout redirect URI: http://localhost:4180/oauth2/signed_out".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} is not in {}", ended.out);
    }
    let summary = lines
        .iter()
        .find(|line| line.starts_with("providers.main: OpenID Connect, 1 key, "))
        .unwrap();
    assert!(summary.contains(", clock "), "{summary}");
    assert_eq!(
        (
            idp.count(Endpoint::Discovery),
            idp.count(Endpoint::Jwks),
            idp.count(Endpoint::Token)
        ),
        (1, 1, 1)
    );
    assert!(app.seen().is_empty(), "an upstream is connected to, not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_fails_is_named_the_others_are_asked_all_the_same_and_the_exit_is_69() {
    let (idp, app) = (Idp::start().await, App::start().await);
    app.down().await;
    let ended = check(idp.issuer(), &app.url()).await;
    assert_eq!(ended.code, 69);
    assert!(
        ended.err.starts_with(&format!("upstream {}: ", app.url())),
        "{}",
        ended.err
    );
    assert!(ended.out.contains("providers.main: OpenID Connect"), "{}", ended.out);

    app.up().await;
    idp.down().await;
    let ended = check(idp.issuer(), &app.url()).await;
    assert_eq!(ended.code, 69);
    assert!(
        ended.err.starts_with("providers.main: discovery endpoint: no answer: "),
        "{}",
        ended.err
    );
    assert!(ended.out.contains(": connects\n"), "{}", ended.out);
    assert!(ended.out.contains("register as redirect URI: "), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_would_fail_a_login_fails_the_probe() {
    let (idp, app) = (Idp::start().await, App::start().await);
    for (endpoint, answer, word) in [
        (
            Endpoint::Discovery,
            Answer::status(500, "text/plain", ""),
            "discovery endpoint: not now: status 500",
        ),
        (Endpoint::Jwks, Answer::status(404, "text/plain", ""), "jwks endpoint: "),
        (Endpoint::Token, Answer::Close, "token endpoint: no answer: "),
    ] {
        idp.script(endpoint, [answer]);
        let ended = check(idp.issuer(), &app.url()).await;
        assert_eq!(ended.code, 69, "{word}");
        assert!(ended.err.contains(word), "{word}: {}", ended.err);
    }
    idp.metadata(|metadata| metadata["issuer"] = "https://someone.example.com".into());
    let ended = check(idp.issuer(), &app.url()).await;
    assert_eq!(ended.code, 69);
    assert!(ended.err.contains("https://someone.example.com"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_past_the_leeway_fails_the_probe() {
    let (idp, app) = (Idp::start().await, App::start().await);
    let token_endpoint = format!("{}/token", app.url());
    idp.metadata(move |metadata| metadata["token_endpoint"] = token_endpoint.clone().into());
    app.script(
        "/token",
        [Reply::with(405, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")])],
    );
    let ended = check(idp.issuer(), &app.url()).await;
    assert_eq!(ended.code, 69);
    assert!(
        ended.err.contains(" s behind ours, more than clock_leeway"),
        "{}",
        ended.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_64_and_nobody_is_asked() {
    let (idp, app) = (Idp::start().await, App::start().await);
    let ended = check(idp.issuer(), &format!("{}/path", app.url())).await;
    assert_eq!(ended.code, 64);
    assert_eq!(idp.count(Endpoint::Discovery), 0);
}
