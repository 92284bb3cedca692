//! The PROXY protocol, from a balancer in front of the gateway.

use super::{head, public};
use crate::support::wire::Connection;

const TRUSTED: &str = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.0/8\", \"198.51.100.0/24\"]";

fn v2(tail: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", tail].concat()
}

#[tokio::test]
async fn the_source_that_a_trusted_balancer_names_is_the_client() {
    let gateway = public(TRUSTED).await;
    let v2_v4 = v2(&[0x21, 0x11, 0, 12, 192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80]);
    for (header, client, believed) in [
        (
            b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n".to_vec(),
            "192.0.2.7",
            false,
        ),
        (
            b"PROXY TCP6 2001:db8::9 ::1 12345 80\r\n".to_vec(),
            "2001:db8::9",
            false,
        ),
        (v2_v4, "192.0.2.7", false),
        (v2(&[0x20, 0, 0, 0]), "127.0.0.1", true),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", true),
        (
            b"PROXY TCP4 198.51.100.9 10.0.0.1 12345 80\r\n".to_vec(),
            "198.51.100.9",
            true,
        ),
    ] {
        let mut connection = Connection::open(gateway.address).await;
        let request = head(&gateway, "GET /", "X-Forwarded-For: 203.0.113.1\r\n");
        connection.send(&[header.as_slice(), request.as_bytes()].concat()).await;
        assert_eq!(
            connection.response(false).await.status,
            200,
            "{}",
            header.escape_ascii()
        );
        // What the client says itself is believed as its own address is trusted, not the balancer's.
        let expected = if believed {
            format!("203.0.113.1, {client}")
        } else {
            client.to_owned()
        };
        assert_eq!(gateway.app.last().header("x-forwarded-for"), Some(expected));
    }
}

#[tokio::test]
async fn whoever_is_not_trusted_or_speaks_no_header_is_closed() {
    let limits = "[server.limits]\nheader_timeout = \"300ms\"";
    let ours = public(&format!("{TRUSTED}\n{limits}")).await;
    let strangers = "proxy_protocol = true\ntrusted_proxies = [\"192.0.2.0/24\"]";
    let foreign = public(&format!("{strangers}\n{limits}")).await;
    let header = "PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n";
    for (gateway, bytes) in [
        (&foreign, format!("{header}{}", head(&foreign, "GET /", ""))),
        (&ours, head(&ours, "GET /", "")),
        (&ours, format!("PROXY TCP9 a b c d\r\n{}", head(&ours, "GET /", ""))),
        (&ours, "PROXY TCP4 192.0.2.7".to_owned()),
        (&ours, "PROXY TCP4 ".to_owned() + &"1".repeat(4096)),
        (&ours, String::new()),
    ] {
        let mut connection = Connection::open(gateway.address).await;
        connection.send(bytes.as_bytes()).await;
        assert!(connection.is_closed().await, "{bytes:?}");
    }
    assert!(ours.app.seen().is_empty() && foreign.app.seen().is_empty());
}
