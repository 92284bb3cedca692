//! Configuration: any text is a configuration or a list of problems, one a line, without the secrets that stood in it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sidegate::config::Config;

/// Put into the text wherever the input says `@`.
const SECRET: &str = "tripwire-4f1d9c";

fuzz_target!(|text: &str| {
    // Files are not the subject, and a reader of /dev/zero would never end.
    if text.contains("file") || text.contains("ca") {
        return;
    }
    let quoted = format!("\"{SECRET}\"");
    let text = text.replace("\"@\"", &quoted);
    let env = [("SIDEGATE_PROVIDERS__MAIN__CLIENT_SECRET".to_owned(), SECRET.to_owned())];
    if let Err(problems) = Config::parse(&text, Path::new("/nonexistent"), env.into_iter()) {
        let told = problems.to_string();
        assert!(!told.is_empty());
        // A key that is called like the secret is the operator's own doing; a value never shows.
        let secrets = ["client_secret = ", "basic_password = "].map(|key| format!("{key}{quoted}"));
        if secrets.iter().any(|pair| text.contains(pair)) && text.matches(SECRET).count() == 1 {
            assert!(!told.contains(SECRET), "{told}");
        }
    }
});
