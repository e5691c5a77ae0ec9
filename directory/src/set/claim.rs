//! The compact form of an assertion: what is said, without of whom and by whom.
//!
//! `flags, [from], [until], count, (field, length, octets)…`; lengths are LEB128, instants
//! milliseconds in little-endian order.

use liaison_base::clock::{from_millis, millis};

use crate::model::{Field, Period};

/// The longest value, in octets: a certificate in base64.
const MAX_VALUE: usize = 64 * 1024;
/// The most facts of one claim.
const MAX_FACTS: usize = 4096;

/// Writes a claim behind `into`.
pub(crate) fn encode<'a>(
    period: Period,
    facts: impl ExactSizeIterator<Item = (Field, &'a str)>,
    into: &mut Vec<u8>,
) {
    let flags = u8::from(period.from.is_some()) | (u8::from(period.until.is_some()) << 1);
    into.push(flags);
    for instant in [period.from, period.until].into_iter().flatten() {
        into.extend_from_slice(&millis(instant).to_le_bytes());
    }
    push_number(facts.len(), into);
    for (field, value) in facts {
        into.push(field as u8);
        push_number(value.len(), into);
        into.extend_from_slice(value.as_bytes());
    }
}

/// A claim that is being read.
pub(crate) struct Claim<'a> {
    pub(crate) period: Period,
    rest: &'a [u8],
    left: usize,
}

impl<'a> Claim<'a> {
    /// Reads the start of a claim; `None` when it is not one.
    pub(crate) fn read(mut octets: &'a [u8]) -> Option<Self> {
        let flags = take(&mut octets, 1)?.first().copied()?;
        let mut instant = |present: bool| -> Option<Option<time::OffsetDateTime>> {
            if !present {
                return Some(None);
            }
            let millis = take(&mut octets, 8)?.try_into().ok()?;
            Some(Some(from_millis(i64::from_le_bytes(millis))))
        };
        let period = Period {
            from: instant(flags & 1 != 0)?,
            until: instant(flags & 2 != 0)?,
        };
        let left = take_number(&mut octets)?;
        (left <= MAX_FACTS).then_some(Self {
            period,
            rest: octets,
            left,
        })
    }
}

impl<'a> Iterator for Claim<'a> {
    type Item = (Field, &'a str);

    /// A field of a later version is passed over.
    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            self.left -= 1;
            let number = take(&mut self.rest, 1)?.first().copied()?;
            let length = take_number(&mut self.rest)?;
            if length > MAX_VALUE {
                return None;
            }
            let value = std::str::from_utf8(take(&mut self.rest, length)?).ok()?;
            if let Some(field) = Field::of(number) {
                return Some((field, value));
            }
        }
        None
    }
}

/// Joins the claims that one list makes of one subject: several values of a set, the first value
/// of anything else. `claims` is sorted, so that the order of the list's rows does not matter.
pub(crate) fn join(claims: &[Vec<u8>], into: &mut Vec<u8>) {
    let mut facts: Vec<(Field, &str)> = Vec::new();
    let mut period = None;
    for claim in claims {
        let Some(claim) = Claim::read(claim) else {
            continue;
        };
        period.get_or_insert(claim.period);
        for (field, value) in claim {
            let known = facts
                .iter()
                .any(|(one, text)| *one == field && (!field.is_set() || *text == value));
            if !known && facts.len() < MAX_FACTS {
                facts.push((field, value));
            }
        }
    }
    facts.sort_by_key(|(field, _)| *field);
    encode(period.unwrap_or_default(), facts.into_iter(), into);
}

pub(crate) fn push_number(mut number: usize, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push((number & 0x7f) as u8);
}

pub(crate) fn take_number(octets: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for shift in [0, 7, 14, 21, 28] {
        let octet = take(octets, 1)?.first().copied()?;
        number |= usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

pub(crate) fn take<'a>(octets: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = octets.split_at_checked(length)?;
    *octets = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(facts: &[(Field, String)]) -> Vec<u8> {
        let mut octets = Vec::new();
        let period = Period::ALWAYS;
        encode(
            period,
            facts.iter().map(|(f, v)| (*f, v.as_str())),
            &mut octets,
        );
        octets
    }

    proptest! {
        #[test]
        fn a_claim_is_read_back(facts in prop::collection::vec(
            (prop::sample::select(Field::ALL.to_vec()), "\\PC{0,300}"), 0..20)) {
            let octets = written(&facts);
            let read: Vec<_> = Claim::read(&octets).unwrap()
                .map(|(field, value)| (field, value.to_owned())).collect();
            prop_assert_eq!(read, facts);
        }

        #[test]
        fn any_octets_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(claim) = Claim::read(&octets) {
                prop_assert!(claim.count() <= 60);
            }
        }
    }

    #[test]
    fn what_is_said_twice_is_joined() {
        let one = written(&[(Field::Name, "A".into()), (Field::Phone, "1".into())]);
        let two = written(&[(Field::Name, "B".into()), (Field::Phone, "2".into())]);
        let mut joined = Vec::new();
        join(&[one, two], &mut joined);
        let facts: Vec<_> = Claim::read(&joined).unwrap().collect();
        assert_eq!(
            facts,
            [(Field::Name, "A"), (Field::Phone, "1"), (Field::Phone, "2")]
        );
    }
}
