//! Callback parsing: no parameter twice, never a code beside an error, and an error code that is fit to print.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::flow::Callback;
use url::form_urlencoded;

fuzz_target!(|query: &str| {
    let count = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == wanted)
            .count()
    };
    match Callback::parse(query) {
        Ok(callback) => {
            assert!(!callback.state().is_empty());
            assert!(["code", "state", "iss", "error"].iter().all(|name| count(name) <= 1));
            if let Callback::Denied { code, .. } = &callback {
                assert!(
                    code.bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
                );
            }
        }
        // The words name the parameter and repeat nothing of it.
        Err(error) => assert!(error.to_string().len() < 80),
    }
});
