//! Which certificate signs for which address, and which keys open for it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use liaison_mail::{Address, Body};
use liaison_smime::{
    Certificate, Crl, Identities as Ring, Identity, OpenPolicy, Opened, Opener, PrivateKey,
    Recipients, Refusal, SealPolicy, Sealer, Spool, TrustStore,
};
use time::OffsetDateTime;

use crate::GatewayError;
use crate::partners::Way;
use crate::settings::{IdentitySettings, PartnerForm, Settings};

/// The S/MIME identities of a site and what it trusts.
pub struct Identities {
    by_address: HashMap<Address, Member>,
    trust: TrustStore,
    policy: OpenPolicy,
}

/// The identities of one address. Old ones stay, so that a renewal never makes mail unreadable;
/// the first of the settings signs.
struct Member {
    name: String,
    signer: Arc<Identity>,
    ring: Ring,
}

impl Identities {
    /// Loads what the settings name.
    ///
    /// # Errors
    /// [`GatewayError::Identity`] naming the address or the file that cannot be used.
    pub fn load(settings: &Settings) -> Result<Self, GatewayError> {
        let mut by_address: HashMap<Address, Member> = HashMap::new();
        for one in &settings.identities {
            let identity = Arc::new(load_identity(one)?);
            by_address
                .entry(one.address.clone())
                .and_modify(|member| {
                    member.ring = member.ring.clone().with(Arc::clone(&identity));
                })
                .or_insert_with(|| Member {
                    name: one.name.clone(),
                    ring: Ring::new().with(Arc::clone(&identity)),
                    signer: identity,
                });
        }
        Ok(Self {
            by_address,
            trust: load_trust(settings)?,
            policy: OpenPolicy::default(),
        })
    }

    /// Whether this gateway can sign as `address`.
    pub fn signs_for(&self, address: &Address) -> bool {
        self.by_address.contains_key(address)
    }

    /// The name that the settings give an address.
    pub fn name_of(&self, address: &Address) -> Option<String> {
        Some(self.by_address.get(address)?.name.clone())
    }

    /// Whether mail for `address` may be encrypted to this certificate (DER): it names the
    /// address, and an authority that this site trusts vouches for it.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn check_recipient(
        &self,
        der: &[u8],
        address: &Address,
        now: OffsetDateTime,
    ) -> Result<(), String> {
        let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
        let named = certificate.addresses();
        if !named
            .iter()
            .any(|name| Address::parse(name).as_ref() == Ok(address))
        {
            return Err("the certificate does not name the address".to_owned());
        }
        self.trust
            .check_recipient(&certificate, &[], now)
            .map(|_| ())
            .map_err(|fault| fault.to_string())
    }

    /// Signs as `from` and seals for the holders of these certificates (DER), which
    /// [`Identities::check_recipient`] has approved, in the way that they want. That a key is of
    /// ML-KEM was chosen with its certificate.
    ///
    /// # Errors
    /// [`GatewayError::Identity`] when this gateway has no key of `from` or the message cannot be
    /// sealed.
    pub fn seal(
        &self,
        from: &Address,
        inner: &[u8],
        (certificates, way): (&[Vec<u8>], Way),
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, GatewayError> {
        let member = self.by_address.get(from).ok_or_else(|| no_identity(from))?;
        let recipients = certificates
            .iter()
            .map(|der| Certificate::from_der(der))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| GatewayError::Identity {
                address: format!("recipient of {from}"),
                cause: error.to_string(),
            })?;
        let mut policy = SealPolicy::default();
        policy.ml_kem = true;
        policy.profile = way.form.into();
        let mut recipients = Recipients::visible(recipients);
        if way.only_cbc {
            recipients = recipients.reading_only_cbc();
        }
        // gemSMIME_KOMLE: the sender can open what it sent.
        if way.form == PartnerForm::Kim {
            recipients = recipients.and_sender(member.signer.certificate().clone());
        }
        Sealer::new(policy)
            .sign_with(member.signer.as_ref())
            .seal_to_vec(inner, &recipients, now)
            .map_err(|error| GatewayError::Identity {
                address: from.to_string(),
                cause: error.to_string(),
            })
    }

    /// Opens a message with the keys of `recipient` and no others: what was sealed for somebody
    /// else at this site stays closed. `None` when this gateway holds no key of the recipient,
    /// whose own client then does.
    pub fn open(
        &self,
        recipient: &Address,
        message: Body,
        now: OffsetDateTime,
    ) -> Option<Result<Opened<'static>, Refusal>> {
        let member = self.by_address.get(recipient)?;
        let message = match message {
            Body::Held(octets) => Spool::from(octets),
            // Read as it is opened, piece by piece.
            Body::Kept(_) => Spool::file(message.reader()),
        };
        Some(Opener::new(&self.policy, &member.ring, &self.trust).open(message, now))
    }
}

fn no_identity(address: &Address) -> GatewayError {
    GatewayError::Identity {
        address: address.to_string(),
        cause: "no [[gateway.identity]] for this address".to_owned(),
    }
}

fn load_identity(settings: &IdentitySettings) -> Result<Identity, GatewayError> {
    let failed = |cause: String| GatewayError::Identity {
        address: settings.address.to_string(),
        cause,
    };
    let chain = read(&settings.certificate).map_err(failed)?;
    let mut chain = Certificate::all_from_pem(&chain).map_err(|e| failed(e.to_string()))?;
    if chain.is_empty() {
        return Err(failed("the certificate file is empty".to_owned()));
    }
    let certificate = chain.remove(0);
    let key = zeroize::Zeroizing::new(read(&settings.key).map_err(failed)?);
    let key = PrivateKey::from_pkcs8_pem(&key).map_err(|e| failed(e.to_string()))?;
    Identity::new(certificate, chain, key).map_err(|e| failed(e.to_string()))
}

fn load_trust(settings: &Settings) -> Result<TrustStore, GatewayError> {
    let failed = |path: &Path, cause: String| GatewayError::Setting {
        key: "anchors or revocations",
        cause: format!("{}: {cause}", path.display()),
    };
    let text = read(&settings.anchors).map_err(|cause| failed(&settings.anchors, cause))?;
    let mut trust = TrustStore::new();
    let anchors =
        Certificate::all_from_pem(&text).map_err(|e| failed(&settings.anchors, e.to_string()))?;
    for certificate in anchors {
        // The file may also hold intermediates, which help to find a path and are not trusted by
        // themselves.
        trust = if certificate.subject_der() == certificate.issuer_der() {
            trust.with_anchor(certificate)
        } else {
            trust.with_intermediate(certificate)
        };
    }
    for path in &settings.revocations {
        let text = read(path).map_err(|cause| failed(path, cause))?;
        trust = trust.with_crl(Crl::from_pem(&text).map_err(|e| failed(path, e.to_string()))?);
    }
    Ok(trust)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", path.display()))
}
