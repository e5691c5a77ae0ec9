//! Who may call `/v1`: whoever shows the token, or, where certificates are asked, whoever came in
//! with one.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Settings, problem};
use crate::error::CommandError;

/// The shortest token taken, in octets: a written-in one must not be guessable.
const SHORTEST: usize = 16;

/// The rule of one port.
#[derive(Clone)]
pub(crate) struct Access {
    token: Option<Arc<Zeroizing<String>>>,
    /// Whether every connection has shown a certificate.
    certified: bool,
}

impl Access {
    /// Reads the token, and makes it if there is none yet.
    pub(crate) fn of(settings: &Settings) -> Result<Self, CommandError> {
        Ok(Self {
            token: settings
                .token
                .as_deref()
                .map(|path| token(path).map(Arc::new))
                .transpose()?,
            certified: settings.anchors.is_some(),
        })
    }

    /// Whether not everybody may call.
    pub(super) fn is_limited(&self) -> bool {
        self.certified || self.token.is_some()
    }

    fn allows(&self, shown: Option<&str>) -> bool {
        match &self.token {
            Some(token) => {
                shown.is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.as_bytes())))
            }
            None => self.certified,
        }
    }
}

/// Lets a call through, or answers 401 or 403.
pub(super) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    if !access.is_limited() {
        return problem::off();
    }
    let shown = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim);
    if access.allows(shown) {
        next.run(request).await
    } else {
        tracing::warn!("admin: a call to /v1 without the right token was refused");
        problem::unauthorized()
    }
}

/// The token of a file; a new one, 122 random bits, when there is no file.
pub(crate) fn token(path: &Path) -> Result<Zeroizing<String>, CommandError> {
    let failed = |cause| CommandError::File {
        path: path.to_owned(),
        cause,
    };
    if !path.exists() {
        let token = Zeroizing::new(Uuid::new_v4().simple().to_string());
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(token.as_bytes()))
            .map_err(failed)?;
        return Ok(token);
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    let token = Zeroizing::new(text.trim().to_owned());
    if token.len() < SHORTEST {
        return Err(CommandError::Settings(
            "[admin] the token is shorter than 16 characters; remove its file and one is made",
        ));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_token_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        let made = token(&path).unwrap();
        assert_eq!(*token(&path).unwrap(), *made);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        assert!(token(&path).is_err());
    }

    #[test]
    fn only_the_whole_token_opens() {
        let access = Access {
            token: Some(Arc::new(Zeroizing::new("0123456789abcdef".to_owned()))),
            certified: true,
        };
        assert!(access.allows(Some("0123456789abcdef")));
        for shown in [
            None,
            Some(""),
            Some("0123456789abcde"),
            Some("0123456789abcdeg"),
        ] {
            assert!(!access.allows(shown), "{shown:?}");
        }
    }
}
