//! Which client calls: by its token, or by the certificate of its connection.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use liaison_base::tls;
use ring::digest;
use zeroize::Zeroizing;

use crate::GatewayError;
use crate::settings::{HttpScope, HttpSettings};

/// The shortest token taken, in octets: a written-in one must not be guessable.
const SHORTEST: usize = 16;

/// The certificate that a connection showed, DER.
#[derive(Clone)]
pub(super) struct Shown(pub(super) Option<Vec<u8>>);

/// The client of a request.
#[derive(Clone)]
pub(super) struct Caller {
    /// Its name in the settings, for the log and as MSH-3.
    pub(super) name: String,
    /// Stands for MSH-4.
    pub(super) facility: String,
    may: Arc<[HttpScope]>,
}

impl Caller {
    pub(super) fn may(&self, scope: HttpScope) -> bool {
        self.may.contains(&scope)
    }

    #[cfg(test)]
    pub(super) fn made_up() -> Caller {
        Caller {
            name: "DPI".to_owned(),
            facility: "CH-TEST".to_owned(),
            may: Arc::new([HttpScope::Notices]),
        }
    }
}

enum Proof {
    /// SHA-256 of a token: comparing digests tells nothing about the token by its time.
    Token(Vec<u8>),
    Certificate(Vec<u8>),
}

/// The clients of the port.
pub(super) struct Access(Vec<(Proof, Caller)>);

impl Access {
    /// Reads tokens and certificates.
    ///
    /// # Errors
    /// [`GatewayError::Setting`] naming the client that cannot be used.
    pub(super) fn of(settings: &HttpSettings) -> Result<Self, GatewayError> {
        let mut clients = Vec::new();
        for client in &settings.clients {
            let wrong = |cause: &str| GatewayError::Setting {
                key: "hospital.http.client",
                cause: format!("{}: {cause}", client.name),
            };
            let proof = match (&client.token, &client.certificate) {
                (Some(path), None) => {
                    let text = std::fs::read_to_string(path)
                        .map_err(|error| wrong(&format!("{}: {error}", path.display())))?;
                    let text = Zeroizing::new(text);
                    let token = text.trim();
                    if token.len() < SHORTEST {
                        return Err(wrong("the token is shorter than 16 characters"));
                    }
                    Proof::Token(hash(token.as_bytes()))
                }
                (None, Some(path)) => {
                    if settings.anchors.is_none() {
                        return Err(wrong("a client by certificate needs `anchors`"));
                    }
                    let chain = tls::certificates(path)?;
                    let leaf = chain.first().ok_or_else(|| wrong("no certificate"))?;
                    Proof::Certificate(hash(leaf))
                }
                _ => return Err(wrong("give either token or certificate")),
            };
            clients.push((
                proof,
                Caller {
                    name: client.name.clone(),
                    facility: client.facility.clone(),
                    may: client.may.clone().into(),
                },
            ));
        }
        Ok(Self(clients))
    }

    /// Who calls, if somebody known does. A token comes before the connection's certificate.
    pub(super) fn caller(&self, headers: &HeaderMap, shown: &Shown) -> Option<Caller> {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(|token| hash(token.trim().as_bytes()));
        let certificate = shown.0.as_deref().map(hash);
        self.0
            .iter()
            .find(|(proof, _)| match proof {
                Proof::Token(known) => token.as_ref() == Some(known),
                Proof::Certificate(known) => token.is_none() && certificate.as_ref() == Some(known),
            })
            .map(|(_, caller)| caller.clone())
    }
}

fn hash(octets: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, octets).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::HttpClient;
    use std::path::PathBuf;

    fn settings(folder: &std::path::Path, token: &str) -> HttpSettings {
        let path = folder.join("token");
        std::fs::write(&path, token).unwrap();
        HttpSettings {
            revocations: Vec::new(),
            listen: "127.0.0.1:0".parse().unwrap(),
            anchors: None,
            clients: vec![HttpClient {
                name: "DPI".to_owned(),
                facility: "CH-TEST".to_owned(),
                token: Some(path),
                certificate: None,
                may: vec![HttpScope::Fhir],
            }],
        }
    }

    #[test]
    fn only_the_whole_token_of_a_client_opens_and_only_its_scope() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::of(&settings(folder.path(), "0123456789abcdef\n")).unwrap();
        let called = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            access.caller(&headers, &Shown(None))
        };
        let caller = called("Bearer 0123456789abcdef").unwrap();
        assert!(caller.may(HttpScope::Fhir) && !caller.may(HttpScope::Notices));
        for wrong in [
            "",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Basic 0123456789abcdef",
        ] {
            assert!(called(wrong).is_none(), "{wrong}");
        }
        assert!(
            access
                .caller(&HeaderMap::new(), &Shown(Some(vec![1])))
                .is_none()
        );
    }

    #[test]
    fn clients_that_cannot_be_told_apart_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Access::of(&settings(folder.path(), "short")).is_err());
        let mut both = settings(folder.path(), "0123456789abcdef");
        both.clients[0].certificate = Some(PathBuf::from("a.pem"));
        let error = Access::of(&both).err().unwrap().to_string();
        assert!(error.contains("DPI: give either"), "{error}");
        both.clients[0].token = None;
        let error = Access::of(&both).err().unwrap().to_string();
        assert!(error.contains("needs `anchors`"), "{error}");
    }
}
