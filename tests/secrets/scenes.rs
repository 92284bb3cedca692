//! Everything that handles a secret, well and badly.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::answer::Answer;
use crate::support::gateway::{CLIENT_SECRET, Gateway, Setup};
use crate::support::idp::Endpoint;
use crate::support::upstream::Reply;
use crate::support::wire::raw;
use crate::tripwire::Witness;

/// Login, use, refresh beside a request, refresh on demand, refresh of what is over, sign-out.
pub async fn a_whole_life(witness: &mut Witness) {
    let gateway = Gateway::start_with(Setup {
        provider: "userinfo = \"always\"".into(),
        ..Setup::default()
    })
    .await;
    let browser = gateway.browser();
    browser.visit("/page?x=y").send().await;
    witness.cookies(&browser);
    browser
        .login("/page?token=tripwire-in-the-apps-own-query", "alice")
        .await;
    witness.hide("the app's own query", "tripwire-in-the-apps-own-query");
    for seconds in [70, 200, 0] {
        witness.cookies(&browser);
        gateway.advance(seconds);
        browser.fetch("GET", "/").send().await;
        browser.fetch("POST", "/oauth2/refresh").send().await;
    }
    witness.cookies(&browser);
    browser
        .walk(browser.visit("/oauth2/sign_out").send().await, "alice")
        .await;
    gateway.idp.reached(Endpoint::Revocation, 1).await;
    witness.end(&gateway).await;
}

/// Every way for a login, a refresh and a revocation to fail, with a provider that says back what it was told.
pub async fn a_provider_that_fails_and_echoes(witness: &mut Witness) {
    let gateway = Gateway::start_with(Setup {
        provider: "timeout = \"1s\"\nclient_auth = \"post\"".into(),
        ..Setup::default()
    })
    .await;
    for number in 0..wrong_answers("").len() {
        let browser = gateway.browser();
        let url = browser.login_until_callback("/", "alice").await;
        witness.cookies(&browser);
        let code = query(&url, "code");
        let echo = format!(
            "the code {code} ({} and {}) for {CLIENT_SECRET}",
            &code[..12],
            code.to_uppercase()
        );
        witness.hide("a piece of a code", &code[..12]);
        witness.hide("a code in capitals", &code.to_uppercase());
        gateway
            .idp
            .script(Endpoint::Token, wrong_answers(&echo).into_iter().nth(number));
        witness.answer("a failed login", &browser.visit(&url).send().await);
    }
    refused_callbacks(witness, &gateway).await;
    failing_refreshes(witness, &gateway).await;
    witness.end(&gateway).await;
}

/// Every wrong answer of a token endpoint, with this text wherever one fits.
fn wrong_answers(text: &str) -> [Answer; 15] {
    let text = text.to_owned();
    [
        Answer::status(
            400,
            "application/json",
            json!({"error": "invalid_grant", "error_description": text}).to_string(),
        ),
        Answer::status(
            401,
            "application/json",
            json!({"error": text, "error_description": text}).to_string(),
        ),
        Answer::status(500, "application/json", json!({"error": text}).to_string()),
        Answer::status(
            200,
            "application/json",
            json!({"error": "x", "error_description": text}).to_string(),
        ),
        Answer::status(200, "text/html", format!("<p>{text}")),
        Answer::status(200, "application/json", format!("{{\"access_token\": \"{text}\"")),
        Answer::json(move |answer| answer["token_type"] = json!(text)),
        Answer::MisSigned,
        Answer::id_token(|_, claims| claims["nonce"] = json!("another")),
        Answer::json(|answer| drop(answer.as_object_mut().unwrap().remove("id_token"))),
        Answer::Hang,
        Answer::Close,
        Answer::CutShort,
        Answer::Redirect(307, "http://127.0.0.1:1/".into()),
        Answer::Huge(2 << 20),
    ]
}

async fn refused_callbacks(witness: &mut Witness, gateway: &Gateway) {
    for error in ["access_denied", "server_error"] {
        let browser = gateway.browser();
        let url = browser.login_until_callback("/", "alice").await;
        let (state, iss) = (query(&url, "state"), query(&url, "iss"));
        let denied = format!("/oauth2/callback?error={error}&state={state}&iss={iss}&error_description={state}");
        witness.answer("a denied login", &browser.visit(&denied).send().await);
    }
    for tail in ["", "&state=x", "&code=x", "&error=x"] {
        let browser = gateway.browser();
        let url = browser
            .login_until_callback("/", "alice")
            .await
            .replace("&state=", "&estate=");
        witness.hide("a code", &query(&url, "code"));
        witness.answer("a bad callback", &browser.visit(&format!("{url}{tail}")).send().await);
    }
}

async fn failing_refreshes(witness: &mut Witness, gateway: &Gateway) {
    let answers: [fn() -> Answer; 5] = [
        || Answer::error(400, "invalid_grant"),
        || Answer::error(503, "temporarily_unavailable"),
        || Answer::Close,
        || Answer::MisSigned,
        || Answer::id_token(|_, claims| claims["sub"] = json!("demo|bob")),
    ];
    for answer in answers {
        let browser = gateway.browser();
        assert_eq!(browser.login("/", "alice").await.status, 200);
        witness.cookies(&browser);
        gateway.idp.script(Endpoint::Token, [answer()]);
        gateway.advance(121);
        witness.answer("a failed refresh", &browser.fetch("GET", "/").send().await);
        gateway
            .idp
            .script(Endpoint::Revocation, [Answer::status(503, "text/html", "<p>later")]);
        browser.visit("/oauth2/sign_out").send().await;
    }
}

/// Upstreams that close, cut, hang, are gone, and answer what is no HTTP.
pub async fn an_app_that_fails(witness: &mut Witness) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude = format!("http://{}", listener.local_addr().unwrap());
    let routes = format!(
        "[upstreams.slow]\nservers = [\"APP\"]\nread_timeout = \"1s\"\n[upstreams.rude]\nservers = [\"{rude}\"]\n\
         [upstreams.gone]\nservers = [\"http://127.0.0.1:1\"]\n[[routes]]\npath = \"/\"\nupstream = \"slow\"\n\
         [[routes]]\npath = \"/rude\"\nupstream = \"rude\"\n[[routes]]\npath = \"/gone\"\nupstream = \"gone\"\n\
         [[routes]]\npath = \"/denied\"\nupstream = \"slow\"\nallow = {{ users = [\"nobody\"] }}"
    );
    let gateway = Gateway::with_routes(&routes).await;
    tokio::spawn(answer_rudely(listener));
    witness.hide("the app's cookie", "tripwire-of-the-app");
    witness.hide("a code in a query", "tripwire-code-in-a-query");
    let browser = gateway.browser();
    browser.login("/", "alice").await;
    witness.cookies(&browser);
    gateway.app.script("/", [Reply::Close, Reply::Hang]);
    for path in [
        "/", "/", "/gone", "/denied", "/rude", "/rude", "/rude", "/rude", "/rude", "/rude",
    ] {
        let target = format!("{path}?code=tripwire-code-in-a-query&access_token=tripwire-code-in-a-query");
        let answer = browser
            .visit(&target)
            .header("Authorization", "Bearer tripwire-of-the-visitor")
            .send()
            .await;
        // What an app says that is HTTP after all is its own affair.
        if answer.status >= 400 {
            let own = answer
                .text()
                .replace("tripwire-code-in-a-query", "the page's own way back");
            witness.answer(
                "a failed request",
                &crate::support::wire::Response {
                    body: own.into(),
                    ..answer
                },
            );
        }
    }
    witness.hide("a visitor's token", "tripwire-of-the-visitor");
    gateway.app.script("/cut", [Reply::CutShort]);
    browser.fetch("GET", "/cut?code=tripwire-code-in-a-query").send().await;
    witness.end(&gateway).await;
}

/// Six answers with a secret in their head, none of them what HTTP wants.
async fn answer_rudely(listener: TcpListener) {
    for line in [
        "Bad\0Header: x",
        "no colon",
        " folded: first",
        "Content-Length: x",
        "Transfer-Encoding: x",
        "X: \u{7f}",
    ] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 8192]).await;
        let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: app=tripwire-of-the-app\r\n{line}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
    }
}

/// Requests that are wrong; `SECRETS` stands for header lines with secrets.
const RUBBISH: [&str; 15] = [
    "GET /?code=tripwire-query HTTP/1.1\r\nHost: HOST\r\nBad\0Name: x\r\nSECRETS\r\n",
    "GET /?code=tripwire-query HTTP/1.1\r\nHost: HOST\r\nno colon\r\nSECRETS\r\n",
    "GET /?code=tripwire-query HTTP/1.1\r\nHost: HOST\r\nX: \x01\r\nSECRETS\r\n",
    "GET /\0?code=tripwire-query HTTP/1.1\r\nHost: HOST\r\nSECRETS\r\n",
    "GET /?code=tripwire-query HTTP/9.9\r\nHost: HOST\r\nSECRETS\r\n",
    "GE(T /?code=tripwire-query HTTP/1.1\r\nHost: HOST\r\nSECRETS\r\n",
    "GET /?code=tripwire-query HTTP/1.1\r\nHost: foreign.example\r\nSECRETS\r\n",
    "GET /a/../b?code=tripwire-query HTTP/1.1\r\nHost: HOST\r\nSECRETS\r\n",
    "GET http://user:tripwire-password@HOST/?code=tripwire-query HTTP/1.1\r\nHost: HOST\r\nSECRETS\r\n",
    "GET /oauth2/callback?code=tripwire-query&state=tripwire-state HTTP/1.1\r\nHost: HOST\r\nSECRETS\r\n",
    "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\nSECRETS\r\nx",
    "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nSECRETS\r\ntripwire-query",
    "POST /oauth2/sign_out HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999\r\nSECRETS\r\nrd=tripwire-query",
    "SECRETS",
    "\x16\x03\x01tripwire-query",
];

/// Requests that no parser takes, to the gateway and to its admin listener, with secrets in them.
pub async fn visitors_that_send_rubbish(witness: &mut Witness) {
    let gateway = Gateway::start().await;
    let secrets = "Cookie: sidegate=tripwire-cookie\r\nAuthorization: Basic tripwire-basic\r\n";
    for address in [gateway.address, gateway.admin] {
        for head in RUBBISH {
            let host = format!("localhost:{}", address.port());
            let head = head.replace("HOST", &host).replace("SECRETS", secrets);
            let head = head.replace("Host: localhost", "Connection: close\r\nHost: localhost");
            // Bytes that are less than a head wait for the rest: those who send them have gone.
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let read = crate::support::within("an answer", stream.read_to_end(&mut answer)).await;
            witness.tell(
                "an answer to rubbish",
                &format!("{}{read:?}", String::from_utf8_lossy(&answer)),
            );
        }
    }
    raw(
        gateway.admin,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nX\0: tripwire-basic\r\n\r\n",
    )
    .await;
    for secret in [
        "tripwire-cookie",
        "tripwire-basic",
        "tripwire-query",
        "tripwire-password",
        "tripwire-state",
    ] {
        witness.hide(secret, secret);
    }
    witness.end(&gateway).await;
}

fn query(url: &str, name: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned()
}
