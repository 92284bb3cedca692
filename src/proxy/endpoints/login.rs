//! `start`, `sign_in`, and how a page load becomes a login.

use http::header::COOKIE;
use pingora::http::RequestHeader;
use pingora::proxy::Session as HttpSession;

use super::Call;
use super::resume::destination;
use crate::flow::{Beginning, begin};
use crate::pages::{Action, SignInPage};
use crate::policy::{Found, ReturnTo, Target};
use crate::proxy::Gateway;
use crate::proxy::cause::Cause;
use crate::proxy::context::Context;
use crate::proxy::cookies;
use crate::proxy::decide::Decision;
use crate::proxy::reply::Reply;
use crate::proxy::site::Site;
use crate::seal::Jar;

/// A login with one provider.
pub(super) struct Login<'a> {
    /// Index of the provider.
    pub(super) provider: usize,
    pub(super) return_to: &'a ReturnTo,
    pub(super) prompt: Option<&'a str>,
    pub(super) restarts: u8,
}

impl Call<'_> {
    /// `GET start?rd=…&provider=…`: begins a login.
    pub(super) async fn start(&self, http: &HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = std::sync::Arc::clone(&context.site);
        let return_to = self
            .return_to(context, self.parameter("rd").as_deref())
            .unwrap_or_else(ReturnTo::root);
        context.retry = Some(return_to.as_str().to_owned());
        let asked = self.parameter("prompt");
        // Only what our own pages ask for: everything else is the operator's to say.
        let prompt = asked
            .as_deref()
            .filter(|prompt| matches!(*prompt, "select_account" | "login"));
        match self.parameter("provider") {
            Some(name) => {
                let (provider, _) = site.provider(&name).ok_or(Cause::UnknownProvider)?;
                let login = Login {
                    provider,
                    return_to: &return_to,
                    prompt,
                    restarts: 0,
                };
                begin_login(self.gateway, context, &site, http.req_header(), &login).await
            }
            None => {
                let providers = providers_for(&site, &return_to, self.facts.host.as_str());
                send_to_login(
                    self.gateway,
                    context,
                    &site,
                    http.req_header(),
                    &providers,
                    &return_to,
                    prompt,
                )
                .await
            }
        }
    }

    /// `GET sign_in?rd=…`: the page where the visitor chooses; with one provider the same as `start`.
    pub(super) async fn sign_in(&self, http: &HttpSession, context: &mut Context) -> Result<Decision, Cause> {
        let site = std::sync::Arc::clone(&context.site);
        let return_to = self
            .return_to(context, self.parameter("rd").as_deref())
            .unwrap_or_else(ReturnTo::root);
        let providers = providers_for(&site, &return_to, self.facts.host.as_str());
        if providers.len() == 1 {
            return self.start(http, context).await;
        }
        let rd: String = url::form_urlencoded::byte_serialize(return_to.as_str().as_bytes()).collect();
        let prompt = self.parameter("prompt").filter(|prompt| prompt == "select_account");
        let more = prompt.map_or("", |_| "&prompt=select_account");
        let hrefs: Vec<String> = providers
            .iter()
            .map(|index| {
                let name: String =
                    url::form_urlencoded::byte_serialize(site.config.providers[*index].name.as_bytes()).collect();
                format!("{}?provider={name}&rd={rd}{more}", site.endpoint("start"))
            })
            .collect();
        let buttons: Vec<_> = providers
            .iter()
            .zip(&hrefs)
            .map(|(index, href)| Action {
                label: &site.config.providers[*index].display_name,
                href,
            })
            .collect();
        let page = SignInPage {
            host: &self.facts.host,
            notice: "",
            choices: &buttons,
        };
        Ok(Decision::Reply(Reply::page(200, site.pages.sign_in(&page))))
    }
}

/// The providers of the route that the visitor is on the way to; all where that is not one of ours.
fn providers_for(site: &Site, return_to: &ReturnTo, host: &str) -> Vec<usize> {
    let (to, method) = destination(site, return_to);
    let path = to.split('#').next().unwrap_or_default();
    if let Ok(target) = Target::parse(path)
        && let Found::Route(index) = site.router.find(&target, host, &method)
    {
        return site.config.routes[index].providers.clone();
    }
    (0..site.providers.len()).collect()
}

/// A link that begins a login which ends at `rd`.
pub(in crate::proxy) fn start_url(site: &Site, rd: &str, prompt: Option<&str>) -> String {
    let rd: String = url::form_urlencoded::byte_serialize(rd.as_bytes()).collect();
    let more = prompt.map_or_else(String::new, |prompt| format!("&prompt={prompt}"));
    format!("{}?rd={rd}{more}", site.endpoint("start"))
}

/// Sends a visitor to the login: to the provider, or to the chooser where there are several.
pub(in crate::proxy) async fn send_to_login(
    gateway: &Gateway,
    context: &mut Context,
    site: &Site,
    request: &RequestHeader,
    providers: &[usize],
    return_to: &ReturnTo,
    prompt: Option<&str>,
) -> Result<Decision, Cause> {
    if let [provider] = *providers {
        let login = Login {
            provider,
            return_to,
            prompt,
            restarts: 0,
        };
        return begin_login(gateway, context, site, request, &login).await;
    }
    let rd: String = url::form_urlencoded::byte_serialize(return_to.as_str().as_bytes()).collect();
    let more = if prompt == Some("select_account") {
        "&prompt=select_account"
    } else {
        ""
    };
    let to = format!("{}?rd={rd}{more}", site.endpoint("sign_in"));
    Ok(Decision::Reply(Reply::redirect(&request.method, &to)))
}

/// Begins a login with one provider and sends the browser there.
pub(super) async fn begin_login(
    _gateway: &Gateway,
    context: &mut Context,
    site: &Site,
    request: &RequestHeader,
    login: &Login<'_>,
) -> Result<Decision, Cause> {
    let provider = &site.providers[login.provider];
    let metadata = provider.metadata().await.map_err(|error| {
        tracing::error!(request_id = %context.request_id, cause = %error, "a login could not begin");
        Cause::from(&error)
    })?;
    let with = Beginning {
        provider: provider.config(),
        party: login.provider,
        metadata: &metadata,
        redirect_uri: &site.redirect_uri,
        return_to: login.return_to,
        prompt: login.prompt,
        restarts: login.restarts,
        expires_at: context.now.plus(site.config.session.login_timeout),
    };
    let begun = begin(&with, &site.sealer, &site.names, context.now).map_err(|_| Cause::Internal)?;
    let jar = Jar::new(
        &site.names,
        request.headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes),
    );
    context
        .cookies
        .logins
        .extend(cookies::room_for_login(site, &jar, context.now));
    context
        .cookies
        .logins
        .push(cookies::login_cookie(site, begun.cookie_name, begun.cookie_value));
    Ok(Decision::Reply(Reply::redirect(
        &request.method,
        begun.location.as_str(),
    )))
}
