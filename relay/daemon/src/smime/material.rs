//! Keys, certificates and revocation evidence from the files that the command names.

use std::io::Read as _;
use std::path::Path;

use liaison_smime::{
    Certificate, Crl, Identities, Identity, MaterialError, OcspResponse, PrivateKey, TrustStore,
    identities_from_pkcs12,
};
use zeroize::Zeroizing;

use super::{Fault, Identity as IdentityArguments, Trust};

/// Octets of a file of keys or certificates, at most.
const MATERIAL: u64 = 4 * 1024 * 1024;
/// Octets of a revocation list, at most.
const LIST: u64 = 64 * 1024 * 1024;

impl IdentityArguments {
    /// Every identity given, in the order of the arguments.
    pub(super) fn load(&self) -> Result<Vec<Identity>, Fault> {
        if self.key.len() != self.cert.len() {
            return Err(Fault::Usage(
                "give one --cert for each --key, in the same order",
            ));
        }
        let mut passphrase = Passphrase::new(self);
        let mut found = Vec::new();
        for (key, certificate) in self.key.iter().zip(&self.cert) {
            let private = passphrase.with(key, |octets, passphrase| match pem_text(octets) {
                Some(text) => PrivateKey::from_pem(text, passphrase),
                None => match PrivateKey::from_pkcs8_der(octets) {
                    Err(MaterialError::PrivateKey(_)) => match passphrase {
                        Some(text) => PrivateKey::from_encrypted_pkcs8_der(octets, text),
                        None => Err(MaterialError::PassphraseMissing),
                    },
                    read => read,
                },
            })?;
            let mut chain = certificates(certificate)?.into_iter();
            let own = chain
                .next()
                .ok_or_else(|| Fault::file(certificate, "no certificate"))?;
            let identity = Identity::new(own, chain.collect(), private);
            found.push(identity.map_err(|e| Fault::file(key, e))?);
        }
        for file in &self.p12 {
            found.extend(
                passphrase.with(file, |octets, passphrase| match passphrase {
                    Some(passphrase) => identities_from_pkcs12(octets, passphrase),
                    None => Err(MaterialError::PassphraseMissing),
                })?,
            );
        }
        Ok(found)
    }

    /// As a ring to decrypt with.
    pub(super) fn ring(&self) -> Result<Identities, Fault> {
        let identities = self.load()?;
        Ok(identities
            .into_iter()
            .fold(Identities::new(), Identities::with))
    }
}

/// The passphrase, found when it is first needed.
struct Passphrase<'a> {
    from: &'a IdentityArguments,
    known: Option<Zeroizing<String>>,
}

impl<'a> Passphrase<'a> {
    fn new(from: &'a IdentityArguments) -> Self {
        Self { from, known: None }
    }

    /// Reads `path` without a passphrase, and with one if it needs one.
    fn with<T>(
        &mut self,
        path: &Path,
        read: impl Fn(&[u8], Option<&str>) -> Result<T, MaterialError>,
    ) -> Result<T, Fault> {
        let octets = Zeroizing::new(bounded(path, MATERIAL)?);
        match read(&octets, None) {
            Err(MaterialError::PassphraseMissing) => {}
            other => return other.map_err(|e| Fault::file(path, e)),
        }
        if self.known.is_none() {
            self.known = Some(self.find(path)?);
        }
        let passphrase = self.known.as_deref().map(String::as_str);
        read(&octets, passphrase).map_err(|e| Fault::file(path, e))
    }

    fn find(&self, path: &Path) -> Result<Zeroizing<String>, Fault> {
        if let Some(name) = &self.from.passphrase_env {
            return std::env::var(name)
                .map(Zeroizing::new)
                .map_err(|_| Fault::Usage("the variable of --passphrase-env is not set"));
        }
        if let Some(file) = &self.from.passphrase_file {
            let octets = Zeroizing::new(bounded(file, MATERIAL)?);
            let text = std::str::from_utf8(&octets)
                .map_err(|_| Fault::file(file, "the passphrase is not UTF-8"))?;
            let line = text.lines().next().unwrap_or_default();
            return Ok(Zeroizing::new(line.to_owned()));
        }
        let prompt = format!("Passphrase of {}: ", path.display());
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|_| {
                Fault::Usage(
                    "a passphrase is needed and there is no terminal to ask: give --passphrase-env \
                     or --passphrase-file",
                )
            })
    }
}

impl Trust {
    /// The trust store of the arguments.
    pub(super) fn store(&self) -> Result<TrustStore, Fault> {
        let mut store = TrustStore::new();
        for file in &self.trust {
            for anchor in certificates(file)? {
                store = store.with_anchor(anchor);
            }
        }
        for file in &self.chain {
            for certificate in certificates(file)? {
                store = store.with_intermediate(certificate);
            }
        }
        for file in &self.crl {
            let octets = bounded(file, LIST)?;
            let read = match pem_text(&octets) {
                Some(text) => Crl::all_from_pem(text),
                None => Crl::from_der(&octets).map(|crl| vec![crl]),
            };
            for crl in read.map_err(|e| Fault::file(file, e))? {
                store = store.with_crl(crl);
            }
        }
        for file in &self.ocsp {
            let octets = bounded(file, MATERIAL)?;
            let response = OcspResponse::from_der(&octets).map_err(|e| Fault::file(file, e))?;
            store = store.with_ocsp_response(response);
        }
        Ok(store)
    }
}

/// The certificates of a file: PEM with any number of them, or one in DER.
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, Fault> {
    let octets = bounded(path, MATERIAL)?;
    match pem_text(&octets) {
        Some(text) => Certificate::all_from_pem(text),
        None => Certificate::from_der(&octets).map(|certificate| vec![certificate]),
    }
    .map_err(|e| Fault::file(path, e))
}

fn pem_text(octets: &[u8]) -> Option<&str> {
    std::str::from_utf8(octets)
        .ok()
        .filter(|text| text.contains("-----BEGIN "))
}

/// A file of at most `limit` octets.
fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Fault> {
    let file = std::fs::File::open(path).map_err(|e| Fault::file(path, e))?;
    let mut octets = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut octets)
        .map_err(|e| Fault::file(path, e))?;
    if octets.len() as u64 > limit {
        return Err(Fault::file(path, format!("longer than {limit} octets")));
    }
    Ok(octets)
}
