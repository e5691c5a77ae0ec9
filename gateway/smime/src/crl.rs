//! Certificate revocation lists (RFC 5280 §5): complete, delta and indirect ones, and those for
//! one distribution point or some reasons. What a list says, not what follows from it: that is
//! `path::revocation`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::algorithm::{Algorithm, BadSignature, Scheme};
use crate::ber::{
    BerError, Element, GENERALIZED_TIME, INTEGER, Reader, SEQUENCE, UTC_TIME, context,
    context_constructed,
};
use crate::certificate::extensions::{self, Extension, authority_key_id, boolean, point_names};
use crate::certificate::{Certificate, KeyUsage, Reasons};
use crate::error::MaterialError;
use crate::name::{DistinguishedName, GeneralName};
use crate::{oid, pem};

const ENUMERATED: u8 = 0x0a;
const DEPTH: u8 = 16;

/// A certificate revocation list. Cheap to clone.
#[derive(Clone)]
pub struct Crl(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    tbs: Vec<u8>,
    issuer_der: Vec<u8>,
    issuer: DistinguishedName,
    scheme: Option<Scheme>,
    signature: Vec<u8>,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    /// Issuers of the certificates listed; the first is that of the list.
    issuers: Vec<DistinguishedName>,
    /// By the issuer's place in `issuers` and the serial number.
    entries: HashMap<(u32, Vec<u8>), Entry>,
    extensions: ListExtensions,
}

/// What the list says about one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is revoked.
    Revoked(Revoked),
    /// A delta list takes it off the complete one.
    Removed,
}

/// A revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revoked {
    pub(crate) at: OffsetDateTime,
    pub(crate) reason: RevocationReason,
}

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RevocationReason {
    /// No reason was given.
    Unspecified,
    /// The private key is known to others.
    KeyCompromise,
    /// The authority's key is known to others.
    AuthorityCompromise,
    /// The subject's name or place changed.
    AffiliationChanged,
    /// Another certificate replaced it.
    Superseded,
    /// It is no longer needed.
    CessationOfOperation,
    /// It is suspended.
    Hold,
    /// A privilege that it states was withdrawn.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// The reason of a `CRLReason` number; 8 takes an entry off and is none.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            2 | 10 => Self::AuthorityCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::Hold,
            9 => Self::PrivilegeWithdrawn,
            _ => return None,
        })
    }

    /// The `CRLReason` number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AuthorityCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::Hold => 6,
            Self::PrivilegeWithdrawn => 9,
        }
    }
}

#[derive(Default)]
pub(crate) struct ListExtensions {
    pub(crate) authority_key_id: Option<Vec<u8>>,
    /// CRLNumber.
    pub(crate) number: Option<Vec<u8>>,
    /// BaseCRLNumber of a delta list.
    pub(crate) delta_base: Option<Vec<u8>>,
    pub(crate) point: Option<IssuingPoint>,
    /// A critical extension that is not understood, of the list or of an entry: nothing may be
    /// concluded from the list (RFC 5280 §5.2, §5.3).
    pub(crate) unknown_critical: bool,
}

/// issuingDistributionPoint: which certificates the list speaks of (RFC 5280 §5.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuingPoint {
    pub(crate) names: Option<Vec<GeneralName>>,
    pub(crate) only_people: bool,
    pub(crate) only_authorities: bool,
    pub(crate) only_attributes: bool,
    pub(crate) reasons: Option<Reasons>,
    pub(crate) indirect: bool,
}

impl Crl {
    /// Reads one DER CRL.
    ///
    /// # Errors
    /// [`MaterialError::Crl`] names the part that cannot be read.
    pub fn from_der(der: &[u8]) -> Result<Self, MaterialError> {
        read(der)
            .map(|parsed| Self(Arc::new(parsed)))
            .map_err(|error| MaterialError::Crl(error.describe()))
    }

    /// Reads the first CRL of a PEM text.
    ///
    /// # Errors
    /// [`MaterialError::NoPemBlock`] or [`MaterialError::Crl`].
    pub fn from_pem(text: &str) -> Result<Self, MaterialError> {
        let blocks = pem::blocks(text, "X509 CRL")?;
        let first = blocks
            .first()
            .ok_or(MaterialError::NoPemBlock("X509 CRL"))?;
        Self::from_der(first)
    }

    /// The octets as received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Reads every CRL of a PEM text.
    ///
    /// # Errors
    /// As [`Crl::from_pem`]; one unreadable list fails the whole.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, MaterialError> {
        let blocks = pem::blocks(text, "X509 CRL")?;
        blocks.iter().map(|der| Self::from_der(der)).collect()
    }

    /// When the list was issued.
    #[must_use]
    pub fn this_update(&self) -> OffsetDateTime {
        self.0.this_update
    }

    /// When the next one is due; past it, the list no longer proves that a certificate is good.
    #[must_use]
    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.0.next_update
    }

    /// The name of the issuer, in DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer_der
    }

    /// How many certificates the list names.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.entries.len()
    }

    pub(crate) fn handle(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    pub(crate) fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    pub(crate) fn extensions(&self) -> &ListExtensions {
        &self.0.extensions
    }

    /// Whether `issuer` may have made this list: its name, its usage, its key identifier.
    pub(crate) fn may_be_of(&self, issuer: &Certificate) -> bool {
        let ids = (
            &self.0.extensions.authority_key_id,
            &issuer.extensions().subject_key_id,
        );
        *issuer.subject_name() == self.0.issuer
            // RFC 5280 §6.3.3 (f): the key must be allowed to sign CRLs.
            && issuer.key_usage_allows(KeyUsage::CRL_SIGN)
            && !matches!(ids, (Some(wanted), Some(found)) if wanted != found)
    }

    /// Checks the signature of the list.
    pub(crate) fn verify(&self, issuer: &Certificate) -> Result<(), BadSignature> {
        #[cfg(test)]
        if crate::path::pkits::verify(issuer, &self.0.tbs, &self.0.signature) {
            return Ok(());
        }
        let scheme = self.0.scheme.ok_or(BadSignature)?;
        issuer.verify(scheme, &self.0.tbs, &self.0.signature)
    }

    /// What the list says about a certificate of `issuer` with this serial number.
    pub(crate) fn find(&self, certificate: &Certificate) -> Option<Entry> {
        let issuers = self.0.issuers.iter().enumerate();
        issuers
            .filter(|(_, issuer)| *issuer == certificate.issuer_name())
            .find_map(|(place, _)| {
                let key = (u32::try_from(place).ok()?, number(certificate.serial()));
                self.0.entries.get(&key).copied()
            })
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("this_update", &self.0.this_update)
            .field("next_update", &self.0.next_update)
            .field("entries", &self.0.entries.len())
            .finish_non_exhaustive()
    }
}

/// The content octets of an INTEGER in their shortest form: a serial number of -1 is not one of
/// 255.
pub(crate) fn number(octets: &[u8]) -> Vec<u8> {
    let mut shortest = octets;
    while let [first, second, ..] = shortest {
        let sign_only = (*first == 0 && *second < 0x80) || (*first == 0xff && *second >= 0x80);
        if !sign_only {
            break;
        }
        shortest = &shortest[1..];
    }
    shortest.to_vec()
}

fn read(der: &[u8]) -> Result<Parsed, BerError> {
    let mut outer = Element::sequence(der, DEPTH)?;
    let tbs = outer.expect(SEQUENCE)?;
    let algorithm = Algorithm::read(outer.expect(SEQUENCE)?)?;
    let signature = outer.bit_string()?;
    outer.finish()?;
    let mut inner = tbs.children()?;
    inner.optional(INTEGER)?;
    // RFC 5280 §5.1.1.2: both identifiers must be the same.
    let scheme = Algorithm::read(inner.expect(SEQUENCE)?)?
        .same_as(&algorithm)
        .then(|| Scheme::of_certificate(&algorithm))
        .flatten();
    let issuer_element = inner.expect(SEQUENCE)?;
    let issuer = DistinguishedName::read(&issuer_element)?;
    let this_update = moment(&inner.any()?)?;
    let next_update = match inner.peek() {
        Some(UTC_TIME | GENERALIZED_TIME) => Some(moment(&inner.any()?)?),
        _ => None,
    };
    let listed = inner.optional(SEQUENCE)?;
    let mut extensions = ListExtensions::default();
    if let Some(wrapper) = inner.optional(context_constructed(0))? {
        let list = wrapper.children()?.expect(SEQUENCE)?;
        for extension in extensions::each(&list)? {
            extensions.take(&extension, &issuer)?;
        }
    }
    inner.finish()?;
    let indirect = extensions.point.as_ref().is_some_and(|p| p.indirect);
    let mut entries = Entries::new(issuer.clone(), indirect);
    if let Some(listed) = listed {
        entries.read(listed.children()?)?;
    }
    extensions.unknown_critical |= entries.unknown_critical;
    Ok(Parsed {
        der: der.to_vec(),
        tbs: tbs.raw.to_vec(),
        issuer_der: issuer_element.raw.to_vec(),
        issuer,
        scheme,
        signature: signature.to_vec(),
        this_update,
        next_update,
        issuers: entries.issuers,
        entries: entries.found,
        extensions,
    })
}

/// `Time` as a moment: to the second, in UTC (RFC 5280 §4.1.2.5). UTCTime is of 1950 to 2049.
pub(crate) fn moment(value: &Element<'_>) -> Result<OffsetDateTime, BerError> {
    let (digits, year) = match (value.tag, value.content) {
        (UTC_TIME, [digits @ .., b'Z']) if digits.len() == 12 => {
            let year = i32::from(two_digits(digits, 0)?);
            (digits, if year < 50 { 2000 + year } else { 1900 + year })
        }
        (GENERALIZED_TIME, [century @ .., b'Z']) if century.len() == 14 => {
            let (century, digits) = century.split_at(2);
            let year = i32::from(two_digits(century, 0)?) * 100;
            (digits, year + i32::from(two_digits(digits, 0)?))
        }
        _ => return Err(BerError::Value),
    };
    let moment = || -> Option<OffsetDateTime> {
        let part = |position| two_digits(digits, position).ok();
        let month = time::Month::try_from(part(1)?).ok()?;
        let date = time::Date::from_calendar_date(year, month, part(2)?).ok()?;
        let time = time::Time::from_hms(part(3)?, part(4)?, part(5)?).ok()?;
        Some(time::PrimitiveDateTime::new(date, time).assume_utc())
    };
    moment().ok_or(BerError::Value)
}

fn two_digits(digits: &[u8], position: usize) -> Result<u8, BerError> {
    match digits.get(position * 2..position * 2 + 2) {
        Some([tens @ b'0'..=b'9', units @ b'0'..=b'9']) => Ok((tens - b'0') * 10 + (units - b'0')),
        _ => Err(BerError::Value),
    }
}

impl ListExtensions {
    fn take(&mut self, e: &Extension<'_>, issuer: &DistinguishedName) -> Result<(), BerError> {
        let value = Element::only(e.value, DEPTH);
        match e.kind {
            oid::AUTHORITY_KEY_ID => self.authority_key_id = authority_key_id(&value?)?,
            oid::CRL_NUMBER => self.number = Some(number(value?.content)),
            oid::DELTA_CRL_INDICATOR => self.delta_base = Some(number(value?.content)),
            oid::ISSUING_DISTRIBUTION_POINT => {
                self.point = Some(IssuingPoint::read(&value?, issuer)?);
            }
            _ => self.unknown_critical |= e.critical,
        }
        Ok(())
    }
}

impl IssuingPoint {
    fn read(value: &Element<'_>, issuer: &DistinguishedName) -> Result<Self, BerError> {
        let mut inner = value.children()?;
        let names = match inner.optional(context_constructed(0))? {
            Some(wrapper) => Some(point_names(&wrapper, issuer)?),
            None => None,
        };
        let only_people = flag(&mut inner, 1)?;
        let only_authorities = flag(&mut inner, 2)?;
        let reasons = match inner.optional(context(3))? {
            Some(flags) => Some(Reasons::read(flags.content)?),
            None => None,
        };
        let indirect = flag(&mut inner, 4)?;
        let only_attributes = flag(&mut inner, 5)?;
        inner.finish()?;
        Ok(Self {
            names,
            only_people,
            only_authorities,
            only_attributes,
            reasons,
            indirect,
        })
    }
}

fn flag(inner: &mut Reader<'_>, n: u8) -> Result<bool, BerError> {
    match inner.optional(context(n))? {
        Some(element) => boolean(&element),
        None => Ok(false),
    }
}

/// The entries of a list while they are read.
struct Entries {
    indirect: bool,
    issuers: Vec<DistinguishedName>,
    /// The issuer of the certificates being listed: an entry without certificateIssuer has that
    /// of the entry before (RFC 5280 §5.3.3).
    current: u32,
    found: HashMap<(u32, Vec<u8>), Entry>,
    unknown_critical: bool,
}

impl Entries {
    fn new(issuer: DistinguishedName, indirect: bool) -> Self {
        Self {
            indirect,
            issuers: vec![issuer],
            current: 0,
            found: HashMap::new(),
            unknown_critical: false,
        }
    }

    fn read(&mut self, mut list: Reader<'_>) -> Result<(), BerError> {
        while !list.is_empty() {
            let mut entry = list.expect(SEQUENCE)?.children()?;
            let serial = number(entry.integer()?);
            let at = moment(&entry.any()?)?;
            let mut reason = Some(RevocationReason::Unspecified);
            if let Some(extensions) = entry.optional(SEQUENCE)? {
                for extension in extensions::each(&extensions)? {
                    match extension.kind {
                        oid::REASON_CODE => reason = reason_code(extension.value)?,
                        oid::CERTIFICATE_ISSUER if self.indirect => {
                            self.issued_by(extension.value)?;
                        }
                        oid::INVALIDITY_DATE => {}
                        _ => self.unknown_critical |= extension.critical,
                    }
                }
            }
            entry.finish()?;
            let says = match reason {
                Some(reason) => Entry::Revoked(Revoked { at, reason }),
                None => Entry::Removed,
            };
            self.found.insert((self.current, serial), says);
        }
        Ok(())
    }

    fn issued_by(&mut self, value: &[u8]) -> Result<(), BerError> {
        let names = GeneralName::read_all(Element::only(value, DEPTH)?.children()?)?;
        let name = names.into_iter().find_map(|name| match name {
            GeneralName::Directory(name) => Some(name),
            _ => None,
        });
        let name = name.ok_or(BerError::Missing)?;
        let place = match self.issuers.iter().position(|known| *known == name) {
            Some(place) => place,
            None => {
                self.issuers.push(name);
                self.issuers.len() - 1
            }
        };
        self.current = u32::try_from(place).map_err(|_| BerError::Value)?;
        Ok(())
    }
}

/// `None` for removeFromCRL. A number that no standard defines still revokes.
fn reason_code(value: &[u8]) -> Result<Option<RevocationReason>, BerError> {
    let element = Element::only(value, 1)?;
    match element.content {
        [8] if element.tag == ENUMERATED => Ok(None),
        [code] if element.tag == ENUMERATED => Ok(Some(
            RevocationReason::of_code(*code).unwrap_or(RevocationReason::Unspecified),
        )),
        _ => Err(BerError::Value),
    }
}
