//! What both kinds of relay are given: identities, anchors, and messages sealed in earnest.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use liaison_base::tls;
use liaison_certs_dev::{Issued, KeyKind, Territory};
use liaison_smime::{Certificate, Identity, Recipients, SealPolicy, Sealer};
use rustls::ClientConfig;
use tempfile::TempDir;
use time::OffsetDateTime;

/// The members: whoever brings the messages, and the two relays.
pub(crate) const SOURCE: &str = "source.test";
pub(crate) const FIRST: &str = "first.test";
pub(crate) const SECOND: &str = "second.test";

/// The largest size of message, in octets.
pub(crate) const LARGEST: usize = 25 * 1024 * 1024;

pub(crate) struct Material {
    folder: TempDir,
    sizes: Vec<(usize, Arc<[u8]>)>,
    client: Arc<ClientConfig>,
}

impl Material {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Territory::new(OffsetDateTime::now_utc()).unwrap();
        pki.write_root(&folder.path().join("root.pem")).unwrap();
        for domain in [SOURCE, FIRST, SECOND] {
            let identity = pki.member(domain).unwrap().relay_identity().unwrap();
            identity.write(folder.path(), domain).unwrap();
        }
        let path = |name: &str| folder.path().join(name);
        let anchors = tls::anchors(&path("root.pem")).unwrap();
        let chain = path(&format!("{SOURCE}.chain.pem"));
        let identity = tls::Identity::load(&chain, &path(&format!("{SOURCE}.key"))).unwrap();
        let client = tls::relay_client(identity, anchors, Vec::new()).unwrap();
        let sizes = [2_000, 50_000, 5_000_000, LARGEST]
            .map(|size| (size, sealed(&pki, size)))
            .into();
        Self {
            folder,
            sizes,
            client,
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// A member's certificate chain and key.
    pub(crate) fn identity(&self, domain: &str) -> (PathBuf, PathBuf) {
        let path = |suffix: &str| self.folder.path().join(format!("{domain}.{suffix}"));
        (path("chain.pem"), path("key"))
    }

    /// A new folder under the run's own.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let mut path = self.folder.path().join(name);
        while path.exists() {
            path.as_mut_os_string().push("x");
        }
        fs::create_dir(&path).unwrap();
        path
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// A message of about `size` octets, sealed once; `id` makes it another message.
    pub(crate) fn message(&self, size: usize, id: &str) -> Vec<u8> {
        let (_, sealed) = self.sizes.iter().find(|one| one.0 == size).unwrap();
        [
            format!("Message-ID: <{id}@{SOURCE}>\r\n").as_bytes(),
            sealed,
        ]
        .concat()
    }
}

fn person(pki: &Territory, domain: &str, name: &str) -> Issued {
    let address = format!("{name}@{domain}");
    let member = pki.member(domain).unwrap();
    member.smime(&address, name, KeyKind::P256).unwrap()
}

/// Signed and encrypted with P-256 certificates, `size` octets in all, give or take a line.
fn sealed(pki: &Territory, size: usize) -> Arc<[u8]> {
    let sender = person(pki, SOURCE, "sender");
    let recipient = person(pki, SECOND, "recipient");
    let signer = Identity::from_pem(&sender.chain_pem, &sender.key_pkcs8_pem).unwrap();
    let certificate = Certificate::from_pem(&recipient.certificate_pem).unwrap();
    let of = |text: usize| {
        let body =
            "Rien ici ne parle de personne, et la ligne est longue.\r\n".repeat(text / 56 + 1);
        let message = format!(
            "From: <sender@{SOURCE}>\r\nTo: <recipient@{SECOND}>\r\nSubject: banc\r\n\
             Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n{}\r\n",
            &body[..text]
        );
        Sealer::new(SealPolicy::default())
            .sign_with(&signer)
            .seal_to_vec(
                message.as_bytes(),
                &Recipients::blind(certificate.clone()),
                OffsetDateTime::now_utc(),
            )
            .unwrap()
    };
    let least = of(0).len();
    let text = size.saturating_sub(least) * 57 / 78;
    of(text).into()
}
