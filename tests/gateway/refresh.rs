//! Tokens are renewed without anybody noticing: one token request at a time, its result for everybody, no cookie lost.

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::answer::Answer;
use crate::support::browser::Browser;
use crate::support::gate::Gate;
use crate::support::gateway::{DUE, Gateway, OVER, Setup};
use crate::support::idp::Endpoint;
use crate::support::upstream::Reply;
use crate::support::wire::{Connection, exchange};

/// What the app gets as `Authorization`.
async fn bearer(browser: &Browser) -> Vec<String> {
    let answer = browser.fetch("GET", "/bearer").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.echoed("authorization")
}

#[tokio::test]
async fn a_token_that_soon_ends_is_used_while_its_refresh_runs_and_the_next_answer_brings_the_cookie() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let (old, gate) = (bearer(&browser).await, Gate::shut());
    gateway.advance(DUE);
    gateway.idp.script(Endpoint::Token, [Answer::held(&gate)]);

    let during = browser.fetch("GET", "/").send().await;
    assert_eq!(
        (during.echoed("authorization"), during.set_cookies()),
        (old.clone(), vec![])
    );
    gate.arrived(1).await;
    gate.open();
    gateway.until_refreshes("refreshed", 1.0).await;

    let after = browser.fetch("GET", "/").send().await;
    assert!(after.sets_session(), "{after:?}");
    assert_ne!(after.echoed("authorization"), old);
    assert_eq!(bearer(&browser).await, after.echoed("authorization"));
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_refresh_that_is_done_by_the_time_the_app_answers_goes_out_with_that_answer() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let (old, gate) = (bearer(&browser).await, Gate::shut());
    gateway.advance(DUE);
    gateway.app.script("/slow", [Reply::Echo.behind(&gate)]);

    let test = async {
        gateway.until_refreshes("refreshed", 1.0).await;
        gate.open();
    };
    let (slow, ()) = tokio::join!(browser.fetch("GET", "/slow").send(), test);
    assert_eq!(slow.echoed("authorization"), old);
    assert!(slow.sets_session(), "{slow:?}");
    assert_ne!(bearer(&browser).await, old);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn fifty_requests_with_one_ended_token_cost_one_token_request_and_all_are_served() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let (old, gate) = (bearer(&browser).await, Gate::shut());
    gateway.advance(OVER);
    gateway.idp.script(Endpoint::Token, [Answer::held(&gate)]);

    let twins: Vec<Browser> = (0..50).map(|_| browser.twin()).collect();
    let all = join_all(twins.iter().map(|twin| twin.fetch("GET", "/x").send()));
    let test = async {
        gateway.until_refreshes("coalesced", 49.0).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(all, test);

    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
    let new = answers[0].echoed("authorization");
    assert_ne!(new, old);
    for (answer, twin) in answers.iter().zip(&twins) {
        assert_eq!((answer.status, answer.echoed("authorization")), (200, new.clone()));
        assert!(answer.sets_session(), "{answer:?}");
        assert_eq!(bearer(twin).await, new);
    }
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
    gateway.advance(OVER);
    assert_ne!(bearer(&twins[49]).await, new, "the grant lives on");
}

#[tokio::test]
async fn a_request_that_goes_away_takes_no_refresh_with_it() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let gate = Gate::shut();
    gateway.advance(OVER);
    gateway.idp.script(Endpoint::Token, [Answer::held(&gate)]);

    let mut connection = Connection::open(gateway.address).await;
    connection.send(&browser.fetch("GET", "/gone").bytes("close")).await;
    gate.arrived(1).await;
    drop(connection);
    gate.open();
    gateway.until_refreshes("refreshed", 1.0).await;

    let next = browser.fetch("GET", "/next").send().await;
    assert_eq!(next.status, 200);
    assert!(next.sets_session(), "{next:?}");
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn the_old_cookie_gets_the_same_result_during_the_grace_and_its_spent_token_is_never_sent_again() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    let (late, too_late) = (browser.twin(), browser.twin());
    gateway.advance(OVER);
    let new = bearer(&browser).await;

    // Real seconds pass too, one or two.
    gateway.advance(57);
    let answer = late.fetch("GET", "/late").send().await;
    assert_eq!((answer.status, answer.echoed("authorization")), (200, new.clone()));
    assert!(answer.sets_session(), "{answer:?}");

    gateway.advance(4);
    let answer = too_late.fetch("GET", "/too-late").send().await;
    assert_eq!((answer.status, too_late.cookie("sidegate")), (401, None));
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
    let outcomes = [gateway.refreshes("replayed").await, gateway.refreshes("refused").await];
    assert_eq!(outcomes, [1.0, 1.0]);
}

#[tokio::test]
async fn a_provider_that_does_not_rotate_is_asked_with_the_same_token_again() {
    let gateway = Gateway::start().await;
    gateway.idp.change(|settings| settings.rotate = false);
    let browser = gateway.signed_in().await;
    let old_cookie = browser.twin();

    for _ in 0..2 {
        gateway.advance(OVER);
        bearer(&browser).await;
    }
    gateway.advance(OVER);
    bearer(&old_cookie).await;
    let sent: Vec<_> = gateway
        .idp
        .seen(Endpoint::Token)
        .iter()
        .map(|seen| seen.form("refresh_token"))
        .collect();
    assert!(sent.len() == 3 && sent.iter().all(|token| *token == sent[0] && token.is_some()));
}

#[tokio::test]
async fn whichever_way_the_answer_leaves_the_new_cookie_is_on_it() {
    let gateway = Gateway::start().await;
    let (events, sender) = Reply::events();
    sender.send("data: 1\n\n".into()).unwrap();
    gateway.app.script("/304", [Reply::status(304)]);
    gateway.app.script("/302", [Reply::with(302, &[("location", "/x")])]);
    gateway.app.script("/500", [Reply::status(500)]);
    gateway
        .app
        .script("/closed", [Reply::Close, Reply::Close, Reply::Close]);
    gateway.app.script("/events", [events]);
    for (method, path, upgrade, status) in [
        ("GET", "/plain", "", 200),
        ("HEAD", "/head", "", 200),
        ("GET", "/304", "", 304),
        ("GET", "/302", "", 302),
        ("GET", "/500", "", 500),
        ("GET", "/closed", "", 502),
        ("GET", "/events", "", 200),
        ("GET", "/socket", "websocket", 101),
        ("GET", "/oauth2/userinfo", "", 200),
        ("GET", "/oauth2/auth", "", 202),
        ("POST", "/oauth2/refresh", "", 204),
    ] {
        let browser = gateway.signed_in().await;
        gateway.advance(OVER);
        let mut request = browser.fetch(method, path);
        if !upgrade.is_empty() {
            request = request
                .header("Upgrade", upgrade)
                .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        }
        let (answer, _connection) = request.open().await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.sets_session(), "{path}: {answer:?}");
        assert_eq!(gateway.idp.count(Endpoint::Token), 1, "{path}");
    }
}

#[tokio::test]
async fn an_app_that_is_down_costs_nobody_the_refreshed_session() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    gateway.advance(OVER);
    gateway.app.down().await;
    let page = browser.visit("/").send().await;
    assert_eq!(page.status, 502);
    assert!(page.sets_session(), "{page:?}");
    gateway.app.up().await;
    bearer(&browser).await;
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_failure_half_way_to_the_app_costs_nobody_the_refreshed_session() {
    let rest = "[upstreams.app]\nservers = [\"APP\"]\nread_timeout = \"200ms\"\n\
                [[routes]]\npath = \"/\"\nupstream = \"app\"\nmax_body = \"4\"\n";
    let gateway = Gateway::with_routes(rest).await;
    gateway.app.script("/slow", [Reply::Hang, Reply::Hang]);
    let length = "Transfer-Encoding: chunked\r\nConnection:";
    for (path, more, body, status) in [
        ("/slow", "Connection:", "", 504),
        ("/large", length, "5\r\nabcde\r\n0\r\n\r\n", 413),
    ] {
        let browser = gateway.signed_in().await;
        gateway.advance(OVER);
        let request = browser.fetch("POST", path).bytes("close");
        let request = String::from_utf8(request).unwrap().replacen("Connection:", more, 1);
        let answer = exchange(gateway.address, request + body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.sets_session(), "{path}: {answer:?}");
    }
}

/// An app that speaks before it answers (RFC 8297).
async fn hinting_app() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
            let answer = format!("{hint}HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
            let mut head = [0; 16 * 1024];
            if stream.read(&mut head).await.is_ok() {
                // Whoever left early misses it.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn the_cookie_is_on_the_answer_and_not_on_the_hints_before_it() {
    let rest = format!(
        "[[routes]]\npath = \"/\"\nupstream = \"APP\"\n[[routes]]\npath = \"/hints\"\nupstream = \"http://{}\"\n",
        hinting_app().await
    );
    let gateway = Gateway::with_routes(&rest).await;
    let browser = gateway.signed_in().await;
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/hints").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hi"));
    assert!(answer.sets_session(), "{answer:?}");
}

#[tokio::test]
async fn what_a_refresh_leaves_out_stays_as_it_was() {
    let gateway = Gateway::start().await;
    let browser = gateway.signed_in().await;
    gateway.idp.change(|settings| {
        settings.rotate = false;
        settings.issue_id_token = false;
    });
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/").send().await;
    assert_eq!(answer.echoed("x-forwarded-user"), ["demo|alice"]);
    assert_eq!(answer.echoed("x-forwarded-groups"), ["staff,admins"]);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
    gateway.advance(OVER);
    bearer(&browser).await;
}

#[tokio::test]
async fn groups_that_were_taken_away_are_gone_after_the_next_refresh() {
    for provider in ["", "userinfo = \"always\""] {
        let gateway = Gateway::start_with(Setup::of_provider(provider)).await;
        let browser = gateway.signed_in().await;
        gateway
            .idp
            .change(|settings| settings.people[0].groups = vec!["night shift".to_owned()]);
        gateway.advance(OVER);
        let answer = browser.fetch("GET", "/").send().await;
        assert_eq!(answer.echoed("x-forwarded-groups"), ["night shift"]);
        assert_eq!(gateway.idp.count(Endpoint::Userinfo), usize::from(!provider.is_empty()));
    }
}

#[tokio::test]
async fn a_refresh_that_brings_somebody_elses_claims_ends_the_session() {
    let gateway = Gateway::start_with(Setup::of_provider("userinfo = \"always\"")).await;
    let others = |endpoint, answer: Answer| gateway.idp.script(endpoint, [answer]);
    for change in 0..4 {
        let browser = gateway.signed_in().await;
        match change {
            0 => others(
                Endpoint::Token,
                Answer::id_token(|_, claims| claims["sub"] = json!("demo|bob")),
            ),
            1 => others(
                Endpoint::Token,
                Answer::id_token(|_, claims| claims["aud"] = json!("else")),
            ),
            2 => others(Endpoint::Token, Answer::MisSigned),
            _ => others(
                Endpoint::Userinfo,
                Answer::json(|claims| claims["sub"] = json!("demo|bob")),
            ),
        }
        gateway.advance(OVER);
        let answer = browser.fetch("GET", "/").send().await;
        assert_eq!(
            (answer.status, browser.cookie("sidegate")),
            (401, None),
            "change {change}"
        );
    }
    assert!(gateway.app.seen().is_empty());
}

#[tokio::test]
async fn a_refresh_never_outlives_the_session_and_says_so_in_max_age() {
    let gateway = Gateway::start_with(Setup::of_session("lifetime = \"5m\"")).await;
    let browser = gateway.signed_in().await;
    gateway.advance(OVER);
    let answer = browser.fetch("GET", "/").send().await;
    let line = answer.set_cookies()[0].to_owned();
    let age = line.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap();
    assert!((174..=179).contains(&age.parse::<u32>().unwrap()), "{line}");
    gateway.advance(180);
    assert_eq!(browser.fetch("GET", "/").send().await.status, 401);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
}
