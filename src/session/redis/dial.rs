//! How the servers of the configuration are reached: one, the master that Sentinels name, or a cluster.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode,
};

use crate::config::{self, RedisPlace, RedisServers};
use crate::secret::Secret;

/// A server that has not been reached after this long is down.
const CONNECT: Duration = Duration::from_secs(1);
/// A server that has not answered after this long is down.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// The servers of a configuration.
pub(super) enum Servers {
    One(Box<Client>),
    Sentinel(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

/// A connection, shared by all requests.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Servers {
    /// Reads the CA certificates; connects to nobody yet.
    pub(super) fn new(config: &config::Redis) -> Result<Self, String> {
        let certificates = match &config.ca_file {
            Some(path) => Some(std::fs::read(path).map_err(|error| format!("session.redis.ca_file: {error}"))?),
            None => None,
        };
        let certificates = certificates.map(|pem| TlsCertificates {
            client_tls: None,
            root_cert: Some(pem),
        });
        let wrong = |error: RedisError| format!("session.redis.url: {}", error.category());
        servers(&config.servers, certificates).map_err(wrong)
    }

    pub(super) async fn connect(&mut self) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        Ok(match self {
            Self::One(client) => Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?),
            Self::Sentinel(client) => Connection::One(client.get_async_connection_with_config(&config).await?),
            Self::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

impl Connection {
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

fn servers(servers: &RedisServers, certificates: Option<TlsCertificates>) -> RedisResult<Servers> {
    let address = |(host, port): &(String, u16)| match servers.tls {
        true => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: false,
            tls_params: None,
        },
        false => ConnectionAddr::Tcp(host.clone(), *port),
    };
    Ok(match &servers.place {
        RedisPlace::Unix(path) => {
            let info = info(servers, ConnectionAddr::Unix(path.clone()))?;
            Servers::One(Box::new(Client::open(info)?))
        }
        RedisPlace::Server(host, port) => {
            let info = info(servers, address(&(host.clone(), *port)))?;
            Servers::One(Box::new(match certificates {
                Some(certificates) => Client::build_with_tls(info, certificates)?,
                None => Client::open(info)?,
            }))
        }
        RedisPlace::Sentinel(hosts, master) => {
            let sentinels = hosts.iter().map(address).collect();
            Servers::Sentinel(Box::new(sentinel(servers, sentinels, master, certificates)?))
        }
        RedisPlace::Cluster(hosts) => {
            let nodes: RedisResult<Vec<_>> = hosts.iter().map(|host| info(servers, address(host))).collect();
            let mut builder = ClusterClientBuilder::new(nodes?)
                .connection_timeout(CONNECT)
                .response_timeout(ANSWER)
                .overall_response_timeout(Some(ANSWER))
                .retries(2);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Servers::Cluster(Box::new(builder.build()?))
        }
    })
}

fn sentinel(
    servers: &RedisServers,
    sentinels: Vec<ConnectionAddr>,
    master: &str,
    certificates: Option<TlsCertificates>,
) -> RedisResult<SentinelClient> {
    let mut builder = SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
        .set_client_to_redis_db(servers.database);
    if let Some(username) = &servers.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &servers.password {
        builder = builder.set_client_to_redis_password(password.reveal());
    }
    if let Some(username) = &servers.sentinel_username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &servers.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password.reveal());
    }
    if servers.tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    builder.build()
}

fn info(servers: &RedisServers, address: ConnectionAddr) -> RedisResult<ConnectionInfo> {
    let mut redis = RedisConnectionInfo::default().set_db(servers.database);
    if let Some(username) = &servers.username {
        redis = redis.set_username(username);
    }
    if let Some(password) = servers.password.as_ref().map(Secret::reveal) {
        redis = redis.set_password(password);
    }
    Ok(address.into_connection_info()?.set_redis_settings(redis))
}
