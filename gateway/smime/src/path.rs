//! Certification paths: search and validation of RFC 5280 §6 for mail.
//!
//! The search goes from the leaf towards the anchors, depth first, within a budget of
//! signatures; the checks of one candidate link are made before its signature is computed.
//! Policies are not demanded, so they are not processed.

use time::OffsetDateTime;

use crate::certificate::Certificate;
use crate::crl::RevocationReason;
use crate::limits::Limits;
use crate::name_constraints;
use crate::trust::TrustStore;

/// What a leaf certificate is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Signing mail.
    Sign,
    /// Receiving encrypted mail.
    Receive,
}

/// Where and when a path is checked.
pub(crate) struct Context<'a> {
    pub(crate) trust: &'a TrustStore,
    pub(crate) now: OffsetDateTime,
    pub(crate) limits: &'a Limits,
}

/// Why no acceptable path leads from a certificate to an anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// No chain of signatures reaches an anchor of the trust store.
    #[error("no trusted authority issued the certificate")]
    Untrusted,
    /// A certificate of the path had expired.
    #[error("the certificate of {subject} expired on {at}")]
    Expired {
        /// Subject of the expired certificate.
        subject: String,
        /// End of its validity.
        at: OffsetDateTime,
    },
    /// A certificate of the path is not valid yet.
    #[error("the certificate of {subject} is not valid before {at}")]
    NotYetValid {
        /// Subject of the certificate.
        subject: String,
        /// Start of its validity.
        at: OffsetDateTime,
    },
    /// A certificate of the path was revoked.
    #[error("the certificate of {subject} was revoked on {at} ({reason:?})")]
    Revoked {
        /// Subject of the revoked certificate.
        subject: String,
        /// Date of the revocation.
        at: OffsetDateTime,
        /// Its reason.
        reason: RevocationReason,
    },
    /// An issuer is not an authority, or one deeper than it may be (RFC 5280 §4.2.1.9).
    #[error("{subject} issued a certificate that it was not allowed to issue")]
    NotAnAuthority {
        /// Subject of the issuer.
        subject: String,
    },
    /// The leaf's key usage, extended key usage or key does not fit (RFC 8550 §4.4).
    #[error("the certificate is not usable for this: {0}")]
    Usage(&'static str),
    /// A name in the path is outside what an authority may name (RFC 5280 §4.2.1.10).
    #[error("a name is outside the constraints that {subject} is held to")]
    NameConstraint {
        /// Subject of the constrained authority.
        subject: String,
    },
    /// A certificate has a critical extension that is not understood.
    #[error("the certificate of {subject} has a critical extension that is not understood")]
    CriticalExtension {
        /// Subject of the certificate.
        subject: String,
    },
    /// Finding a path would take more links or signatures than [`Limits`] allows.
    #[error("too many candidate issuers to search")]
    TooComplex,
}

/// What the revocation lists at hand say about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// Every certificate of the path is absent from a current list of its issuer.
    Good {
        /// Issue date of the oldest list used.
        as_of: OffsetDateTime,
    },
    /// At least one certificate has no list that could name it.
    NoList {
        /// Subject of the issuer whose list is missing.
        issuer: String,
    },
    /// At least one list is past its next update: it proves nothing any more.
    Stale {
        /// Subject of the issuer of the list.
        issuer: String,
        /// When its next update was due.
        due: OffsetDateTime,
    },
}

/// A path that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPath {
    /// From the leaf to the anchor.
    pub chain: Vec<Certificate>,
    /// What is known about revocation.
    pub revocation: Revocation,
}

/// Finds and checks a path for `leaf`; `pool` holds what came with the message.
pub(crate) fn validate(
    leaf: &Certificate,
    purpose: Purpose,
    pool: &[Certificate],
    context: &Context<'_>,
) -> Result<CheckedPath, PathFault> {
    match purpose {
        Purpose::Sign if !leaf.may_sign() => {
            return Err(PathFault::Usage("its key usage lacks digitalSignature"));
        }
        Purpose::Sign if !leaf.is_for_mail() => {
            return Err(PathFault::Usage(
                "its extended key usage lacks emailProtection",
            ));
        }
        Purpose::Sign => {}
        Purpose::Receive => {
            if let Some(fault) = leaf.reception_fault() {
                return Err(PathFault::Usage(fault));
            }
        }
    }
    check_alone(leaf, context.now)?;
    let mut search = Search {
        pool,
        context,
        budget: context.limits.path_signatures,
        fault: None,
    };
    let mut chain = vec![leaf.clone()];
    match search.extend(&mut chain)? {
        Some(revocation) => Ok(CheckedPath { chain, revocation }),
        None => Err(search.fault.unwrap_or(PathFault::Untrusted)),
    }
}

/// The checks that need no other certificate.
fn check_alone(certificate: &Certificate, now: OffsetDateTime) -> Result<(), PathFault> {
    let subject = || certificate.subject().to_owned();
    if now > certificate.not_after() {
        return Err(PathFault::Expired {
            subject: subject(),
            at: certificate.not_after(),
        });
    }
    if now < certificate.not_before() {
        return Err(PathFault::NotYetValid {
            subject: subject(),
            at: certificate.not_before(),
        });
    }
    if certificate.has_unknown_critical_extension() {
        return Err(PathFault::CriticalExtension { subject: subject() });
    }
    Ok(())
}

struct Search<'a> {
    pool: &'a [Certificate],
    context: &'a Context<'a>,
    /// Signatures that may still be computed.
    budget: usize,
    /// The fault of the first path that failed for a reason better than "nobody issued it".
    fault: Option<PathFault>,
}

impl<'a> Search<'a> {
    /// Extends `chain` to an anchor. `None` means that no way leads there from its end.
    fn extend(&mut self, chain: &mut Vec<Certificate>) -> Result<Option<Revocation>, PathFault> {
        let Some(last) = chain.last().cloned() else {
            return Ok(None);
        };
        if chain.len() >= self.context.limits.path_length {
            return Ok(None);
        }
        for issuer in self.candidates(&last) {
            if chain.contains(issuer) {
                continue;
            }
            if let Err(fault) = check_issuer(chain, issuer, self.context.now) {
                self.fault.get_or_insert(fault);
                continue;
            }
            self.spend()?;
            if last.verify_issued_by(issuer).is_err() {
                continue;
            }
            chain.push(issuer.clone());
            let found = if self.context.trust.anchors().contains(issuer) {
                self.complete(chain)?
            } else {
                self.extend(chain)?
            };
            if found.is_some() {
                return Ok(found);
            }
            chain.pop();
        }
        Ok(None)
    }

    /// Certificates that may have issued `certificate`, the anchors first.
    fn candidates(&self, certificate: &Certificate) -> Vec<&'a Certificate> {
        let trust = self.context.trust;
        trust
            .anchors()
            .iter()
            .chain(trust.intermediates())
            .chain(self.pool)
            .filter(|issuer| issuer.subject_der() == certificate.issuer_der())
            .filter(
                |issuer| match (certificate.authority_key_id(), issuer.subject_key_id()) {
                    (Some(wanted), Some(found)) => wanted == found,
                    _ => true,
                },
            )
            .collect()
    }

    /// The checks over a whole path: name constraints, then revocation.
    fn complete(&mut self, chain: &[Certificate]) -> Result<Option<Revocation>, PathFault> {
        for (position, authority) in chain.iter().enumerate().skip(1) {
            let Some(constraints) = authority.name_constraints() else {
                continue;
            };
            let inside = chain[..position]
                .iter()
                .enumerate()
                .all(|(below, certificate)| {
                    // RFC 5280 §6.1.3 (b): self-issued certificates are exempt, the leaf is not.
                    (below > 0 && certificate.is_self_issued())
                        || name_constraints::allow(constraints, certificate)
                });
            if !inside {
                let subject = authority.subject().to_owned();
                self.fault
                    .get_or_insert(PathFault::NameConstraint { subject });
                return Ok(None);
            }
        }
        self.revocation(chain)
    }

    fn revocation(&mut self, chain: &[Certificate]) -> Result<Option<Revocation>, PathFault> {
        let mut oldest: Option<OffsetDateTime> = None;
        let mut unknown: Option<Revocation> = None;
        for pair in chain.windows(2) {
            let [certificate, issuer] = pair else {
                continue;
            };
            match self.revocation_of(certificate, issuer)? {
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                    return Ok(None);
                }
                Ok(Revocation::Good { as_of }) => {
                    oldest = Some(oldest.map_or(as_of, |o| o.min(as_of)));
                }
                Ok(other) => {
                    unknown.get_or_insert(other);
                }
            }
        }
        let as_of = oldest.unwrap_or(self.context.now);
        Ok(Some(unknown.unwrap_or(Revocation::Good { as_of })))
    }

    /// What the lists of `issuer` say; the inner error is a revocation.
    fn revocation_of(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Result<Result<Revocation, PathFault>, PathFault> {
        let now = self.context.now;
        let name = || issuer.subject().to_owned();
        let mut state = Revocation::NoList { issuer: name() };
        let mut latest: Option<OffsetDateTime> = None;
        for crl in self.context.trust.crls() {
            if !crl.covers(certificate) || crl.this_update() > now {
                continue;
            }
            self.spend()?;
            if crl.verify(issuer).is_err() {
                continue;
            }
            // A stale list still proves a revocation, never its absence.
            if let Some(revoked) = crl.find(certificate) {
                return Ok(Err(PathFault::Revoked {
                    subject: certificate.subject().to_owned(),
                    at: revoked.at,
                    reason: revoked.reason,
                }));
            }
            if !crl.is_complete() || latest.is_some_and(|l| l > crl.this_update()) {
                continue;
            }
            latest = Some(crl.this_update());
            state = match crl.next_update() {
                Some(due) if due < now => Revocation::Stale {
                    issuer: name(),
                    due,
                },
                _ => Revocation::Good {
                    as_of: crl.this_update(),
                },
            };
        }
        Ok(Ok(state))
    }

    fn spend(&mut self) -> Result<(), PathFault> {
        self.budget = self.budget.checked_sub(1).ok_or(PathFault::TooComplex)?;
        Ok(())
    }
}

/// Whether `issuer` may stand above `chain` (RFC 5280 §6.1.4 (k) to (n)).
fn check_issuer(
    chain: &[Certificate],
    issuer: &Certificate,
    now: OffsetDateTime,
) -> Result<(), PathFault> {
    check_alone(issuer, now)?;
    let subject = || issuer.subject().to_owned();
    let authority = issuer
        .authority()
        .filter(|_| issuer.key_usage().is_none_or(|usage| usage.key_cert_sign()))
        // An authority restricted to other purposes issues no mail certificate.
        .filter(|_| issuer.is_for_mail())
        .ok_or_else(|| PathFault::NotAnAuthority { subject: subject() })?;
    let intermediates = chain.iter().skip(1).filter(|c| !c.is_self_issued()).count();
    match authority.path_length {
        Some(allowed) if intermediates > usize::from(allowed) => {
            Err(PathFault::NotAnAuthority { subject: subject() })
        }
        _ => Ok(()),
    }
}
