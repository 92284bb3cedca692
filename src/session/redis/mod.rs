//! Sessions in Redis, shared by all replicas.
//!
//! | file | what it is |
//! |---|---|
//! | `mod` | [`RedisStore`]: a ticket in a jar becomes a session |
//! | `ticket` | [`Ticket`]: what the browser has |
//! | `record` | [`Record`]: one session in Redis, as a request found it; refreshed by one replica at a time |
//! | `link` | the connection, made anew whenever it fails |
//! | `dial` | how the servers of the configuration are reached |
//!
//! # What is in Redis
//!
//! | key | value | ends |
//! |---|---|---|
//! | `PREFIX` `session:{ID}` | the session, sealed with the ticket's secret | with the session, or once it is idle |
//! | `PREFIX` `refresh:{ID}` | who refreshes it now, or `-`: nobody, for a moment | soon, by itself |
//!
//! The braces put both in one slot of a cluster. Nothing is kept in this process: without Redis no session is known, one
//! that was ended anywhere is ended everywhere, and once Redis is back all is as it was.

mod dial;
mod link;
mod record;
mod ticket;

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;

use self::link::Link;
pub use self::record::{Claim, Lock, Record};
pub use self::ticket::Ticket;
use super::store::{Loaded, Parties, StoreError};
use super::{Lifetimes, Session, wire};
use crate::clock::Timestamp;
use crate::config;
use crate::seal::{CookieNames, Jar, Purpose, Sealer};

/// So many tickets are looked up for one request: a browser has one, unless somebody tossed others in.
const MOST_TICKETS: usize = 8;

/// Sessions that are kept in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    config: config::Redis,
    names: CookieNames,
    lifetimes: Lifetimes,
    parties: Parties,
    sealer: Arc<Sealer>,
}

impl RedisStore {
    /// `providers`: names in the order of the sealer's parties. A connection to the same servers stays as it was `before`.
    /// Nothing is sent yet: the gateway starts without Redis.
    ///
    /// # Errors
    /// In the operator's words.
    pub fn new(
        config: config::Redis,
        before: Option<&Self>,
        names: CookieNames,
        lifetimes: Lifetimes,
        providers: Vec<String>,
        sealer: Arc<Sealer>,
    ) -> Result<Self, String> {
        let link = match before.filter(|before| before.config.same_servers(&config)) {
            Some(before) => Arc::clone(&before.link),
            None => Arc::new(Link::new(dial::Servers::new(&config)?)),
        };
        Ok(Self {
            link,
            config,
            names,
            lifetimes,
            parties: Parties::new(providers),
            sealer,
        })
    }

    /// The first session in the jar that is there. A cookie that is no ticket of ours asks Redis nothing.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`]
    pub async fn load(self: &Arc<Self>, jar: &Jar<'_>, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let tickets: Vec<_> = jar
            .session_candidates()
            .filter_map(|sealed| Ticket::open(&self.sealer, self.names.session(), &sealed, now))
            .take(MOST_TICKETS)
            .collect();
        for (ticket, stale_ticket) in tickets {
            let mut command = cmd("GET");
            command.arg(self.key("session", &ticket.id()));
            let Some(sealed) = self.link.ask::<Option<Vec<u8>>>(&command).await? else {
                continue;
            };
            if let Some((session, stale_key)) = self.open(&ticket, &sealed, now) {
                let record = Record::new(Arc::clone(self), ticket, &sealed, stale_ticket);
                return Ok(Some(Loaded {
                    session,
                    stale_key: stale_key || stale_ticket,
                    record: Some(record),
                }));
            }
        }
        Ok(None)
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`]
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut command = cmd("EXISTS");
        command.arg(self.key("session", ""));
        self.link.ask::<i64>(&command).await.map(drop)
    }

    /// Keeps a new session under a new ticket.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin(&self, session: &Session, now: Timestamp) -> Result<Ticket, StoreError> {
        let ends_at = self.lifetimes.ends_at(session);
        let ticket = Ticket::new(self.parties.of(session)?, ends_at).map_err(StoreError::Random)?;
        let mut command = cmd("SET");
        command
            .arg(self.key("session", &ticket.id()))
            .arg(self.seal(&ticket, session)?)
            .arg("PX")
            .arg(self.left(session, now));
        self.link.ask::<()>(&command).await?;
        Ok(ticket)
    }

    /// The ticket's cookie: name and value.
    ///
    /// # Errors
    /// Only where the operating system gives no random bytes.
    pub fn cookie(&self, ticket: &Ticket) -> Result<(String, String), StoreError> {
        let name = self.names.session();
        let value = ticket.seal(&self.sealer, name).map_err(StoreError::Random)?;
        Ok((name.to_owned(), value))
    }

    fn key(&self, what: &str, id: &str) -> String {
        format!("{}{what}:{{{id}}}", self.config.key_prefix)
    }

    fn seal(&self, ticket: &Ticket, session: &Session) -> Result<String, StoreError> {
        let (party, plain) = (self.parties.of(session)?, wire::encode(session)?);
        let ends_at = self.lifetimes.ends_at(session);
        self.sealer
            .seal_with(ticket.secret(), Purpose::Stored, &ticket.id(), party, ends_at, &plain)
            .map_err(StoreError::Random)
    }

    /// A session and whether it was sealed under a key that no longer seals.
    fn open(&self, ticket: &Ticket, sealed: &[u8], now: Timestamp) -> Option<(Session, bool)> {
        let opened = self
            .sealer
            .open_with(ticket.secret(), Purpose::Stored, &ticket.id(), sealed, now)
            .ok()?;
        let session = wire::decode(opened.payload()).ok()?;
        let ours = self.parties.owns(&self.sealer, &session, opened.party);
        ours.then_some((session, opened.stale_key))
    }

    /// What is left of a session's life if nobody comes back, milliseconds.
    fn left(&self, session: &Session, now: Timestamp) -> u64 {
        let Lifetimes {
            lifetime, idle_timeout, ..
        } = self.lifetimes;
        let idle = if idle_timeout.is_zero() { lifetime } else { idle_timeout };
        let left = self.lifetimes.ends_at(session).since(now).min(idle);
        u64::try_from(left.max(Duration::from_secs(1)).as_millis()).unwrap_or(u64::MAX)
    }
}
