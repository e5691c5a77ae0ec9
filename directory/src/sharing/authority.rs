//! Who may speak of what.
//!
//! The settings delegate to an organisation its mail domains and its identifiers. It speaks for
//!
//! - the organisations with these identifiers, and those that it names itself
//!   (`DOMAIN:id`), with their services;
//! - the roles that it names itself (`DOMAIN:key`) of anybody, held in one of its organisations, and
//!   absences in them: that somebody works for it is its word, what others say of that person is
//!   not;
//! - mailboxes in its domains, below any of these, and their certificates;
//! - the relay of its domains.

use liaison_directory_client::{Finess, PublishedCertificate};
use liaison_mail::{Address, Domain};

use super::record::Statement;
use super::verdict::RecordVerdict;
use crate::import::certificate;
use crate::model::{Field, Kind, Subject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What an organisation may speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    domains: Vec<Domain>,
    organisations: Vec<Subject>,
}

/// The parts of a subject below its root.
type Below<'a> = &'a [(Kind, &'a str)];

impl Delegation {
    /// Delegates mail domains, and organisations by `finess:…`, `siret:…` or any other
    /// `SYSTEM:VALUE`; `None` when one of these is not of that form.
    #[must_use]
    pub fn new(domains: &[Domain], organisations: &[String]) -> Option<Self> {
        let organisations = organisations.iter().map(|text| organisation(text));
        Some(Self {
            domains: domains.to_vec(),
            organisations: organisations.collect::<Option<_>>()?,
        })
    }

    /// The mail domains.
    #[must_use]
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// The organisations.
    #[must_use]
    pub fn organisations(&self) -> &[Subject] {
        &self.organisations
    }

    /// Whether the organisation may say this.
    ///
    /// # Errors
    /// [`RecordVerdict::Unauthorised`], [`RecordVerdict::LookAlike`],
    /// [`RecordVerdict::WrongCertificate`].
    pub fn judge(&self, said: &Statement) -> Result<(), RecordVerdict> {
        let pairs: Vec<(Kind, &str)> = said.subject.pairs().collect();
        let Some(((kind, root), below)) = pairs.split_first() else {
            return Err(RecordVerdict::Unauthorised);
        };
        match kind {
            Kind::Organisation => self.organisation(&said.subject.root(), root)?,
            Kind::Person => self.person(root, below, said)?,
            Kind::Relay => return self.relay(root, said),
            _ => return Err(RecordVerdict::Unauthorised),
        }
        self.mailbox(below, said)
    }

    fn organisation(&self, subject: &Subject, id: &str) -> Result<(), RecordVerdict> {
        if self.organisations.contains(subject) || self.is_own_name(id) {
            return Ok(());
        }
        Err(RecordVerdict::Unauthorised)
    }

    fn person(&self, root: &str, below: Below<'_>, said: &Statement) -> Result<(), RecordVerdict> {
        const NAMES: [Field; 4] = [
            Field::Name,
            Field::FamilyName,
            Field::GivenName,
            Field::Civility,
        ];
        match below.first() {
            // The registers are believed first; a name that nobody else gives is shown.
            None if self.is_own_name(root) || self.only(said, &NAMES) => Ok(()),
            Some((Kind::Role, key)) if self.is_own_name(key) => self.employer(below, said),
            Some(_) if self.is_own_name(root) => Ok(()),
            _ => Err(RecordVerdict::Unauthorised),
        }
    }

    /// A role is held in an organisation of the speaker's.
    fn employer(&self, below: Below<'_>, said: &Statement) -> Result<(), RecordVerdict> {
        if below.len() > 1 {
            return Ok(());
        }
        let mut employers = said
            .facts
            .iter()
            .filter(|(field, value)| *field == Field::Organisation && !value.is_empty());
        let own = |key: &str| {
            Subject::parse(key).is_some_and(|subject| {
                self.organisations.contains(&subject)
                    || (subject.kind() == Kind::Organisation
                        && self.is_own_name(subject.component()))
            })
        };
        if employers.all(|(_, key)| own(key)) {
            Ok(())
        } else {
            Err(RecordVerdict::Unauthorised)
        }
    }

    fn relay(&self, domain: &str, said: &Statement) -> Result<(), RecordVerdict> {
        self.domain(domain)?;
        for (field, value) in &said.facts {
            if *field == Field::Serves && !value.is_empty() {
                self.domain(value)?;
            }
        }
        Ok(())
    }

    /// A mailbox is in a domain of the speaker's, and a certificate is for that mailbox.
    fn mailbox(&self, below: Below<'_>, said: &Statement) -> Result<(), RecordVerdict> {
        let mailbox = below.iter().find(|(kind, _)| *kind == Kind::Mailbox);
        let Some((_, text)) = mailbox else {
            return Ok(());
        };
        // One mailbox has one subject: its address in lower case.
        let address = Address::parse(text)
            .ok()
            .filter(|address| address.key() == *text)
            .ok_or(RecordVerdict::Unreadable)?;
        self.domain(address.domain().as_str())?;
        for (field, value) in &said.facts {
            let same = || Address::parse(value).is_ok_and(|one| one == address);
            if *field == Field::Address && !value.is_empty() && !same() {
                return Err(RecordVerdict::Unauthorised);
            }
        }
        match published(said, &address)? {
            Some(certificate) if certificate.sha256 != said.subject.component() => {
                Err(RecordVerdict::WrongCertificate)
            }
            _ => Ok(()),
        }
    }

    fn domain(&self, text: &str) -> Result<(), RecordVerdict> {
        if self.domains.iter().any(|own| own.as_str() == text) {
            return Ok(());
        }
        let seen = skeleton(text);
        if self
            .domains
            .iter()
            .any(|own| skeleton(own.as_str()) == seen)
        {
            return Err(RecordVerdict::LookAlike);
        }
        Err(RecordVerdict::Unauthorised)
    }

    /// `DOMAIN:id`, in one of the domains.
    fn is_own_name(&self, component: &str) -> bool {
        component
            .split_once(':')
            .is_some_and(|(domain, _)| self.domains.iter().any(|own| own.as_str() == domain))
    }

    fn only(&self, said: &Statement, fields: &[Field]) -> bool {
        said.facts.iter().all(|(field, _)| fields.contains(field))
    }
}

/// The certificate that a statement publishes for a mailbox; `None` when it publishes none.
///
/// # Errors
/// [`RecordVerdict::WrongCertificate`] when it does not bear the address, or is none.
pub(super) fn published(
    said: &Statement,
    address: &Address,
) -> Result<Option<PublishedCertificate>, RecordVerdict> {
    let text = match said.value(Field::Der) {
        Some(text) if said.subject.kind() == Kind::Certificate && !text.is_empty() => text,
        _ => return Ok(None),
    };
    let der = STANDARD
        .decode(text)
        .map_err(|_| RecordVerdict::WrongCertificate)?;
    certificate::published(der, address, None)
        .map(Some)
        .map_err(|_| RecordVerdict::WrongCertificate)
}

/// `finess:…` and others as a subject.
fn organisation(text: &str) -> Option<Subject> {
    match text.split_once(':')? {
        ("finess", number) => Finess::parse(number)
            .ok()
            .map(|finess| Subject::organisation_of_finess(&finess)),
        (system, id) if !system.is_empty() && !id.is_empty() => {
            Some(Subject::organisation_of(system, id))
        }
        _ => None,
    }
}

/// What a hurried reader sees of a domain: names with one skeleton look alike. (The idea is that of
/// Unicode TR 39 §4; of a domain in ASCII only these pairs are left. A name in another script is
/// written `xn--…` and looks like no other.)
#[must_use]
pub fn skeleton(domain: &str) -> String {
    let mut seen = domain
        .to_ascii_lowercase()
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d");
    seen.retain(|c| c != '-');
    seen.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Period;
    use liaison_directory_client::Rpps;

    fn delegation() -> Delegation {
        let domain = Domain::parse("mairie.test").unwrap();
        Delegation::new(&[domain], &["finess:000000018".to_owned()]).unwrap()
    }

    fn judged(subject: Subject, facts: &[(Field, &str)]) -> Result<(), RecordVerdict> {
        let facts = facts.iter().map(|(f, v)| (*f, (*v).to_owned())).collect();
        delegation().judge(&Statement {
            subject,
            period: Period::ALWAYS,
            facts,
            endorsement: None,
        })
    }

    fn own() -> Subject {
        Subject::organisation_of_finess(&Finess::parse("000000018").unwrap())
    }

    fn other() -> Subject {
        Subject::organisation_of_finess(&Finess::parse("000000026").unwrap())
    }

    fn person() -> Subject {
        Subject::person_of_rpps(&Rpps::parse("00100000017").unwrap())
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn an_organisation_speaks_for_itself() {
        let ccas = Subject::organisation_of("mairie.test", "ccas");
        let role = person().role("mairie.test:1");
        assert_eq!(judged(own(), &[(Field::Name, "A")]), Ok(()));
        assert_eq!(judged(ccas.service("x"), &[]), Ok(()));
        assert_eq!(
            judged(own().mailbox(&address("a@mairie.test")), &[]),
            Ok(())
        );
        let employed = [(Field::Organisation, own().key().to_owned())];
        let employed = employed.each_ref().map(|(f, v)| (*f, v.as_str()));
        assert_eq!(judged(role.clone(), &employed), Ok(()));
        assert_eq!(judged(role.mailbox(&address("b@mairie.test")), &[]), Ok(()));
        assert_eq!(judged(role.delegation("1"), &[]), Ok(()));
        assert_eq!(judged(person(), &[(Field::Name, "Dr A")]), Ok(()));
        let relay = Subject::relay(&Domain::parse("mairie.test").unwrap());
        assert_eq!(judged(relay, &[(Field::Host, "192.0.2.1")]), Ok(()));
    }

    #[test]
    fn and_for_nobody_else() {
        let no = Err(RecordVerdict::Unauthorised);
        let role = person().role("mairie.test:1");
        let theirs = person().role("ehpad.test:1");
        assert_eq!(judged(other(), &[(Field::Name, "B")]), no);
        assert_eq!(judged(own().mailbox(&address("a@ehpad.test")), &[]), no);
        assert_eq!(judged(theirs.mailbox(&address("a@mairie.test")), &[]), no);
        // A substitute that a third party declares.
        assert_eq!(judged(theirs.delegation("1"), &[]), no);
        assert_eq!(judged(person().delegation("1"), &[]), no);
        assert_eq!(judged(person().mailbox(&address("a@mairie.test")), &[]), no);
        let employer = other().key().to_owned();
        assert_eq!(judged(role, &[(Field::Organisation, &employer)]), no);
        assert_eq!(judged(person(), &[(Field::Phone, "1")]), no);
        assert_eq!(judged(Subject::territory("x"), &[]), no);
        assert_eq!(judged(Subject::about(), &[]), no);
        let relay = Subject::relay(&Domain::parse("mairie.test").unwrap());
        assert_eq!(judged(relay, &[(Field::Serves, "ehpad.test")]), no);
        let capitals = format!("{}\u{1f}m\u{1f}a@Mairie.test", own().key());
        assert_eq!(
            judged(Subject::parse(&capitals).unwrap(), &[]),
            Err(RecordVerdict::Unreadable)
        );
        let elsewhere = [(Field::Address, "a@evil.test")];
        assert_eq!(
            judged(own().mailbox(&address("a@mairie.test")), &elsewhere),
            no
        );
    }

    #[test]
    fn a_domain_that_looks_like_its_own_is_told_apart() {
        for domain in ["rnairie.test", "ma1rie.test", "mairle.test", "mai-rie.test"] {
            if domain == "rnairie.test" {
                assert_eq!(skeleton(domain), skeleton("mairie.test"));
            }
            assert_eq!(
                judged(own().mailbox(&address(&format!("a@{domain}"))), &[]),
                Err(RecordVerdict::LookAlike),
                "{domain}"
            );
        }
        // A Cyrillic letter stands in no address: it is no address at all.
        assert!(Address::parse("a@m\u{430}irie.test").is_err());
    }
}
