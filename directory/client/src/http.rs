//! The directory over HTTPS.

use std::time::Duration;

use liaison_mail::Domain;
use liaison_mail::port::PortFuture;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;

use crate::{Lookup, LookupError, Problem, ProblemKind, Query, RelayEndpoint, Resolution};

/// The longest answer that is read: some hundred candidates with their certificates.
const MAX_ANSWER: usize = 1024 * 1024;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a whole question may take; a message waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks a directory over HTTPS: `POST /v1/resolve`, `GET /v1/relays/by-domain/{domain}` and
/// `GET /v1/relays/by-name/{name}`. Put a [`crate::Client`] before it.
#[derive(Debug, Clone)]
pub struct HttpLookup {
    base: Url,
    client: reqwest::Client,
}

impl HttpLookup {
    /// Prepares to ask the directory at `base`, for example `https://directory.ch.test:8443`,
    /// trusting the roots of `tls` and no others. Nothing is sent yet.
    ///
    /// Proxies of the environment are not used, and redirections are not followed.
    ///
    /// # Errors
    /// [`LookupError::Settings`] when `base` is not an `https` address or holds more than a host,
    /// a port and a path.
    pub fn new(base: &str, tls: rustls::ClientConfig) -> Result<Self, LookupError> {
        let mut base =
            Url::parse(base).map_err(|error| LookupError::Settings(error.to_string()))?;
        let plain = base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        if base.scheme() != "https" || !plain {
            return Err(LookupError::Settings(
                "its address must be https://HOST[:PORT][/PATH]".to_owned(),
            ));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| LookupError::Settings(causes(&error)))?;
        Ok(Self { base, client })
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, LookupError> {
        let url = self
            .base
            .join(path)
            .map_err(|error| LookupError::Settings(error.to_string()))?;
        Ok(self.client.request(method, url))
    }

    async fn relay(&self, path: String) -> Result<Option<RelayEndpoint>, LookupError> {
        match ask(self.request(Method::GET, &path)?).await? {
            Answer::Good(body) => decoded(&body).map(Some),
            Answer::Problem(status, problem) => match problem {
                Some(problem) if problem.kind == ProblemKind::NoSuchRelay => Ok(None),
                problem => Err(refusal(status, problem)),
            },
        }
    }
}

impl Lookup for HttpLookup {
    fn resolve<'a>(&'a self, query: &'a Query) -> PortFuture<'a, Result<Resolution, LookupError>> {
        Box::pin(async move {
            let request = self.request(Method::POST, "v1/resolve")?.json(query);
            match ask(request).await? {
                Answer::Good(body) => decoded(&body),
                Answer::Problem(status, problem) => Err(refusal(status, problem)),
            }
        })
    }

    fn relay_of<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(self.relay(format!("v1/relays/by-domain/{domain}")))
    }

    fn peer<'a>(
        &'a self,
        server_name: &'a str,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move {
            // Parsed first: only letters, digits, hyphens and dots may enter the path.
            match Domain::parse(server_name) {
                Ok(name) => self.relay(format!("v1/relays/by-name/{name}")).await,
                Err(_) => Ok(None),
            }
        })
    }
}

enum Answer {
    Good(Vec<u8>),
    Problem(StatusCode, Option<Problem>),
}

async fn ask(request: RequestBuilder) -> Result<Answer, LookupError> {
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let media_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default();
    let body = bounded_body(response).await?;
    if status == StatusCode::OK {
        return if media_type == "application/json" {
            Ok(Answer::Good(body))
        } else {
            Err(LookupError::Protocol("not JSON".to_owned()))
        };
    }
    let problem = (media_type == crate::PROBLEM_MEDIA_TYPE)
        .then(|| serde_json::from_slice(&body).ok())
        .flatten();
    Ok(Answer::Problem(status, problem))
}

async fn bounded_body(mut response: Response) -> Result<Vec<u8>, LookupError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(LookupError::Protocol("longer than 1 MiB".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn decoded<T: DeserializeOwned>(body: &[u8]) -> Result<T, LookupError> {
    serde_json::from_slice(body).map_err(|error| LookupError::Protocol(error.to_string()))
}

/// What a status other than 200 means for the caller. Only a problem with the question itself is
/// final: a missing page, for example, means that something else than a directory listens there.
fn refusal(status: StatusCode, problem: Option<Problem>) -> LookupError {
    let status_code = status.as_u16();
    let later = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
    match problem {
        _ if later => LookupError::Unavailable {
            status: status_code,
        },
        Some(Problem {
            kind: ProblemKind::BadRequest | ProblemKind::TooLarge,
            detail,
            ..
        }) => LookupError::Refused {
            status: status_code,
            detail,
        },
        Some(problem) => LookupError::Protocol(problem.title),
        None => LookupError::Protocol(format!("HTTP {status_code} without a problem document")),
    }
}

fn unreachable(error: reqwest::Error) -> LookupError {
    // The URL would name the relay or the domain asked for.
    LookupError::Unreachable(causes(&error.without_url()))
}

/// An error with its causes: reqwest's own text alone does not tell a refused certificate from a
/// refused connection.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn tls() -> rustls::ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    }

    #[test]
    fn only_an_https_address_is_taken() {
        assert!(HttpLookup::new("https://directory.ch.test:8443", tls()).is_ok());
        for base in [
            "",
            "directory.ch.test",
            "http://directory.ch.test",
            "https://user:password@directory.ch.test",
            "https://directory.ch.test/?q",
        ] {
            let error = HttpLookup::new(base, tls()).unwrap_err();
            assert!(!error.is_retryable(), "{base}: {error}");
        }
    }

    #[tokio::test]
    async fn a_certificates_name_that_is_no_domain_is_not_sent() {
        let lookup = HttpLookup::new("https://127.0.0.1:1", tls()).unwrap();
        assert!(matches!(lookup.peer("../../v1/x?y").await, Ok(None)));
        assert!(matches!(lookup.peer("").await, Ok(None)));
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_its_error_does_not_tell_the_question() {
        let lookup = HttpLookup::new("https://127.0.0.1:1", tls()).unwrap();
        let domain = Domain::parse("secret.test").unwrap();
        let error = lookup.relay_of(&domain).await.unwrap_err();
        assert!(error.is_retryable());
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
