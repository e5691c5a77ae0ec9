//! What follows from revocation lists and OCSP responses for a path (RFC 5280 §6.3).

use time::{Duration, OffsetDateTime};

use super::search::Search;
use super::{PathFault, Purpose, Revocation};
use crate::certificate::{Certificate, DistributionPoint, Reasons};
use crate::crl::{Crl, Entry, Revoked};
use crate::name::GeneralName;
use crate::ocsp::{OcspResponse, Status};

/// How long evidence counts that does not say when the next is due: RFC 5280 §5.1.2.5 demands
/// that lists say it, and RFC 6960 §4.2.2.1 takes its absence to mean that there is always newer.
const UNDATED: Duration = Duration::days(1);

/// The state of one certificate; the error is its revocation.
type State = Result<Revocation, PathFault>;

impl<'a> Search<'a> {
    /// What the evidence says about every certificate of `chain` but the anchor. The outer error
    /// is an exhausted budget.
    pub(super) fn revocation(&mut self, chain: &[Certificate]) -> Result<State, PathFault> {
        let mut known: Option<Revocation> = None;
        for position in 0..chain.len().saturating_sub(1) {
            let (below, above) = chain.split_at(position + 1);
            let Some(certificate) = below.last() else {
                continue;
            };
            match self.state_of(certificate, above)? {
                Err(fault) => return Ok(Err(fault)),
                Ok(state) => known = Some(worse(known, state)),
            }
        }
        let as_of = self.context.now;
        Ok(Ok(known.unwrap_or(Revocation::Good { as_of })))
    }

    fn state_of(
        &mut self,
        certificate: &Certificate,
        above: &[Certificate],
    ) -> Result<State, PathFault> {
        let Some(issuer) = above.first() else {
            return Ok(Ok(no_list(certificate)));
        };
        let answered = match self.answered(certificate, issuer, above)? {
            Ok(state) => state,
            Err(fault) => return Ok(Err(fault)),
        };
        Ok(self
            .listed(certificate, above)?
            .map(|listed| better(answered, listed)))
    }

    /// By the OCSP responses at hand (RFC 6960 §3.2).
    fn answered(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
        above: &[Certificate],
    ) -> Result<State, PathFault> {
        let now = self.context.now;
        let mut best = no_list(issuer);
        for response in self.context.trust.ocsp_responses() {
            let Some(answer) = response.answer(certificate, issuer) else {
                continue;
            };
            if answer.this_update > now || !self.is_authentic(response, issuer, above)? {
                continue;
            }
            let state = match (answer.status, answer.next_update) {
                // A stale answer still proves a revocation, never its absence.
                (Status::Revoked(revoked), _) => {
                    return Ok(Err(revoked_fault(certificate, revoked)));
                }
                (Status::Unknown, _) => continue,
                (Status::Good, next) => freshness(issuer, answer.this_update, next, now),
            };
            best = better(best, state);
        }
        Ok(Ok(best))
    }

    /// Whether the issuer itself, or a responder that it delegated (RFC 6960 §4.2.2.2), signed a
    /// response.
    fn is_authentic(
        &mut self,
        response: &OcspResponse,
        issuer: &Certificate,
        above: &[Certificate],
    ) -> Result<bool, PathFault> {
        if response.is_named_by(issuer)
            && self.once(response.handle(), issuer, || response.verify(issuer))?
        {
            return Ok(true);
        }
        for responder in response.delegates(self.context.now) {
            let delegated = responder.issuer_name() == issuer.subject_name()
                && self.is_signed_by(responder, issuer)?
                && self.once(response.handle(), responder, || response.verify(responder))?;
            if !delegated {
                continue;
            }
            // RFC 6960 §4.2.2.2.1: unless its issuer says otherwise, its own revocation counts.
            if responder.extensions().ocsp_no_check
                || matches!(self.listed(responder, above)?, Ok(Revocation::Good { .. }))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// By the revocation lists at hand (RFC 5280 §6.3.3).
    fn listed(
        &mut self,
        certificate: &Certificate,
        above: &[Certificate],
    ) -> Result<State, PathFault> {
        let Some(issuer) = above.first() else {
            return Ok(Ok(no_list(certificate)));
        };
        let mut covered = Covered {
            reasons: Reasons::NONE,
            state: None,
            stale: None,
        };
        let mut points = certificate.extensions().distribution_points.clone();
        // RFC 5280 §6.3.3, last paragraph: lists of the issuer that no point names.
        points.push(DistributionPoint {
            names: Some(vec![GeneralName::Directory(
                certificate.issuer_name().clone(),
            )]),
            reasons: None,
            crl_issuer: None,
        });
        let crls = self.context.trust.crls();
        for point in &points {
            for crl in crls {
                if crl.extensions().delta_base.is_some() || !is_usable(crl, self.context.now) {
                    continue;
                }
                let Some(reasons) = scope(crl, point, certificate) else {
                    continue;
                };
                let Some(authority) = self.issuer_of(crl, above)? else {
                    continue;
                };
                let delta = self.delta_of(crl, above)?;
                if let Some(revoked) = entry(crl, delta, certificate) {
                    return Ok(Err(revoked_fault(certificate, revoked)));
                }
                let latest = delta.unwrap_or(crl);
                let (since, next) = (latest.this_update(), latest.next_update());
                let now = self.context.now;
                covered.add(reasons, authority, freshness(issuer, since, next, now));
            }
        }
        if let Some(revoked) = self.listed_elsewhere(certificate, above)? {
            return Ok(Err(revoked_fault(certificate, revoked)));
        }
        Ok(Ok(covered.conclude(issuer)))
    }

    /// A list of the issuer for other certificates than this one that names it all the same: it
    /// cannot show that the certificate is good, but that it is not.
    fn listed_elsewhere(
        &mut self,
        certificate: &Certificate,
        above: &[Certificate],
    ) -> Result<Option<Revoked>, PathFault> {
        for crl in self.context.trust.crls() {
            let own = crl.issuer() == certificate.issuer_name();
            let partial = crl.extensions().point.is_some();
            let complete = crl.extensions().delta_base.is_none();
            if !(own && partial && complete && is_usable(crl, self.context.now)) {
                continue;
            }
            if let Some(Entry::Revoked(revoked)) = crl.find(certificate)
                && !self.taken_off(crl, certificate, above)?
                && self.issuer_of(crl, above)?.is_some()
            {
                return Ok(Some(revoked));
            }
        }
        Ok(None)
    }

    fn taken_off(
        &mut self,
        crl: &Crl,
        certificate: &Certificate,
        above: &[Certificate],
    ) -> Result<bool, PathFault> {
        let delta = self.delta_of(crl, above)?;
        Ok(delta.is_some_and(|d| d.find(certificate) == Some(Entry::Removed)))
    }

    /// What is known of the revocation of the authority that signed `crl`, if it is one that may:
    /// RFC 5280 §6.3.3 (f) and (g). `above` is the path of the certificate in question.
    fn issuer_of(
        &mut self,
        crl: &Crl,
        above: &[Certificate],
    ) -> Result<Option<Revocation>, PathFault> {
        let anchor = above.last();
        let mut candidates: Vec<&Certificate> = above.iter().collect();
        candidates.extend(self.at_hand());
        for candidate in candidates {
            if !crl.may_be_of(candidate)
                || !self.once(crl.handle(), candidate, || crl.verify(candidate).is_ok())?
            {
                continue;
            }
            // A link of this path is judged as such; one in progress is the issuer of the very
            // list that speaks of it.
            if above.contains(candidate) || self.in_progress.contains(candidate) {
                let as_of = self.context.now;
                return Ok(Some(Revocation::Good { as_of }));
            }
            self.in_progress.push(candidate.clone());
            let path = self.path(candidate, Purpose::Revoke, anchor);
            self.in_progress.pop();
            match path {
                Ok(path) => return Ok(Some(path.revocation)),
                Err(PathFault::TooComplex) => return Err(PathFault::TooComplex),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// The latest delta list that brings `crl` up to date (RFC 5280 §5.2.4).
    fn delta_of(&mut self, crl: &Crl, above: &[Certificate]) -> Result<Option<&'a Crl>, PathFault> {
        let Some(number) = &crl.extensions().number else {
            return Ok(None);
        };
        let mut latest: Option<&Crl> = None;
        for delta in self.context.trust.crls() {
            let (base, said) = (&delta.extensions().delta_base, &delta.extensions().number);
            let (Some(base), Some(said)) = (base, said) else {
                continue;
            };
            // RFC 5280 §6.3.3 (c): the same issuer, scope and key.
            let matches = delta.issuer() == crl.issuer()
                && delta.extensions().point == crl.extensions().point
                && delta.extensions().authority_key_id == crl.extensions().authority_key_id;
            let follows = !is_greater(base, number) && is_greater(said, number);
            let newer = latest.is_none_or(|l| delta.this_update() > l.this_update());
            if matches
                && follows
                && newer
                && is_usable(delta, self.context.now)
                && self.issuer_of(delta, above)?.is_some()
            {
                latest = Some(delta);
            }
        }
        Ok(latest)
    }
}

/// What the lists for one certificate come to.
struct Covered {
    reasons: Reasons,
    /// Good, or what is not known of a list's issuer.
    state: Option<Revocation>,
    stale: Option<Revocation>,
}

impl Covered {
    fn add(&mut self, reasons: Reasons, authority: Revocation, list: Revocation) {
        if !matches!(list, Revocation::Good { .. }) {
            self.stale.get_or_insert(list);
            return;
        }
        // The authority's own state says whether its list can be believed.
        let state = match authority {
            Revocation::Good { .. } => list,
            unknown => unknown,
        };
        if reasons.exceeds(self.reasons) {
            self.reasons = self.reasons.or(reasons);
            self.state = Some(worse(self.state.take(), state));
        } else if let Some(known) = self.state.take() {
            // A later list for the same reasons.
            self.state = Some(better(known, state));
        }
    }

    /// RFC 5280 §6.3.3: determined once every reason is covered.
    fn conclude(self, issuer: &Certificate) -> Revocation {
        match self.state {
            Some(state) if !Reasons::ALL.exceeds(self.reasons) => state,
            _ => self.stale.unwrap_or_else(|| no_list(issuer)),
        }
    }
}

/// RFC 5280 §5.2 and §5.3: nothing follows from a list with a critical extension that is not
/// understood; nor from one of the future.
fn is_usable(crl: &Crl, now: OffsetDateTime) -> bool {
    !crl.extensions().unknown_critical && crl.this_update() <= now
}

/// The reasons for which `crl` speaks of `certificate` at `point`; `None` if it does not (RFC 5280
/// §6.3.3 (b) and (d)).
fn scope(crl: &Crl, point: &DistributionPoint, certificate: &Certificate) -> Option<Reasons> {
    let issuing = crl.extensions().point.as_ref();
    // (b) (1)
    let rightful = match &point.crl_issuer {
        Some(names) => names.contains(crl.issuer()) && issuing.is_some_and(|p| p.indirect),
        None => crl.issuer() == certificate.issuer_name(),
    };
    if !rightful {
        return None;
    }
    let all = point.reasons.unwrap_or(Reasons::ALL);
    let Some(issuing) = issuing else {
        return Some(all);
    };
    // (b) (2) (i)
    if let Some(names) = &issuing.names {
        let named = match (&point.names, &point.crl_issuer) {
            (Some(wanted), _) => names.iter().any(|name| wanted.contains(name)),
            (None, Some(issuers)) => names.iter().any(|name| match name {
                GeneralName::Directory(name) => issuers.contains(name),
                _ => false,
            }),
            (None, None) => false,
        };
        if !named {
            return None;
        }
    }
    // (b) (2) (ii) to (iv)
    let authority = certificate.authority().is_some();
    if (issuing.only_people && authority)
        || (issuing.only_authorities && !authority)
        || issuing.only_attributes
    {
        return None;
    }
    Some(all.and(issuing.reasons.unwrap_or(Reasons::ALL)))
}

/// RFC 5280 §6.3.3 (i) to (k): the delta list first.
fn entry(crl: &Crl, delta: Option<&Crl>, certificate: &Certificate) -> Option<Revoked> {
    match delta.and_then(|delta| delta.find(certificate)) {
        Some(Entry::Revoked(revoked)) => Some(revoked),
        Some(Entry::Removed) => None,
        None => match crl.find(certificate) {
            Some(Entry::Revoked(revoked)) => Some(revoked),
            Some(Entry::Removed) | None => None,
        },
    }
}

fn freshness(
    issuer: &Certificate,
    since: OffsetDateTime,
    next: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Revocation {
    let due = next.unwrap_or(since + UNDATED);
    if due < now {
        let issuer = issuer.subject().to_owned();
        return Revocation::Stale { issuer, due };
    }
    Revocation::Good { as_of: since }
}

fn no_list(issuer: &Certificate) -> Revocation {
    Revocation::NoList {
        issuer: issuer.subject().to_owned(),
    }
}

fn revoked_fault(certificate: &Certificate, revoked: Revoked) -> PathFault {
    PathFault::Revoked {
        subject: certificate.subject().to_owned(),
        at: revoked.at,
        reason: revoked.reason,
    }
}

/// Both must hold: the first that is not known, or the older evidence.
fn worse(known: Option<Revocation>, state: Revocation) -> Revocation {
    match (known, state) {
        (Some(Revocation::Good { as_of: one }), Revocation::Good { as_of: other }) => {
            Revocation::Good {
                as_of: one.min(other),
            }
        }
        (Some(Revocation::Good { .. }) | None, state) => state,
        (Some(unknown), _) => unknown,
    }
}

/// One suffices: the later evidence that is good, else what is stale, else nothing.
fn better(one: Revocation, other: Revocation) -> Revocation {
    match (one, other) {
        (Revocation::Good { as_of: one }, Revocation::Good { as_of: other }) => Revocation::Good {
            as_of: one.max(other),
        },
        (good @ Revocation::Good { .. }, _) | (_, good @ Revocation::Good { .. }) => good,
        (stale @ Revocation::Stale { .. }, _) => stale,
        (_, other) => other,
    }
}

/// Compares positive numbers in their shortest form.
fn is_greater(one: &[u8], other: &[u8]) -> bool {
    (one.len(), one) > (other.len(), other)
}
