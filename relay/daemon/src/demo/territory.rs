//! Who there is in the fictional territory, and the folder with a site for each member.
//!
//! ```text
//! DIR/territory.json          for outside programs: members, ports, accounts
//! DIR/pki/                    the throw-away certificates
//! DIR/hl7/                    messages to push
//! DIR/MEMBER/liaison.toml     a site's settings, and beside it its stores, keys and log
//! DIR/dac/entries.json        what the shared directory serves
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::build::Builder;
use super::cast::{CAST, DIRECTORY_OWNER};
use crate::error::CommandError;

/// A built territory.
pub(super) struct Territory {
    pub(super) dir: PathBuf,
    pub(super) members: Vec<Member>,
    pub(super) accounts: Vec<Account>,
}

/// A member with the ports of its site.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) organisation: String,
    pub(super) domain: String,
    pub(super) ports: Ports,
}

/// Where the entries of the demo's directory stand in LDAP.
pub(super) const LDAP_SUFFIX: &str = "dc=annuaire,dc=pays-valombre,dc=test";

/// The ports of a site on 127.0.0.1; absent ones are not served.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) relay: u16,
    pub(super) submissions: u16,
    pub(super) imaps: u16,
    pub(super) ldaps: Option<u16>,
    pub(super) ldap: Option<u16>,
    pub(super) https: Option<u16>,
    pub(super) mllp: Option<u16>,
    pub(super) mllps: Option<u16>,
    pub(super) admin: u16,
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
pub(super) struct TerritoryFile {
    ca: PathBuf,
    members: BTreeMap<String, MemberFile>,
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
    #[serde(default)]
    admin: Option<u16>,
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
                    ldaps: member.ldaps,
                    ldap: member.ldap,
                    https: member.https,
                    mllp: member.mllp,
                    mllps: member.mllps,
                    admin: member.admin.unwrap_or_default(),
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

/// What `territory.json` says of a territory.
pub(super) fn territory_file(territory: &Territory) -> TerritoryFile {
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
                ldaps: member.ports.ldaps,
                ldap: member.ports.ldap,
                ldap_base: member.ports.ldaps.map(|_| LDAP_SUFFIX.to_owned()),
                https: member.ports.https,
                mllp: member.ports.mllp,
                mllps: member.ports.mllps,
                relay: Some(member.ports.relay),
                admin: Some(member.ports.admin),
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

pub(super) fn failed(path: &Path) -> impl Fn(std::io::Error) -> CommandError {
    move |cause| CommandError::File {
        path: path.to_owned(),
        cause,
    }
}
