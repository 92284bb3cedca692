//! The pages' own assets, compiled in; served under `{prefix}/static/`.

use std::sync::LazyLock;

/// One asset, as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// `Content-Type`
    pub content_type: &'static str,
    /// The bytes.
    pub body: &'static [u8],
    /// `ETag` (RFC 9110 §8.8.3), quotes included; changes with the bytes.
    pub etag: &'static str,
}

/// File name of the style sheet.
pub(super) const STYLE: &str = "style.css";
/// File name of the icon.
pub(super) const ICON: &str = "icon.svg";
/// File name of the script that carries forms and fragments over the login.
pub(super) const CARRY: &str = "carry.js";

static STYLE_BODY: &[u8] = include_bytes!("static/style.css");
static ICON_BODY: &[u8] = include_bytes!("static/icon.svg");
static CARRY_BODY: &[u8] = include_bytes!("static/carry.js");
static STYLE_ETAG: LazyLock<String> = LazyLock::new(|| etag(STYLE_BODY));
static ICON_ETAG: LazyLock<String> = LazyLock::new(|| etag(ICON_BODY));
static CARRY_ETAG: LazyLock<String> = LazyLock::new(|| etag(CARRY_BODY));

/// The asset of this file name, the part of the path after `{prefix}/static/`. The pages ask for it with a query that
/// changes with the bytes: answers to that may be cached for good (`public, max-age=31536000, immutable`).
pub fn asset(name: &str) -> Option<Asset> {
    match name {
        STYLE => Some(Asset {
            content_type: "text/css; charset=utf-8",
            body: STYLE_BODY,
            etag: &STYLE_ETAG,
        }),
        ICON => Some(Asset {
            content_type: "image/svg+xml",
            body: ICON_BODY,
            etag: &ICON_ETAG,
        }),
        CARRY => Some(Asset {
            content_type: "text/javascript; charset=utf-8",
            body: CARRY_BODY,
            etag: &CARRY_ETAG,
        }),
        _ => None,
    }
}

/// Where the pages find an asset: `/oauth2/static/style.css?v=0123456789abcdef`.
pub(super) fn href(prefix: &str, name: &str) -> String {
    let version = asset(name).map_or("", |asset| asset.etag.trim_matches('"'));
    format!("{prefix}/static/{name}?v={version}")
}

/// FNV-1a: tells versions of our own files apart; nobody can choose the bytes.
fn etag(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_found_by_their_exact_name_only() {
        for name in [STYLE, ICON, CARRY] {
            let asset = asset(name).unwrap();
            assert!(!asset.body.is_empty());
            assert!(asset.etag.len() == 18 && asset.etag.starts_with('"') && asset.etag.ends_with('"'));
        }
        for name in ["", "style", "/style.css", "../mod.rs", "STYLE.CSS"] {
            assert!(asset(name).is_none(), "{name}");
        }
        assert_ne!(asset(STYLE).unwrap().etag, asset(ICON).unwrap().etag);
    }

    #[test]
    fn assets_ask_for_nothing_that_the_policy_forbids() {
        for name in [STYLE, ICON, CARRY] {
            let body = String::from_utf8(asset(name).unwrap().body.to_vec()).unwrap();
            for forbidden in [
                "url(",
                "@import",
                "<script",
                "<style",
                "style=",
                "href=",
                "eval(",
                "innerHTML",
            ] {
                assert!(!body.contains(forbidden), "{name} has {forbidden}");
            }
        }
    }
}
