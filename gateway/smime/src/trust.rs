//! What a site trusts: anchors, intermediates it knows, and the evidence on revocation at hand,
//! with its age.

use time::OffsetDateTime;

use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::limits::Limits;
use crate::ocsp::OcspResponse;
use crate::path::{self, CheckedPath, PathFault, PolicyDemand, Purpose};

/// Whom to believe: asked by an [`Opener`](crate::Opener) about the signers that it finds.
/// [`TrustStore`] answers from what it holds; a site may put a cache or a service in its place.
pub trait Trust: Sync {
    /// Whether `certificate` may sign mail at `now`. `pool` came with the message and helps to
    /// find a path; nothing in it is trusted by itself.
    ///
    /// # Errors
    /// [`PathFault`] says why not.
    fn signer_path(
        &self,
        certificate: &Certificate,
        pool: &[Certificate],
        now: OffsetDateTime,
        limits: &Limits,
    ) -> Result<CheckedPath, PathFault>;

    /// Certificates of signers that may not send theirs.
    fn known_signers(&self) -> &[Certificate];
}

impl Trust for TrustStore {
    fn signer_path(
        &self,
        certificate: &Certificate,
        pool: &[Certificate],
        now: OffsetDateTime,
        limits: &Limits,
    ) -> Result<CheckedPath, PathFault> {
        path::validate(certificate, Purpose::Sign, pool, &self.at(now, limits))
    }

    fn known_signers(&self) -> &[Certificate] {
        &self.intermediates
    }
}

/// Anchors, a pool of intermediates, revocation lists and OCSP responses.
///
/// Nothing is ever fetched: an address inside a certificate that is not validated yet is an
/// address chosen by an attacker. Whoever owns the store refreshes it.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    anchors: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    crls: Vec<Crl>,
    ocsp_responses: Vec<OcspResponse>,
    policy: PolicyDemand,
}

impl TrustStore {
    /// A store that trusts nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts `anchor` to issue, directly or through intermediates.
    #[must_use]
    pub fn with_anchor(mut self, anchor: Certificate) -> Self {
        self.anchors.push(anchor);
        self
    }

    /// Knows `certificate` as a possible link or signer; it is not trusted by itself.
    #[must_use]
    pub fn with_intermediate(mut self, certificate: Certificate) -> Self {
        self.intermediates.push(certificate);
        self
    }

    /// Knows a revocation list: complete, delta or indirect. Of several from one issuer, the most
    /// recent one counts, but a revocation in any of them is one.
    #[must_use]
    pub fn with_crl(mut self, crl: Crl) -> Self {
        self.crls.push(crl);
        self
    }

    /// Knows an OCSP response. It counts while it is current, if the issuer of the certificate or a
    /// responder that the issuer delegated signed it.
    #[must_use]
    pub fn with_ocsp_response(mut self, response: OcspResponse) -> Self {
        self.ocsp_responses.push(response);
        self
    }

    /// Demands certificate policies of every path. Without this, only what the authorities
    /// themselves demand counts.
    #[must_use]
    pub fn with_policy_demand(mut self, demand: PolicyDemand) -> Self {
        self.policy = demand;
        self
    }

    /// Checks that `certificate` can be sent encrypted mail at `now`: a path to an anchor, the
    /// usages, and the revocation state. `chain` helps to find the path.
    ///
    /// # Errors
    /// [`PathFault`] says why not.
    pub fn check_recipient(
        &self,
        certificate: &Certificate,
        chain: &[Certificate],
        now: OffsetDateTime,
    ) -> Result<CheckedPath, PathFault> {
        path::validate(
            certificate,
            Purpose::Receive,
            chain,
            &self.at(now, &Limits::default()),
        )
    }

    /// Checks that `certificate` may sign mail at `now`, as [`TrustStore::check_recipient`] does.
    ///
    /// # Errors
    /// [`PathFault`] says why not.
    pub fn check_signer(
        &self,
        certificate: &Certificate,
        chain: &[Certificate],
        now: OffsetDateTime,
    ) -> Result<CheckedPath, PathFault> {
        path::validate(
            certificate,
            Purpose::Sign,
            chain,
            &self.at(now, &Limits::default()),
        )
    }

    pub(crate) fn at<'a>(&'a self, now: OffsetDateTime, limits: &'a Limits) -> path::Context<'a> {
        path::Context {
            trust: self,
            now,
            limits,
        }
    }

    pub(crate) fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    pub(crate) fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }

    pub(crate) fn crls(&self) -> &[Crl] {
        &self.crls
    }

    pub(crate) fn ocsp_responses(&self) -> &[OcspResponse] {
        &self.ocsp_responses
    }

    pub(crate) fn policy_demand(&self) -> &PolicyDemand {
        &self.policy
    }
}
