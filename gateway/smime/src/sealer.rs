//! Sending: header protection, then a signature, then encryption.
//!
//! Two passes over the message: one to know its digest and its length, one to write. Nothing of
//! its size is held in between.

use std::io::Write;

use time::OffsetDateTime;

use crate::SealError;
use crate::algorithm::SignatureScheme;
use crate::certificate::Certificate;
use crate::cms::encrypt::{self, Envelope, ToEncrypt};
use crate::cms::enveloped::ContentCipher;
use crate::cms::sign::{ToSign, signed_data};
use crate::cms::signed::Hashing;
use crate::header_protection::{self, Protected};
use crate::key::Signer;
use crate::limits::Limits;
use crate::mime::{Entity, read_section};
use crate::post_quantum::MlKem;
use crate::recipients::Recipients;
use crate::spool::Spool;
use crate::stream::{Base64Writer, Fault, Step, View, canonicalize, drain, encoded_len};
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

/// What a partner's software wants a message to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// S/MIME 4.0 with header protection (RFC 8551, RFC 9788): for everybody who does not ask for
    /// another.
    #[default]
    Rfc9788,
    /// The whole message inside, as message/rfc822 (RFC 8551 §3.1): what Direct demands (United
    /// States, 45 CFR 170.315(h)(1)).
    WrappedRfc822,
    /// KIM (Germany, gemSMIME_KOMLE): wrapped, signed opaquely by one certificate alone, keys
    /// transported by RSA to every recipient and to the sender, whose certificates' addresses
    /// stand in the envelope and under the signature.
    KomLe,
}

/// What sealing may vary. The default is what every S/MIME 4.0 receiver must understand.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SealPolicy {
    /// Detached by default; [`Profile::KomLe`] is always opaque.
    pub signature_form: SignatureForm,
    /// Sign with RSASSA-PSS where the key is RSA. Off: RFC 8551 makes PKCS#1 v1.5 the scheme
    /// that all must verify, and older clients know only that.
    pub rsa_pss: bool,
    /// Seal to ML-KEM certificates (RFC 9936). Off: set it for a partner whose client is known
    /// to read `KEMRecipientInfo`; one that does not cannot open the message at all.
    pub ml_kem: bool,
    /// What the partner wants.
    pub profile: Profile,
    /// Bounds on what is sealed.
    pub limits: Limits,
}

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealReport {
    /// Octets written.
    pub octets: u64,
    /// Cipher of the content.
    pub cipher: ContentCipher,
    /// How the content was signed, if it was.
    pub signature: Option<SignatureScheme>,
}

/// Seals messages.
///
/// Two sealed messages never share a content key or a nonce, even if their content and
/// recipients are the same. A blind recipient gets an envelope of its own: the entries of one
/// envelope tell its recipients of one another (see [`Recipients`]).
pub struct Sealer<'a> {
    policy: SealPolicy,
    signer: Option<&'a dyn Signer>,
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

    /// Signs as `signer`, an [`Identity`](crate::Identity) for example, before encrypting.
    #[must_use]
    pub fn sign_with(mut self, signer: &'a dyn Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Seals one message for all of `recipients`, and writes it to `out`.
    ///
    /// `message` is a complete RFC 5322 message, header section and body, in memory or in a file.
    /// Its body is signed as it is, except that bare LF becomes CRLF; Bcc is removed; its other
    /// fields go inside, a few are repeated outside (see the crate's documentation).
    /// `signing_time` is what the signature claims. The result is a complete message, 7-bit, CRLF
    /// line endings. It comes in chunks of at most some tens of KiB; memory does not grow with
    /// the message.
    ///
    /// # Errors
    /// [`SealError`]; what was written, if anything, is to be thrown away then. The recipients'
    /// trust is not checked here: ask
    /// [`TrustStore::check_recipient`](crate::TrustStore::check_recipient) first.
    pub fn seal<'m>(
        &self,
        message: impl Into<Spool<'m>>,
        recipients: &Recipients,
        signing_time: OffsetDateTime,
        out: &mut dyn Write,
    ) -> Result<SealReport, SealError> {
        let limits = &self.policy.limits;
        let mut spool = message.into();
        if spool.size()? > limits.message_octets as u64 {
            let limit = limits.message_octets;
            return Err(SealError::TooLarge {
                what: "octets of a message",
                limit,
            });
        }
        self.check_recipients(recipients)?;
        let scheme = self.signer.map(|s| self.check_signer(s)).transpose()?;
        let section = read_section(&mut *View::whole().open(&mut spool)?, limits)?;
        let entity = Entity::read(&section, limits)?;
        let protected = header_protection::protect(&entity, self.policy.profile)?;
        self.check_addresses(&protected.from, recipients)?;
        let all = recipients.all();
        let emails = match self.policy.profile {
            Profile::KomLe => Some(recipient_emails(&all)?),
            _ => None,
        };
        let message = Message::measure(&mut spool, &section, protected, scheme)?;
        let content = match (self.signer, scheme) {
            (Some(signer), Some(scheme)) => {
                self.sign(&message, (signer, scheme), signing_time, emails.as_deref())?
            }
            _ => Content::unsigned(),
        };
        let mut counted = Counted { out, octets: 0 };
        counted
            .write_all(&message.protected.outer)
            .map_err(failed)?;
        counted
            .write_all(&self.envelope_head(recipients))
            .map_err(failed)?;
        let octets = usize::try_from(content.octets(&message))
            .map_err(|_| SealError::Malformed("longer than this machine can count"))?;
        let to_encrypt = ToEncrypt {
            recipients: &all,
            cbc: recipients.is_cbc_only(),
            content_octets: octets,
            recipient_emails: emails.as_deref(),
        };
        let base64 = Base64Writer::new(&mut counted, octets.saturating_add(2048));
        let mut envelope = Envelope::begin(&to_encrypt, base64)?;
        content.write(&message, &mut spool, &mut envelope)?;
        envelope.finish()?.finish().map_err(failed)?;
        Ok(SealReport {
            octets: counted.octets,
            cipher: match recipients.is_cbc_only() {
                true => ContentCipher::Aes256Cbc,
                false => ContentCipher::Aes256Gcm,
            },
            signature: scheme,
        })
    }

    /// [`Sealer::seal`] into memory: for messages that fit there.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub fn seal_to_vec<'m>(
        &self,
        message: impl Into<Spool<'m>>,
        recipients: &Recipients,
        signing_time: OffsetDateTime,
    ) -> Result<Vec<u8>, SealError> {
        let mut spool = message.into();
        // Base64 twice, for a signature that is opaque.
        let room = usize::try_from(spool.size()?).unwrap_or_default();
        let mut sealed = Vec::with_capacity(room / 2 * 3 + 8192);
        self.seal(spool, recipients, signing_time, &mut sealed)?;
        Ok(sealed)
    }

    fn check_recipients(&self, recipients: &Recipients) -> Result<(), SealError> {
        let limit = self.policy.limits.recipients;
        let all = recipients.all();
        if recipients.is_empty() {
            return Err(SealError::NoRecipients);
        }
        if all.len() > limit {
            return Err(SealError::TooLarge {
                what: "recipients",
                limit,
            });
        }
        if recipients.is_cbc_only() && self.signer.is_none() {
            return Err(SealError::UnsignedCbc);
        }
        for (index, recipient) in all.iter().enumerate() {
            let refused = |reason| Err(SealError::Recipient { index, reason });
            if let Some(reason) = recipient.reception_fault() {
                return refused(reason);
            }
            if !self.policy.ml_kem && MlKem::of_kind(recipient.public_key_kind()).is_some() {
                return refused("the policy does not send to ML-KEM keys");
            }
            if self.policy.profile == Profile::KomLe
                && !matches!(recipient.public_key_kind(), crate::PublicKeyKind::Rsa(_))
            {
                return refused("KIM transports keys, by RSA alone");
            }
        }
        Ok(())
    }

    fn check_signer(&self, signer: &dyn Signer) -> Result<SignatureScheme, SealError> {
        let certificate = signer.certificate();
        let scheme = SignatureScheme::for_key(certificate.public_key_kind(), self.policy.rsa_pss)
            .ok_or(SealError::Signer("its key only decrypts"))?;
        if !certificate.may_sign() {
            return Err(SealError::Signer("its key usage lacks digitalSignature"));
        }
        if !certificate.is_for_mail() {
            return Err(SealError::Signer(
                "its extended key usage lacks emailProtection",
            ));
        }
        Ok(scheme)
    }

    fn check_addresses(&self, from: &[String], recipients: &Recipients) -> Result<(), SealError> {
        let kim = self.policy.profile == Profile::KomLe;
        if kim && (self.signer.is_none() || recipients.is_cbc_only()) {
            return Err(SealError::Profile(
                "KIM messages are signed, and never AES-CBC",
            ));
        }
        if kim && !recipients.has_sender() {
            return Err(SealError::Profile(
                "KIM messages are sealed for their sender too: Recipients::and_sender",
            ));
        }
        let Some(signer) = self.signer else {
            return Ok(());
        };
        // A signature that every receiver would call invalid is not worth sending.
        let [address] = from else {
            return Err(SealError::Malformed("From names several addresses"));
        };
        if binding(signer.certificate(), address, true).is_none() {
            return Err(SealError::SignerAddress);
        }
        Ok(())
    }

    /// The MIME fields of the sealed message, and the blank line.
    fn envelope_head(&self, recipients: &Recipients) -> Vec<u8> {
        let kind = match self.policy.profile {
            _ if recipients.is_cbc_only() => "enveloped-data",
            // gemSMIME_KOMLE spells it out.
            Profile::KomLe => "authenticated-enveloped-data",
            _ => "authEnveloped-data",
        };
        format!(
            "MIME-Version: 1.0\r\n\
             Content-Type: application/pkcs7-mime;\r\n smime-type={kind};\r\n name=\"smime.p7m\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n"
        )
        .into_bytes()
    }

    fn sign(
        &self,
        message: &Message,
        (signer, scheme): (&dyn Signer, SignatureScheme),
        signing_time: OffsetDateTime,
        recipient_emails: Option<&[u8]>,
    ) -> Result<Content, SealError> {
        let kim = self.policy.profile == Profile::KomLe;
        let opaque = kim || self.policy.signature_form == SignatureForm::Opaque;
        let octets = usize::try_from(message.payload_octets())
            .map_err(|_| SealError::Malformed("longer than this machine can count"))?;
        let (before, after) = signed_data(&ToSign {
            signer,
            scheme,
            content_digest: &message.digest,
            content_octets: opaque.then_some(octets),
            signing_time,
            recipient_emails,
            // gemSMIME_KOMLE: the signer's certificate alone.
            with_chain: !kim,
        })?;
        if opaque {
            return Ok(Content::opaque(before, after));
        }
        Content::detached(&before, scheme.digest().micalg(), &message.digest)
    }
}

impl std::fmt::Debug for Sealer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("policy", &self.policy)
            .field("signer", &self.signer.map(Signer::certificate))
            .finish()
    }
}

fn recipient_emails(recipients: &[&Certificate]) -> Result<Vec<u8>, SealError> {
    encrypt::recipient_emails(recipients).ok_or(SealError::Profile(
        "a KIM recipient's certificate names no address",
    ))
}

fn failed(error: std::io::Error) -> SealError {
    SealError::Spool(error.kind())
}

/// A message after the first pass.
struct Message {
    protected: Protected,
    /// Its body, with CRLF line endings.
    body: View,
    /// Octets of the body as it is sent.
    body_octets: u64,
    /// Of the payload; empty if nobody signs.
    digest: Vec<u8>,
}

impl Message {
    fn measure(
        spool: &mut Spool<'_>,
        section: &[u8],
        protected: Protected,
        scheme: Option<SignatureScheme>,
    ) -> Result<Self, SealError> {
        let digest = scheme.map(SignatureScheme::digest);
        let mut hashing = Hashing::new(&Vec::from_iter(digest));
        hashing.update(&protected.payload);
        let body = View::whole().then(Step::Range {
            start: section.len() as u64,
            length: None,
        });
        let mut after_cr = false;
        let mut added = 0;
        let received = drain(&mut *body.open(spool)?, |octets| {
            added += canonicalize::<Fault>(octets, &mut after_cr, |octets| {
                hashing.update(octets);
                Ok(())
            })?;
            Ok(())
        })?;
        let hashed = hashing.finish();
        let digest = digest.and_then(|d| hashed.get(d));
        Ok(Self {
            protected,
            body_octets: received + added,
            digest: digest.map(|d| d.as_ref().to_vec()).unwrap_or_default(),
            body: match added {
                0 => body,
                _ => body.then(Step::Canonical),
            },
        })
    }

    fn payload_octets(&self) -> u64 {
        self.protected.payload.len() as u64 + self.body_octets
    }

    fn write_payload(&self, spool: &mut Spool<'_>, out: &mut dyn Write) -> Result<(), SealError> {
        out.write_all(&self.protected.payload).map_err(failed)?;
        drain(&mut *self.body.open(spool)?, |octets| {
            Ok(out.write_all(octets)?)
        })?;
        Ok(())
    }
}

/// What is encrypted: the payload and what stands around it.
struct Content {
    before: Vec<u8>,
    after: Vec<u8>,
    /// What stands around the payload inside base64, for an opaque signature.
    object: Option<(Vec<u8>, Vec<u8>)>,
}

impl Content {
    fn unsigned() -> Self {
        Self {
            before: Vec::new(),
            after: Vec::new(),
            object: None,
        }
    }

    fn opaque(before: Vec<u8>, after: Vec<u8>) -> Self {
        Self {
            before: b"Content-Type: application/pkcs7-mime;\r\n smime-type=signed-data;\r\n name=\"smime.p7m\"\r\n\
                Content-Transfer-Encoding: base64\r\n\
                Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n"
                .to_vec(),
            after: Vec::new(),
            object: Some((before, after)),
        }
    }

    /// multipart/signed (RFC 8551 §3.5.3).
    fn detached(object: &[u8], micalg: &str, digest: &[u8]) -> Result<Self, SealError> {
        // Of the content's own digest: no content can be made to contain it. "=_" occurs neither
        // in base64 nor in quoted-printable (RFC 2045 §6.7).
        let boundary = digest
            .first_chunk()
            .map(|start| format!("=_{:032x}", u128::from_be_bytes(*start)))
            .ok_or(SealError::Crypto("the digest"))?;
        let before = format!(
            "Content-Type: multipart/signed;\r\n protocol=\"application/pkcs7-signature\";\r\n \
             micalg=\"{micalg}\";\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
        );
        let after = format!(
            "\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
        );
        let mut base64 = Base64Writer::new(after.into_bytes(), object.len());
        base64.write_all(object).map_err(failed)?;
        let mut after = base64.finish().map_err(failed)?;
        after.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok(Self {
            before: before.into_bytes(),
            after,
            object: None,
        })
    }

    fn octets(&self, message: &Message) -> u64 {
        let payload = message.payload_octets();
        let inner = match &self.object {
            Some((before, after)) => {
                encoded_len(before.len() as u64 + payload + after.len() as u64)
            }
            None => payload,
        };
        self.before.len() as u64 + inner + self.after.len() as u64
    }

    fn write(
        &self,
        message: &Message,
        spool: &mut Spool<'_>,
        out: &mut dyn Write,
    ) -> Result<(), SealError> {
        out.write_all(&self.before).map_err(failed)?;
        match &self.object {
            Some((before, after)) => {
                let octets = usize::try_from(message.payload_octets()).unwrap_or(usize::MAX);
                let mut base64 = Base64Writer::new(&mut *out, octets);
                base64.write_all(before).map_err(failed)?;
                message.write_payload(spool, &mut base64)?;
                base64.write_all(after).map_err(failed)?;
                base64.finish().map_err(failed)?;
            }
            None => message.write_payload(spool, out)?,
        }
        out.write_all(&self.after).map_err(failed)
    }
}

/// Counts what goes by.
struct Counted<'w> {
    out: &'w mut dyn Write,
    octets: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(octets)?;
        self.octets += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
