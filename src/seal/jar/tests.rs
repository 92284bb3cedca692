//! What a request's cookies say, whatever surrounds them.

use proptest::prelude::*;

use super::*;
use crate::seal::{MAX_PARTS, SPLIT_PAST, split};

fn names() -> CookieNames {
    CookieNames::plain("sidegate")
}

fn header(parts: &[(String, String)]) -> String {
    parts
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("; ")
}

fn candidates(header: &str) -> Vec<Vec<u8>> {
    let names = names();
    Jar::new(&names, std::iter::once(header.as_bytes()))
        .session_candidates()
        .map(Cow::into_owned)
        .collect()
}

fn long(seed: char) -> String {
    "ABCDEFGHIJKL".to_owned() + &seed.to_string().repeat(8_000)
}

#[test]
fn takes_out_only_ours() {
    for (header, left) in [
        ("sidegate=x", ""),
        ("a=1; sidegate=x; b=2", "a=1; b=2"),
        ("a=1;sidegate_0=x;sidegate_1=y;  b=2", "a=1; b=2"),
        ("sidegate_login_abc=x; sidegate_theme=dark", "sidegate_theme=dark"),
        ("a; b=1", "a; b=1"),
        (" sidegate =x; c=3", "c=3"),
    ] {
        let kept = without_ours(&names(), std::iter::once(header.as_bytes()));
        assert_eq!(String::from_utf8(kept).unwrap(), left, "{header}");
    }
}

#[test]
fn crumbs_become_one_header() {
    let kept = without_ours(&names(), [&b"a=1"[..], b"sidegate=x", b"b=2"].into_iter());
    assert_eq!(kept, b"a=1; b=2");
}

#[test]
fn leftovers_of_an_older_session_are_not_joined_in() {
    let (old, new) = (long('o'), long('n').replace("ABCDEFGHIJKL", "MNOPQRSTUVWX"));
    let old_parts = split("sidegate", old.clone()).unwrap();
    let mut both = split("sidegate", new.clone()).unwrap();
    both.push(old_parts[2].clone());
    both.push(old_parts[1].clone());
    // The marks are the values' own characters 12..20, which differ between the two.
    assert_eq!(candidates(&header(&both)), vec![new.into_bytes()]);
    assert_eq!(candidates(&header(&old_parts)), vec![old.into_bytes()]);
}

#[test]
fn a_missing_or_absurd_part_is_no_session() {
    let parts = split("sidegate", long('x')).unwrap();
    for hostile in [
        header(&parts[1..]),
        header(&parts[..parts.len() - 1]),
        "sidegate_0=99999999999999999999.AAAAAAAA.x".into(),
        "sidegate_0=-1.AAAAAAAA.x; sidegate_-1=x; sidegate_99999=y".into(),
        "sidegate_0=0.AAAAAAAA.; sidegate_0=..; sidegate_0=".into(),
        (0..500)
            .map(|n| format!("sidegate_{n}=500.AAAAAAAA.x"))
            .collect::<Vec<_>>()
            .join("; "),
    ] {
        assert_eq!(candidates(&hostile), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn too_large_is_an_error_not_an_eleventh_part() {
    assert!(split("sidegate", "x".repeat(SPLIT_PAST * MAX_PARTS)).is_err());
}

proptest! {
    #[test]
    fn what_was_split_is_joined(length in 100usize..30_000, reverse in any::<bool>()) {
        let value: String = (0..length).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let mut parts = split("sidegate", value.clone()).unwrap();
        prop_assert!(parts.iter().all(|(name, value)| name.len() + value.len() <= SPLIT_PAST));
        if reverse {
            parts.reverse();
        }
        prop_assert_eq!(candidates(&header(&parts)), vec![value.into_bytes()]);
    }

    #[test]
    fn no_header_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let names = names();
        let jar = Jar::new(&names, std::iter::once(&bytes[..]));
        prop_assert!(jar.session_candidates().count() <= MAX_LOOKED_AT + MAX_JOINED);
    }
}
