//! The search for a path, and the checks of each link.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::{CheckedPath, Context, PathFault, Purpose, Revocation, policy};
use crate::algorithm::PublicKeyKind;
use crate::certificate::{Certificate, KeyUsage};
use crate::name_constraints;

/// What one search may use and has found out; searches for the issuers of revocation lists
/// within it share its budget.
pub(super) struct Search<'a> {
    pool: &'a [Certificate],
    pub(super) context: &'a Context<'a>,
    /// Signatures that may still be computed.
    budget: usize,
    /// Whether the second one's key signed the first, by their handles.
    signatures: HashMap<(usize, usize), bool>,
    /// Issuers of revocation lists whose own paths are being checked.
    pub(super) in_progress: Vec<Certificate>,
}

/// One search within a [`Search`].
struct Attempt<'a> {
    purpose: Purpose,
    /// The anchor that the path must end in, if only one will do.
    anchor: Option<&'a Certificate>,
    /// The fault of the first path that failed for a reason better than "nobody issued it".
    fault: Option<PathFault>,
    /// The first path that holds but for what is known of its revocation.
    second_best: Option<CheckedPath>,
}

impl<'a> Search<'a> {
    pub(super) fn new(pool: &'a [Certificate], context: &'a Context<'a>) -> Self {
        Self {
            pool,
            context,
            budget: context.limits.path_signatures,
            signatures: HashMap::new(),
            in_progress: Vec::new(),
        }
    }

    /// The best path for `leaf`: one whose revocation is known to be good, else the first one
    /// that holds.
    pub(super) fn path(
        &mut self,
        leaf: &Certificate,
        purpose: Purpose,
        anchor: Option<&Certificate>,
    ) -> Result<CheckedPath, PathFault> {
        check_usage(leaf, purpose)?;
        check_alone(leaf, self.context.now)?;
        let mut attempt = Attempt {
            purpose,
            anchor,
            fault: None,
            second_best: None,
        };
        let mut chain = vec![leaf.clone()];
        match self.extend(&mut chain, &mut attempt) {
            Ok(Some(revocation)) => return Ok(CheckedPath { chain, revocation }),
            Ok(None) => {}
            Err(fault) => {
                // Out of budget: what was found until then counts.
                return attempt.second_best.ok_or(fault);
            }
        }
        match attempt.second_best {
            Some(path) => Ok(path),
            None => Err(attempt.fault.unwrap_or(PathFault::Untrusted)),
        }
    }

    /// Extends `chain` to an anchor. `None` means that no way of known revocation leads there
    /// from its end.
    fn extend(
        &mut self,
        chain: &mut Vec<Certificate>,
        attempt: &mut Attempt<'_>,
    ) -> Result<Option<Revocation>, PathFault> {
        let Some(last) = chain.last().cloned() else {
            return Ok(None);
        };
        if chain.len() >= self.context.limits.path_length {
            return Ok(None);
        }
        for issuer in self.candidates(&last) {
            // RFC 4158 §2.4.2: the same name and key again is a loop, whatever else differs.
            if chain.iter().any(|c| is_same_entity(c, issuer)) {
                continue;
            }
            if let Err(fault) = check_issuer(chain, issuer, attempt.purpose, self.context.now) {
                attempt.fault.get_or_insert(fault);
                continue;
            }
            if !self.is_signed_by(&last, issuer)? {
                continue;
            }
            chain.push(issuer.clone());
            let found = if self.context.trust.anchors().contains(issuer) {
                self.complete(chain, attempt)?
            } else {
                self.extend(chain, attempt)?
            };
            if found.is_some() {
                return Ok(found);
            }
            chain.pop();
        }
        Ok(None)
    }

    /// Every certificate at hand, the anchors first.
    pub(super) fn at_hand(&self) -> impl Iterator<Item = &'a Certificate> + use<'a> {
        let trust = self.context.trust;
        let known = trust.anchors().iter().chain(trust.intermediates());
        known.chain(self.pool)
    }

    /// Certificates that may have issued `certificate`, those first whose key identifier is the
    /// one it names. An identifier is a hint (RFC 5280 §4.2.1.1): the signature decides.
    fn candidates(&self, certificate: &Certificate) -> Vec<&'a Certificate> {
        let wanted = certificate.extensions().authority_key_id.as_deref();
        let mut found: Vec<&Certificate> = Vec::new();
        for issuer in self.at_hand() {
            if issuer.subject_name() == certificate.issuer_name() && !found.contains(&issuer) {
                found.push(issuer);
            }
        }
        found.sort_by_key(|issuer| match (wanted, issuer.subject_key_id()) {
            (Some(wanted), Some(id)) if wanted != id => 2,
            (Some(_), Some(_)) => 0,
            _ => 1,
        });
        found
    }

    /// The checks over a whole path: name constraints, policies, then revocation.
    fn complete(
        &mut self,
        chain: &[Certificate],
        attempt: &mut Attempt<'_>,
    ) -> Result<Option<Revocation>, PathFault> {
        if attempt
            .anchor
            .is_some_and(|wanted| chain.last() != Some(wanted))
        {
            return Ok(None);
        }
        let demand = self.context.trust.policy_demand();
        let held = check_names(chain).and_then(|()| {
            // A list's issuer is no subscriber: its path needs no policy.
            if attempt.purpose == Purpose::Revoke || policy::allow(chain, demand) {
                Ok(())
            } else {
                Err(PathFault::Policy)
            }
        });
        let state = match held {
            Ok(()) => self.revocation(chain)?,
            Err(fault) => Err(fault),
        };
        match state {
            Ok(good @ Revocation::Good { .. }) => return Ok(Some(good)),
            Ok(revocation) => {
                let chain = chain.to_vec();
                let path = CheckedPath { chain, revocation };
                attempt.second_best.get_or_insert(path);
            }
            Err(fault) => {
                attempt.fault.get_or_insert(fault);
            }
        }
        Ok(None)
    }

    /// Whether the key of `issuer` signed `certificate`.
    pub(super) fn is_signed_by(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Result<bool, PathFault> {
        let check = || certificate.verify_issued_by(issuer).is_ok();
        self.once(certificate.handle(), issuer, check)
    }

    /// A signature check that is not made twice for the same object and issuer.
    pub(super) fn once(
        &mut self,
        object: usize,
        issuer: &Certificate,
        check: impl FnOnce() -> bool,
    ) -> Result<bool, PathFault> {
        let key = (object, issuer.handle());
        if let Some(known) = self.signatures.get(&key) {
            return Ok(*known);
        }
        // RFC 8550 §4.3: RSA keys above 4096 bits cost more and count for more.
        let cost = match issuer.public_key_kind() {
            PublicKeyKind::Rsa(4097..) | PublicKeyKind::RsaPss(4097..) => 4,
            _ => 1,
        };
        self.budget = self.budget.checked_sub(cost).ok_or(PathFault::TooComplex)?;
        let holds = check();
        self.signatures.insert(key, holds);
        Ok(holds)
    }
}

fn is_same_entity(one: &Certificate, other: &Certificate) -> bool {
    one.subject_name() == other.subject_name() && one.spki() == other.spki()
}

fn check_usage(leaf: &Certificate, purpose: Purpose) -> Result<(), PathFault> {
    let fault = match purpose {
        Purpose::Sign if !leaf.may_sign() => Some("its key usage lacks digitalSignature"),
        Purpose::Sign if !leaf.is_for_mail() => {
            Some("its extended key usage lacks emailProtection")
        }
        Purpose::Receive => leaf.reception_fault(),
        Purpose::Sign | Purpose::Revoke => None,
    };
    fault.map_or(Ok(()), |fault| Err(PathFault::Usage(fault)))
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
    if certificate.extensions().unknown_critical {
        return Err(PathFault::CriticalExtension { subject: subject() });
    }
    Ok(())
}

/// Whether `issuer` may stand above `chain` (RFC 5280 §6.1.4 (k) to (n)).
fn check_issuer(
    chain: &[Certificate],
    issuer: &Certificate,
    purpose: Purpose,
    now: OffsetDateTime,
) -> Result<(), PathFault> {
    check_alone(issuer, now)?;
    let subject = || issuer.subject().to_owned();
    let authority = issuer
        .authority()
        .filter(|_| issuer.key_usage_allows(KeyUsage::KEY_CERT_SIGN))
        // An authority restricted to other purposes issues no mail certificate.
        .filter(|_| purpose == Purpose::Revoke || issuer.is_for_mail())
        .ok_or_else(|| PathFault::NotAnAuthority { subject: subject() })?;
    let intermediates = chain.iter().skip(1).filter(|c| !c.is_self_issued()).count();
    match authority.path_length {
        Some(allowed) if intermediates > usize::from(allowed) => {
            Err(PathFault::NotAnAuthority { subject: subject() })
        }
        _ => Ok(()),
    }
}

/// RFC 5280 §6.1.3 (b) and (c); the constraints of the anchor count too (RFC 5937 §3).
fn check_names(chain: &[Certificate]) -> Result<(), PathFault> {
    for (position, authority) in chain.iter().enumerate().skip(1) {
        let Some(constraints) = &authority.extensions().name_constraints else {
            continue;
        };
        let mut below = chain[..position].iter().enumerate();
        let inside = below.all(|(depth, certificate)| {
            // Self-issued certificates are exempt, the leaf is not.
            (depth > 0 && certificate.is_self_issued())
                || name_constraints::allow(constraints, certificate)
        });
        if !inside {
            let subject = authority.subject().to_owned();
            return Err(PathFault::NameConstraint { subject });
        }
    }
    Ok(())
}
