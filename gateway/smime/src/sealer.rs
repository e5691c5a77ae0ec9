//! Sending: header protection, then a signature, then encryption.

use aws_lc_rs::rand;
use time::OffsetDateTime;

use crate::SealError;
use crate::certificate::Certificate;
use crate::cms::encrypt::auth_enveloped_data;
use crate::cms::sign::{self, Form, signed_data};
use crate::header_protection::{self, Protected};
use crate::key::Identity;
use crate::limits::Limits;
use crate::mime::base64_lines;
use crate::post_quantum::MlKem;
use crate::verdict::binding;

/// How a signature travels inside the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SignatureForm {
    /// multipart/signed: a client that decrypts but cannot verify still shows the content.
    #[default]
    Detached,
    /// application/pkcs7-mime, `signed-data`: the content inside the CMS object.
    Opaque,
}

/// What sealing may vary. The default is what every S/MIME 4.0 receiver must understand.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SealPolicy {
    /// Detached by default.
    pub signature_form: SignatureForm,
    /// Sign with RSASSA-PSS where the key is RSA. Off: RFC 8551 makes PKCS#1 v1.5 the scheme
    /// that all must verify, and older clients know only that.
    pub rsa_pss: bool,
    /// Seal to ML-KEM certificates (RFC 9936). Off: set it for a partner whose client is known
    /// to read `KEMRecipientInfo`; one that does not cannot open the message at all.
    pub ml_kem: bool,
    /// Bounds on what is sealed.
    pub limits: Limits,
}

/// Seals messages.
///
/// Two sealed messages never share a content key or a nonce, even if their content and
/// recipients are the same. A blind recipient gets an envelope of its own: the entries of one
/// envelope tell its recipients of one another.
#[derive(Debug)]
pub struct Sealer<'a> {
    policy: SealPolicy,
    signer: Option<&'a Identity>,
}

impl<'a> Sealer<'a> {
    /// A sealer that encrypts without signing: for a message that its author's own client has
    /// signed. Add [`Sealer::sign_with`] for any other.
    #[must_use]
    pub fn new(policy: SealPolicy) -> Self {
        Self {
            policy,
            signer: None,
        }
    }

    /// Signs as `identity` before encrypting.
    #[must_use]
    pub fn sign_with(mut self, identity: &'a Identity) -> Self {
        self.signer = Some(identity);
        self
    }

    /// Seals one message for all of `recipients`.
    ///
    /// `message` is a complete RFC 5322 message, header section and body. Its body is signed as
    /// it is, except that bare LF becomes CRLF; Bcc is removed; its other fields go inside, a few
    /// are repeated outside (see the crate's documentation). `signing_time` is what the signature
    /// claims. The result is a complete message, 7-bit, CRLF line endings.
    ///
    /// # Errors
    /// [`SealError`]; nothing was sealed then. The recipients' trust is not checked here: ask
    /// [`TrustStore::check_recipient`](crate::TrustStore::check_recipient) first.
    pub fn seal(
        &self,
        message: &[u8],
        recipients: &[Certificate],
        signing_time: OffsetDateTime,
    ) -> Result<Vec<u8>, SealError> {
        self.check(message, recipients)?;
        let Protected {
            payload,
            outer,
            from,
        } = header_protection::protect(message, &self.policy.limits)?;
        let entity = match self.signer {
            Some(identity) => self.sign(identity, payload, &from, signing_time)?,
            None => payload,
        };
        let envelope = auth_enveloped_data(entity, recipients)?;
        let mut sealed = Vec::with_capacity(outer.len() + envelope.len() * 78 / 57 + 512);
        sealed.extend_from_slice(&outer);
        sealed.extend_from_slice(
            b"MIME-Version: 1.0\r\n\
              Content-Type: application/pkcs7-mime;\r\n smime-type=authEnveloped-data;\r\n name=\"smime.p7m\"\r\n\
              Content-Transfer-Encoding: base64\r\n\
              Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n",
        );
        base64_lines(&envelope, &mut sealed);
        Ok(sealed)
    }

    fn check(&self, message: &[u8], recipients: &[Certificate]) -> Result<(), SealError> {
        let limits = &self.policy.limits;
        if message.len() > limits.message_octets {
            let limit = limits.message_octets;
            return Err(SealError::TooLarge {
                what: "octets of a message",
                limit,
            });
        }
        if recipients.is_empty() {
            return Err(SealError::NoRecipients);
        }
        if recipients.len() > limits.recipients {
            let limit = limits.recipients;
            return Err(SealError::TooLarge {
                what: "recipients",
                limit,
            });
        }
        for (index, recipient) in recipients.iter().enumerate() {
            if let Some(reason) = recipient.reception_fault() {
                return Err(SealError::Recipient { index, reason });
            }
            if !self.policy.ml_kem && MlKem::of_kind(recipient.public_key_kind()).is_some() {
                let reason = "the policy does not send to ML-KEM keys";
                return Err(SealError::Recipient { index, reason });
            }
        }
        let Some(identity) = self.signer else {
            return Ok(());
        };
        if !identity.key().signs() {
            return Err(SealError::Signer("its key only decrypts"));
        }
        if !identity.certificate().may_sign() {
            return Err(SealError::Signer("its key usage lacks digitalSignature"));
        }
        if !identity.certificate().is_for_mail() {
            return Err(SealError::Signer(
                "its extended key usage lacks emailProtection",
            ));
        }
        Ok(())
    }

    fn sign(
        &self,
        identity: &Identity,
        payload: Vec<u8>,
        from: &[String],
        signing_time: OffsetDateTime,
    ) -> Result<Vec<u8>, SealError> {
        // A signature that every receiver would call invalid is not worth sending.
        let [address] = from else {
            return Err(SealError::Malformed("From names several addresses"));
        };
        if binding(identity.certificate(), address, true).is_none() {
            return Err(SealError::SignerAddress);
        }
        let pss = self.policy.rsa_pss;
        match self.policy.signature_form {
            SignatureForm::Opaque => {
                let object = signed_data(identity, &payload, Form::Opaque, signing_time, pss)?;
                Ok(opaque_entity(&object))
            }
            SignatureForm::Detached => {
                let object = signed_data(identity, &payload, Form::Detached, signing_time, pss)?;
                let micalg = sign::digest(identity, pss).micalg();
                detached_entity(&payload, &object, micalg)
            }
        }
    }
}

fn opaque_entity(object: &[u8]) -> Vec<u8> {
    let mut entity = Vec::with_capacity(object.len() * 78 / 57 + 256);
    entity.extend_from_slice(
        b"Content-Type: application/pkcs7-mime;\r\n smime-type=signed-data;\r\n name=\"smime.p7m\"\r\n\
          Content-Transfer-Encoding: base64\r\n\
          Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n",
    );
    base64_lines(object, &mut entity);
    entity
}

/// multipart/signed (RFC 8551 §3.5.3) around a payload.
fn detached_entity(payload: &[u8], object: &[u8], micalg: &str) -> Result<Vec<u8>, SealError> {
    let mut random = [0u8; 16];
    rand::fill(&mut random).map_err(|_| SealError::Crypto("random octets"))?;
    // "=_" occurs neither in base64 nor in quoted-printable (RFC 2045 §6.7).
    let boundary = format!("=_{:032x}", u128::from_be_bytes(random));
    let mut entity = Vec::with_capacity(payload.len() + object.len() * 78 / 57 + 768);
    entity.extend_from_slice(
        format!(
            "Content-Type: multipart/signed;\r\n protocol=\"application/pkcs7-signature\";\r\n \
             micalg=\"{micalg}\";\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
        )
        .as_bytes(),
    );
    entity.extend_from_slice(payload);
    entity.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
        )
        .as_bytes(),
    );
    base64_lines(object, &mut entity);
    entity.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(entity)
}
