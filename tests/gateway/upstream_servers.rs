//! The servers behind the gateway: down, slow, several, behind sockets and behind TLS.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::support::gateway::{Gateway, Setup};
use crate::support::upstream::{App, Reply};
use crate::support::within;

fn public(upstream: &str) -> String {
    format!("[[routes]]\npath = \"/\"\nupstream = \"{upstream}\"\naccess = \"public\"\n")
}

#[tokio::test]
async fn an_app_that_is_down_or_closes_is_502_and_one_that_is_slow_504() {
    let rest = format!(
        "[upstreams.app]\nservers = [\"APP\"]\nread_timeout = \"300ms\"\n{}",
        public("app")
    );
    let gateway = Gateway::start_with(Setup {
        rest,
        ..Setup::default()
    })
    .await;
    gateway.app.script("/closes", [Reply::Close, Reply::Close]);
    gateway.app.script("/hangs", [Reply::Hang, Reply::Hang]);
    for (path, status, cause) in [
        ("/closes", 502, "upstream_unavailable"),
        ("/hangs", 504, "upstream_timeout"),
    ] {
        let page = gateway.browser().visit(path).send().await;
        assert_eq!(page.status, status, "{path}");
        assert!(
            page.text().contains(&format!("<code>{cause}</code>")),
            "{}",
            page.text()
        );
        let json = gateway.browser().fetch("POST", path).send().await;
        assert_eq!(
            (json.status, json.json()["error"].as_str()),
            (status, Some(cause)),
            "{path}"
        );
    }
    gateway.app.down().await;
    assert_eq!(gateway.browser().visit("/").send().await.status, 502);
    assert_eq!(gateway.metric("sidegate_upstream_up{").await, 0.0);
    gateway.app.up().await;
    assert_eq!(gateway.browser().visit("/").send().await.status, 200);
    assert_eq!(gateway.metric("sidegate_upstream_up{").await, 1.0);
}

#[tokio::test]
async fn a_silent_stream_outlasts_the_read_timeout() {
    let rest = format!(
        "[upstreams.app]\nservers = [\"APP\"]\nread_timeout = \"200ms\"\n{}",
        public("app")
    );
    let gateway = Gateway::start_with(Setup {
        rest,
        ..Setup::default()
    })
    .await;
    let (events, sender) = Reply::events();
    gateway.app.script("/events", [events]);
    let (_, mut stream) = gateway
        .browser()
        .request("GET", "/events")
        .header("Accept", "text/event-stream")
        .open()
        .await;
    // As long as an ordinary request takes to run into the timeout, and once more.
    for _ in 0..2 {
        gateway.app.script("/slow", [Reply::Hang]);
        gateway.browser().fetch("GET", "/slow").send().await;
    }
    sender.send("data: late\n\n".into()).unwrap();
    assert!(stream.until("data: late\n\n").await.contains("late"));
}

#[tokio::test]
async fn of_several_servers_those_that_are_up_share_the_work() {
    let (second, third) = (App::start().await, App::start().await);
    let rest = format!(
        "[upstreams.app]\nservers = [\"APP\", \"{}\", \"{}\"]\n{}",
        second.url(),
        third.url(),
        public("app")
    );
    let gateway = Gateway::start_with(Setup {
        rest,
        ..Setup::default()
    })
    .await;
    let ask = async |count: usize| {
        for _ in 0..count {
            let answer = gateway
                .browser()
                .fetch("POST", "/")
                .body("text/plain", "x")
                .send()
                .await;
            assert_eq!(answer.status, 200);
        }
    };
    ask(6).await;
    assert_eq!(
        [gateway.app.seen().len(), second.seen().len(), third.seen().len()],
        [2, 2, 2]
    );
    second.down().await;
    ask(6).await;
    assert_eq!(second.seen().len(), 2);
    assert_eq!(gateway.app.seen().len() + third.seen().len(), 10);
    let label = format!("sidegate_upstream_up{{server=\"{}\"", second.url());
    assert_eq!(gateway.metric(&label).await, 0.0);
}

#[tokio::test]
async fn a_name_with_two_addresses_of_which_one_answers_is_reached() {
    // `localhost` is ::1 and 127.0.0.1; the app listens on the latter.
    let app = App::start().await;
    let rest = public(&format!("http://localhost:{}", app.addr().port()));
    let gateway = Gateway::start_with(Setup {
        rest,
        ..Setup::default()
    })
    .await;
    assert_eq!(gateway.browser().fetch("GET", "/").send().await.status, 200);
    assert_eq!(app.seen().len(), 1);
}

/// Passes everything on to the app.
async fn pass_on(mut stream: impl AsyncRead + AsyncWrite + Unpin, to: std::net::SocketAddr) {
    if let Ok(mut app) = TcpStream::connect(to).await {
        // The end of either side is the end.
        let _ = copy_bidirectional(&mut stream, &mut app).await;
    }
}

#[tokio::test]
async fn an_app_behind_a_unix_socket_is_served_like_any_other() {
    let (app, dir) = (App::start().await, TempDir::new().unwrap());
    let (path, address) = (dir.path().join("app.sock"), app.addr());
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass_on(stream, address));
        }
    });
    let rest = public(&format!("unix:{}", path.display()));
    let gateway = Gateway::start_with(Setup {
        rest,
        ..Setup::default()
    })
    .await;
    for body in ["one", "two"] {
        let answer = gateway
            .browser()
            .fetch("POST", "/x")
            .body("text/plain", body)
            .send()
            .await;
        assert_eq!((answer.status, answer.json()["body"].as_str()), (200, Some(body)));
    }
    let rest = public(&format!("unix:{}/none.sock", dir.path().display()));
    let gateway = Gateway::start_with(Setup {
        rest,
        ..Setup::default()
    })
    .await;
    assert_eq!(gateway.browser().fetch("GET", "/x").send().await.status, 502);
}

async fn over_unix(path: &Path, host: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let request =
        format!("GET /u HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer on a socket", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    answer
}

#[tokio::test]
async fn a_unix_listener_serves_and_its_peers_add_nothing_to_where_a_request_came_from() {
    for (trusted, seen) in [("[]", None), ("[\"unix\"]", Some("203.0.113.7"))] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("gate.sock");
        let listen = format!(
            "listen = [\"127.0.0.1:PORT\", \"unix:{}\"]\ntrusted_proxies = {trusted}",
            path.display()
        );
        let gateway = Gateway::start_with(Setup {
            rest: public("APP"),
            ..Setup::of_server(&listen)
        })
        .await;
        let answer = over_unix(&path, gateway.origin.trim_start_matches("http://")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(gateway.app.last().header("x-forwarded-for").as_deref(), seen);
    }
}

/// An app behind TLS under a certificate for `name`; the CA's certificate in PEM, and the port.
async fn tls_app(app: &App, name: &str) -> (String, u16) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = config
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    let (acceptor, listener) = (
        TlsAcceptor::from(Arc::new(config)),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let (port, address) = (listener.local_addr().unwrap().port(), app.addr());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    pass_on(stream, address).await;
                }
            });
        }
    });
    (ca.pem(), port)
}

#[tokio::test]
async fn an_app_behind_tls_is_trusted_by_its_ca_and_its_name_alone() {
    let (app, dir) = (App::start().await, TempDir::new().unwrap());
    let (ca, port) = tls_app(&app, "app.internal").await;
    let (other_ca, _) = tls_app(&app, "app.internal").await;
    std::fs::write(dir.path().join("ca.pem"), ca).unwrap();
    std::fs::write(dir.path().join("other.pem"), other_ca).unwrap();
    let ca = format!("ca_file = \"{}\"\n", dir.path().join("ca.pem").display());
    let other = format!("ca_file = \"{}\"\n", dir.path().join("other.pem").display());
    let named = "server_name = \"app.internal\"\n";
    for (case, more, status) in [
        ("right", format!("{ca}{named}"), 200),
        ("wrong name", ca.clone(), 502),
        ("another name", format!("{ca}server_name = \"else.internal\"\n"), 502),
        ("another CA", format!("{other}{named}"), 502),
        ("the system's CAs", named.to_owned(), 502),
        ("not verified", "insecure_skip_verify = true\n".to_owned(), 200),
    ] {
        let rest = format!(
            "[upstreams.app]\nservers = [\"https://127.0.0.1:{port}\"]\n{more}{}",
            public("app")
        );
        let gateway = Gateway::start_with(Setup {
            rest,
            ..Setup::default()
        })
        .await;
        assert_eq!(
            gateway.browser().fetch("GET", "/").send().await.status,
            status,
            "{case}"
        );
    }
    assert_eq!(app.seen().len(), 2);
}
