//! A person at a browser, who fills in the provider's own forms.

use std::collections::BTreeSet;

use cookie::Cookie;
use parking_lot::Mutex;
use serde_json::Value;
use url::Url;

use crate::provider::Provider;
use crate::support::browser::{Browser, Request};
use crate::support::form::Form;
use crate::support::wire::Response;

/// How many steps a login may take before it counts as a loop.
const STEPS: usize = 20;
/// Parameters of URLs on the way that no log may show.
const SECRET_PARAMETERS: [&str; 5] = ["code", "state", "nonce", "code_challenge", "id_token_hint"];

/// The visitor of one test.
pub struct Visitor {
    pub browser: Browser,
    /// Everything secret that came by this browser.
    pub secrets: Mutex<BTreeSet<String>>,
}

impl Visitor {
    pub fn new(home: &str) -> Self {
        Self {
            browser: Browser::new(home),
            secrets: Mutex::default(),
        }
    }

    /// Opens a page from the address bar and signs in where the provider asks: the answer at the end.
    pub async fn open(&self, target: &str, provider: &Provider) -> Response {
        self.fill_in(target, provider, provider.forms("forms")).await
    }

    /// Opens the sign-out and confirms it where the provider asks: the answer at the end.
    pub async fn sign_out(&self, target: &str, provider: &Provider) -> Response {
        self.fill_in(target, provider, provider.forms("logout_forms")).await
    }

    /// Opens a page and follows redirects, but fills in nothing: the answer at the end.
    pub async fn look(&self, target: &str, provider: &Provider) -> Response {
        self.fill_in(target, provider, Vec::new()).await
    }

    /// Opens a page, follows redirects, and fills in these forms of the provider's, one after the other: the first answer
    /// that is neither.
    pub async fn fill_in(&self, target: &str, provider: &Provider, forms: Vec<Value>) -> Response {
        let mut forms = forms.into_iter();
        let mut response = self.browser.visit(target).send().await;
        for _ in 0..STEPS {
            self.note(&response);
            let next = if matches!(response.status, 302 | 303) {
                self.browser.follow(&response)
            } else if response.status == 200 && response.url.starts_with(provider.text("issuer")) {
                let Some(filled) = forms.next() else { return response };
                self.fill(&response, &filled)
            } else {
                return response;
            };
            response = next.send().await;
        }
        panic!("round in circles at {}: {response:?}", response.url);
    }

    /// The page's form: every hidden field as it is, and `filled` over it.
    fn fill(&self, page: &Response, filled: &Value) -> Request<'_> {
        let Some(Form { action, fields }) = Form::find(&page.text()) else {
            panic!("no form: {page:?}");
        };
        let address = Url::parse(&page.url).unwrap();
        let action = address.join(action.as_deref().unwrap_or(&page.url)).unwrap();
        let filled = filled.as_object().unwrap().iter();
        let filled: Vec<(&str, &str)> = filled
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let hidden = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let hidden = hidden.filter(|(name, _)| !filled.iter().any(|(own, _)| own == name));
        let fields: Vec<_> = hidden.chain(filled.iter().copied()).collect();
        self.browser
            .navigation("POST", action.as_str(), Some(&page.url))
            .form(&fields)
    }

    fn note(&self, response: &Response) {
        let cookies = response.set_cookies().into_iter();
        let cookies = cookies.filter_map(|line| Some(Cookie::parse(line).ok()?.value().to_owned()));
        let location = response.header("location").and_then(|to| Url::parse(to).ok());
        let parameters = location.iter().flat_map(Url::query_pairs);
        let parameters = parameters.filter(|(name, _)| SECRET_PARAMETERS.contains(&name.as_ref()));
        let parameters = parameters.map(|(_, value)| value.into_owned());
        // Deleted cookies have short values or none.
        let found = cookies.chain(parameters).filter(|secret| secret.len() > 8);
        self.secrets.lock().extend(found);
    }
}
