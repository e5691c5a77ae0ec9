//! What the cast becomes: rows of the directory, S/MIME identities and mail accounts.

use liaison_base::login::hash_password;
use liaison_certs_dev::SavedIdentity;
use liaison_directory::import::{CertificateRow, MailboxRow, PersonRow, ServiceRow};
use liaison_directory_client::{Finess, MailboxKind, Rpps};
use liaison_gateway::accounts::AccountSettings;
use liaison_gateway::settings::IdentitySettings;
use liaison_mail::{Address, Domain};

use super::cast::{Person, Role, TOWN};
use super::territory::Account;
use crate::error::CommandError;

/// What the people of one member become: rows, identities and accounts.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) identities: Vec<IdentitySettings>,
    pub(super) settings: Vec<AccountSettings>,
    pub(super) accounts: Vec<Account>,
    pub(super) organisation_mailboxes: Vec<MailboxRow>,
    pub(super) services: Vec<ServiceRow>,
    pub(super) people: Vec<PersonRow>,
}

impl Rows {
    /// Adds somebody whose certificate and key have been saved.
    pub(super) fn add(
        &mut self,
        role: &Role,
        person: &Person,
        saved: &SavedIdentity,
    ) -> Result<(), CommandError> {
        let address = parse_address(person.address)?;
        self.identities.push(IdentitySettings {
            address: address.clone(),
            name: person.name.to_owned(),
            certificate: saved.chain.clone(),
            key: saved.key.clone(),
        });
        let mailbox = MailboxRow {
            address: address.clone(),
            kind: match person.is_service {
                true => MailboxKind::Org,
                false => MailboxKind::Per,
            },
            purposes: Vec::new(),
            certificates: vec![CertificateRow {
                file: saved.certificate.clone(),
                revoked_at: None,
            }],
        };
        let (id, name) = (person.address.to_owned(), person.name.to_owned());
        if !person.is_service {
            self.people.push(PersonRow {
                id,
                name,
                profession: Some(person.profession.to_owned()),
                rpps: person.rpps.map(parse_rpps).transpose()?,
                organisation: Some(role.name.to_owned()),
                town: Some(TOWN.to_owned()),
                mailboxes: vec![mailbox],
            });
        } else if person.has_account {
            self.organisation_mailboxes.push(mailbox);
        } else {
            // A service of its own, so that asking for the organisation finds one mailbox.
            self.services.push(ServiceRow {
                id,
                name,
                organisation: role.name.to_owned(),
                activity: Some(person.profession.to_owned()),
                town: Some(TOWN.to_owned()),
                mailboxes: vec![mailbox],
            });
        }
        if person.has_account {
            let password = random_password();
            self.settings.push(AccountSettings {
                user: person.address.to_owned(),
                address,
                password: hash_password(password.as_bytes())
                    .map_err(|cause| CommandError::Gateway(cause.into()))?,
                name: person.name.to_owned(),
                mailboxes: Vec::new(),
            });
            self.accounts.push(Account {
                address: person.address.to_owned(),
                user: person.address.to_owned(),
                password,
                member: role.name.to_owned(),
                role: person.role.to_owned(),
                name: person.name.to_owned(),
            });
        }
        Ok(())
    }
}

/// A password of 62 random bits: the tail of a version 7 UUID (RFC 9562 §5.7).
fn random_password() -> String {
    let id = liaison_mail::EnvelopeId::fresh();
    let tail = &id.as_str()[16..];
    format!("{}-{}-{}", &tail[0..5], &tail[5..10], &tail[10..16])
}

pub(super) fn parse_address(text: &str) -> Result<Address, CommandError> {
    Address::parse(text).map_err(|_| CommandError::Settings("an address of the cast"))
}

pub(super) fn parse_domain(text: &str) -> Result<Domain, CommandError> {
    Domain::parse(text).map_err(|_| CommandError::Settings("a domain of the cast"))
}

pub(super) fn parse_rpps(text: &str) -> Result<Rpps, CommandError> {
    Rpps::parse(text).map_err(|_| CommandError::Settings("an RPPS number of the cast"))
}

pub(super) fn parse_finess(text: &str) -> Result<Finess, CommandError> {
    Finess::parse(text).map_err(|_| CommandError::Settings("a FINESS number of the cast"))
}
