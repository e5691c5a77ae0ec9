//! Who there is in the fictional territory, and the folder with a site for each member.
//!
//! ```text
//! DIR/territory.json          for outside programs: members, ports, accounts
//! DIR/pki/                    the throw-away certificates
//! DIR/hl7/                    messages to push
//! DIR/MEMBER/liaison.toml     a site's settings, and beside it its stores, keys and log
//! DIR/dac/entries.json        what the shared directory serves
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use liaison_base::log;
use liaison_certs_dev::{KeyKind, SavedIdentity};
use liaison_directory::import::{
    CertificateRow, EntriesFile, MailboxRow, OrganisationRow, PersonRow, RelayRow, ServiceRow,
};
use liaison_directory_client::{CacheSettings, Finess, Host, MailboxKind, Rpps};
use liaison_gateway::accounts::{AccountSettings, hash_password};
use liaison_gateway::keys::SiteKey;
use liaison_gateway::settings::{HospitalSettings, IdentitySettings, ReportsSettings};
use liaison_mail::{Address, Domain};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::feed;
use crate::config::{Config, Lookup};
use crate::error::CommandError;

/// A member as the cast describes it.
struct Role {
    name: &'static str,
    organisation: &'static str,
    category: &'static str,
    domain: &'static str,
    finess: Option<&'static str>,
    people: &'static [Person],
}

/// Somebody, or a service, with a mailbox.
struct Person {
    address: &'static str,
    name: &'static str,
    profession: &'static str,
    rpps: Option<&'static str>,
    role: &'static str,
    key: KeyKind,
    /// A mailbox of the organisation rather than of a person.
    is_service: bool,
    /// Whether somebody logs in to it.
    has_account: bool,
}

/// The cast. No RPPS begins with 00 and no département bears 00: these numbers cannot exist.
const CAST: &[Role] = &[
    Role {
        name: "dac",
        organisation: "DAC du Pays de Valombre",
        category: "Dispositif d'appui à la coordination",
        domain: "dac-valombre.test",
        finess: None,
        people: &[
            Person {
                address: "coordination@dac-valombre.test",
                name: "DAC du Pays de Valombre",
                profession: "Coordination",
                rpps: None,
                role: "coordination",
                key: KeyKind::P256,
                is_service: true,
                has_account: true,
            },
            Person {
                address: "signalement@dac-valombre.test",
                name: "Signalement des erreurs médicamenteuses",
                profession: "Registre des signalements",
                rpps: None,
                role: "reports",
                key: KeyKind::P256,
                is_service: true,
                has_account: false,
            },
        ],
    },
    Role {
        name: "hospital",
        organisation: "Centre hospitalier de Valombre",
        category: "Centre hospitalier",
        domain: "ch-valombre.test",
        finess: Some("000000001"),
        people: &[Person {
            address: "avis@ch-valombre.test",
            name: "CH de Valombre",
            profession: "Avis d'entrée et de sortie",
            rpps: None,
            role: "hospital ward",
            key: KeyKind::P256,
            is_service: true,
            has_account: true,
        }],
    },
    Role {
        name: "ehpad",
        organisation: "EHPAD Les Tilleuls",
        category: "EHPAD",
        domain: "ehpad-tilleuls.test",
        finess: Some(feed::NURSING_HOME),
        people: &[Person {
            address: "soins@ehpad-tilleuls.test",
            name: "Nadia ROCHE, infirmière coordinatrice",
            profession: "Équipe soignante",
            rpps: None,
            role: "nursing home",
            key: KeyKind::P256,
            is_service: true,
            has_account: true,
        }],
    },
    Role {
        name: "practice",
        organisation: "Maison de santé de la Rivière",
        category: "Maison de santé pluriprofessionnelle",
        domain: "cabinet-riviere.test",
        finess: None,
        people: &[
            Person {
                address: "claire.garnier@cabinet-riviere.test",
                name: "Dr Claire GARNIER",
                profession: "Médecin généraliste",
                rpps: Some(feed::FAMILY_DOCTOR),
                role: "family doctor",
                key: KeyKind::Rsa2048,
                is_service: false,
                has_account: true,
            },
            Person {
                address: "luc.morel@cabinet-riviere.test",
                name: "Luc MOREL",
                profession: "Infirmier",
                rpps: Some(feed::HOME_NURSE),
                role: "home nurse",
                key: KeyKind::P256,
                is_service: false,
                has_account: true,
            },
        ],
    },
    Role {
        name: "pharmacy",
        organisation: "Pharmacie de la Halle",
        category: "Pharmacie d'officine",
        domain: "pharmacie-halle.test",
        finess: Some(feed::PHARMACY),
        people: &[Person {
            address: "officine@pharmacie-halle.test",
            name: "Inès CARON, pharmacienne",
            profession: "Pharmacien",
            rpps: None,
            role: "pharmacy",
            key: KeyKind::P256,
            is_service: true,
            has_account: true,
        }],
    },
];

/// The address that takes reports of medication errors.
pub(super) const REPORTS: &str = "signalement@dac-valombre.test";
/// Where everybody is.
const TOWN: &str = "Valombre";
/// Who publishes the directory.
const DIRECTORY_OWNER: &str = "dac";

/// A built territory.
pub(super) struct Territory {
    dir: PathBuf,
    members: Vec<Member>,
    accounts: Vec<Account>,
}

/// A member with the ports of its site.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) organisation: String,
    pub(super) domain: String,
    pub(super) ports: Ports,
}

/// The ports of a site on 127.0.0.1; absent ones are not served.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) relay: u16,
    pub(super) submissions: u16,
    pub(super) imaps: u16,
    pub(super) https: Option<u16>,
    pub(super) mllp: Option<u16>,
    pub(super) mllps: Option<u16>,
}

/// An account as `territory.json` gives it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) address: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) member: String,
    pub(super) role: String,
    /// The name in `From`.
    #[serde(default)]
    pub(super) name: String,
}

/// `territory.json`. Outside programs read it: its names stay.
#[derive(Serialize, Deserialize)]
struct TerritoryFile {
    ca: PathBuf,
    members: std::collections::BTreeMap<String, MemberFile>,
    accounts: Vec<Account>,
}

#[derive(Serialize, Deserialize)]
struct MemberFile {
    domain: String,
    host: String,
    server_name: String,
    submissions: Option<u16>,
    submission: Option<u16>,
    imaps: Option<u16>,
    imap: Option<u16>,
    pop3s: Option<u16>,
    ldaps: Option<u16>,
    ldap: Option<u16>,
    ldap_base: Option<String>,
    https: Option<u16>,
    mllp: Option<u16>,
    mllps: Option<u16>,
    relay: Option<u16>,
}

impl Territory {
    /// The territory of a folder, built when there is none.
    pub(super) fn open_or_build(dir: &Path, now: OffsetDateTime) -> Result<Self, CommandError> {
        fs::create_dir_all(dir).map_err(failed(dir))?;
        let dir = fs::canonicalize(dir).map_err(failed(dir))?;
        if dir.join("territory.json").exists() {
            return Self::open(dir);
        }
        let occupied = fs::read_dir(&dir).map_err(failed(&dir))?.next().is_some();
        if occupied {
            return Err(CommandError::Settings(
                "the folder of --dir is neither empty nor a territory: name another",
            ));
        }
        Builder::new(dir, now)?.build()
    }

    fn open(dir: PathBuf) -> Result<Self, CommandError> {
        let path = dir.join("territory.json");
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        let file: TerritoryFile = serde_json::from_str(&text)
            .map_err(|_| CommandError::Settings("territory.json is not readable: build anew"))?;
        let mut members = Vec::new();
        for role in CAST {
            let Some(member) = file.members.get(role.name) else {
                return Err(CommandError::Settings(
                    "territory.json lacks a member of this release: build anew",
                ));
            };
            members.push(Member {
                name: role.name.to_owned(),
                organisation: role.organisation.to_owned(),
                domain: role.domain.to_owned(),
                ports: Ports {
                    relay: member.relay.unwrap_or_default(),
                    submissions: member.submissions.unwrap_or_default(),
                    imaps: member.imaps.unwrap_or_default(),
                    https: member.https,
                    mllp: member.mllp,
                    mllps: member.mllps,
                },
            });
        }
        Ok(Self {
            dir,
            members,
            accounts: file.accounts,
        })
    }

    /// The members, the directory's first: the others ask it.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// A member of the cast by name.
    pub(super) fn member(&self, name: &str) -> &Member {
        // Callers name members of the cast, all of which were built.
        self.members
            .iter()
            .find(|member| member.name == name)
            .unwrap_or(&self.members[0])
    }

    pub(super) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account of an address.
    pub(super) fn account(&self, address: &str) -> Result<&Account, CommandError> {
        self.accounts
            .iter()
            .find(|account| account.address == address)
            .ok_or_else(|| CommandError::Day(format!("{address} has no account")))
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.dir.join("pki/ca.pem")
    }

    pub(super) fn json(&self) -> PathBuf {
        self.dir.join("territory.json")
    }

    pub(super) fn samples(&self) -> PathBuf {
        self.dir.join("hl7")
    }

    /// A site's settings file.
    pub(super) fn config(&self, member: &str) -> PathBuf {
        self.dir.join(member).join("liaison.toml")
    }

    /// A site's folder.
    pub(super) fn site(&self, member: &str) -> PathBuf {
        self.dir.join(member)
    }

    pub(super) fn directory_url(&self) -> String {
        let port = self.member(DIRECTORY_OWNER).ports.https.unwrap_or_default();
        format!("https://127.0.0.1:{port}/")
    }
}

/// Builds a territory's folder.
struct Builder {
    dir: PathBuf,
    pki: liaison_certs_dev::Territory,
    now: OffsetDateTime,
    next_port: u16,
    /// The root and the members' issuing authorities, PEM: what vouches for S/MIME certificates.
    authorities: String,
}

/// What one member contributes to the directory and to its own settings.
struct Built {
    member: Member,
    accounts: Vec<Account>,
    organisation: OrganisationRow,
    services: Vec<ServiceRow>,
    people: Vec<PersonRow>,
    relay: RelayRow,
    config: Config,
}

impl Builder {
    fn new(dir: PathBuf, now: OffsetDateTime) -> Result<Self, CommandError> {
        // Below the range from which the system takes ports for outgoing connections; a start that
        // differs by process, by more than a territory takes, keeps two demos apart.
        let offset = u16::try_from(std::process::id() % 297).unwrap_or(0) * 40;
        let pki = liaison_certs_dev::Territory::new(now)?;
        Ok(Self {
            authorities: pki.root_pem(),
            pki,
            dir,
            now,
            next_port: 20_000 + offset,
        })
    }

    fn build(mut self) -> Result<Territory, CommandError> {
        let pki = self.dir.join("pki");
        fs::create_dir_all(&pki).map_err(failed(&pki))?;
        write(&pki.join("ca.pem"), self.pki.root_pem().as_bytes())?;
        let owner_https = self.free_port()?;
        let mut built = Vec::new();
        for role in CAST {
            built.push(self.member(role, owner_https)?);
        }
        write(&pki.join("authorities.pem"), self.authorities.as_bytes())?;
        let entries = EntriesFile {
            title: "Bottin du Pays de Valombre".to_owned(),
            source: "DAC du Pays de Valombre".to_owned(),
            as_of: Some(self.now),
            demonstration: true,
            organisations: built.iter().map(|b| b.organisation.clone()).collect(),
            services: built.iter().flat_map(|b| b.services.clone()).collect(),
            people: built.iter().flat_map(|b| b.people.clone()).collect(),
            relays: built.iter().map(|b| b.relay.clone()).collect(),
        };
        write_json(
            &self.dir.join(DIRECTORY_OWNER).join("entries.json"),
            &entries,
        )?;
        let revocations: Vec<PathBuf> = CAST
            .iter()
            .map(|role| self.dir.join("pki").join(format!("{}.crl.pem", role.name)))
            .collect();
        for one in &mut built {
            if let Some(gateway) = &mut one.config.gateway {
                gateway.revocations.clone_from(&revocations);
            }
            let path = self.dir.join(&one.member.name).join("liaison.toml");
            let text = toml::to_string(&one.config)
                .map_err(|_| CommandError::Settings("settings that TOML cannot hold"))?;
            write(&path, text.as_bytes())?;
        }
        self.write_samples()?;
        let territory = Territory {
            accounts: built.iter().flat_map(|b| b.accounts.clone()).collect(),
            members: built.into_iter().map(|b| b.member).collect(),
            dir: self.dir,
        };
        // Last: its presence says that the folder is whole.
        write_json(&territory.json(), &territory_file(&territory))?;
        Ok(territory)
    }

    fn member(&mut self, role: &Role, owner_https: u16) -> Result<Built, CommandError> {
        let folder = self.dir.join(role.name);
        // Stores, keys and logs of a site are its user's alone.
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(failed(&folder))?;
        let pki = self.dir.join("pki");
        let authority = self.pki.member(role.domain)?;
        self.authorities.push_str(&authority.authority_pem());
        let relay = authority.relay_identity()?.write(&folder, "relay")?;
        let mail = authority.mail_server_identity()?.write(&folder, "mail")?;
        let is_owner = role.name == DIRECTORY_OWNER;
        let web = match is_owner {
            true => Some(authority.directory_identity()?.write(&folder, "web")?),
            false => None,
        };
        write(
            &pki.join(format!("{}.crl.pem", role.name)),
            authority.crl_pem()?.as_bytes(),
        )?;
        let is_hospital = role.name == "hospital";
        let ports = Ports {
            relay: self.free_port()?,
            submissions: self.free_port()?,
            imaps: self.free_port()?,
            https: is_owner.then_some(owner_https),
            mllp: is_hospital.then(|| self.free_port()).transpose()?,
            mllps: is_hospital.then(|| self.free_port()).transpose()?,
        };
        let mut cast = Cast::default();
        for person in role.people {
            let issued = authority.smime(person.address, person.name, person.key)?;
            let stem = person.address.split('@').next().unwrap_or(person.address);
            let saved = issued.write(&folder, stem)?;
            cast.add(role, person, &saved)?;
        }
        SiteKey::create(&folder.join("site.key"))
            .map_err(|cause| CommandError::Gateway(cause.into()))?;
        if is_hospital {
            write(
                &folder.join("care-circles.toml"),
                feed::CARE_CIRCLES.as_bytes(),
            )?;
        }
        let domain = parse_domain(role.domain)?;
        let doors = Doors {
            relay: &relay,
            mail: &mail,
            web: web.as_ref(),
            directory: owner_https,
        };
        let config = self.config(role, &folder, (&ports, &doors), &cast)?;
        Ok(Built {
            member: Member {
                name: role.name.to_owned(),
                organisation: role.organisation.to_owned(),
                domain: role.domain.to_owned(),
                ports,
            },
            accounts: cast.accounts,
            organisation: OrganisationRow {
                id: role.name.to_owned(),
                name: role.organisation.to_owned(),
                category: Some(role.category.to_owned()),
                finess: role.finess.map(parse_finess).transpose()?,
                town: Some(TOWN.to_owned()),
                mailboxes: cast.organisation_mailboxes,
            },
            services: cast.services,
            people: cast.people,
            relay: RelayRow {
                domain: domain.clone(),
                server_name: parse_domain(&format!("relay.{domain}"))?,
                host: Host::Ip(Ipv4Addr::LOCALHOST.into()),
                port: ports.relay,
                serves: Vec::new(),
            },
            config,
        })
    }

    fn config(
        &self,
        role: &Role,
        folder: &Path,
        (ports, doors): (&Ports, &Doors<'_>),
        cast: &Cast,
    ) -> Result<Config, CommandError> {
        let domain = parse_domain(role.domain)?;
        let ca = self.dir.join("pki/ca.pem");
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let relay = liaison_relay::Settings {
            hostname: parse_domain(&format!("relay.{domain}"))?,
            listen: at(ports.relay),
            certificate: doors.relay.chain.clone(),
            key: doors.relay.key.clone(),
            anchors: ca.clone(),
            database: folder.join("relay.db"),
            bodies: folder.join("relay-bodies"),
            domains: vec![domain.clone()],
            transit: Vec::new(),
            schedule: feed::impatient_schedule(),
            limits: liaison_relay::settings::Limits::default(),
        };
        let hospital = match role.name {
            "hospital" => Some(HospitalSettings {
                mllp: ports.mllp.map(at),
                mllps: ports.mllps.map(at),
                sender: parse_address("avis@ch-valombre.test")?,
                telephone: "01 00 00 00 00".to_owned(),
                care_circles: Some(folder.join("care-circles.toml")),
            }),
            _ => None,
        };
        let reports = match role.name == DIRECTORY_OWNER {
            true => Some(ReportsSettings {
                address: parse_address(REPORTS)?,
            }),
            false => None,
        };
        let gateway = liaison_gateway::Settings {
            domain,
            organisation: role.organisation.to_owned(),
            database: folder.join("gateway.db"),
            bodies: folder.join("gateway-bodies"),
            site_key: folder.join("site.key"),
            anchors: self.dir.join("pki/authorities.pem"),
            revocations: Vec::new(),
            certificate: doors.mail.chain.clone(),
            key: doors.mail.key.clone(),
            submissions: Some(at(ports.submissions)),
            imaps: Some(at(ports.imaps)),
            identities: cast.identities.clone(),
            accounts: cast.settings.clone(),
            hospital,
            reports,
        };
        Ok(Config {
            log: log::Settings::default(),
            lookup: doors.web.is_none().then(|| Lookup {
                url: format!("https://127.0.0.1:{}", doors.directory),
                anchors: ca,
                cache: CacheSettings::default(),
            }),
            relay: Some(relay),
            gateway: Some(gateway),
            directory: doors.web.map(|web| liaison_directory::Settings {
                listen: at(doors.directory),
                tls_certificate: web.chain.clone(),
                tls_key: web.key.clone(),
                database: folder.join("directory.db"),
                entries: Some(folder.join("entries.json")),
            }),
        })
    }

    fn write_samples(&self) -> Result<(), CommandError> {
        let folder = self.dir.join("hl7");
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        for (name, message) in feed::samples() {
            write(&folder.join(name), message.as_bytes())?;
        }
        Ok(())
    }

    fn free_port(&mut self) -> Result<u16, CommandError> {
        for _ in 0..2000 {
            let port = self.next_port;
            self.next_port = if port >= 31_900 { 20_000 } else { port + 1 };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        Err(CommandError::Settings(
            "no free port on 127.0.0.1 between 20000 and 31900",
        ))
    }
}

/// The TLS identities of a site's doors, and the port of the shared directory.
struct Doors<'a> {
    relay: &'a SavedIdentity,
    mail: &'a SavedIdentity,
    web: Option<&'a SavedIdentity>,
    directory: u16,
}

/// What the people of one member become: rows, identities and accounts.
#[derive(Default)]
struct Cast {
    identities: Vec<IdentitySettings>,
    settings: Vec<AccountSettings>,
    accounts: Vec<Account>,
    organisation_mailboxes: Vec<MailboxRow>,
    services: Vec<ServiceRow>,
    people: Vec<PersonRow>,
}

impl Cast {
    fn add(
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

fn territory_file(territory: &Territory) -> TerritoryFile {
    let members = territory
        .members
        .iter()
        .map(|member| {
            let file = MemberFile {
                domain: member.domain.clone(),
                host: Ipv4Addr::LOCALHOST.to_string(),
                server_name: format!("mail.{}", member.domain),
                submissions: Some(member.ports.submissions),
                submission: None,
                imaps: Some(member.ports.imaps),
                imap: None,
                pop3s: None,
                ldaps: None,
                ldap: None,
                ldap_base: None,
                https: member.ports.https,
                mllp: member.ports.mllp,
                mllps: member.ports.mllps,
                relay: Some(member.ports.relay),
            };
            (member.name.clone(), file)
        })
        .collect();
    TerritoryFile {
        ca: territory.ca(),
        members,
        accounts: territory.accounts.clone(),
    }
}

/// A password of 62 random bits: the tail of a version 7 UUID (RFC 9562 §5.7).
fn random_password() -> String {
    let id = liaison_mail::EnvelopeId::fresh();
    let tail = &id.as_str()[16..];
    format!("{}-{}-{}", &tail[0..5], &tail[5..10], &tail[10..16])
}

fn parse_address(text: &str) -> Result<Address, CommandError> {
    Address::parse(text).map_err(|_| CommandError::Settings("an address of the cast"))
}

fn parse_domain(text: &str) -> Result<Domain, CommandError> {
    Domain::parse(text).map_err(|_| CommandError::Settings("a domain of the cast"))
}

fn parse_rpps(text: &str) -> Result<Rpps, CommandError> {
    Rpps::parse(text).map_err(|_| CommandError::Settings("an RPPS number of the cast"))
}

fn parse_finess(text: &str) -> Result<Finess, CommandError> {
    Finess::parse(text).map_err(|_| CommandError::Settings("a FINESS number of the cast"))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|_| CommandError::Settings("a value that JSON cannot hold"))?;
    write(path, text.as_bytes())
}

/// Writes a file that only its owner can read: passwords and settings are in them.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> CommandError {
    move |cause| CommandError::File {
        path: path.to_owned(),
        cause,
    }
}
