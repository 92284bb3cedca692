//! A client with cookies that follows redirects one step at a time and sends exactly what it is told.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use cookie::Cookie;
use cookie::time::OffsetDateTime;
use parking_lot::Mutex;
use url::form_urlencoded;

use super::form::LoginForm;
use super::wire::{Connection, Response};

/// How many steps a login may take before it counts as a loop.
const STEPS: usize = 15;

/// `https` URLs are spoken to without TLS, as if something in front had ended it. Cookies are kept by name alone for each
/// host and port; paths, `Secure` and `SameSite` are not looked at, so a test
/// for these reads the `Set-Cookie` lines.
pub struct Browser {
    home: String,
    /// Who answers for home, if not the address in its name.
    at: Option<SocketAddr>,
    jar: Mutex<HashMap<String, BTreeMap<String, String>>>,
}

impl Browser {
    /// `home` is the gateway's origin: `http://localhost:4180`. Every name is taken to be this machine.
    pub fn new(home: &str) -> Self {
        Self {
            home: home.trim_end_matches('/').to_owned(),
            at: None,
            jar: Mutex::default(),
        }
    }

    /// Another browser with the same cookies as of now.
    pub fn twin(&self) -> Self {
        Self {
            home: self.home.clone(),
            at: self.at,
            jar: Mutex::new(self.jar.lock().clone()),
        }
    }

    /// From now on this address answers for home, whatever its name.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.at = Some(address);
        self
    }

    fn address(&self, url: &str) -> SocketAddr {
        let at = self.at.filter(|_| origin(url) == self.home);
        at.unwrap_or_else(|| address(url))
    }

    /// A page load from the address bar; `target` is a path at home or an absolute URL, sent byte for byte.
    pub fn visit(&self, target: &str) -> Request<'_> {
        self.navigation("GET", target, None)
    }

    /// What a page at home fetches by script.
    pub fn fetch(&self, method: &str, target: &str) -> Request<'_> {
        let request = self.request(method, target);
        let request = request
            .header("Accept", "*/*")
            .header("Sec-Fetch-Mode", "cors")
            .header("Sec-Fetch-Dest", "empty");
        let request = request.header("Sec-Fetch-Site", "same-origin");
        if matches!(method, "GET" | "HEAD") {
            request
        } else {
            request.header("Origin", &self.home)
        }
    }

    /// A request with nothing but `Host`, the cookies and `Connection: close`.
    pub fn request(&self, method: &str, target: &str) -> Request<'_> {
        let url = if target.starts_with("http://") || target.starts_with("https://") {
            target.to_owned()
        } else {
            format!("{}{target}", self.home)
        };
        Request {
            browser: self,
            method: method.to_owned(),
            url,
            initiator: None,
            host: None,
            lines: Vec::new(),
            with_cookies: true,
            body: None,
        }
    }

    /// A form on a page at home, of any kind: the body is still to come.
    pub fn post(&self, target: &str) -> Request<'_> {
        self.navigation("POST", target, Some(&self.home))
    }

    /// A form on a page at home.
    pub fn submit(&self, target: &str, fields: &[(&str, &str)]) -> Request<'_> {
        self.post(target).form(fields)
    }

    /// A page load that the page at `initiator` begins.
    pub fn navigation(&self, method: &str, target: &str, initiator: Option<&str>) -> Request<'_> {
        let mut request = self.request(method, target);
        let site = match initiator {
            None => "none",
            Some(page) if origin(&request.url) == origin(page) => "same-origin",
            Some(_) => "cross-site",
        };
        request.initiator = initiator.map(str::to_owned);
        let request = request.header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let request = request
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Dest", "document");
        let request = request.header("Sec-Fetch-Site", site);
        match initiator {
            Some(page) if method == "POST" => request.header("Origin", origin(page)),
            _ => request,
        }
    }

    /// The next step of a redirect, as a GET (RFC 9110 §15.4.4).
    pub fn follow(&self, response: &Response) -> Request<'_> {
        let location = response.location().split('#').next().unwrap_or_default();
        let url = if location.starts_with("http://") || location.starts_with("https://") {
            location.to_owned()
        } else if location.starts_with('/') {
            format!("{}{location}", origin(&response.url))
        } else {
            url::Url::parse(&response.url).unwrap().join(location).unwrap().into()
        };
        self.navigation("GET", &url, response.initiator.as_deref())
    }

    /// Opens `target` and goes through the login as `person` (`"alice"`, `"bob"`): the first answer that is neither a
    /// redirect nor a form of the login's.
    pub async fn login(&self, target: &str, person: &str) -> Response {
        let first = self.visit(target).send().await;
        self.walk(first, person).await
    }

    /// Goes on from any answer of a login to its end, choosing `person` where the provider asks.
    pub async fn walk(&self, mut response: Response, person: &str) -> Response {
        for _ in 0..STEPS {
            response = match self.step(&response, person) {
                Some(request) => request.send().await,
                None => return response,
            };
        }
        panic!("the login goes round in circles at {}: {response:?}", response.url);
    }

    /// As [`Browser::login`], but stops before the callback is sent: its URL.
    pub async fn login_until_callback(&self, target: &str, person: &str) -> String {
        let first = self.visit(target).send().await;
        self.walk_until_callback(first, person).await
    }

    /// Goes on from any answer of a login, but stops before the callback is sent: its URL.
    pub async fn walk_until_callback(&self, mut response: Response, person: &str) -> String {
        for _ in 0..STEPS {
            let request = self
                .step(&response, person)
                .unwrap_or_else(|| panic!("no way on: {response:?}"));
            if request.url.starts_with(&self.home) && request.url.contains("/callback?") {
                return request.url;
            }
            response = request.send().await;
        }
        panic!("no callback, but {response:?}");
    }

    fn step(&self, response: &Response, person: &str) -> Option<Request<'_>> {
        if (300..400).contains(&response.status) && response.header("location").is_some() {
            return Some(self.follow(response));
        }
        let LoginForm {
            action,
            mut fields,
            asks_for_person,
        } = LoginForm::find(&response.text())?;
        let action = if action.starts_with('/') {
            format!("{}{action}", origin(&response.url))
        } else {
            action
        };
        if asks_for_person {
            fields.push(("person".to_owned(), person.to_owned()));
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Some(self.navigation("POST", &action, Some(&response.url)).form(&fields))
    }

    /// The cookies kept for home.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.jar.lock().get(authority(&self.home)).cloned().unwrap_or_default()
    }

    /// One cookie kept for home.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().remove(name)
    }

    /// Puts a cookie for home, of whatever value.
    pub fn put_cookie(&self, name: &str, value: &str) {
        let mut jar = self.jar.lock();
        jar.entry(authority(&self.home).to_owned())
            .or_default()
            .insert(name.to_owned(), value.to_owned());
    }

    /// Forgets one cookie of home.
    pub fn drop_cookie(&self, name: &str) {
        self.jar
            .lock()
            .entry(authority(&self.home).to_owned())
            .or_default()
            .remove(name);
    }

    /// Forgets every cookie of home; the provider still knows this browser.
    pub fn forget_home(&self) {
        self.jar.lock().remove(authority(&self.home));
    }

    fn keep_cookies(&self, url: &str, response: &Response) {
        let mut jar = self.jar.lock();
        let kept = jar.entry(authority(url).to_owned()).or_default();
        for cookie in response
            .set_cookies()
            .into_iter()
            .filter_map(|line| Cookie::parse(line).ok())
        {
            let gone = cookie.max_age().is_some_and(|age| !age.is_positive())
                || cookie
                    .expires_datetime()
                    .is_some_and(|at| at <= OffsetDateTime::now_utc());
            if gone {
                kept.remove(cookie.name());
            } else {
                kept.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }
}

/// A request in the making.
pub struct Request<'b> {
    browser: &'b Browser,
    method: String,
    url: String,
    initiator: Option<String>,
    host: Option<String>,
    lines: Vec<Vec<u8>>,
    with_cookies: bool,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.line(format!("{name}: {value}"))
    }

    /// A header line of any bytes, without the line end.
    pub fn line(mut self, line: impl AsRef<[u8]>) -> Self {
        self.lines.push(line.as_ref().to_vec());
        self
    }

    /// Another `Host` than the URL's.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Sends none of the kept cookies.
    pub fn without_cookies(mut self) -> Self {
        self.with_cookies = false;
        self
    }

    pub fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self.header("Content-Type", content_type)
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let text = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.body("application/x-www-form-urlencoded", text)
    }

    /// Sends and reads the whole response; its cookies are kept.
    pub async fn send(self) -> Response {
        let mut connection = Connection::open(self.browser.address(&self.url)).await;
        connection.send(&self.bytes("close")).await;
        let mut response = connection.response(self.method == "HEAD").await;
        self.browser.keep_cookies(&self.url, &response);
        response.url = self.url;
        response.initiator = self.initiator;
        response
    }

    /// Sends and reads the head only: streams and upgrades go on over the connection. Its cookies are kept.
    pub async fn open(self) -> (Response, Connection) {
        let upgrades = self
            .lines
            .iter()
            .any(|line| line.to_ascii_lowercase().starts_with(b"upgrade:"));
        let mut connection = Connection::open(self.browser.address(&self.url)).await;
        connection
            .send(&self.bytes(if upgrades { "Upgrade" } else { "close" }))
            .await;
        let mut response = connection
            .head()
            .await
            .expect("the connection was closed without an answer");
        self.browser.keep_cookies(&self.url, &response);
        response.url = self.url;
        (response, connection)
    }

    /// The request as [`Request::send`] puts it on the wire.
    pub fn bytes(&self, connection: &str) -> Vec<u8> {
        let authority = authority(&self.url);
        let target = self.url.split_once("://").unwrap().1.trim_start_matches(authority);
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        let host = self.host.as_deref().unwrap_or(authority);
        let mut bytes = format!(
            "{} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n",
            self.method
        );
        let jar = self.browser.jar.lock();
        let kept = jar.get(authority).filter(|kept| self.with_cookies && !kept.is_empty());
        if let Some(kept) = kept {
            let pairs: Vec<String> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
            bytes.push_str(&format!("Cookie: {}\r\n", pairs.join("; ")));
        }
        if let Some(body) = &self.body {
            bytes.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut bytes = bytes.into_bytes();
        for line in &self.lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// `scheme://host:port`
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    &url[..url[start..].find(['/', '?']).map_or(url.len(), |at| start + at)]
}

fn authority(url: &str) -> &str {
    origin(url).split_once("://").map_or("", |(_, authority)| authority)
}

fn address(url: &str) -> SocketAddr {
    let authority = authority(url);
    let port = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(80);
    let host = if authority.starts_with('[') {
        [0, 0, 0, 0, 0, 0, 0, 1].into()
    } else {
        [127, 0, 0, 1].into()
    };
    SocketAddr::new(host, port)
}
