//! Many connections, and their limit.

use super::{head, idle, others_are_served, public};
use crate::support::wire::Connection;
use crate::support::within;

#[tokio::test]
async fn one_connection_more_than_allowed_is_closed_at_once_and_a_seat_left_is_free() {
    let gateway = public("[server.limits]\nmax_connections = 2").await;
    let (mut one, two) = (idle(&gateway).await, idle(&gateway).await);
    let mut three = Connection::open(gateway.address).await;
    three.send(head(&gateway, "GET /", "").as_bytes()).await;
    assert!(three.is_closed().await);
    one.send(head(&gateway, "GET /", "").as_bytes()).await;
    assert_eq!(one.response(false).await.status, 200);
    drop(two);
    // It takes a moment until the gateway notices.
    let again = async {
        loop {
            let mut connection = Connection::open(gateway.address).await;
            connection.send(head(&gateway, "GET /", "").as_bytes()).await;
            if connection.response(false).await.status == 200 {
                return;
            }
        }
    };
    within("a free seat", again).await;
}

#[tokio::test]
async fn five_hundred_silent_connections_hold_nobody_up_and_are_gone_in_time() {
    let gateway = public("[server.limits]\nheader_timeout = \"1s\"").await;
    let mut crowd = Vec::new();
    for at in 0..500 {
        let mut connection = Connection::open(gateway.address).await;
        // Some are silent, some begin.
        connection.send(if at % 2 == 0 { b"" } else { b"GET /" }).await;
        crowd.push(connection);
    }
    others_are_served(&gateway).await;
    for connection in &mut crowd {
        let status = connection.response(false).await.status;
        assert!(matches!(status, 0 | 408), "{status}");
    }
    assert_eq!(gateway.app.seen().len(), 1);
}
