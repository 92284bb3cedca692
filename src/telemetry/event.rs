//! Lines about what happens to people: logins, refreshes, sign-outs, denials; and reloads.

use tracing::Level;

use super::line::{Line, LogFormat};
use super::{LoginOutcome, RefreshOutcome, ReloadOutcome, SignOutKind, logs};

/// One event. Made by the function of its kind, given what is known, and written:
/// `Event::login(LoginOutcome::Success).provider("main").user("jdoe").request_id(id).write()`.
/// Fields that were not given are left out.
#[must_use = "an event is logged by `write`"]
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    level: Level,
    name: &'static str,
    outcome: &'static str,
    provider: Option<&'a str>,
    user: Option<&'a str>,
    request_id: Option<&'a str>,
    cause: Option<&'a str>,
}

impl<'a> Event<'a> {
    const fn new(level: Level, name: &'static str, outcome: &'static str) -> Self {
        Self {
            level,
            name,
            outcome,
            provider: None,
            user: None,
            request_id: None,
            cause: None,
        }
    }

    /// A login ended. WARN where it failed.
    pub const fn login(outcome: LoginOutcome) -> Self {
        let level = if matches!(outcome, LoginOutcome::Failed) {
            Level::WARN
        } else {
            Level::INFO
        };
        Self::new(level, "login", outcome.as_str())
    }

    /// A refresh ended. WARN where the provider was unavailable.
    pub const fn refresh(outcome: RefreshOutcome) -> Self {
        let level = if matches!(outcome, RefreshOutcome::Unavailable) {
            Level::WARN
        } else {
            Level::INFO
        };
        Self::new(level, "refresh", outcome.as_str())
    }

    /// A session was ended; the outcome is its kind.
    pub const fn sign_out(kind: SignOutKind) -> Self {
        Self::new(Level::INFO, "sign_out", kind.as_str())
    }

    /// A visitor was turned away; the outcome is a fixed word that says why: `not_allowed`, `cross_site`, …
    pub const fn denial(outcome: &'static str) -> Self {
        Self::new(Level::INFO, "denial", outcome)
    }

    /// A new configuration came. ERROR where it was refused: the file on disk is not what runs.
    pub const fn reload(outcome: ReloadOutcome) -> Self {
        let level = if matches!(outcome, ReloadOutcome::Refused) {
            Level::ERROR
        } else {
            Level::INFO
        };
        Self::new(level, "reload", outcome.as_str())
    }

    /// Raises or lowers the level.
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The provider's name in the configuration.
    pub const fn provider(mut self, provider: &'a str) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Who.
    pub const fn user(mut self, user: &'a str) -> Self {
        self.user = Some(user);
        self
    }

    /// As in `X-Request-Id`.
    pub const fn request_id(mut self, request_id: &'a str) -> Self {
        self.request_id = Some(request_id);
        self
    }

    /// Why, in words that hold no secret. May hold what a stranger sent: it is escaped.
    pub const fn cause(mut self, cause: &'a str) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Writes the line, if the level lets it through. Never waits.
    pub fn write(self) {
        logs::write(self.level, |format| self.line(format));
    }

    pub(super) fn line(&self, format: LogFormat) -> String {
        let mut line = Line::new(format, self.level);
        line.text("event", self.name);
        line.text("outcome", self.outcome);
        let rest = [
            ("provider", self.provider),
            ("user", self.user),
            ("request_id", self.request_id),
            ("cause", self.cause),
        ];
        for (key, value) in rest {
            if let Some(value) = value {
                line.text(key, value);
            }
        }
        line.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_what_is_known_and_nothing_else() {
        let cases = [
            (
                Event::login(LoginOutcome::Success).user("jdoe"),
                " INFO event=login outcome=success user=jdoe\n",
            ),
            (
                Event::login(LoginOutcome::Failed).provider("main"),
                " WARN event=login outcome=failed provider=main\n",
            ),
            (
                Event::refresh(RefreshOutcome::Coalesced),
                " INFO event=refresh outcome=coalesced\n",
            ),
            (
                Event::refresh(RefreshOutcome::Unavailable),
                " WARN event=refresh outcome=unavailable\n",
            ),
            (
                Event::sign_out(SignOutKind::Local).request_id("r"),
                " INFO event=sign_out outcome=local request_id=r\n",
            ),
            (
                Event::denial("not_allowed").cause("a b"),
                " INFO event=denial outcome=not_allowed cause=\"a b\"\n",
            ),
            (
                Event::reload(ReloadOutcome::Refused),
                " ERROR event=reload outcome=refused\n",
            ),
        ];
        for (event, expected) in cases {
            let line = event.line(LogFormat::Text);
            assert!(line.ends_with(expected), "{line} is not {expected}");
        }
    }

    #[test]
    fn what_a_stranger_sent_stays_in_its_field() {
        let line = Event::denial("csrf")
            .cause("\",\"outcome\":\"success\n")
            .line(LogFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["outcome"], "csrf");
        assert_eq!(value["cause"], "\",\"outcome\":\"success\n");
    }
}
