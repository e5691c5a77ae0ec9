//! The extensions of a certificate (RFC 5280 §4.2), read once.

use const_oid::ObjectIdentifier;

use crate::ber::{BerError, Element, SEQUENCE, context, context_constructed};
use crate::error::MaterialError;
use crate::name::{DistinguishedName, GeneralName};
use crate::oid;

const BOOLEAN: u8 = 0x01;
/// Levels that an extension's value may nest: a distinguished name within a general name within
/// a distribution point.
const DEPTH: u8 = 16;

/// What a certificate's extensions say.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
    pub(crate) alternative_names: Vec<GeneralName>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usage: Option<Vec<ObjectIdentifier>>,
    pub(crate) authority: Option<Authority>,
    pub(crate) name_constraints: Option<NameConstraints>,
    pub(crate) policies: Option<Vec<ObjectIdentifier>>,
    /// Issuer domain policy, subject domain policy.
    pub(crate) policy_mappings: Vec<(ObjectIdentifier, ObjectIdentifier)>,
    pub(crate) policy_constraints: PolicyConstraints,
    /// SkipCerts of inhibitAnyPolicy.
    pub(crate) inhibit_any_policy: Option<u32>,
    pub(crate) distribution_points: Vec<DistributionPoint>,
    /// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
    pub(crate) ocsp_no_check: bool,
    /// A critical extension that is not understood makes a certificate unusable (RFC 5280 §4.2).
    pub(crate) unknown_critical: bool,
}

/// The bits of keyUsage (RFC 5280 §4.2.1.3), the first in the highest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyUsage(u16);

impl KeyUsage {
    pub(crate) const DIGITAL_SIGNATURE: u16 = 0x8000;
    pub(crate) const NON_REPUDIATION: u16 = 0x4000;
    pub(crate) const KEY_ENCIPHERMENT: u16 = 0x2000;
    pub(crate) const KEY_AGREEMENT: u16 = 0x0800;
    pub(crate) const KEY_CERT_SIGN: u16 = 0x0400;
    pub(crate) const CRL_SIGN: u16 = 0x0200;

    /// Whether one of `bits` is set.
    pub(crate) fn allows(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}

/// The basicConstraints of an authority (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authority {
    pub(crate) path_length: Option<u16>,
}

/// Subtrees that the names below an authority must and must not be in (RFC 5280 §4.2.1.10).
#[derive(Debug, Clone, Default)]
pub(crate) struct NameConstraints {
    pub(crate) permitted: Vec<GeneralName>,
    pub(crate) excluded: Vec<GeneralName>,
}

/// policyConstraints (RFC 5280 §4.2.1.11).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PolicyConstraints {
    pub(crate) require_explicit: Option<u32>,
    pub(crate) inhibit_mapping: Option<u32>,
}

/// One distribution point of cRLDistributionPoints (RFC 5280 §4.2.1.13).
#[derive(Debug, Clone)]
pub(crate) struct DistributionPoint {
    /// Full names; one relative to the CRL issuer is made full.
    pub(crate) names: Option<Vec<GeneralName>>,
    /// `None`: all of them.
    pub(crate) reasons: Option<Reasons>,
    /// `None`: the issuer of the certificate.
    pub(crate) crl_issuer: Option<Vec<DistinguishedName>>,
}

/// A set of revocation reasons (`ReasonFlags`, RFC 5280 §4.2.1.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reasons(u16);

impl Reasons {
    pub(crate) const NONE: Self = Self(0);
    /// keyCompromise to aACompromise: bits 1 to 8.
    pub(crate) const ALL: Self = Self(0x7f80);

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this has a reason that `other` lacks.
    pub(crate) fn exceeds(self, other: Self) -> bool {
        self.0 & !other.0 != 0
    }

    pub(crate) fn read(bits: &[u8]) -> Result<Self, BerError> {
        named_bits(bits).map(Self).map(|r| r.and(Self::ALL))
    }
}

impl Extensions {
    /// Reads `Extensions`: a SEQUENCE of at least one, each kind at most once (RFC 5280 §4.2).
    /// `issuer` completes the names that are relative to it.
    pub(crate) fn read(
        list: &Element<'_>,
        issuer: &DistinguishedName,
    ) -> Result<Self, MaterialError> {
        const BAD: MaterialError = MaterialError::Certificate("an extension");
        let mut read = Self::default();
        let mut seen = Vec::new();
        for extension in each(list).map_err(|_| BAD)? {
            if seen.contains(&extension.kind) {
                return Err(MaterialError::Certificate("an extension occurs twice"));
            }
            seen.push(extension.kind);
            read.take(&extension, issuer).map_err(|_| BAD)?;
        }
        Ok(read)
    }

    fn take(&mut self, e: &Extension<'_>, issuer: &DistinguishedName) -> Result<(), BerError> {
        let value = Element::only(e.value, DEPTH);
        match e.kind {
            oid::SUBJECT_KEY_ID => self.subject_key_id = Some(value?.octets()?.into_owned()),
            oid::AUTHORITY_KEY_ID => self.authority_key_id = authority_key_id(&value?)?,
            oid::KEY_USAGE => self.key_usage = Some(KeyUsage(named_bits(bits(&value?)?)?)),
            oid::SUBJECT_ALT_NAME => {
                self.alternative_names = GeneralName::read_all(value?.children()?)?;
            }
            oid::BASIC_CONSTRAINTS => self.authority = basic_constraints(&value?)?,
            oid::NAME_CONSTRAINTS => self.name_constraints = Some(name_constraints(&value?)?),
            oid::CERTIFICATE_POLICIES => self.policies = Some(policies(&value?)?),
            oid::POLICY_MAPPINGS => self.policy_mappings = policy_mappings(&value?)?,
            oid::POLICY_CONSTRAINTS => self.policy_constraints = policy_constraints(&value?)?,
            oid::INHIBIT_ANY_POLICY => {
                self.inhibit_any_policy = Some(skip_certs(value?.content));
            }
            oid::EXT_KEY_USAGE => {
                let mut purposes = value?.children()?;
                let mut read = Vec::new();
                while !purposes.is_empty() {
                    read.push(purposes.oid()?);
                }
                self.extended_key_usage = Some(read);
            }
            oid::CRL_DISTRIBUTION_POINTS => {
                let mut points = value?.children()?;
                while !points.is_empty() {
                    let point = DistributionPoint::read(&points.expect(SEQUENCE)?, issuer)?;
                    self.distribution_points.push(point);
                }
            }
            oid::OCSP_NO_CHECK => self.ocsp_no_check = true,
            // Where fresher lists are found: nothing is fetched, so nothing follows from it.
            oid::FRESHEST_CRL => {}
            _ => self.unknown_critical |= e.critical,
        }
        Ok(())
    }
}

/// One `Extension`.
pub(crate) struct Extension<'a> {
    pub(crate) kind: ObjectIdentifier,
    pub(crate) critical: bool,
    /// The octets inside the OCTET STRING.
    pub(crate) value: &'a [u8],
}

/// The extensions of a SEQUENCE OF Extension: those of a certificate, a list or an entry of one.
pub(crate) fn each<'a>(list: &Element<'a>) -> Result<Vec<Extension<'a>>, BerError> {
    let mut extensions = list.children()?;
    let mut read = Vec::new();
    while !extensions.is_empty() {
        let mut inner = extensions.expect(SEQUENCE)?.children()?;
        let kind = inner.oid()?;
        let critical = match inner.optional(BOOLEAN)? {
            Some(flag) => boolean(&flag)?,
            None => false,
        };
        let value = inner.expect(crate::ber::OCTET_STRING)?.content;
        inner.finish()?;
        read.push(Extension {
            kind,
            critical,
            value,
        });
    }
    Ok(read)
}

impl DistributionPoint {
    fn read(element: &Element<'_>, issuer: &DistinguishedName) -> Result<Self, BerError> {
        let mut inner = element.children()?;
        let name = inner.optional(context_constructed(0))?;
        let reasons = inner.optional(context(1))?;
        let crl_issuer = match inner.optional(context_constructed(2))? {
            Some(names) => Some(directory_names(GeneralName::read_all(names.children()?)?)),
            None => None,
        };
        inner.finish()?;
        let base = crl_issuer.as_ref().and_then(|names| names.first());
        Ok(Self {
            names: match name {
                Some(name) => Some(point_names(&name, base.unwrap_or(issuer))?),
                None => None,
            },
            reasons: match reasons {
                Some(flags) => Some(Reasons::read(flags.content)?),
                None => None,
            },
            crl_issuer,
        })
    }
}

/// The full names of a `DistributionPointName` under its explicit tag.
pub(crate) fn point_names(
    wrapper: &Element<'_>,
    crl_issuer: &DistinguishedName,
) -> Result<Vec<GeneralName>, BerError> {
    let mut inner = wrapper.children()?;
    let choice = inner.any()?;
    inner.finish()?;
    const FULL_NAME: u8 = context_constructed(0);
    const RELATIVE_NAME: u8 = context_constructed(1);
    match choice.tag {
        FULL_NAME => GeneralName::read_all(choice.children()?),
        RELATIVE_NAME => {
            let name = crl_issuer.with(choice.children()?)?;
            Ok(vec![GeneralName::Directory(name)])
        }
        _ => Err(BerError::UnexpectedTag),
    }
}

/// keyIdentifier of authorityKeyIdentifier (RFC 5280 §4.2.1.1).
pub(crate) fn authority_key_id(value: &Element<'_>) -> Result<Option<Vec<u8>>, BerError> {
    let id = value.children()?.optional(context(0))?;
    Ok(id.map(|id| id.content.to_vec()))
}

/// A DER BOOLEAN.
pub(crate) fn boolean(flag: &Element<'_>) -> Result<bool, BerError> {
    match flag.content {
        [0] => Ok(false),
        [_] => Ok(true),
        _ => Err(BerError::Value),
    }
}

fn directory_names(names: Vec<GeneralName>) -> Vec<DistinguishedName> {
    names
        .into_iter()
        .filter_map(|name| match name {
            GeneralName::Directory(name) => Some(name),
            _ => None,
        })
        .collect()
}

fn bits<'a>(value: &Element<'a>) -> Result<&'a [u8], BerError> {
    if value.tag == crate::ber::BIT_STRING {
        Ok(value.content)
    } else {
        Err(BerError::UnexpectedTag)
    }
}

/// The first sixteen named bits of a BIT STRING's content octets.
fn named_bits(content: &[u8]) -> Result<u16, BerError> {
    let (unused, octets) = content.split_first().ok_or(BerError::Value)?;
    if *unused > 7 || (octets.is_empty() && *unused != 0) {
        return Err(BerError::Value);
    }
    let first = octets.first().copied().unwrap_or(0);
    let second = octets.get(1).copied().unwrap_or(0);
    Ok(u16::from_be_bytes([first, second]))
}

fn basic_constraints(value: &Element<'_>) -> Result<Option<Authority>, BerError> {
    let mut inner = value.children()?;
    let authority = match inner.optional(BOOLEAN)? {
        Some(flag) => boolean(&flag)?,
        None => false,
    };
    let path_length = if inner.is_empty() {
        None
    } else {
        Some(inner.small_integer()?)
    };
    inner.finish()?;
    Ok(authority.then_some(Authority { path_length }))
}

fn name_constraints(value: &Element<'_>) -> Result<NameConstraints, BerError> {
    let mut inner = value.children()?;
    let mut subtrees = |tag| -> Result<Vec<GeneralName>, BerError> {
        let Some(list) = inner.optional(context_constructed(tag))? else {
            return Ok(Vec::new());
        };
        let mut list = list.children()?;
        let mut bases = Vec::new();
        while !list.is_empty() {
            let mut subtree = list.expect(SEQUENCE)?.children()?;
            bases.push(GeneralName::read(&subtree.any()?)?);
            // RFC 5280 §4.2.1.10: minimum is 0 and maximum absent; DER writes neither.
            subtree.finish()?;
        }
        Ok(bases)
    };
    let permitted = subtrees(0)?;
    let excluded = subtrees(1)?;
    inner.finish()?;
    Ok(NameConstraints {
        permitted,
        excluded,
    })
}

fn policies(value: &Element<'_>) -> Result<Vec<ObjectIdentifier>, BerError> {
    let mut list = value.children()?;
    let mut read = Vec::new();
    while !list.is_empty() {
        let policy = list.expect(SEQUENCE)?.children()?.oid()?;
        // RFC 5280 §4.2.1.4: no policy occurs twice.
        if read.contains(&policy) {
            return Err(BerError::Value);
        }
        read.push(policy);
    }
    Ok(read)
}

fn policy_mappings(
    value: &Element<'_>,
) -> Result<Vec<(ObjectIdentifier, ObjectIdentifier)>, BerError> {
    let mut list = value.children()?;
    let mut read = Vec::new();
    while !list.is_empty() {
        let mut pair = list.expect(SEQUENCE)?.children()?;
        read.push((pair.oid()?, pair.oid()?));
        pair.finish()?;
    }
    Ok(read)
}

fn policy_constraints(value: &Element<'_>) -> Result<PolicyConstraints, BerError> {
    let mut inner = value.children()?;
    let require = inner.optional(context(0))?;
    let inhibit = inner.optional(context(1))?;
    inner.finish()?;
    Ok(PolicyConstraints {
        require_explicit: require.map(|e| skip_certs(e.content)),
        inhibit_mapping: inhibit.map(|e| skip_certs(e.content)),
    })
}

/// A `SkipCerts` number; more certificates than any path has come to the same.
fn skip_certs(content: &[u8]) -> u32 {
    content.iter().fold(0u32, |sum, o| {
        sum.saturating_mul(256).saturating_add(u32::from(*o))
    })
}
