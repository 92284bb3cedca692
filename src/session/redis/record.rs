//! One session in Redis, as a request found it.
//!
//! Every write is one step in Redis and never brings back what somebody else ended or takes back what somebody else wrote:
//! small scripts compare and set. All of them may be sent twice.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::{Cmd, cmd};

use super::{RedisStore, Ticket};
use crate::clock::Timestamp;
use crate::session::{Session, StoreError};

/// So many characters of a sealed value hold its salt: two values that begin alike are one.
const VERSION: usize = 33;
/// Stands where a lock would, after the provider did not answer.
const BACKING_OFF: &str = "-";

/// KEYS session, lock; ARGV version, token, milliseconds. Answers the value where it is another by now.
const CLAIM: &str = "\
    local value = redis.call('GET', KEYS[1]) \
    if not value then return {'ended'} end \
    if string.sub(value, 1, #ARGV[1]) ~= ARGV[1] then return {'changed', value} end \
    local lock = redis.call('GET', KEYS[2]) \
    if lock == '-' then return {'backing off'} end \
    if lock and lock ~= ARGV[2] then return {'busy'} end \
    redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) \
    return {'mine'}";
/// KEYS lock; ARGV token, milliseconds.
const EXTEND: &str = "\
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
    return 0";
/// KEYS session, lock; ARGV token, value, milliseconds. A session that was ended meanwhile stays ended.
const SAVE: &str = "\
    local kept = redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3], 'XX') \
    if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end \
    if kept then return 1 end \
    return 0";
/// KEYS lock; ARGV token, what stands there instead, milliseconds.
const BACK_OFF: &str = "\
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end \
    return 1";
/// KEYS session; ARGV version, value, milliseconds.
const WRITE_BACK: &str = "\
    if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) \
    return 1";

/// A session in Redis.
#[derive(Clone)]
pub struct Record {
    store: Arc<RedisStore>,
    ticket: Ticket,
    /// Of the value that was read.
    version: Vec<u8>,
    stale_ticket: bool,
}

/// Whose turn it is to refresh a session.
#[derive(Debug)]
pub enum Claim {
    /// Ours: nobody else does it while the lock lives.
    Mine,
    /// Another replica's, just now.
    Busy,
    /// Nobody's for a moment: the provider did not answer.
    BackingOff,
    /// It was written meanwhile, and this is it now. Perhaps only the time of its last request is another.
    Changed(Box<Session>),
    /// Nobody's ever: the session is gone.
    Ended,
}

/// The right to refresh a session, claimed or to be claimed.
pub struct Lock {
    token: String,
    life: Duration,
}

impl Lock {
    /// A lock that lives for `life` after it was claimed or extended.
    ///
    /// # Errors
    /// Only where the operating system gives no random bytes.
    pub fn new(life: Duration) -> Result<Self, StoreError> {
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(StoreError::Random)?;
        let token = URL_SAFE_NO_PAD.encode(token);
        Ok(Self { token, life })
    }

    /// Extend it at least this often.
    pub fn beat(&self) -> Duration {
        self.life / 3
    }
}

impl Record {
    pub(super) fn new(store: Arc<RedisStore>, ticket: Ticket, sealed: &[u8], stale_ticket: bool) -> Self {
        Self {
            store,
            ticket,
            version: version(sealed),
            stale_ticket,
        }
    }

    /// The ticket, where its cookie is to be sealed anew.
    pub fn stale_ticket(&self) -> Option<Ticket> {
        self.stale_ticket.then(|| self.ticket.clone())
    }

    /// Asks for the right to refresh the session.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn claim(&mut self, lock: &Lock, now: Timestamp) -> Result<Claim, StoreError> {
        let mut command = script(CLAIM, &[self.session_key(), self.lock_key()]);
        command.arg(&self.version).arg(&lock.token).arg(milliseconds(lock.life));
        let answer: Vec<Vec<u8>> = self.store.link.ask(&command).await?;
        Ok(match (answer.first().map(Vec::as_slice), answer.get(1)) {
            (Some(b"mine"), _) => Claim::Mine,
            (Some(b"busy"), _) => Claim::Busy,
            (Some(b"backing off"), _) => Claim::BackingOff,
            (Some(b"changed"), Some(sealed)) => {
                self.version = version(sealed);
                match self.store.open(&self.ticket, sealed, now) {
                    Some((session, _)) => Claim::Changed(Box::new(session)),
                    None => Claim::Ended,
                }
            }
            _ => Claim::Ended,
        })
    }

    /// Keeps the right for another `life`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn extend(&self, lock: &Lock) -> Result<(), StoreError> {
        let mut command = script(EXTEND, &[self.lock_key()]);
        command.arg(&lock.token).arg(milliseconds(lock.life));
        self.store.link.ask::<i64>(&command).await.map(drop)
    }

    /// Writes the refreshed session and gives the right back. `false`: the session was ended meanwhile, and stays so.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn save(&self, lock: &Lock, session: &Session, now: Timestamp) -> Result<bool, StoreError> {
        let mut command = script(SAVE, &[self.session_key(), self.lock_key()]);
        command
            .arg(&lock.token)
            .arg(self.store.seal(&self.ticket, session)?)
            .arg(self.store.left(session, now));
        self.store.link.ask::<bool>(&command).await
    }

    /// Gives the right to nobody for `wait`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn back_off(&self, lock: &Lock, wait: Duration) -> Result<(), StoreError> {
        let mut command = script(BACK_OFF, &[self.lock_key()]);
        command.arg(&lock.token).arg(BACKING_OFF).arg(milliseconds(wait));
        self.store.link.ask::<i64>(&command).await.map(drop)
    }

    /// Writes the session as it is now, unless somebody else did since it was read.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn write_back(&self, session: &Session, now: Timestamp) -> Result<(), StoreError> {
        let mut command = script(WRITE_BACK, &[self.session_key()]);
        command
            .arg(&self.version)
            .arg(self.store.seal(&self.ticket, session)?)
            .arg(self.store.left(session, now));
        self.store.link.ask::<i64>(&command).await.map(drop)
    }

    /// Ends the session, for whoever has its ticket.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete(&self) -> Result<(), StoreError> {
        let mut command = cmd("DEL");
        command.arg(self.session_key()).arg(self.lock_key());
        self.store.link.ask::<i64>(&command).await.map(drop)
    }

    fn session_key(&self) -> String {
        self.store.key("session", &self.ticket.id())
    }

    fn lock_key(&self) -> String {
        self.store.key("refresh", &self.ticket.id())
    }
}

fn version(sealed: &[u8]) -> Vec<u8> {
    sealed[..sealed.len().min(VERSION)].to_vec()
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis().max(1)).unwrap_or(u64::MAX)
}

fn script(source: &str, keys: &[String]) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(source).arg(keys.len()).arg(keys);
    command
}
