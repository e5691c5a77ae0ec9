//! Building a territory's folder: certificates, keys, stores' places, settings, the directory's
//! entries.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use liaison_base::log;
use liaison_certs_dev::SavedIdentity;
use liaison_directory::import::{EntriesFile, OrganisationRow, PersonRow, RelayRow, ServiceRow};
use liaison_directory_client::{CacheSettings, Host};
use liaison_gateway::keys::SiteKey;
use liaison_gateway::settings::{BackPace, DropFolderSettings, HospitalSettings, ReportsSettings};
use serde::Serialize;
use time::OffsetDateTime;

use super::cast::{CAST, DIRECTORY_OWNER, REPORTS, Role, TOWN};
use super::feed;
use super::people::{Rows, parse_address, parse_domain, parse_finess};
use super::territory::{Account, LDAP_SUFFIX, Member, Ports, Territory, failed, territory_file};
use crate::admin;
use crate::config::{Config, Lookup};
use crate::error::CommandError;

/// Builds a territory's folder.
pub(super) struct Builder {
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
    pub(super) fn new(dir: PathBuf, now: OffsetDateTime) -> Result<Self, CommandError> {
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

    pub(super) fn build(mut self) -> Result<Territory, CommandError> {
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
            absences: Vec::new(),
            territories: Vec::new(),
        };
        write_json(
            &self.dir.join(DIRECTORY_OWNER).join("entries.json"),
            &entries,
        )?;
        let revocations: Vec<PathBuf> = CAST
            .iter()
            .map(|role| self.dir.join("pki").join(format!("{}.crl.pem", role.name)))
            .collect();
        let people: Vec<_> = built
            .iter()
            .filter_map(|one| one.config.gateway.as_ref())
            .flat_map(|gateway| &gateway.accounts)
            .map(|account| liaison_directory::AccountSettings {
                user: account.user.clone(),
                password: account.password.clone(),
            })
            .collect();
        for one in &mut built {
            if let Some(directory) = &mut one.config.directory {
                directory.accounts.clone_from(&people);
            }
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
        let mut authority = self.pki.member(role.domain)?;
        self.authorities.push_str(&authority.authority_pem());
        let relay = authority.relay_identity()?.write(&folder, "relay")?;
        let mail = authority.mail_server_identity()?.write(&folder, "mail")?;
        let is_owner = role.name == DIRECTORY_OWNER;
        let web = match is_owner {
            true => Some(authority.directory_identity()?.write(&folder, "web")?),
            false => None,
        };
        let is_hospital = role.name == "hospital";
        let ports = Ports {
            relay: self.free_port()?,
            submissions: self.free_port()?,
            imaps: self.free_port()?,
            https: is_owner.then_some(owner_https),
            ldaps: is_owner.then(|| self.free_port()).transpose()?,
            ldap: is_owner.then(|| self.free_port()).transpose()?,
            mllp: is_hospital.then(|| self.free_port()).transpose()?,
            mllps: is_hospital.then(|| self.free_port()).transpose()?,
            admin: self.free_port()?,
        };
        let mut rows = Rows::default();
        for person in role.people {
            let issued = authority.smime(person.address, person.name, person.key)?;
            let stem = person.address.split('@').next().unwrap_or(person.address);
            let saved = issued.write(&folder, stem)?;
            rows.add(role, person, &saved)?;
        }
        if let Some(person) = role.people.first() {
            // Two that must not be believed, beside the good one, to be tried.
            let (address, name) = (person.address, person.name);
            let expired = authority.expired_smime(address, name, person.key)?;
            expired.write(&folder, "expired")?;
            let revoked = authority.revoked_smime(address, name, person.key)?;
            revoked.write(&folder, "revoked")?;
        }
        authority.write_crl(&pki.join(format!("{}.crl.pem", role.name)))?;
        SiteKey::create(&folder.join("site.key"))
            .map_err(|cause| CommandError::Gateway(cause.into()))?;
        if is_hospital {
            write(
                &folder.join("care-circles.toml"),
                feed::CARE_CIRCLES.as_bytes(),
            )?;
            write(&folder.join("rules.toml"), feed::RULES.as_bytes())?;
        }
        let domain = parse_domain(role.domain)?;
        let doors = Doors {
            relay: &relay,
            mail: &mail,
            web: web.as_ref(),
            directory: owner_https,
        };
        let config = self.config(role, &folder, (&ports, &doors), &rows)?;
        Ok(Built {
            member: Member {
                name: role.name.to_owned(),
                organisation: role.organisation.to_owned(),
                domain: role.domain.to_owned(),
                ports,
            },
            accounts: rows.accounts,
            organisation: OrganisationRow {
                id: role.name.to_owned(),
                name: role.organisation.to_owned(),
                category: Some(role.category.to_owned()),
                finess: role.finess.map(parse_finess).transpose()?,
                town: Some(TOWN.to_owned()),
                mailboxes: rows.organisation_mailboxes,
            },
            services: rows.services,
            people: rows.people,
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
        rows: &Rows,
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
            database: folder.join("relay.db").into(),
            bodies: folder.join("relay-bodies").into(),
            domains: vec![domain.clone()],
            transit: Vec::new(),
            bridge: None,
            schedule: feed::impatient_schedule(),
            limits: liaison_relay::settings::Limits::default(),
            revocations: Vec::new(),
            rates: liaison_relay::settings::Rates::default(),
            pressure: liaison_relay::settings::Pressure::default(),
        };
        let hospital = match role.name {
            "hospital" => Some(HospitalSettings {
                mllp: ports.mllp.map(at),
                mllps: ports.mllps.map(at),
                sender: parse_address("avis@ch-valombre.test")?,
                telephone: "01 00 00 00 00".to_owned(),
                care_circles: Some(folder.join("care-circles.toml")),
                back: None,
                back_pace: BackPace::default(),
                http: None,
                allow: Vec::new(),
                drop_folder: Some(DropFolderSettings {
                    path: folder.join("drop"),
                    keep_done: false,
                }),
                rules: Some(folder.join("rules.toml")),
                templates: None,
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
            database: folder.join("gateway.db").into(),
            bodies: folder.join("gateway-bodies").into(),
            takeover_seconds: 30,
            site_key: folder.join("site.key"),
            anchors: self.dir.join("pki/authorities.pem"),
            revocations: Vec::new(),
            certificate: doors.mail.chain.clone(),
            key: doors.mail.key.clone(),
            submissions: Some(at(ports.submissions)),
            imaps: Some(at(ports.imaps)),
            identities: rows.identities.clone(),
            partners: Vec::new(),
            accounts: rows.settings.clone(),
            hospital,
            reports,
        };
        Ok(Config {
            log: log::Settings::default(),
            shutdown: crate::config::Shutdown::default(),
            admin: Some(admin::Settings {
                listen: at(ports.admin),
                token: Some(folder.join("admin.token")),
                ..admin::Settings::default()
            }),
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
                database: folder.join("directory.db").into(),
                sets: folder.join("directory.sets"),
                entries: Some(folder.join("entries.json")),
                sharing: None,
                ldap: ports
                    .ldaps
                    .map(|port| liaison_directory::ldap::LdapSettings {
                        listen: at(port),
                        listen_clear: ports.ldap.map(at),
                        suffix: LDAP_SUFFIX.to_owned(),
                        anonymous: false,
                    }),
                // Every member's people; they are known once all members are built.
                accounts: Vec::new(),
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
