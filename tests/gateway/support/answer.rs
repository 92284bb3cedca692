//! What the script of the authorization server can say.

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use http::{Response, header};
use serde_json::{Value, json};
use sidegate::demo::provider::{Provider, SigningKey};

use super::front::Dropped;
use super::gate::Gate;

/// What happens to the header and the claims of an id_token before it is signed.
pub type ClaimsChange = Box<dyn FnOnce(&mut Value, &mut Value) + Send>;

/// One answer. Those that change the usual answer let the provider act first.
pub enum Answer {
    /// The provider's own.
    Usual,
    /// The request is recorded and waits at the gate; the provider acts after that.
    Held(Gate, Box<Answer>),
    /// This instead; the provider does not see the request.
    Fixed {
        status: u16,
        content_type: &'static str,
        body: Vec<u8>,
    },
    /// A redirect instead, with this status.
    Redirect(u16, String),
    /// No answer, and the connection stays.
    Hang,
    /// The connection is closed; the provider does not see the request.
    Close,
    /// The provider acts (a code is spent, a token rotated), then the connection is closed without an answer.
    Lost,
    /// The provider acts; its head and half of its body arrive, then the connection is cut.
    CutShort,
    /// 200 with so many bytes of JSON-looking text.
    Huge(usize),
    /// The usual answer with its JSON changed.
    Json(Box<dyn FnOnce(&mut Value) + Send>),
    /// The usual answer written as a form, under the media type that old servers give it.
    Form,
    /// The usual answer with header and claims of its id_token changed, signed as it should be.
    IdToken(ClaimsChange),
    /// The usual answer whose id_token another key signed under this key's id.
    MisSigned,
}

impl Answer {
    /// The usual answer, after the gate has opened.
    pub fn held(gate: &Gate) -> Self {
        Self::Usual.behind(gate)
    }

    /// This answer, after the gate has opened.
    pub fn behind(self, gate: &Gate) -> Self {
        Self::Held(gate.clone(), Box::new(self))
    }

    /// `status` with a body of any kind.
    pub fn status(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self::Fixed {
            status,
            content_type,
            body: body.into(),
        }
    }

    /// An error as RFC 6749 §5.2 has it.
    pub fn error(status: u16, code: &str) -> Self {
        Self::status(status, "application/json", json!({"error": code}).to_string())
    }

    /// A JSON document with status 200.
    pub fn document(value: &Value) -> Self {
        Self::status(200, "application/json", value.to_string())
    }

    /// The usual answer with its JSON changed.
    pub fn json(change: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        Self::Json(Box::new(change))
    }

    /// The usual answer with header and claims of its id_token changed, signed as it should be.
    pub fn id_token(change: impl FnOnce(&mut Value, &mut Value) + Send + 'static) -> Self {
        Self::IdToken(Box::new(change))
    }

    /// The usual answer without a refresh token: nothing rotates.
    pub fn without_refresh_token() -> Self {
        Self::json(|answer| {
            answer.as_object_mut().unwrap().remove("refresh_token");
        })
    }

    /// Whether the provider is to act.
    pub fn wants_the_provider(&self) -> bool {
        !matches!(
            self,
            Self::Fixed { .. } | Self::Redirect(..) | Self::Hang | Self::Close | Self::Huge(_)
        )
    }

    /// The answer where the provider does not act. Held ones have passed their gate by now.
    pub async fn alone(self) -> Result<Response<Body>, Dropped> {
        match self {
            Self::Fixed {
                status,
                content_type,
                body,
            } => {
                let head = Response::builder()
                    .status(status)
                    .header(header::CONTENT_TYPE, content_type);
                Ok(head.body(body.into()).unwrap())
            }
            Self::Redirect(status, to) => {
                let head = Response::builder().status(status).header(header::LOCATION, to);
                Ok(head.body(Body::empty()).unwrap())
            }
            Self::Huge(size) => {
                let text = format!("{{\"padding\":\"{}\"}}", "x".repeat(size));
                Ok(Response::builder()
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(text.into())
                    .unwrap())
            }
            Self::Hang => std::future::pending().await,
            _ => Err(Dropped),
        }
    }

    /// The provider's answer as this one changes it.
    pub async fn upon(self, usual: Response<Body>, provider: &Provider) -> Result<Response<Body>, Dropped> {
        match self {
            Self::Lost => Err(Dropped),
            Self::CutShort => Ok(cut_short(usual).await),
            Self::Json(change) => Ok(rewritten(usual, change).await),
            Self::Form => Ok(as_form(usual).await),
            Self::IdToken(change) => {
                let sign = |header: &Value, claims: &Value| provider.sign(header, claims);
                Ok(rewritten(usual, |answer| resign(answer, change, sign)).await)
            }
            Self::MisSigned => {
                let other = SigningKey::generate();
                Ok(rewritten(usual, |answer| resign(answer, |_, _| {}, |h, c| other.sign(h, c))).await)
            }
            _ => Ok(usual),
        }
    }
}

/// The JSON of a response changed; one that is no JSON stays as it is.
pub async fn rewritten(usual: Response<Body>, change: impl FnOnce(&mut Value)) -> Response<Body> {
    let (mut head, body) = usual.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let Ok(mut value) = serde_json::from_slice(&body) else {
        return Response::from_parts(head, body.into());
    };
    change(&mut value);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, value.to_string().into())
}

async fn as_form(usual: Response<Body>) -> Response<Body> {
    let body = axum::body::to_bytes(usual.into_body(), usize::MAX).await.unwrap();
    let members: Value = serde_json::from_slice(&body).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in members.as_object().unwrap() {
        form.append_pair(name, &text(value));
    }
    let head = Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8");
    head.body(form.finish().into()).unwrap()
}

async fn cut_short(usual: Response<Body>) -> Response<Body> {
    let (head, body) = usual.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    // Content-Length stands at the whole: the client can tell that bytes are missing.
    let half: Result<Bytes, Dropped> = Ok(body.slice(..body.len() / 2));
    Response::from_parts(head, Body::from_stream(stream::iter([half, Err(Dropped)])))
}

fn resign(
    answer: &mut Value,
    change: impl FnOnce(&mut Value, &mut Value),
    sign: impl FnOnce(&Value, &Value) -> String,
) {
    let Some(token) = answer["id_token"].as_str() else {
        return;
    };
    let part = |index: usize| -> Value {
        let text = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    let (mut header, mut claims) = (part(0), part(1));
    change(&mut header, &mut claims);
    answer["id_token"] = sign(&header, &claims).into();
}
