//! How things end, in the words of logs and metrics (the contract's label values).

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// A session was made.
    Success,
    /// The provider or the visitor said no (RFC 6749 §4.1.2.1 `access_denied` and its like).
    Denied,
    /// Anything else went wrong.
    Failed,
}

impl LoginOutcome {
    /// `success`, `denied` or `failed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The provider gave new tokens.
    Refreshed,
    /// The request waited for another one's refresh and shares its result.
    Coalesced,
    /// A late request with the old cookie got the kept result.
    Replayed,
    /// The provider refused: the session is over.
    Refused,
    /// The provider did not answer, or not in a way that says anything about the session.
    Unavailable,
}

impl RefreshOutcome {
    /// `refreshed`, `coalesced`, `replayed`, `refused` or `unavailable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Coalesced => "coalesced",
            Self::Replayed => "replayed",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOutKind {
    /// The visitor, here.
    Local,
    /// The provider, by OpenID Connect Back-Channel Logout 1.0.
    Backchannel,
    /// The provider, by OpenID Connect Front-Channel Logout 1.0.
    Frontchannel,
}

impl SignOutKind {
    /// Every kind.
    pub(super) const ALL: [Self; 3] = [Self::Local, Self::Backchannel, Self::Frontchannel];

    /// `local`, `backchannel` or `frontchannel`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Backchannel => "backchannel",
            Self::Frontchannel => "frontchannel",
        }
    }
}

/// What became of a new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// It is in force.
    Applied,
    /// It is not; the old one stays.
    Refused,
}

impl ReloadOutcome {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Applied, Self::Refused];

    /// `applied` or `refused`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}
