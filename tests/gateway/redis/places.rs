//! Wherever Redis is: TLS, a password, a Unix socket, behind Sentinels, in a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::fleet::{Fleet, in_redis, status};
use super::server::{Server, eventually, free_port};

fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/gateway/redis/tls")
        .join(name)
}

async fn serves(fleet: &Fleet, session: &str) {
    let (a, b) = (fleet.replica(session).await, fleet.replica(session).await);
    let browser = a.browser();
    assert_eq!(browser.login("/", "alice").await.status, 200);
    let other = b.takes_over(&browser);
    fleet.advance(500);
    assert_eq!((status(&other, "/").await, status(&browser, "/").await), (200, 200));
    assert_eq!(fleet.refreshes(), 1);
    browser.fetch("POST", "/oauth2/sign_out").send().await;
    assert_eq!(status(&other, "/").await, 401);
}

#[tokio::test]
async fn over_tls_with_a_ca_of_ones_own_and_with_no_other() {
    let [certificate, key] = ["server.crt", "server.key"].map(|name| tls(name).display().to_string());
    let port = free_port();
    let arguments = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
    ];
    let _redis = Server::start_with(&[&arguments[..], &["--tls-auth-clients", "no"]].concat()).await;
    let fleet = Fleet::new().await;
    let url = format!("rediss://127.0.0.1:{port}");
    let ca = tls("ca.crt").display().to_string();
    serves(
        &fleet,
        &format!("store = \"redis\"\nredis = {{ url = \"{url}\", ca_file = \"{ca}\" }}\n"),
    )
    .await;
    let distrustful = fleet.replica(&in_redis(&url)).await;
    let distrustful = distrustful.browser();
    let callback = distrustful.login_until_callback("/", "alice").await;
    assert_eq!(distrustful.visit(&callback).send().await.status, 503);
}

#[tokio::test]
async fn with_a_password_and_a_database_and_a_prefix() {
    let redis = Server::start().await;
    let made: String = redis
        .ask(&["ACL", "SETUSER", "gate", "on", ">p@ss/word", "~app:*", "+@all"])
        .await;
    assert_eq!(made, "OK");
    let fleet = Fleet::new().await;
    let url = |password: &str| format!("redis://gate:{password}@127.0.0.1:{}/3", redis.port);
    let session = |password| {
        format!(
            "store = \"redis\"\nredis = {{ url = \"{}\", key_prefix = \"app:\" }}\n",
            url(password)
        )
    };
    serves(&fleet, &session("p%40ss%2Fword")).await;
    let wrong = fleet.replica(&session("wrong")).await;
    let wrong = wrong.browser();
    let callback = wrong.login_until_callback("/", "alice").await;
    assert_eq!(wrong.visit(&callback).send().await.status, 503);
}

#[tokio::test]
async fn behind_a_unix_socket() {
    let redis = Server::start_with(&["--unixsocket", "redis.sock"]).await;
    let fleet = Fleet::new().await;
    serves(
        &fleet,
        &in_redis(&format!("unix:{}", redis.file("redis.sock").display())),
    )
    .await;
}

#[tokio::test]
async fn behind_sentinels_also_when_another_becomes_the_master() {
    let mut master = Server::start().await;
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &master.port.to_string()]).await;
    // A Sentinel looks for replicas when it starts, and then every ten seconds.
    eventually("the replica", async || {
        let master: String = master.ask(&["INFO", "replication"]).await;
        master.contains("state=online")
    })
    .await;
    let mut sentinel = Server::prepared(&[]);
    let text = format!(
        "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000",
        master.port
    );
    sentinel.up_as_sentinel(&text).await;
    let fleet = Fleet::new().await;
    let session = in_redis(&format!(
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main",
        sentinel.port,
        free_port()
    ));
    serves(&fleet, &session).await;
    let (a, b) = (fleet.replica(&session).await, fleet.replica(&session).await);
    let browser = a.browser();
    assert_eq!(browser.login("/", "alice").await.status, 200);
    let knows = async |what: &str, part: &str| redis_says(&sentinel, what).await.contains(part);
    eventually("the sentinel knows the replica", async || {
        knows("replicas", &replica.port.to_string()).await && replica.ask::<usize>(&["DBSIZE"]).await == 1
    })
    .await;
    master.down();
    eventually("the failover", async || status(&browser, "/").await == 200).await;
    assert_eq!(status(&b.takes_over(&browser), "/").await, 200);
    assert_eq!(redis_says(&replica, "").await, "master");
}

/// What a sentinel knows of the master's `replicas`; of any other server its role.
async fn redis_says(server: &Server, what: &str) -> String {
    if what.is_empty() {
        let role: redis::Value = server.ask(&["ROLE"]).await;
        let redis::Value::Array(role) = role else {
            return String::new();
        };
        return redis::from_redis_value(role[0].clone()).unwrap_or_default();
    }
    format!("{:?}", server.ask::<redis::Value>(&["SENTINEL", what, "main"]).await)
}

#[tokio::test]
async fn in_a_cluster() {
    let cluster = [
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        "PORT",
        "--cluster-node-timeout",
        "2000",
    ];
    let nodes = [
        Server::start_with(&cluster).await,
        Server::start_with(&cluster).await,
        Server::start_with(&cluster).await,
    ];
    let hosts = nodes.each_ref().map(|node| format!("127.0.0.1:{}", node.port));
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]).args(&hosts).arg("--cluster-yes");
    let made = tokio::task::spawn_blocking(move || create.output().unwrap())
        .await
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    for node in &nodes {
        eventually("the cluster", async || {
            node.ask::<String>(&["CLUSTER", "INFO"])
                .await
                .contains("cluster_state:ok")
        })
        .await;
    }
    let fleet = Fleet::new().await;
    let session = in_redis(&format!("redis+cluster://{}", hosts[..2].join(",")));
    serves(&fleet, &session).await;
    let gateway = fleet.replica(&session).await;
    for _ in 0..8 {
        assert_eq!(gateway.browser().login("/", "alice").await.status, 200);
    }
    let mut used = 0;
    for node in &nodes {
        used += usize::from(node.ask::<usize>(&["DBSIZE"]).await > 0);
    }
    assert!(used > 1, "eight sessions on {used} node");
}
