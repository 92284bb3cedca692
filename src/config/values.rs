//! One value of the file becomes one value of the program, or the words for what is wrong with it.
//!
//! The words never hold the value itself.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use toml::Value;
use url::{Host, Url};

/// The value, or `what is wrong; what to write instead`.
pub(super) type Parsed<T> = Result<T, String>;

/// Text.
pub(super) fn string(value: &Value) -> Parsed<String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| "is not text; write it in quotes".to_owned())
}

/// Text with something in it.
pub(super) fn filled(value: &Value) -> Parsed<String> {
    match string(value)? {
        text if text.trim().is_empty() => Err("is empty; write something or remove it".to_owned()),
        text => Ok(text),
    }
}

/// true or false.
pub(super) fn boolean(value: &Value) -> Parsed<bool> {
    value
        .as_bool()
        .ok_or_else(|| "is neither true nor false; write true or false without quotes".to_owned())
}

/// A whole number from 0 to `most`.
pub(super) fn number(most: usize) -> impl Fn(&Value) -> Parsed<usize> {
    move |value| {
        let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
        number
            .filter(|number| *number <= most)
            .ok_or_else(|| format!("is not a whole number from 0 to {most}; write one without quotes"))
    }
}

/// `"30s" "5m" "12h" "7d"`; `"250ms"` too. At most ten years, so that no sum with a clock overflows.
pub(super) fn duration(value: &Value) -> Parsed<Duration> {
    const MOST: Duration = Duration::from_secs(3650 * 86_400);
    let wrong = || "is not a duration; write for example \"30s\", \"5m\", \"12h\" or \"7d\"".to_owned();
    let text = value.as_str().ok_or_else(wrong)?;
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let span = number.checked_mul(milliseconds).map(Duration::from_millis);
    span.filter(|span| *span <= MOST)
        .ok_or_else(|| "is longer than ten years; write at most \"3650d\"".to_owned())
}

/// A duration of at least one millisecond.
pub(super) fn span(value: &Value) -> Parsed<Duration> {
    match duration(value)? {
        Duration::ZERO => Err("is zero; write for example \"30s\"".to_owned()),
        span => Ok(span),
    }
}

/// A duration of at least one second: it ends up in a cookie or a timestamp, and those count in seconds.
pub(super) fn seconds(value: &Value) -> Parsed<Duration> {
    match duration(value)? {
        span if span < Duration::from_secs(1) => Err("is less than a second; write for example \"30s\"".to_owned()),
        span => Ok(span),
    }
}

/// Bytes: `"16KiB" "10MiB" "0"`.
pub(super) fn size(value: &Value) -> Parsed<u64> {
    let wrong = || "is not a size; write for example \"64KiB\", \"10MiB\" or \"0\"".to_owned();
    let (number, unit) = value.as_str().and_then(split_unit).ok_or_else(wrong)?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(bytes).ok_or_else(wrong)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

/// Whether it can name a provider or an upstream: it goes into URLs, metrics and variables.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A host name or address as it stands in a `Host` header: lower case, IPv6 in brackets.
pub(super) fn host_name(text: &str) -> Option<String> {
    // The URL standard lets `*` through, which would look like a wildcard that nobody honours.
    let host = Host::parse(text).ok().filter(|_| !text.contains('*'))?;
    Some(host.to_string()).filter(|host| !host.is_empty())
}

/// `host` or `host:port`, as a `Host` header has it.
pub(super) fn authority(value: &Value) -> Parsed<String> {
    let wrong = || "is not a host; write for example \"app.example.com\" or \"app.example.com:8443\"".to_owned();
    let text = string(value)?;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port.parse::<u16>().map_err(|_| wrong())?)),
        _ => (text.as_str(), None),
    };
    let host = host_name(host).ok_or_else(wrong)?;
    Ok(port.map_or(host.clone(), |port| format!("{host}:{port}")))
}

/// An absolute http or https URL without user name, password and fragment.
pub(super) fn web_url(value: &Value) -> Parsed<Url> {
    let url = Url::parse(&string(value)?)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| "is not a web address; write for example \"https://id.example.com\"".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; write the address without them".to_owned());
    }
    if url.fragment().is_some() {
        return Err("has a fragment; write the address without \"#\"".to_owned());
    }
    Ok(url)
}

/// Whether the URL stays on this machine: localhost, 127.0.0.0/8, ::1.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A header's name.
pub(super) fn header_name(name: &str) -> Parsed<HeaderName> {
    name.parse()
        .map_err(|_| "is not a header name; write for example \"X-Forwarded-User\"".to_owned())
}

/// A header's value: visible ASCII and blanks.
pub(super) fn header_value(text: &str) -> Parsed<HeaderValue> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|value| value.to_str().is_ok())
        .ok_or_else(|| "cannot stand in a header; write ASCII text on one line".to_owned())
}

/// A scheme, host and port and nothing more: what is wrong with the URL otherwise.
pub(super) fn bare_origin(url: &Url) -> Parsed<()> {
    if url.path() != "/" || url.query().is_some() {
        return Err(format!("has a path; write \"{}\"", url.origin().ascii_serialization()));
    }
    Ok(())
}
