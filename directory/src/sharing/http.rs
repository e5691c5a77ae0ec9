//! Logs, witnesses and replicas over HTTPS, as their client.

use std::path::Path;
use std::time::Duration;

use liaison_base::tls;
use liaison_mail::port::PortFuture;
use reqwest::{Client, Response, StatusCode, Url, header};

use super::growth::{NotRead, Source};
use super::tile::Part;
use crate::error::DirectoryError;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one part may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server below one address.
#[derive(Debug, Clone)]
pub struct Remote {
    base: Url,
    client: Client,
}

impl Remote {
    /// Prepares to ask the server at `base`, an `https` address, trusting the authorities of a PEM
    /// file and no others. Nothing is sent yet; proxies of the environment are not used, and
    /// redirections are not followed.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`], [`DirectoryError::Base`].
    pub fn new(base: &str, anchors: &Path) -> Result<Self, DirectoryError> {
        let problem = |problem: String| DirectoryError::Sharing {
            what: base.to_owned(),
            problem,
        };
        let mut url = Url::parse(base).map_err(|error| problem(error.to_string()))?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if url.scheme() != "https" || !plain {
            return Err(problem("it must be https://HOST[:PORT][/PATH]".to_owned()));
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls::client(tls::anchors(anchors)?)?)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| problem(error.to_string()))?;
        Ok(Self { base: url, client })
    }

    /// Reads what lies at a path, at most `limit` octets.
    ///
    /// # Errors
    /// [`NotRead`].
    pub async fn get(&self, path: &str, limit: usize) -> Result<Vec<u8>, NotRead> {
        let url = self.base.join(path).map_err(|_| NotRead::Absent)?;
        let response = self.client.get(url).send().await;
        let response = response.map_err(|_| NotRead::Absent)?;
        if response.status() != StatusCode::OK {
            return Err(NotRead::Absent);
        }
        bounded(response, limit).await
    }

    /// Sends a text to a path. Gives the status and at most `limit` octets of the answer.
    ///
    /// # Errors
    /// [`NotRead`].
    pub async fn post(
        &self,
        path: &str,
        body: String,
        limit: usize,
    ) -> Result<(u16, Vec<u8>), NotRead> {
        let url = self.base.join(path).map_err(|_| NotRead::Absent)?;
        let request = self.client.post(url);
        let request = request.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
        let response = request.body(body).send().await;
        let response = response.map_err(|_| NotRead::Absent)?;
        let status = response.status().as_u16();
        Ok((status, bounded(response, limit).await?))
    }
}

impl Source for Remote {
    fn part(&self, part: Part, limit: usize) -> PortFuture<'_, Result<Vec<u8>, NotRead>> {
        Box::pin(async move { self.get(&part.to_string(), limit).await })
    }
}

async fn bounded(mut response: Response, limit: usize) -> Result<Vec<u8>, NotRead> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| NotRead::Absent)? {
        if body.len() + chunk.len() > limit {
            return Err(NotRead::Oversized);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
