//! Configuration that the tests of this room share.

use http::Method;

use crate::config::{Access, Allow, Authorization, HostHeader, OriginPattern, PublicUrl, Route, Unauthenticated};

/// `https://app.example.com`
pub(super) fn public() -> PublicUrl {
    PublicUrl {
        https: true,
        host: "app.example.com".into(),
        port: 443,
        origin: "https://app.example.com".into(),
    }
}

/// `http://localhost:4180`
pub(super) fn local() -> PublicUrl {
    PublicUrl {
        https: false,
        host: "localhost".into(),
        port: 4180,
        origin: "http://localhost:4180".into(),
    }
}

/// `https://other.example.com`, `https://*.apps.example.com`, `http://dev.example.com:8080`
pub(super) fn allowed() -> Vec<OriginPattern> {
    let pattern = |https, host: &str, subdomains, port| OriginPattern {
        https,
        host: host.into(),
        subdomains,
        port,
    };
    vec![
        pattern(true, "other.example.com", false, 443),
        pattern(true, "apps.example.com", true, 443),
        pattern(false, "dev.example.com", false, 8080),
    ]
}

/// A route as `"path"`, `"path host,host"` or `"path host,host METHOD,METHOD"`; `*` for any host.
pub(super) fn route(line: &str) -> Route {
    let mut words = line.split(' ');
    let mut list = |position: &str| -> Vec<String> {
        let word = words.next().unwrap_or("*");
        assert!(!word.is_empty(), "{position} in {line}");
        word.split(',').filter(|part| *part != "*").map(str::to_owned).collect()
    };
    let path = list("path").concat();
    let hosts = list("hosts");
    let methods = list("methods")
        .iter()
        .map(|name| Method::from_bytes(name.as_bytes()).unwrap())
        .collect();
    Route {
        path,
        hosts,
        methods,
        upstream: None,
        access: Access::Deny,
        unauthenticated: Unauthenticated::Auto,
        providers: vec![0],
        allow: Allow::default(),
        authorization: Authorization::None,
        rewrite: None,
        host_header: HostHeader::Preserve,
        request_headers: Vec::new(),
        response_headers: Vec::new(),
        remove_request_headers: Vec::new(),
        websocket_origins: Vec::new(),
        encoded_slash: false,
        csrf: true,
        stash_post: 0,
        max_body: None,
    }
}
