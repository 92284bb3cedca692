//! What `sidegate check --live` wants to know of a provider.

use std::sync::Arc;

use super::error::{Endpoint, ProviderError};
use super::metadata::{Kind, Metadata};
use super::{Provider, jwks};
use crate::clock::Timestamp;

/// A provider that answers.
pub struct Probe {
    /// Its endpoints.
    pub metadata: Arc<Metadata>,
    /// How many of its keys can verify signatures; `None` for plain OAuth2.
    pub keys: Option<usize>,
    /// Its clock when it answered, by the `Date` of its token endpoint's answer, or of its keys.
    pub clock: Option<Timestamp>,
}

impl Provider {
    /// Asks for metadata and, with OpenID Connect, for keys; a GET shows that the token endpoint is there, whatever
    /// status it answers (RFC 6749 §3.2 has POST only).
    ///
    /// # Errors
    /// The first that went wrong.
    pub async fn probe(&self) -> Result<Probe, ProviderError> {
        let metadata = self.metadata().await?;
        let (mut keys, mut clock) = (None, None);
        if let (Some(url), Kind::OpenIdConnect) = (&metadata.jwks_uri, metadata.kind) {
            let (found, date) = jwks::fetch(url, &self.http).await?;
            (keys, clock) = (Some(found.len()), date);
        }
        let answer = self.http.get(Endpoint::Token, &metadata.token_endpoint, None).await?;
        Ok(Probe {
            keys,
            clock: answer.date.or(clock),
            metadata,
        })
    }
}

/// An HTTP date in the one form that servers still send (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hours, minutes, seconds) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if words.next() != Some("GMT") || !(1..=31).contains(&day) || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    Some(Timestamp(
        days_since_1970(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds,
    ))
}

/// Days of the Gregorian calendar, counted in years that begin in March, so that the leap day is the last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::http_date;
    use crate::clock::Timestamp;

    #[test]
    fn dates_are_read() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Fri, 15 Jan 2027 08:00:00 GMT", Some(1_800_000_000)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 0000 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), seconds.map(Timestamp), "{text}");
        }
    }
}
