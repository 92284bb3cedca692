//! `healthcheck`: 0 where the gateway is ready, 1 and a word everywhere else.

use std::net::SocketAddr;

use crate::process::{Ended, Folder, Process, command, config, end_of, public, sidegate};
use crate::support::upstream::{App, Reply};
use crate::support::wire::Connection;

/// `healthcheck` with the admin address from the environment.
fn ask(arguments: &[&str], admin: SocketAddr) -> Ended {
    let mut ask = command(&[&["healthcheck"], arguments].concat());
    ask.env("SIDEGATE_ADMIN__LISTEN", admin.to_string());
    end_of(ask)
}

#[tokio::test]
async fn a_ready_gateway_is_healthy_however_it_is_asked() {
    let (folder, file) = Folder::with(&config("", &public("http://127.0.0.1:9")));
    let (_process, _, admin) = Process::serving(&file).await;
    let named = folder.write("admin.toml", &format!("[admin]\nlisten = \"{admin}\"\n"));
    let by_variable = |file: &str| {
        let mut ask = command(&["healthcheck"]);
        ask.env("SIDEGATE_CONFIG", file);
        end_of(ask)
    };
    for ended in [
        sidegate(&["healthcheck", "--config", &named]),
        by_variable(&named),
        ask(&[], admin),
        ask(&["--config", &file], admin),
    ] {
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (0, "", ""));
    }
}

#[tokio::test]
async fn a_draining_gateway_is_not_ready_while_it_still_answers() {
    let app = App::start().await;
    let (_folder, file) = Folder::with(&config("", &public(&app.url())));
    let (process, address, admin) = Process::serving(&file).await;
    app.script("/held", [Reply::Hang]);
    let mut connection = Connection::open(address).await;
    connection.send(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    app.reached(1).await;
    process.signal("TERM");
    process.line("stopping").await;
    let mut ended = ask(&[], admin);
    // The line comes just before the change.
    while ended.code == 0 {
        ended = ask(&[], admin);
    }
    assert_eq!(
        (ended.code, ended.err),
        (1, format!("{admin}: not ready (status 503)\n"))
    );
}

#[test]
fn nobody_there_or_no_admin_listener_is_1_and_a_word() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ended = ask(&[], free);
    assert_eq!(ended.code, 1);
    assert!(ended.err.starts_with(&format!("{free}: ")), "{}", ended.err);

    let (_folder, file) = Folder::with("[admin]\nlisten = \"\"\n");
    let ended = sidegate(&["healthcheck", "--config", &file]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.starts_with("admin.listen is empty"), "{}", ended.err);

    let ended = sidegate(&["healthcheck", "--config", "there-is-no-such-file.toml"]);
    assert_eq!((ended.code, ended.err_lines().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_at_the_address_is_no_health() {
    let app = App::start().await;
    app.script("/readyz", [Reply::status(404)]);
    let ended = ask(&[], app.addr());
    assert_eq!(
        (ended.code, ended.err),
        (1, format!("{}: not ready (status 404)\n", app.addr()))
    );
}
