//! Receiving: layer after layer from the outside in, then one verdict.

use std::borrow::Cow;

use time::OffsetDateTime;

use crate::certificate::Certificate;
use crate::cms::content_info;
use crate::cms::enveloped::{self, Container};
use crate::cms::signed::{CheckedSigner, SignedData};
use crate::header_protection::{HeaderFinding, Received};
use crate::key::KeyRing;
use crate::limits::Limits;
use crate::mime::{ContentType, Entity, MimeError, canonical, decode_body, two_parts};
use crate::opened::{Layer, Opened};
use crate::path::{self, Purpose, Revocation};
use crate::trust::TrustStore;
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
    trust: &'a TrustStore,
}

/// The signature of one layer, as far as it needs no From: the signers and what came with them.
type LayerSignature = Result<(Vec<CheckedSigner>, Vec<Certificate>), InvalidReason>;

/// A message without its layers.
#[derive(Default)]
struct Unwrapped {
    layers: Vec<Layer>,
    /// Those inside the innermost envelope.
    signatures: Vec<LayerSignature>,
    /// What is left; `None` if there was no layer.
    payload: Option<Vec<u8>>,
    /// Whether one of the envelopes proves nothing of its content.
    unauthenticated: bool,
}

/// One layer removed.
struct Peeled {
    layer: Layer,
    content: Vec<u8>,
    /// `None` for an encryption layer.
    signature: Option<LayerSignature>,
}

impl<'a> Opener<'a> {
    /// An opener.
    #[must_use]
    pub fn new(policy: &'a OpenPolicy, ring: &'a dyn KeyRing, trust: &'a TrustStore) -> Self {
        Self {
            policy,
            ring,
            trust,
        }
    }

    /// Opens a complete RFC 5322 message as of `now`.
    ///
    /// Only the outermost body is ever decrypted or verified, never a part beside other parts
    /// (EFAIL). What was decrypted without authentication (AES-CBC) is released only under a
    /// valid signature.
    ///
    /// # Errors
    /// [`Refusal`]; nothing of the content is released then.
    pub fn open(&self, message: &[u8], now: OffsetDateTime) -> Result<Opened, Refusal> {
        let limits = &self.policy.limits;
        if message.len() > limits.message_octets {
            let limit = limits.message_octets;
            return Err(Refusal::TooLarge {
                what: "octets of a message",
                limit,
            });
        }
        let outer = Entity::read(message, limits)?;
        let unwrapped = self.unwrap_all(message)?;
        let encrypted = unwrapped
            .layers
            .iter()
            .any(|l| matches!(l, Layer::Encrypted { .. }));
        if !encrypted && !self.policy.accept_unencrypted {
            return Err(Refusal::NotEnveloped);
        }
        let unauthenticated = unwrapped.unauthenticated;
        match self.judge(&outer, unwrapped, now) {
            Ok(opened) if unauthenticated && !opened.is_valid() => Err(Refusal::CannotOpen),
            Err(_) if unauthenticated => Err(Refusal::CannotOpen),
            other => other,
        }
    }

    /// Removes every layer, from the outside in.
    fn unwrap_all(&self, message: &[u8]) -> Result<Unwrapped, Refusal> {
        let mut unwrapped = Unwrapped::default();
        loop {
            let current = unwrapped.payload.as_deref().unwrap_or(message);
            let peeled = match self.peel(current, unwrapped.payload.is_some()) {
                Ok(Some(_)) if unwrapped.layers.len() >= self.policy.limits.layers => {
                    let limit = self.policy.limits.layers;
                    Err(Refusal::TooLarge {
                        what: "layers",
                        limit,
                    })
                }
                other => other,
            };
            // What lies inside an unauthenticated cipher is the attacker's choice: its faults
            // are all told as one.
            let peeled = match peeled {
                Ok(Some(peeled)) => peeled,
                Ok(None) => return Ok(unwrapped),
                Err(_) if unwrapped.unauthenticated => return Err(Refusal::CannotOpen),
                Err(refusal) => return Err(refusal),
            };
            if let Layer::Encrypted { cipher, .. } = &peeled.layer {
                unwrapped.unauthenticated |= !cipher.is_authenticated();
                // A signature around an envelope says nothing of its content.
                unwrapped.signatures.clear();
            }
            unwrapped.signatures.extend(peeled.signature);
            unwrapped.layers.push(peeled.layer);
            unwrapped.payload = Some(peeled.content);
        }
    }

    /// Removes the outermost layer of an entity, if it has one. `inside` another layer, the
    /// entity that carries header protection is the payload, even if it is itself signed: that
    /// signature is its author's own, and stays with it (RFC 9788 §4.1).
    fn peel(&self, octets: &[u8], inside: bool) -> Result<Option<Peeled>, Refusal> {
        let entity = match Entity::read(octets, &self.policy.limits) {
            // Content that is no MIME entity has no layer either: signed or encrypted bare, as
            // RFC 4134 and RFC 9936 do in their examples.
            Err(MimeError::Malformed(_)) if inside => return Ok(None),
            other => other?,
        };
        let Some(content_type) = entity.content_type()? else {
            return Ok(None);
        };
        if inside && content_type.parameter("hp").is_some() {
            return Ok(None);
        }
        if content_type.is_pkcs7_mime() {
            return self.peel_object(&entity).map(Some);
        }
        let signed = content_type.essence == "multipart/signed"
            && content_type
                .parameter("protocol")
                .is_some_and(|p| p.to_ascii_lowercase().ends_with("pkcs7-signature"));
        if signed {
            return self.peel_detached(&entity, &content_type).map(Some);
        }
        Ok(None)
    }

    fn peel_object(&self, entity: &Entity<'_>) -> Result<Peeled, Refusal> {
        let limits = &self.policy.limits;
        let octets = decode_body(entity)?;
        let (kind, object) = content_info(&octets, limits.asn1_depth)?;
        let container = match kind {
            oid::SIGNED_DATA => {
                let signed = SignedData::read(&object, limits)?;
                let content = signed.content.as_deref().ok_or(Refusal::Malformed(
                    "an opaque signature without its content",
                ))?;
                let signature = signed.check(content, self.trust.intermediates());
                let content = content.to_vec();
                return Ok(peeled_signature(signed, content, signature));
            }
            oid::ENVELOPED_DATA => Container::Enveloped,
            oid::AUTH_ENVELOPED_DATA => Container::AuthEnveloped,
            other => return Err(Refusal::not_accepted("CMS content type", other)),
        };
        let decrypted = enveloped::open(container, &object, self.ring, limits)?;
        Ok(Peeled {
            layer: Layer::Encrypted {
                cipher: decrypted.cipher,
                recipients: decrypted.recipients,
            },
            content: decrypted.content,
            signature: None,
        })
    }

    fn peel_detached(
        &self,
        entity: &Entity<'_>,
        content_type: &ContentType,
    ) -> Result<Peeled, Refusal> {
        let limits = &self.policy.limits;
        let (content, signature_part) = two_parts(entity, content_type)?;
        let signature_entity = Entity::read(signature_part, limits)?;
        if !signature_entity
            .content_type()?
            .is_some_and(|t| t.is_pkcs7_signature())
        {
            return Err(Refusal::Malformed("the second part is not a CMS signature"));
        }
        let octets = decode_body(&signature_entity)?;
        let (kind, object) = content_info(&octets, limits.asn1_depth)?;
        if kind != oid::SIGNED_DATA {
            return Err(Refusal::not_accepted("CMS signature type", kind));
        }
        let signed = SignedData::read(&object, limits)?;
        if signed.content.is_some() {
            // CVE-2018-18509: one content to check, another to show.
            return Err(Refusal::Malformed(
                "a detached signature with content inside",
            ));
        }
        let known = self.trust.intermediates();
        let mut checked_content = canonical(content);
        let mut signature = signed.check(&checked_content, known);
        // A file written with bare LF may have been signed so.
        if matches!(signature, Err(InvalidReason::ContentChanged))
            && matches!(checked_content, Cow::Owned(_))
        {
            let as_received = signed.check(content, known);
            if as_received.is_ok() {
                signature = as_received;
                checked_content = Cow::Borrowed(content);
            }
        }
        let content = checked_content.into_owned();
        Ok(peeled_signature(signed, content, signature))
    }

    /// The verdict, and the headers that count.
    fn judge(
        &self,
        outer: &Entity<'_>,
        unwrapped: Unwrapped,
        now: OffsetDateTime,
    ) -> Result<Opened, Refusal> {
        let limits = &self.policy.limits;
        let payload = match &unwrapped.payload {
            Some(payload) => match Entity::read(payload, limits) {
                Err(MimeError::Malformed(_)) => Entity {
                    fields: Vec::new(),
                    body: payload,
                },
                other => other?,
            },
            None => outer.clone(),
        };
        let layered = unwrapped.layers.iter().any(|layer| {
            matches!(
                layer,
                Layer::Encrypted { .. } | Layer::Signed { fault: None, .. }
            )
        });
        let received = Received::read(outer, payload, layered, limits)?;
        let from = received.from();
        let signature = self.verdict(unwrapped.signatures, from.as_deref(), now);
        let differs = received
            .headers
            .findings
            .contains(&HeaderFinding::FromDiffers);
        let vouched = matches!(signature, SignatureVerdict::Valid(_));
        let readable = received.readable(differs && !vouched);
        let headers = received.headers;
        let content = unwrapped.payload.unwrap_or_else(|| readable.clone());
        Ok(Opened {
            layers: unwrapped.layers,
            headers,
            from,
            signature,
            content,
            readable,
        })
    }

    fn verdict(
        &self,
        signatures: Vec<LayerSignature>,
        from: Option<&str>,
        now: OffsetDateTime,
    ) -> SignatureVerdict {
        let mut first: Option<ValidSignature> = None;
        for signature in signatures {
            let (signers, pool) = match signature {
                Ok(found) => found,
                Err(reason) => return SignatureVerdict::Invalid(reason),
            };
            for signer in signers {
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
        let context = self.trust.at(now, &self.policy.limits);
        let path = path::validate(&signer.certificate, Purpose::Sign, pool, &context)?;
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
        })
    }
}

fn peeled_signature(
    signed: SignedData<'_>,
    content: Vec<u8>,
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
    }
}
