//! Claims become an [`Identity`], reduced to what the configuration uses.

use serde_json::Value;

use crate::provider::Claims;
use crate::session::Identity;

/// [`crate::config::Provider::claims`]: name in the configuration, path in the claims.
type Mapping = [(String, Vec<String>)];

/// Longest value that is put into a header, bytes.
const LONGEST: usize = 8 * 1024;

/// The claim called `user` has a value that no header can carry: the visitor could not be told from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the claim for the user name has a value that no header can carry")]
pub struct UnusableUser;

/// Who the claims speak of. A value that no header can carry is left out, and so is a member of a list with a comma in
/// it: where the list is joined in a header it would be two.
///
/// # Errors
/// [`UnusableUser`] where that value is the user name.
pub fn identity(claims: &Claims, mapping: &Mapping) -> Result<Identity, UnusableUser> {
    let mut found = Identity {
        subject: text(claims.get("sub")),
        sid: text(claims.get("sid")),
        email_verified: claims.get("email_verified").is_some_and(is_true),
        ..Identity::default()
    };
    for (name, path) in mapping {
        let value = at(claims, path);
        match name.as_str() {
            "user" => {
                found.user = text(value);
                if found.user.as_deref().is_some_and(|user| !carriable(user)) {
                    return Err(UnusableUser);
                }
            }
            "email" => found.email = text(value).filter(|email| carriable(email)),
            "name" => found.name = text(value).filter(|name| carriable(name)),
            "groups" => {
                found.groups = texts(value);
                found.groups.retain(|group| carriable(group) && !group.contains(','));
            }
            _ => {
                let mut values = texts(value);
                let list = value.is_some_and(Value::is_array);
                values.retain(|value| carriable(value) && !(list && value.contains(',')));
                if !values.is_empty() {
                    found.claims.push((name.clone(), values));
                }
            }
        }
    }
    Ok(found)
}

/// The value under a path; a claim whose own name has dots in it (`https://example.com/roles`) goes first.
pub(super) fn at<'a>(claims: &'a Claims, path: &[String]) -> Option<&'a Value> {
    if let Some(whole) = claims.get(&path.join(".")) {
        return Some(whole);
    }
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, key| value.get(key))
}

/// A string, or a number or truth value written as one; nothing for an empty string and everything else.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(|value| text(Some(value))).collect(),
        other => text(other).into_iter().collect(),
    }
}

/// Some providers send `"true"`.
fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

/// Whether a header can carry the value and a server reads back the same: no control characters, no blanks at the edges.
fn carriable(value: &str) -> bool {
    !value.is_empty() && value.len() <= LONGEST && value.trim() == value && !value.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: Value, mapping: &[(&str, &str)]) -> Result<Identity, UnusableUser> {
        let Value::Object(claims) = claims else {
            panic!("not an object")
        };
        let mapping: Vec<_> = mapping
            .iter()
            .map(|(name, path)| ((*name).to_owned(), path.split('.').map(str::to_owned).collect()))
            .collect();
        identity(&claims, &mapping)
    }

    const USUAL: [(&str, &str); 4] = [
        ("user", "sub"),
        ("email", "email"),
        ("groups", "groups"),
        ("name", "preferred_username"),
    ];

    #[test]
    fn reads_what_providers_send() {
        for (claims, user, groups) in [
            (
                json!({"sub": "alice", "groups": ["a", "b"]}),
                Some("alice"),
                vec!["a", "b"],
            ),
            (json!({"sub": 42, "groups": "only"}), Some("42"), vec!["only"]),
            (json!({"groups": [1, {"x": 1}, null, "b"]}), None, vec!["1", "b"]),
            (
                json!({"sub": "a", "groups": ["x,y", " z", "ok\n", "fine"]}),
                Some("a"),
                vec!["fine"],
            ),
            (json!({"sub": "Zoë", "groups": {"a": 1}}), Some("Zoë"), vec![]),
        ] {
            let read = read(claims.clone(), &USUAL).unwrap();
            assert_eq!(
                (read.user.as_deref(), read.groups),
                (user, groups.iter().map(|g| (*g).to_owned()).collect())
            );
        }
    }

    #[test]
    fn a_user_that_no_header_can_carry_ends_the_login() {
        for user in ["a\r\nX-Admin: 1", " alice", "al\0ice", &"x".repeat(9_000)] {
            assert_eq!(read(json!({"sub": user}), &USUAL), Err(UnusableUser), "{user:?}");
        }
    }

    #[test]
    fn dots_reach_into_objects_and_names_with_dots_are_found() {
        let claims = json!({"realm": {"roles": ["r"]}, "https://example.com/dept": "ops", "email": "a@b", "email_verified": "true"});
        let mapping = [
            ("roles", "realm.roles"),
            ("dept", "https://example.com/dept"),
            ("email", "email"),
        ];
        let read = read(claims, &mapping).unwrap();
        assert_eq!(read.claim("roles"), ["r"]);
        assert_eq!(read.claim("dept"), ["ops"]);
        assert!(read.email_verified);
    }
}
