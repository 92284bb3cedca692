//! Small forms for the gateway's own endpoints.

use std::time::Duration;

use pingora::proxy::Session as HttpSession;

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
    let read = async {
        // Pingora does not answer `Expect: 100-continue` for us (RFC 9110 §10.1.1).
        http.write_continue_response()
            .await
            .map_err(|_| FormError::Unreadable)?;
        let mut form = Vec::new();
        while let Some(chunk) = http
            .downstream_session
            .read_request_body()
            .await
            .map_err(|_| FormError::Unreadable)?
        {
            if form.len() + chunk.len() > LARGEST_FORM {
                return Err(FormError::TooLarge);
            }
            form.extend_from_slice(&chunk);
        }
        String::from_utf8(form).map_err(|_| FormError::Unreadable)
    };
    tokio::time::timeout(FORM_TIME, read)
        .await
        .unwrap_or(Err(FormError::Unreadable))
}
