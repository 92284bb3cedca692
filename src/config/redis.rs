//! `[session.redis]`: where sessions are kept that are not kept in cookies.

use std::path::PathBuf;

use toml::Value;
use url::form_urlencoded;

use super::files::secret;
use super::reader::Reader;
use super::values::{Parsed, host_name, string};
use crate::secret::Secret;

const NO_ADDRESS: &str = "is not the address of a Redis; write for example \"redis://127.0.0.1:6379\", \
     \"redis+sentinel://a:26379,b:26379/mymaster\", \"redis+cluster://a:6379,b:6379\" (rediss for TLS) or \"unix:/path\"";
const DEFAULT: &str = "redis://127.0.0.1:6379";
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// `[session.redis]`
#[derive(Clone, Debug)]
pub struct Redis {
    /// `url`, taken apart.
    pub servers: RedisServers,
    /// Goes before every key.
    pub key_prefix: String,
    /// CA certificates trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// As written: it may hold a password.
    url: Secret,
}

/// What `url` leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    /// One server.
    Server(String, u16),
    /// One server behind a Unix socket.
    Unix(PathBuf),
    /// Sentinels that know where the master with this name is.
    Sentinel(Vec<(String, u16)>, String),
    /// Some nodes of a cluster, which know the others.
    Cluster(Vec<(String, u16)>),
}

/// `url`
#[derive(Clone, Debug)]
pub struct RedisServers {
    /// Where.
    pub place: RedisPlace,
    /// `rediss`
    pub tls: bool,
    /// ACL user; `None`: the default user.
    pub username: Option<String>,
    /// For the servers.
    pub password: Option<Secret>,
    /// `?sentinel_username=`
    pub sentinel_username: Option<String>,
    /// `?sentinel_password=`
    pub sentinel_password: Option<Secret>,
    /// Number of the database.
    pub database: i64,
}

impl Redis {
    /// Whether the other leads to the same servers in the same way, so that a connection may stay over a reload. What a
    /// `ca_file` holds may have changed.
    pub fn same_servers(&self, other: &Self) -> bool {
        self.url.same_as(&other.url) && self.ca_file.is_none() && other.ca_file.is_none()
    }
}

/// Reads `[session.redis]`.
pub(super) fn read(r: &mut Reader<'_>) -> Option<Redis> {
    let source = r.source;
    let url = Secret::new(DEFAULT.to_owned());
    let url = r.or("url", url, |value| secret(source, value));
    let servers = servers(url.reveal()).map_err(|text| r.problem("url", text)).ok();
    let key_prefix = r.or("key_prefix", "sidegate:".to_owned(), key_prefix);
    let ca_file = r.ca_file("ca_file");
    let servers = servers?;
    if ca_file.is_some() && !servers.tls {
        r.problem("ca_file", "needs TLS; write a url with \"rediss\", or remove it");
    }
    Some(Redis {
        servers,
        key_prefix,
        ca_file,
        url,
    })
}

fn key_prefix(value: &Value) -> Parsed<String> {
    let text = string(value)?;
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("has blanks in it; write for example \"sidegate:\"".to_owned());
    }
    Ok(text)
}

/// `scheme://[[user]:password@]host[:port][,host…][/master][/database][?sentinel_password=…]`, or `unix:/path[?db=…]`.
fn servers(text: &str) -> Parsed<RedisServers> {
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let query = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    };
    let mut username = None;
    let mut password = None;
    let (place, number) = match before.strip_prefix("unix:") {
        Some(path) => (unix(path)?, None),
        None => {
            let (scheme, rest) = before.split_once("://").ok_or(NO_ADDRESS)?;
            // The last "@": a password may have one that nobody escaped.
            let (credentials, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
            (username, password) = user(credentials)?;
            place(scheme, rest)?
        }
    };
    let database = database(number.or(query("db").as_deref()).unwrap_or_default())?;
    if matches!(place, RedisPlace::Cluster(_)) && database != 0 {
        return Err("names a database, and a cluster has only one; remove the number".to_owned());
    }
    Ok(RedisServers {
        place,
        tls: before.starts_with("rediss"),
        username,
        password,
        sentinel_username: query("sentinel_username"),
        sentinel_password: query("sentinel_password").map(Secret::new),
        database,
    })
}

fn unix(path: &str) -> Parsed<RedisPlace> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') {
        return Err(NO_ADDRESS.to_owned());
    }
    Ok(RedisPlace::Unix(PathBuf::from(path)))
}

/// What stands behind the credentials; with it, the number of the database.
fn place<'a>(scheme: &str, rest: &'a str) -> Parsed<(RedisPlace, Option<&'a str>)> {
    let mut path = rest.split('/');
    let hosts = path.next().unwrap_or_default();
    let mut next = || path.next().filter(|segment| !segment.is_empty());
    let place = match scheme {
        "redis" | "rediss" => match hosts_of(hosts, REDIS_PORT)?.as_slice() {
            [(host, port)] => RedisPlace::Server(host.clone(), *port),
            _ => return Err("has several hosts; write \"redis+cluster\" or \"redis+sentinel\" before them".to_owned()),
        },
        "redis+sentinel" | "rediss+sentinel" => {
            let master =
                next().ok_or("names no master; write it behind the hosts, \"redis+sentinel://a,b/mymaster\"")?;
            RedisPlace::Sentinel(hosts_of(hosts, SENTINEL_PORT)?, decoded(master)?)
        }
        "redis+cluster" | "rediss+cluster" => RedisPlace::Cluster(hosts_of(hosts, REDIS_PORT)?),
        _ => return Err(NO_ADDRESS.to_owned()),
    };
    match (next(), path.next()) {
        (number, None) => Ok((place, number)),
        _ => Err(NO_ADDRESS.to_owned()),
    }
}

fn database(text: &str) -> Parsed<i64> {
    let wrong = || "names a database that is no number; write for example \"redis://127.0.0.1:6379/0\"".to_owned();
    match text {
        "" => Ok(0),
        text => text.parse::<u16>().map(i64::from).map_err(|_| wrong()),
    }
}

fn user(credentials: &str) -> Parsed<(Option<String>, Option<Secret>)> {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok((filled(decoded(user)?), filled(decoded(password)?).map(Secret::new)))
}

fn hosts_of(text: &str, port: u16) -> Parsed<Vec<(String, u16)>> {
    text.split(',').map(|host| host_of(host, port)).collect()
}

fn host_of(text: &str, default: u16) -> Parsed<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, port.parse().map_err(|_| NO_ADDRESS)?),
        _ => (text, default),
    };
    let host = host_name(host).ok_or(NO_ADDRESS)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((host, port))
}

/// RFC 3986 §2.1. A "+" is one: this is no form.
fn decoded(text: &str) -> Parsed<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(NO_ADDRESS)?;
        let digits = std::str::from_utf8(digits).map_err(|_| NO_ADDRESS)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| NO_ADDRESS)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| NO_ADDRESS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn an_address_says_where_who_and_how() {
        use RedisPlace::*;
        let two = || vec![("a".to_owned(), 1), ("b".to_owned(), 26379)];
        for (text, place, tls, user, password, database) in [
            ("redis://h", Server("h".into(), 6379), false, None, None, 0),
            ("rediss://h:1/3", Server("h".into(), 1), true, None, None, 3),
            (
                "redis://:p%40%2f@[::1]:7",
                Server("::1".into(), 7),
                false,
                None,
                Some("p@/"),
                0,
            ),
            (
                "redis://u:p@q@h/",
                Server("h".into(), 6379),
                false,
                Some("u"),
                Some("p@q"),
                0,
            ),
            (
                "unix:/run/r.sock?db=2",
                Unix("/run/r.sock".into()),
                false,
                None,
                None,
                2,
            ),
            ("unix:///run/r.sock", Unix("/run/r.sock".into()), false, None, None, 0),
            (
                "rediss+sentinel://u:p@a:1,b/main/4",
                Sentinel(two(), "main".into()),
                true,
                Some("u"),
                Some("p"),
                4,
            ),
            ("redis+cluster://a:1,b:26379", Cluster(two()), false, None, None, 0),
        ] {
            let servers = servers(text).unwrap();
            let found = servers.password.as_ref().map(Secret::reveal);
            assert_eq!(
                (
                    servers.place,
                    servers.tls,
                    servers.username.as_deref(),
                    found,
                    servers.database
                ),
                (place, tls, user, password, database),
                "{text}"
            );
        }
        let sentinel = servers("redis+sentinel://a/m?sentinel_username=s&sentinel_password=p%26").unwrap();
        assert_eq!(sentinel.sentinel_username.as_deref(), Some("s"));
        assert_eq!(sentinel.sentinel_password.unwrap().reveal(), "p&");
    }
}
