//! One line a request.

use tracing::Level;

use super::line::{Line, LogFormat};
use super::logs;

/// What let a request through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A session.
    Session,
    /// A session that this request refreshed.
    Refreshed,
    /// An access token of the client's own (RFC 6750).
    Bearer,
    /// The route asks for nothing.
    Public,
    /// Nothing.
    None,
}

impl Auth {
    /// As access lines have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Refreshed => "refreshed",
            Self::Bearer => "bearer",
            Self::Public => "public",
            Self::None => "none",
        }
    }
}

/// One request and its answer.
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    /// The route's path as configured, `none`, or `gateway`.
    pub route: &'a str,
    /// As it came.
    pub method: &'a str,
    /// Without its query: that may hold a code.
    pub path: &'a str,
    /// HTTP status; 0 where no answer was sent.
    pub status: u16,
    /// Milliseconds from the request's header to the answer's end.
    pub duration_ms: f64,
    /// Absent without a session.
    pub user: Option<&'a str>,
    /// As in `X-Request-Id`.
    pub request_id: &'a str,
    /// What let the request through.
    pub auth: Auth,
}

impl AccessLine<'_> {
    pub(super) fn write(&self, format: LogFormat) -> String {
        let mut line = Line::new(format, Level::INFO);
        line.text("target", logs::ACCESS_TARGET);
        line.text("route", self.route);
        line.text("method", self.method);
        line.text("path", self.path);
        line.plain("status", self.status);
        // JSON has neither NaN nor infinity.
        let duration = if self.duration_ms.is_nan() {
            0.0
        } else {
            self.duration_ms.clamp(0.0, 1e12)
        };
        line.plain("duration_ms", format_args!("{duration:.3}"));
        line.optional("user", self.user);
        line.text("request_id", self.request_id);
        line.text("auth", self.auth.as_str());
        line.finish()
    }
}

/// Writes one access line at level INFO. Costs a microsecond or two and never waits; `[log] access = false` is the
/// caller's to honour.
pub fn access(line: &AccessLine<'_>) {
    logs::write(Level::INFO, |format| line.write(format));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: AccessLine<'_> = AccessLine {
        route: "/app",
        method: "GET",
        path: "/app/x y",
        status: 200,
        duration_ms: 1.23456,
        user: None,
        request_id: "r1",
        auth: Auth::Public,
    };

    #[test]
    fn fields_are_the_contracts() {
        let line = LINE.write(LogFormat::Json);
        let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        let mut keys: Vec<&str> = value.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "auth",
                "duration_ms",
                "level",
                "method",
                "path",
                "request_id",
                "route",
                "status",
                "target",
                "timestamp",
                "user"
            ]
        );
        assert_eq!(value["user"], serde_json::Value::Null);
    }

    #[test]
    fn text_reads_as_one_line() {
        let line = LINE.write(LogFormat::Text);
        let tail = line.split_once(" INFO ").unwrap().1;
        assert_eq!(
            tail,
            "target=access route=/app method=GET path=\"/app/x y\" status=200 duration_ms=1.235 user=- request_id=r1 auth=public\n"
        );
    }

    #[test]
    fn a_duration_that_is_no_number_is_still_json() {
        for duration_ms in [f64::NAN, f64::INFINITY, -0.0, f64::MAX] {
            let line = AccessLine { duration_ms, ..LINE }.write(LogFormat::Json);
            assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn every_line_is_json_and_gives_its_fields_back(
            route in any::<String>(), method in any::<String>(), path in any::<String>(), user in any::<Option<String>>(),
            request_id in any::<String>(), status in any::<u16>(), duration_ms in 0.0..1e9f64,
        ) {
            let line = AccessLine {
                route: &route, method: &method, path: &path, status, duration_ms, user: user.as_deref(),
                request_id: &request_id, auth: Auth::Session,
            }.write(LogFormat::Json);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert!(line.ends_with('\n'));
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(value["route"].as_str(), Some(&*route));
            prop_assert_eq!(value["method"].as_str(), Some(&*method));
            prop_assert_eq!(value["path"].as_str(), Some(&*path));
            prop_assert_eq!(value["user"].as_str(), user.as_deref());
            prop_assert_eq!(value["request_id"].as_str(), Some(&*request_id));
            prop_assert_eq!(value["status"].as_u64(), Some(u64::from(status)));
            prop_assert!((value["duration_ms"].as_f64().unwrap() - duration_ms).abs() < 0.001);
            prop_assert_eq!(value["auth"].as_str(), Some("session"));
        }
    }
}
