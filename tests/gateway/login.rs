//! A visitor without a session is signed in, and lands where they wanted to go.

use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::idp::Endpoint;

#[tokio::test]
async fn a_login_leads_to_the_page_first_asked_for_and_the_app_gets_the_token() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser();
    let page = browser.login("/a/b;x?q=1&r=%20+%2F", "alice").await;
    assert_eq!(page.status, 200);
    let seen = gateway.app.last();
    assert_eq!(seen.target, "/a/b;x?q=1&r=%20+%2F");
    let bearer = seen.header("authorization").unwrap();
    assert!(bearer.starts_with("Bearer "), "{bearer}");
    assert_eq!(seen.header("x-forwarded-user").as_deref(), Some("demo|alice"));
    assert_eq!(seen.header("cookie"), None);
    assert_eq!(gateway.idp.count(Endpoint::Token), 1);
    let form = gateway.idp.last(Endpoint::Token);
    assert_eq!(form.form("grant_type").as_deref(), Some("authorization_code"));
    let info = browser.fetch("GET", "/oauth2/userinfo").send().await.json();
    assert_eq!(
        (&info["user"], &info["groups"]),
        (&json!("demo|alice"), &json!(["staff", "admins"]))
    );
    assert!(gateway.metric("sidegate_logins_total{outcome=\"success\"").await >= 1.0);
}
