//! Bodies that the gateway itself reads: forms for its own endpoints, forms that are kept over a login.

use std::time::Duration;

use pingora::proxy::Session as HttpSession;

use super::head::header;

/// A form for one of our own endpoints is at most this large, bytes.
const LARGEST_FORM: usize = 16 * 1024;
/// And has come after this long.
const FORM_TIME: Duration = Duration::from_secs(10);

/// Why a form could not be read.
pub(super) enum FormError {
    TooLarge,
    Unreadable,
}

/// Reads a small form for one of our own endpoints.
pub(super) async fn read_form(http: &mut HttpSession) -> Result<String, FormError> {
    let form = read_body(http, LARGEST_FORM, FORM_TIME).await?;
    String::from_utf8(form).map_err(|_| FormError::Unreadable)
}

/// Reads a whole body of at most `most` bytes; one that says it is larger is not begun.
pub(super) async fn read_body(http: &mut HttpSession, most: usize, time: Duration) -> Result<Vec<u8>, FormError> {
    let stated = header(http.req_header(), "content-length").and_then(|text| text.parse::<usize>().ok());
    if stated.is_some_and(|stated| stated > most) {
        return Err(FormError::TooLarge);
    }
    let read = async {
        // Pingora does not answer `Expect: 100-continue` for us (RFC 9110 §10.1.1).
        http.write_continue_response()
            .await
            .map_err(|_| FormError::Unreadable)?;
        let mut form = Vec::with_capacity(stated.unwrap_or_default());
        while let Some(chunk) = http
            .downstream_session
            .read_request_body()
            .await
            .map_err(|_| FormError::Unreadable)?
        {
            if form.len() + chunk.len() > most {
                return Err(FormError::TooLarge);
            }
            form.extend_from_slice(&chunk);
        }
        Ok(form)
    };
    tokio::time::timeout(time, read)
        .await
        .unwrap_or(Err(FormError::Unreadable))
}
