//! Sessions in Redis: several gateways, one real `redis-server`, one provider that rotates refresh tokens and takes a
//! second use for theft.

mod ending;
mod fleet;
mod outage;
mod places;
mod record;
mod refresh;
mod server;
mod without;
