//! An id_token counts only where every rule of OpenID Connect Core §3.1.3.7 holds; claims of somebody else never do.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};
use sidegate::demo::provider::SigningKey;

use super::nobody_came_in;
use crate::support::answer::Answer;
use crate::support::gateway::{CLIENT_SECRET, Gateway, Setup};
use crate::support::idp::Endpoint;

/// A change of header and claims before they are signed.
type Change = fn(&mut Value, &mut Value);

/// What an endpoint answers from now on.
type Answering = Box<dyn Fn() -> Answer + Send + Sync>;

/// A change of the claims that userinfo answers.
type UserinfoChange = fn(&mut Value);

/// Another text made of a token.
type Respelling = fn(&str) -> String;

fn now() -> u64 {
    sidegate::clock::now().0
}

/// Logs in with this token response: 502, one token request, nobody signed in.
async fn refused(gateway: &Gateway, what: &str, answer: Answer) {
    let browser = gateway.browser();
    let callback = browser.login_until_callback("/", "alice").await;
    gateway.idp.forget();
    gateway.idp.script(Endpoint::Token, [answer]);
    let answer = browser.visit(&callback).send().await;
    assert_eq!(answer.status, 502, "{what}");
    nobody_came_in(gateway, &answer, 1, what);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn claims_that_break_a_rule_are_refused_however_well_they_are_signed() {
    let gateway = Gateway::start().await;
    let cases: [(&str, Change); 44] = [
        ("aud of another", |_, c| c["aud"] = json!("other")),
        ("aud in other case", |_, c| c["aud"] = json!("APP")),
        ("aud with a blank", |_, c| c["aud"] = json!("app ")),
        ("aud of several in one string", |_, c| c["aud"] = json!("app other")),
        ("aud empty", |_, c| c["aud"] = json!("")),
        ("aud an empty list", |_, c| c["aud"] = json!([])),
        ("aud a list of others", |_, c| c["aud"] = json!(["other", "another"])),
        ("aud a list of lists", |_, c| c["aud"] = json!([["app"]])),
        ("aud with a number beside it", |_, c| c["aud"] = json!(["app", 1])),
        ("aud an object", |_, c| c["aud"] = json!({"app": true})),
        ("aud null", |_, c| c["aud"] = json!(null)),
        ("aud of several without azp", |_, c| c["aud"] = json!(["app", "other"])),
        ("azp of another", |_, c| c["azp"] = json!("other")),
        ("azp empty", |_, c| c["azp"] = json!("")),
        ("azp a list", |_, c| c["azp"] = json!(["app"])),
        ("azp of another among several aud", |_, c| {
            c["aud"] = json!(["app", "other"]);
            c["azp"] = json!("other");
        }),
        ("iss of another", |_, c| c["iss"] = json!("https://evil.example")),
        ("iss with a slash more", |_, c| {
            c["iss"] = json!(format!("{}/", c["iss"].as_str().unwrap()))
        }),
        ("iss a list", |_, c| c["iss"] = json!([c["iss"]])),
        ("iss null", |_, c| c["iss"] = json!(null)),
        ("exp long ago", |_, c| c["exp"] = json!(1)),
        ("exp just past the leeway", |_, c| c["exp"] = json!(now() - 61)),
        ("exp a string", |_, c| c["exp"] = json!((now() + 600).to_string())),
        ("exp negative", |_, c| c["exp"] = json!(-1)),
        ("exp null", |_, c| c["exp"] = json!(null)),
        ("exp true", |_, c| c["exp"] = json!(true)),
        ("exp a list", |_, c| c["exp"] = json!([now() + 600])),
        ("exp minus almost infinity", |_, c| c["exp"] = json!(-1e308)),
        ("iat in the future", |_, c| c["iat"] = json!(now() + 600)),
        ("iat a string", |_, c| c["iat"] = json!(now().to_string())),
        ("iat null", |_, c| c["iat"] = json!(null)),
        ("nbf in the future", |_, c| c["nbf"] = json!(now() + 600)),
        ("nbf a string", |_, c| c["nbf"] = json!("0")),
        ("nbf beyond all times", |_, c| c["nbf"] = json!(1e308)),
        ("nbf the largest number", |_, c| c["nbf"] = json!(u64::MAX)),
        ("sub empty", |_, c| c["sub"] = json!("")),
        ("sub a number", |_, c| c["sub"] = json!(0)),
        ("sub null", |_, c| c["sub"] = json!(null)),
        ("sub too long", |_, c| c["sub"] = json!("x".repeat(256))),
        ("nonce of another login", |_, c| c["nonce"] = json!("other")),
        ("nonce empty", |_, c| c["nonce"] = json!("")),
        ("nonce a list", |_, c| c["nonce"] = json!([c["nonce"]])),
        ("at_hash of another token", |_, c| {
            c["at_hash"] = json!("MTIzNDU2Nzg5MDEyMzQ1Ng")
        }),
        ("at_hash a number", |_, c| c["at_hash"] = json!(1)),
    ];
    for (what, change) in cases {
        refused(&gateway, what, Answer::id_token(change)).await;
    }
    for claim in ["iss", "aud", "sub", "exp", "iat", "nonce"] {
        let change = move |_: &mut Value, claims: &mut Value| drop(claims.as_object_mut().unwrap().remove(claim));
        refused(&gateway, &format!("without {claim}"), Answer::id_token(change)).await;
    }
}

#[tokio::test]
async fn claims_at_the_edge_of_a_rule_are_taken() {
    let gateway = Gateway::start().await;
    let cases: [(&str, Change); 9] = [
        ("aud a list of one", |_, c| c["aud"] = json!(["app"])),
        ("aud of several with azp", |_, c| {
            c["aud"] = json!(["other", "app"]);
            c["azp"] = json!("app");
        }),
        ("azp null", |_, c| c["azp"] = json!(null)),
        ("exp within the leeway", |_, c| c["exp"] = json!(now() - 30)),
        ("exp a fraction", |_, c| c["exp"] = json!(now() as f64 + 600.5)),
        ("exp beyond all times", |_, c| c["exp"] = json!(u64::MAX)),
        ("nbf now", |_, c| c["nbf"] = json!(now())),
        ("no at_hash", |_, c| drop(c.as_object_mut().unwrap().remove("at_hash"))),
        ("unknown headers that are not critical", |h, _| h["x"] = json!("y")),
    ];
    for (what, change) in cases {
        gateway.idp.script(Endpoint::Token, [Answer::id_token(change)]);
        assert_eq!(gateway.browser().login("/", "alice").await.status, 200, "{what}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn a_header_never_chooses_how_or_by_which_key_a_token_is_verified() {
    let gateway = Gateway::start().await;
    let elsewhere = format!("{}/keys", gateway.app.url());
    for alg in [
        "none", "None", "NONE", "nOnE", "", " none", "null", "HS256", "HS384", "HS512", "RS256", "PS256", "ES384",
        "EdDSA", "es256", "ES256K", "ES256 ", "dir",
    ] {
        // Once with the provider's own signature, once with none.
        refused(
            &gateway,
            alg,
            Answer::id_token(move |header, _| header["alg"] = json!(alg)),
        )
        .await;
        let bare = Answer::json(move |answer| {
            let (header, claims) = parts(answer);
            answer["id_token"] = format!("{}.", message(&with(header, "alg", json!(alg)), &claims)).into();
        });
        refused(&gateway, &format!("{alg} without a signature"), bare).await;
    }
    let cases: [(&str, &str, Value); 9] = [
        ("crit", "crit", json!(["exp"])),
        ("crit unknown", "crit", json!(["x-evil"])),
        ("crit b64", "crit", json!(["b64"])),
        ("crit empty", "crit", json!([])),
        ("alg a list", "alg", json!(["ES256"])),
        ("alg null", "alg", json!(null)),
        ("kid a number", "kid", json!(1)),
        ("kid unknown", "kid", json!("../../../../dev/null")),
        ("kid that asks a database", "kid", json!("' UNION SELECT 'x'")),
    ];
    for (what, member, value) in cases {
        refused(
            &gateway,
            what,
            Answer::id_token(move |header, _| header[member] = value),
        )
        .await;
    }
    // Another key, which the token itself brings or tells where to find.
    for (what, hint) in [
        ("its own jwk", "jwk"),
        ("jku", "jku"),
        ("x5u", "x5u"),
        ("x5c", "x5c"),
        ("nothing", "x"),
    ] {
        for own_kid in [true, false] {
            let elsewhere = elsewhere.clone();
            let forged = Answer::json(move |answer| {
                let (mut header, claims) = parts(answer);
                let key = SigningKey::generate();
                header[hint] = match hint {
                    "jwk" => key.jwk(),
                    "x5c" => json!([STANDARD.encode("no certificate")]),
                    _ => json!(elsewhere),
                };
                if own_kid {
                    header["kid"] = json!(key.id());
                }
                answer["id_token"] = key.sign(&header, &claims).into();
            });
            refused(&gateway, &format!("{what}, its own kid: {own_kid}"), forged).await;
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_hmac_secret_and_hmac_counts_only_where_it_is_named() {
    let usual = Gateway::start().await;
    let named = Gateway::start_with(Setup {
        provider: "signing_algs = [\"HS256\", \"ES256\"]".into(),
        ..Setup::default()
    })
    .await;
    for gateway in [&usual, &named] {
        let jwk = gateway.idp.provider().key().jwk();
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        // SubjectPublicKeyInfo of P-256 (RFC 5480 §2), up to the point.
        let prefix = STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE").unwrap();
        let der = [&prefix[..], &point[1..]].concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(&der)
        );
        let secrets = [
            jwk.to_string().into_bytes(),
            point.clone(),
            point[1..].to_vec(),
            der,
            pem.clone().into_bytes(),
            pem.trim().as_bytes().to_vec(),
            coordinate("x"),
            Vec::new(),
            b"app".to_vec(),
        ];
        for (number, secret) in secrets.into_iter().enumerate() {
            refused(
                gateway,
                &format!("key {number}"),
                Answer::json(move |answer| hs256(answer, &secret)),
            )
            .await;
        }
    }
    // The client secret is the key of HS256 (Core §10.1), but only where the operator says so.
    let honest = || Answer::json(|answer| hs256(answer, CLIENT_SECRET.as_bytes()));
    refused(&usual, "HS256 unasked", honest()).await;
    named.idp.script(Endpoint::Token, [honest()]);
    assert_eq!(named.browser().login("/", "alice").await.status, 200);
}

#[tokio::test]
async fn what_is_no_compact_jws_is_refused() {
    let gateway = Gateway::start().await;
    let cases: [(&str, Respelling); 14] = [
        ("empty parts", |_| "..".into()),
        ("one part", |t| t.split('.').next().unwrap().into()),
        ("two parts", |t| t.rsplit_once('.').unwrap().0.into()),
        ("no signature", |t| format!("{}.", t.rsplit_once('.').unwrap().0)),
        ("four parts", |t| format!("{t}.x")),
        ("five parts", |t| format!("{t}.x.y")),
        ("padded", |t| format!("{t}=")),
        ("a blank in it", |t| t.replacen('.', " .", 1)),
        ("signature cut", |t| t[..t.len() - 4].into()),
        ("signature changed", |t| format!("{}AAAA", &t[..t.len() - 4])),
        ("header twice", |t| {
            format!(
                "{0}.{0}.{1}",
                t.split('.').next().unwrap(),
                t.rsplit('.').next().unwrap()
            )
        }),
        ("JSON serialization", |t| {
            json!({"payload": t, "signatures": []}).to_string().replace(' ', "")
        }),
        ("standard base64", |t| format!("{}+/.{}", &t[..10], &t[10..])),
        ("huge", |t| format!("{t}{}", "A".repeat(70_000))),
    ];
    for (what, change) in cases {
        let answer =
            Answer::json(move |answer| answer["id_token"] = change(answer["id_token"].as_str().unwrap()).into());
        refused(&gateway, what, answer).await;
    }
    refused(&gateway, "signed by another key under this kid", Answer::MisSigned).await;
}

#[tokio::test]
async fn a_refresh_that_brings_somebody_elses_claims_ends_the_session() {
    let by_userinfo = "userinfo = \"always\"";
    let plain = "jwks_uri = \"\"\nscopes = [\"profile\"]\nclaims = { user = \"preferred_username\" }";
    let other = |claim: &'static str| move || Answer::json(move |claims| claims[claim] = json!("demo|bob"));
    let cases: [(&str, &str, Endpoint, Answering); 4] = [
        (
            "id_token",
            "",
            Endpoint::Token,
            Box::new(|| Answer::id_token(|_, claims| claims["sub"] = json!("demo|bob"))),
        ),
        ("forged id_token", "", Endpoint::Token, Box::new(|| Answer::MisSigned)),
        ("userinfo", by_userinfo, Endpoint::Userinfo, Box::new(other("sub"))),
        (
            "plain OAuth2",
            plain,
            Endpoint::Userinfo,
            Box::new(|| {
                Answer::json(|claims| {
                    claims.as_object_mut().unwrap().remove("sub");
                    claims["preferred_username"] = json!("bob");
                })
            }),
        ),
    ];
    for (what, provider, endpoint, answer) in cases {
        let gateway = Gateway::start_with(Setup {
            provider: provider.into(),
            ..Setup::default()
        })
        .await;
        if what == "plain OAuth2" {
            gateway
                .idp
                .metadata(|metadata| drop(metadata.as_object_mut().unwrap().remove("jwks_uri")));
            let first = Answer::json(|claims| drop(claims.as_object_mut().unwrap().remove("sub")));
            gateway.idp.script(Endpoint::Userinfo, [first]);
        }
        let browser = gateway.browser();
        assert_eq!(browser.login("/", "alice").await.status, 200, "{what}");
        gateway.idp.always(endpoint, answer);
        gateway.advance(121);
        gateway.app.forget();
        let answer = browser.fetch("GET", "/").send().await;
        assert_eq!((answer.status, browser.cookie("sidegate")), (401, None), "{what}");
        assert_eq!(gateway.app.seen().len(), 0, "{what}");
    }
}

#[tokio::test]
async fn userinfo_of_another_subject_signs_nobody_in() {
    let gateway = Gateway::start_with(Setup {
        provider: "userinfo = \"always\"".into(),
        ..Setup::default()
    })
    .await;
    let cases: [(&str, UserinfoChange); 5] = [
        ("another", |claims| claims["sub"] = json!("demo|bob")),
        ("in other case", |claims| claims["sub"] = json!("DEMO|ALICE")),
        ("none", |claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
        ("null", |claims| claims["sub"] = json!(null)),
        ("a list", |claims| claims["sub"] = json!(["demo|alice"])),
    ];
    for (what, change) in cases {
        gateway.idp.script(Endpoint::Userinfo, [Answer::json(change)]);
        refused(&gateway, what, Answer::Usual).await;
    }
}

#[tokio::test]
async fn groups_that_the_provider_takes_away_are_gone_with_the_next_refresh() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    gateway.idp.change(|settings| settings.people[0].groups.clear());
    gateway.advance(121);
    let me = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    assert_eq!((&me["user"], &me["groups"]), (&json!("demo|alice"), &json!([])));
}

#[tokio::test]
async fn a_plain_oauth2_server_with_numbers_for_people_keeps_their_sessions() {
    let gateway = Gateway::start_with(Setup {
        provider: "scopes = [\"profile\"]".into(),
        ..Setup::default()
    })
    .await;
    gateway
        .idp
        .always(Endpoint::Userinfo, || Answer::json(|claims| claims["sub"] = json!(42)));
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    gateway.advance(121);
    let me = browser.fetch("GET", "/oauth2/userinfo").send().await;
    assert_eq!((me.status, &me.json()["user"]), (200, &json!("42")));
}

/// Header and claims of the id_token in a token response.
fn parts(answer: &Value) -> (Value, Value) {
    let token = answer["id_token"].as_str().unwrap();
    let part = |index: usize| {
        let text = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    (part(0), part(1))
}

fn with(mut header: Value, member: &str, value: Value) -> Value {
    header[member] = value;
    header
}

/// What is signed (RFC 7515 §5.1).
fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Puts the same claims under HS256 with this secret.
fn hs256(answer: &mut Value, secret: &[u8]) {
    let (_, claims) = parts(answer);
    let message = message(&json!({"alg": "HS256", "typ": "JWT"}), &claims);
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    answer["id_token"] = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)).into();
}
