//! Receiving: layer after layer from the outside in, then one verdict.

use time::OffsetDateTime;

use crate::algorithm::Digest;
use crate::ber::BerStream;
use crate::certificate::Certificate;
use crate::cms::enveloped::{self, Container, Outcome};
use crate::cms::signed::{CheckedSigner, Hashed, Hashing, SignedData};
use crate::cms::{content_info, end_of_content_info};
use crate::header_protection::{self, HeaderFinding, HeaderProtection, Received};
use crate::key::KeyRing;
use crate::legacy_display;
use crate::limits::Limits;
use crate::mime::{
    ContentType, Entity, MimeError, boundary, decoded_body, read_section, read_whole, two_parts,
};
use crate::opened::{Layer, Opened};
use crate::path::Revocation;
use crate::spool::Spool;
use crate::stream::{Fault, Source, Step, View, canonicalize, drain};
use crate::trust::Trust;
use crate::verdict::{InvalidReason, SignatureVerdict, ValidSignature, binding};
use crate::{Refusal, oid};

/// What opening accepts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenPolicy {
    /// Also take messages that are signed only, or not protected at all. Off by default.
    pub accept_unencrypted: bool,
    /// Call a signature valid only if the revocation of its whole path is known to be good. Off
    /// by default: [`ValidSignature::revocation`] tells, and the reader is to be told.
    pub require_revocation: bool,
    /// Accept an organisation's certificate that names the From domain and no address. On.
    pub accept_domain_certificates: bool,
    /// Bounds on what is opened.
    pub limits: Limits,
}

impl Default for OpenPolicy {
    fn default() -> Self {
        Self {
            accept_unencrypted: false,
            require_revocation: false,
            accept_domain_certificates: true,
            limits: Limits::default(),
        }
    }
}

/// Opens messages with the keys of a ring, judging signatures by a trust store.
#[derive(Clone, Copy)]
pub struct Opener<'a> {
    policy: &'a OpenPolicy,
    ring: &'a dyn KeyRing,
    trust: &'a dyn Trust,
}

/// The signature of one layer, as far as it needs no From: the signers and what came with them.
type LayerSignature = Result<(Vec<CheckedSigner>, Vec<Certificate>), InvalidReason>;

/// A message without its layers.
#[derive(Default)]
struct Unwrapped {
    layers: Vec<Layer>,
    /// Those inside the innermost envelope.
    signatures: Vec<LayerSignature>,
    /// What is left; the whole spool if there was no layer.
    payload: View,
    /// The header section of what is left.
    section: Vec<u8>,
    /// Whether one of the envelopes proves nothing of its content.
    unauthenticated: bool,
    /// The `recipient-emails` of the innermost envelope.
    recipient_emails: Option<Vec<u8>>,
}

/// One layer removed.
struct Peeled {
    layer: Layer,
    content: View,
    /// `None` for an encryption layer.
    signature: Option<LayerSignature>,
    recipient_emails: Option<Vec<u8>>,
}

impl<'a> Opener<'a> {
    /// An opener.
    #[must_use]
    pub fn new(policy: &'a OpenPolicy, ring: &'a dyn KeyRing, trust: &'a dyn Trust) -> Self {
        Self {
            policy,
            ring,
            trust,
        }
    }

    /// Opens a complete RFC 5322 message as of `now`, in memory or in a file.
    ///
    /// Only the outermost body is ever decrypted or verified, never a part beside other parts
    /// (EFAIL). What was decrypted without authentication (AES-CBC) is released only under a
    /// valid signature. Memory does not grow with the message: its content goes by once for each
    /// layer, and again when it is read.
    ///
    /// # Errors
    /// [`Refusal`]; nothing of the content is released then.
    pub fn open<'s>(
        &self,
        message: impl Into<Spool<'s>>,
        now: OffsetDateTime,
    ) -> Result<Opened<'s>, Refusal> {
        let limits = &self.policy.limits;
        let mut spool = message.into();
        if spool.size()? > limits.message_octets as u64 {
            let limit = limits.message_octets;
            return Err(Refusal::TooLarge {
                what: "octets of a message",
                limit,
            });
        }
        let section = read_section(&mut *View::whole().open(&mut spool)?, limits)?;
        let outer = Entity::read(&section, limits)?;
        let unwrapped = self.unwrap_all(&mut spool, &section)?;
        let encrypted = unwrapped
            .layers
            .iter()
            .any(|l| matches!(l, Layer::Encrypted { .. }));
        if !encrypted && !self.policy.accept_unencrypted {
            return Err(Refusal::NotEnveloped);
        }
        let unauthenticated = unwrapped.unauthenticated;
        match self.judge(spool, &outer, unwrapped, now) {
            Ok(opened) if unauthenticated && !opened.is_valid() => Err(Refusal::CannotOpen),
            Err(_) if unauthenticated => Err(Refusal::CannotOpen),
            other => other,
        }
    }

    /// Removes every layer, from the outside in.
    fn unwrap_all(&self, spool: &mut Spool<'_>, section: &[u8]) -> Result<Unwrapped, Refusal> {
        let limits = &self.policy.limits;
        let mut unwrapped = Unwrapped {
            section: section.to_vec(),
            ..Unwrapped::default()
        };
        loop {
            let peeled = match self.peel(spool, &unwrapped) {
                Ok(Some(_)) if unwrapped.layers.len() >= limits.layers => Err(Refusal::TooLarge {
                    what: "layers",
                    limit: limits.layers,
                }),
                other => other,
            };
            let peeled = peeled.and_then(|peeled| {
                let Some(peeled) = peeled else {
                    return Ok(None);
                };
                // What an unauthenticated cipher yields is the attacker's choice, from here on.
                let section = inner_section(&mut *peeled.content.open(spool)?, limits);
                Ok(Some((peeled, section)))
            });
            // What lies inside an unauthenticated cipher: its faults are all told as one.
            let (peeled, section) = match peeled {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(unwrapped),
                Err(_) if unwrapped.unauthenticated => return Err(Refusal::CannotOpen),
                Err(refusal) => return Err(refusal),
            };
            if let Layer::Encrypted { cipher, .. } = &peeled.layer {
                unwrapped.unauthenticated |= !cipher.is_authenticated();
                // A signature around an envelope says nothing of its content.
                unwrapped.signatures.clear();
                unwrapped.recipient_emails = peeled.recipient_emails;
            }
            unwrapped.signatures.extend(peeled.signature);
            unwrapped.layers.push(peeled.layer);
            unwrapped.payload = peeled.content;
            unwrapped.section = match section {
                Ok(section) => section,
                Err(_) if unwrapped.unauthenticated => return Err(Refusal::CannotOpen),
                Err(fault) => return Err(fault.into()),
            };
        }
    }

    /// Removes the outermost layer of an entity, if it has one. Inside another layer, the entity
    /// that carries header protection is the payload, even if it is itself signed: that signature
    /// is its author's own, and stays with it (RFC 9788 §4.1).
    fn peel(
        &self,
        spool: &mut Spool<'_>,
        unwrapped: &Unwrapped,
    ) -> Result<Option<Peeled>, Refusal> {
        let entity = Entity::read(&unwrapped.section, &self.policy.limits)?;
        let Some(content_type) = entity.content_type()? else {
            return Ok(None);
        };
        if !unwrapped.layers.is_empty() && content_type.parameter("hp").is_some() {
            return Ok(None);
        }
        let body = unwrapped.payload.then(after(&unwrapped.section));
        if content_type.is_pkcs7_mime() {
            return self.peel_object(spool, &entity, &body).map(Some);
        }
        let signed = content_type.essence == "multipart/signed"
            && content_type
                .parameter("protocol")
                .is_some_and(|p| p.to_ascii_lowercase().ends_with("pkcs7-signature"));
        if signed {
            return self.peel_detached(spool, &content_type, &body).map(Some);
        }
        Ok(None)
    }

    fn peel_object(
        &self,
        spool: &mut Spool<'_>,
        entity: &Entity<'_>,
        body: &View,
    ) -> Result<Peeled, Refusal> {
        let limits = &self.policy.limits;
        let object = decoded_body(entity, body, spool)?;
        let mut stream = BerStream::new(object.open(spool)?, limits.asn1_depth, limits.cms_octets);
        let container = match content_info(&mut stream)? {
            oid::SIGNED_DATA => {
                let signed = SignedData::read(&mut stream, limits)?;
                end_of_content_info(&mut stream)?;
                drop(stream);
                return self.opaque(spool, &object, signed);
            }
            oid::ENVELOPED_DATA => Container::Enveloped,
            oid::AUTH_ENVELOPED_DATA => Container::AuthEnveloped,
            other => return Err(Refusal::not_accepted("CMS content type", other)),
        };
        let envelope = enveloped::open(container, &mut stream, self.ring, limits)?;
        end_of_content_info(&mut stream)?;
        drop(stream);
        let ciphertext = object.then(string(envelope.content));
        let good = match envelope.outcome {
            Outcome::Good => true,
            Outcome::Bad => false,
            Outcome::Again => {
                let mut source = ciphertext.open(spool)?;
                envelope.decryption.verify(&mut *source)?
            }
        };
        if !good {
            return Err(Refusal::CannotOpen);
        }
        Ok(Peeled {
            layer: Layer::Encrypted {
                cipher: envelope.cipher,
                recipients: envelope.recipients,
            },
            content: ciphertext.then(Step::Decrypt(envelope.decryption)),
            signature: None,
            recipient_emails: envelope.recipient_emails,
        })
    }

    fn opaque(
        &self,
        spool: &mut Spool<'_>,
        object: &View,
        mut signed: SignedData,
    ) -> Result<Peeled, Refusal> {
        let content = signed.content.take().ok_or(Refusal::Malformed(
            "an opaque signature without its content",
        ))?;
        let view = object.then(string(content.place));
        let digests = signed.digests();
        let hashed = if digests.iter().all(|digest| content.hashed.has(*digest)) {
            content.hashed
        } else {
            hash(spool, &view, &digests)?
        };
        let signature = self.check(spool, &signed, &hashed, &view)?;
        Ok(peeled_signature(signed, view, signature))
    }

    fn peel_detached(
        &self,
        spool: &mut Spool<'_>,
        content_type: &ContentType,
        body: &View,
    ) -> Result<Peeled, Refusal> {
        let limits = &self.policy.limits;
        // The parameter is a hint that saves a pass; the signature says what counts.
        let announced = content_type.parameter("micalg").and_then(Digest::of_micalg);
        let mut hashing = Hashing::new(&Vec::from_iter(announced));
        let mut after_cr = false;
        let mut added = 0;
        let mut source = body.open(spool)?;
        // Base64 makes four octets of three, and line endings.
        let limit = limits.cms_octets.saturating_mul(3) / 2;
        let parts = two_parts(&mut *source, boundary(content_type)?, limit, |octets| {
            let canonical: Result<u64, ()> = canonicalize(octets, &mut after_cr, |octets| {
                hashing.update(octets);
                Ok(())
            });
            added += canonical.unwrap_or_default();
        })?;
        drop(source);
        let signed = self.detached_object(&parts.second)?;
        let (start, length) = parts.first;
        let received = body.then(Step::Range {
            start,
            length: Some(length),
        });
        let canonical = match added {
            0 => received.clone(),
            _ => received.then(Step::Canonical),
        };
        let digests = signed.digests();
        let mut hashed = hashing.finish();
        if !digests.iter().all(|digest| hashed.has(*digest)) {
            hashed = hash(spool, &canonical, &digests)?;
        }
        let mut signature = self.check(spool, &signed, &hashed, &canonical)?;
        let mut content = canonical;
        // A file written with bare LF may have been signed so.
        if added > 0 && signature.is_err() {
            let hashed = hash(spool, &received, &digests)?;
            let as_received = self.check(spool, &signed, &hashed, &received)?;
            if as_received.is_ok() {
                signature = as_received;
                content = received;
            }
        }
        Ok(peeled_signature(signed, content, signature))
    }

    /// The object of the second part of a multipart/signed.
    fn detached_object(&self, part: &[u8]) -> Result<SignedData, Refusal> {
        let limits = &self.policy.limits;
        let mut spool = Spool::from(part);
        let section = read_section(&mut *View::whole().open(&mut spool)?, limits)?;
        let entity = Entity::read(&section, limits)?;
        if !entity
            .content_type()?
            .is_some_and(|t| t.is_pkcs7_signature())
        {
            return Err(Refusal::Malformed("the second part is not a CMS signature"));
        }
        let body = View::whole().then(after(&section));
        let object = decoded_body(&entity, &body, &mut spool)?;
        let source = object.open(&mut spool)?;
        let mut stream = BerStream::new(source, limits.asn1_depth, limits.cms_octets);
        let kind = content_info(&mut stream)?;
        if kind != oid::SIGNED_DATA {
            return Err(Refusal::not_accepted("CMS signature type", kind));
        }
        let signed = SignedData::read(&mut stream, limits)?;
        end_of_content_info(&mut stream)?;
        if signed.content.is_some() {
            // CVE-2018-18509: one content to check, another to show.
            return Err(Refusal::Malformed(
                "a detached signature with content inside",
            ));
        }
        Ok(signed)
    }

    fn check(
        &self,
        spool: &mut Spool<'_>,
        signed: &SignedData,
        content: &Hashed,
        view: &View,
    ) -> Result<Result<Vec<CheckedSigner>, InvalidReason>, Refusal> {
        let whole = if signed.wants_content() {
            let mut source = view.open(spool)?;
            read_whole(&mut *source, self.policy.limits.cms_octets)?
        } else {
            None
        };
        Ok(signed.check(content, whole.as_deref(), self.trust.known_signers()))
    }

    /// The verdict, and the headers that count.
    fn judge<'s>(
        &self,
        mut spool: Spool<'s>,
        outer: &Entity<'_>,
        unwrapped: Unwrapped,
        now: OffsetDateTime,
    ) -> Result<Opened<'s>, Refusal> {
        let limits = &self.policy.limits;
        let payload = Entity::read(&unwrapped.section, limits)?;
        let layered = unwrapped.layers.iter().any(|layer| {
            matches!(
                layer,
                Layer::Encrypted { .. } | Layer::Signed { fault: None, .. }
            )
        });
        let is_envelope = |layer: &Layer| matches!(layer, Layer::Encrypted { .. });
        let encrypted = unwrapped.layers.iter().any(is_envelope);
        let body = unwrapped.payload.then(after(&unwrapped.section));
        let inside = if header_protection::may_wrap(&payload) {
            read_section(&mut *body.open(&mut spool)?, limits).ok()
        } else {
            None
        };
        let inside_entity = inside
            .as_deref()
            .and_then(|section| Entity::read(section, limits).ok());
        let received = Received::read(outer, payload, layered, inside_entity)?;
        let from = received.from();
        let emails = unwrapped.recipient_emails.as_deref();
        let signature = self.verdict(unwrapped.signatures, (from.as_deref(), emails), now);
        let differs = received
            .headers
            .findings
            .contains(&HeaderFinding::FromDiffers);
        let vouched = matches!(signature, SignatureVerdict::Valid(_));
        let section = received.readable_section(differs && !vouched);
        let body = match (received.is_wrapped(), &inside) {
            (true, Some(inside)) => body.then(after(inside)),
            _ if encrypted && received.headers.protection == HeaderProtection::Cipher => {
                legacy_display::without(body, &mut spool, received.shown(), limits)?
            }
            _ => body,
        };
        let headers = received.headers;
        Ok(Opened {
            layers: unwrapped.layers,
            headers,
            from,
            signature,
            spool,
            content: unwrapped.payload,
            section,
            body,
        })
    }

    fn verdict(
        &self,
        signatures: Vec<LayerSignature>,
        (from, emails): (Option<&str>, Option<&[u8]>),
        now: OffsetDateTime,
    ) -> SignatureVerdict {
        let mut first: Option<ValidSignature> = None;
        for signature in signatures {
            let (signers, pool) = match signature {
                Ok(found) => found,
                Err(reason) => return SignatureVerdict::Invalid(reason),
            };
            for signer in signers {
                // gemSMIME_KOMLE: the addresses that the envelope was made for are signed too.
                if signer.recipient_emails.as_deref() != emails {
                    return SignatureVerdict::Invalid(InvalidReason::OtherRecipients);
                }
                match self.judge_signer(signer, &pool, from, now) {
                    Ok(valid) => {
                        first.get_or_insert(valid);
                    }
                    Err(reason) => return SignatureVerdict::Invalid(reason),
                }
            }
        }
        first.map_or(SignatureVerdict::Unsigned, SignatureVerdict::Valid)
    }

    fn judge_signer(
        &self,
        signer: CheckedSigner,
        pool: &[Certificate],
        from: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<ValidSignature, InvalidReason> {
        let limits = &self.policy.limits;
        let path = self
            .trust
            .signer_path(&signer.certificate, pool, now, limits)?;
        if self.policy.require_revocation && !matches!(path.revocation, Revocation::Good { .. }) {
            return Err(InvalidReason::RevocationUnknown(path.revocation));
        }
        let from = from.ok_or(InvalidReason::AmbiguousFrom)?;
        let accept_domain = self.policy.accept_domain_certificates;
        let binding =
            binding(&signer.certificate, from, accept_domain).ok_or(InvalidReason::WrongAddress)?;
        Ok(ValidSignature {
            signer: signer.certificate,
            binding,
            claimed_time: signer.claimed_time,
            revocation: path.revocation,
            capabilities: signer.capabilities,
        })
    }
}

/// The header section of what a layer held. Content that is no MIME entity has none, and no layer
/// either: signed or encrypted bare, as RFC 4134 and RFC 9936 do in their examples.
fn inner_section(source: &mut dyn Source, limits: &Limits) -> Result<Vec<u8>, Fault> {
    let section = match read_section(source, limits) {
        Err(Fault::Malformed(_)) => return Ok(Vec::new()),
        other => other?,
    };
    match Entity::read(&section, limits) {
        Err(MimeError::Malformed(_)) => Ok(Vec::new()),
        Err(other) => Err(other.into()),
        Ok(_) => Ok(section),
    }
}

/// What follows a header section.
pub(crate) fn after(section: &[u8]) -> Step {
    Step::Range {
        start: section.len() as u64,
        length: None,
    }
}

pub(crate) fn string((start, depth): (u64, u8)) -> Step {
    Step::String { start, depth }
}

fn hash(spool: &mut Spool<'_>, view: &View, digests: &[Digest]) -> Result<Hashed, Refusal> {
    let mut hashing = Hashing::new(digests);
    drain(&mut *view.open(spool)?, |octets| {
        hashing.update(octets);
        Ok(())
    })?;
    Ok(hashing.finish())
}

fn peeled_signature(
    signed: SignedData,
    content: View,
    signature: Result<Vec<CheckedSigner>, InvalidReason>,
) -> Peeled {
    let signers = match &signature {
        Ok(signers) => signers.iter().map(|s| s.certificate.clone()).collect(),
        Err(_) => Vec::new(),
    };
    Peeled {
        layer: Layer::Signed {
            signers,
            fault: signature.as_ref().err().cloned(),
        },
        content,
        signature: Some(signature.map(|signers| (signers, signed.certificates))),
        recipient_emails: None,
    }
}
