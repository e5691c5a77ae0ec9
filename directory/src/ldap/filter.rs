//! Filters (RFC 4511 §4.5.1.7) over entries, in three values.
//!
//! An attribute that no entry bears, an order, a matching rule of another kind and an empty
//! substring are *undefined*: they neither match nor break the filter around them.

use ldap3_proto::proto::{LdapFilter, LdapMatchingRuleAssertion, LdapSubstringFilter};

use super::entry::Entry;
use super::schema::{Attribute, Matching};
use crate::text::{fold, sound};

/// The most parts of a filter. Outlook's longest has nine, Thunderbird's lookup of certificates
/// one for each recipient.
const MAX_PARTS: usize = 256;

/// What a filter says of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Undefined,
}

impl Truth {
    fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A filter in terms of what entries bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// The attribute has this value, in the form in which values compare.
    Equal(Attribute, String),
    /// The attribute has a value that sounds like this one.
    Sounds(Attribute, String),
    /// The attribute has a value that contains these parts.
    Contains(Attribute, Parts),
    /// The attribute has a value.
    Present(Attribute),
    Undefined,
}

/// The parts of a value, each in the form in which values compare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) first: Option<String>,
    pub(super) any: Vec<String>,
    pub(super) last: Option<String>,
}

/// A filter of more than [`MAX_PARTS`] parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyParts;

impl Filter {
    /// Reads what a client sent.
    pub(super) fn read(filter: &LdapFilter) -> Result<Self, TooManyParts> {
        let mut left = MAX_PARTS;
        read(filter, &mut left)
    }

    /// What the filter says of an entry (RFC 4511 §4.5.1.7).
    pub(super) fn judge(&self, entry: &Entry) -> Truth {
        match self {
            Self::And(parts) => {
                parts
                    .iter()
                    .fold(Truth::True, |sum, part| match (sum, part.judge(entry)) {
                        (Truth::False, _) | (_, Truth::False) => Truth::False,
                        (Truth::True, Truth::True) => Truth::True,
                        _ => Truth::Undefined,
                    })
            }
            Self::Or(parts) => {
                parts
                    .iter()
                    .fold(Truth::False, |sum, part| match (sum, part.judge(entry)) {
                        (Truth::True, _) | (_, Truth::True) => Truth::True,
                        (Truth::False, Truth::False) => Truth::False,
                        _ => Truth::Undefined,
                    })
            }
            Self::Not(part) => match part.judge(entry) {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                Truth::Undefined => Truth::Undefined,
            },
            Self::Present(attribute) => Truth::of(entry.has(*attribute)),
            Self::Equal(attribute, wanted) => any(entry, *attribute, |value| value == wanted),
            Self::Sounds(attribute, wanted) => any(entry, *attribute, |value| {
                value == wanted || value.split(' ').any(|word| sound(word) == sound(wanted))
            }),
            Self::Contains(attribute, parts) => {
                any(entry, *attribute, |value| parts.match_value(value))
            }
            Self::Undefined => Truth::Undefined,
        }
    }
}

/// How people address those whom they look for: no part of a name.
const TITLES: [&str; 8] = [
    "dr",
    "docteur",
    "pr",
    "professeur",
    "m",
    "mme",
    "monsieur",
    "madame",
];

impl Parts {
    /// « dr lefevre » finds LEFÈVRE; « dr » alone stays what is looked for.
    fn leave_titles_out(&mut self) {
        let without = |part: &str| {
            let (first, rest) = part.split_once(' ').unwrap_or((part, ""));
            if TITLES.contains(&first) { rest } else { part }.to_owned()
        };
        let mut shorter = self.clone();
        for part in shorter
            .first
            .iter_mut()
            .chain(&mut shorter.any)
            .chain(&mut shorter.last)
        {
            *part = without(part);
        }
        shorter.first = shorter.first.filter(|part| !part.is_empty());
        shorter.any.retain(|part| !part.is_empty());
        shorter.last = shorter.last.filter(|part| !part.is_empty());
        if shorter != Self::default() {
            *self = shorter;
        }
    }

    fn match_value(&self, value: &str) -> bool {
        let mut rest = value;
        if let Some(first) = &self.first {
            match rest.strip_prefix(first.as_str()) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        for part in &self.any {
            match rest.split_once(part.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        self.last
            .as_ref()
            .is_none_or(|last| rest.ends_with(last.as_str()))
    }
}

/// A value in the form in which values of the attribute compare.
pub(super) fn comparable(attribute: Attribute, value: &str) -> String {
    match attribute.matching() {
        Matching::Words => fold(value),
        Matching::Telephone => value.chars().filter(char::is_ascii_digit).collect(),
        Matching::Code => value.trim().to_lowercase(),
        Matching::Never => String::new(),
    }
}

fn any(entry: &Entry, attribute: Attribute, holds: impl Fn(&str) -> bool) -> Truth {
    if attribute.matching() == Matching::Never {
        return Truth::Undefined;
    }
    Truth::of(
        entry
            .texts(attribute)
            .any(|value| holds(&comparable(attribute, value))),
    )
}

fn read(filter: &LdapFilter, left: &mut usize) -> Result<Filter, TooManyParts> {
    *left = left.checked_sub(1).ok_or(TooManyParts)?;
    let all = |parts: &[LdapFilter], left: &mut usize| {
        parts
            .iter()
            .map(|part| read(part, left))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match filter {
        LdapFilter::And(parts) => Filter::And(all(parts, left)?),
        LdapFilter::Or(parts) => Filter::Or(all(parts, left)?),
        LdapFilter::Not(part) => Filter::Not(Box::new(read(part, left)?)),
        LdapFilter::Equality(name, value) => equal(name, value),
        LdapFilter::Approx(name, value) => match compared(name) {
            Some(attribute) if attribute.matching() == Matching::Words => {
                Filter::Sounds(attribute, comparable(attribute, value))
            }
            _ => equal(name, value),
        },
        LdapFilter::Substring(name, substring) => contains(name, substring),
        LdapFilter::Present(name) => match Attribute::of(name) {
            Some(attribute) => Filter::Present(attribute),
            None => Filter::Undefined,
        },
        LdapFilter::Extensible(assertion) => extensible(assertion),
        // No order is defined for what entries bear.
        LdapFilter::GreaterOrEqual(..) | LdapFilter::LessOrEqual(..) => Filter::Undefined,
    })
}

/// The attribute of a description, if its values compare.
fn compared(name: &str) -> Option<Attribute> {
    Attribute::of(name).filter(|attribute| attribute.matching() != Matching::Never)
}

fn equal(name: &str, value: &str) -> Filter {
    match compared(name) {
        Some(attribute) => Filter::Equal(attribute, comparable(attribute, value)),
        None => Filter::Undefined,
    }
}

fn contains(name: &str, substring: &LdapSubstringFilter) -> Filter {
    let Some(attribute) = compared(name) else {
        return Filter::Undefined;
    };
    let part = |text: &String| Some(comparable(attribute, text)).filter(|part| !part.is_empty());
    let mut parts = Parts {
        first: substring.initial.as_ref().and_then(part),
        any: substring.any.iter().filter_map(part).collect(),
        last: substring.final_.as_ref().and_then(part),
    };
    if matches!(
        attribute,
        Attribute::Cn | Attribute::DisplayName | Attribute::Sn
    ) {
        parts.leave_titles_out();
    }
    // RFC 4511 §4.5.1.7.2 wants a part; Thunderbird sends none for a text that begins with a
    // space.
    if parts == Parts::default() {
        return Filter::Undefined;
    }
    Filter::Contains(attribute, parts)
}

/// Rules that ignore case are the equality of our attributes (RFC 4517 §4.2).
fn extensible(assertion: &LdapMatchingRuleAssertion) -> Filter {
    let known = assertion.matching_rule.as_deref().is_none_or(|rule| {
        ["caseIgnoreMatch", "caseIgnoreIA5Match", "2.5.13.2"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(rule))
    });
    match &assertion.type_ {
        Some(name) if known => equal(name, &assertion.match_value),
        _ => Filter::Undefined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3_proto::parse_ldap_filter_str;
    use proptest::prelude::*;

    fn helene() -> Entry {
        Entry::new("uid=1".to_owned())
            .with(Attribute::ObjectClass, ["top", "person", "inetOrgPerson"])
            .with(
                Attribute::Cn,
                [
                    "LEFÈVRE-ESSAI Hélène - Médecin généraliste - Saint-Dizier",
                    "LEFÈVRE-ESSAI Hélène",
                    "Hélène LEFÈVRE-ESSAI",
                ],
            )
            .with(Attribute::Sn, ["LEFÈVRE-ESSAI"])
            .with(Attribute::GivenName, ["Hélène"])
            .with(Attribute::Mail, ["helene.lefevre@cabinet.test"])
            .with(Attribute::TelephoneNumber, ["03 00 00 00 01"])
            .with(Attribute::TypeBal, ["PER"])
    }

    fn judged(text: &str) -> Truth {
        // The reader of written filters wants spaces escaped (RFC 4515 §3).
        let filter = parse_ldap_filter_str(&text.replace(' ', "\\20"))
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        Filter::read(&filter).unwrap().judge(&helene())
    }

    #[test]
    fn what_mail_clients_send_finds_her() {
        for filter in [
            // Thunderbird for « lefev », « lefevre hel » and « hélène lef ».
            "(|(cn=*lefev*)(mail=*lefev*)(givenName=*lefev*)(sn=*lefev*))",
            "(|(cn=*lefevre*hel*)(mail=*lefevre hel*)(givenName=*lefevre*)(sn=*lefevre hel*))",
            "(|(cn=*hélène*lef*)(mail=*x*)(givenName=*hélène*)(sn=*x*))",
            // Outlook.
            "(&(mail=*)(|(mail=lefevre*)(|(cn=lefevre*)(|(sn=lefevre*)(givenName=lefevre*)))))",
            "(&(mail=*)(|(mail=h*)(|(cn=h*)(|(sn=h*)(givenName=h*)(displayName=h*)))))",
            // Apple.
            "(|(givenname=Helene)(sn=x)(cn=x)(mail=x))",
            // Those who know her title, and software of hospitals.
            "(cn=*dr*lefevre*)",
            "(&(TypeBAL=PER)(sn=lefevre-essai))",
            "(telephoneNumber=0300000001)",
            "(sn~=lefaivre)",
            "(sn:caseIgnoreMatch:=lefevre-essai)",
            "(!(sn=dupont))",
        ] {
            assert_eq!(judged(filter), Truth::True, "{filter}");
        }
    }

    #[test]
    fn a_title_before_a_name_is_left_out() {
        for part in ["docteur lefevre", "Dr Lefèvre", "lefevre"] {
            let parts = LdapSubstringFilter {
                any: vec![part.to_owned()],
                ..LdapSubstringFilter::default()
            };
            let filter = LdapFilter::Substring("cn".to_owned(), parts);
            let said = Filter::read(&filter).unwrap().judge(&helene());
            assert_eq!(said, Truth::True, "{part}");
        }
        assert_eq!(judged("(cn=*dr*)"), Truth::False);
    }

    #[test]
    fn what_no_entry_bears_is_undefined_and_breaks_nothing() {
        for filter in [
            "(legacyExchangeDN=x)",
            "(userCertificate=x)",
            "(sn>=a)",
            "(!(legacyExchangeDN=x))",
            "(&(sn=*lef*)(legacyExchangeDN=x))",
            "(sn:2.5.13.5:=x)",
        ] {
            assert_eq!(judged(filter), Truth::Undefined, "{filter}");
        }
        assert_eq!(judged("(|(legacyExchangeDN=x)(sn=*lef*))"), Truth::True);
        assert_eq!(judged("(&(legacyExchangeDN=x)(sn=dupont))"), Truth::False);
        let empty = LdapFilter::Substring("givenName".to_owned(), LdapSubstringFilter::default());
        assert_eq!(Filter::read(&empty), Ok(Filter::Undefined));
        assert_eq!(judged("(description=x)"), Truth::False);
    }

    #[test]
    fn a_filter_of_a_thousand_parts_is_refused() {
        let parts = vec![LdapFilter::Present("cn".to_owned()); 1_000];
        assert_eq!(Filter::read(&LdapFilter::Or(parts)), Err(TooManyParts));
    }

    /// Thunderbird's filter for « space, dup »: a substring filter without a part, which RFC 4511
    /// §4.5.1.7.2 forbids, and one whose only part is empty.
    #[test]
    fn an_empty_substring_on_the_wire_is_undefined_and_breaks_nothing() {
        use ldap3_proto::LdapCodec;
        use ldap3_proto::proto::LdapOp;
        use tokio_util::codec::Decoder as _;

        fn element(tag: u8, content: &[u8]) -> Vec<u8> {
            let mut octets = vec![tag, u8::try_from(content.len()).unwrap()];
            octets.extend_from_slice(content);
            octets
        }
        for parts in [&[][..], &[0x81, 0]] {
            let name = element(4, b"givenName");
            let broken = element(0xa4, &[name, element(0x30, parts)].concat());
            let right = element(
                0xa3,
                &[element(4, b"sn"), element(4, b"lefevre-essai")].concat(),
            );
            let or = element(0xa1, &[broken, right].concat());
            let request = [
                element(4, b""),
                element(10, &[2]),
                element(10, &[0]),
                element(2, &[0]),
                element(2, &[0]),
                element(1, &[0]),
                or,
                element(0x30, b""),
            ];
            let message = [element(2, &[1]), element(0x63, &request.concat())].concat();
            let mut octets = bytes::BytesMut::from(&element(0x30, &message)[..]);
            let read = LdapCodec::default().decode(&mut octets).unwrap().unwrap();
            let LdapOp::SearchRequest(search) = read.op else {
                panic!("{read:?}");
            };
            let filter = Filter::read(&search.filter).unwrap();
            assert_eq!(filter.judge(&helene()), Truth::True, "{filter:?}");
        }
    }

    proptest! {
        #[test]
        fn a_negation_is_true_of_what_is_false(name in "[a-z]{2,8}", value in "[a-z *]{1,8}") {
            let text = format!("({name}={})", value.replace(' ', "\\20"));
            if let Ok(filter) = parse_ldap_filter_str(&text) {
                let said = Filter::read(&filter).unwrap().judge(&helene());
                let negated = Filter::read(&LdapFilter::Not(Box::new(filter))).unwrap().judge(&helene());
                let expected = match said {
                    Truth::True => Truth::False,
                    Truth::False => Truth::True,
                    Truth::Undefined => Truth::Undefined,
                };
                prop_assert_eq!(negated, expected);
            }
        }
    }
}
