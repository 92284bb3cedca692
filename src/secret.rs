//! Text that never prints, is wiped when dropped and is never compared by `==`.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret string: a client secret, a token, a key. `Debug` prints `[secret]`; there is no `Display`, no `PartialEq`
/// and no serde. [`Secret::reveal`] is the only way to the text, so that every use can be found by its name.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Never pass it to a log, an error or a page.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether both hold the same text, in time that depends on the lengths only.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_never_shows_the_text() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "[secret]");
    }

    #[test]
    fn compares_by_content() {
        let a = Secret::new("a".into());
        assert!(a.same_as(&Secret::new("a".into())));
        assert!(!a.same_as(&Secret::new("b".into())));
    }
}
