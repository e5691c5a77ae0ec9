//! The `[directory]` section of the settings file.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use liaison_store::Location;
use serde::{Deserialize, Serialize};

use crate::ldap::LdapSettings;
use crate::sharing::SharingSettings;

/// The `[directory]` section. Paths are relative to the folder that the process runs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port of HTTPS, for example `0.0.0.0:8443`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// PEM file of the server's certificate, followed by its issuing authorities.
    pub tls_certificate: PathBuf,
    /// PEM file of the server's private key.
    pub tls_key: PathBuf,
    /// The database: the path of a SQLite file, made if absent, whose folder must exist; or
    /// `postgres://user@host/name`, a PostgreSQL database. See [`Location`].
    pub database: Location,
    /// The folder of accepted lists and of the index, made if absent. Processes that share a
    /// PostgreSQL database share this folder too. `directory.sets` when absent.
    #[serde(default = "sets")]
    pub sets: PathBuf,
    /// The file of entries (TOML, or JSON when its name ends in `.json`), imported at each start.
    /// When it cannot be imported, the entries of the last good import keep serving. Without this
    /// key, they always do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<PathBuf>,
    /// LDAP, for the address fields of mail clients; not served without this section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap: Option<LdapSettings>,
    /// What is published and whose logs are followed, with other territories; nothing without this
    /// section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<SharingSettings>,
    /// Who may log in to the directory: `[[directory.accounts]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountSettings>,
}

/// Somebody who may log in to the directory.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The name to log in with. Compared without case.
    pub user: String,
    /// The password as an argon2id PHC string, made by `liaison password hash`.
    pub password: String,
}

impl fmt::Debug for AccountSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountSettings({})", self.user)
    }
}

fn sets() -> PathBuf {
    PathBuf::from("directory.sets")
}
