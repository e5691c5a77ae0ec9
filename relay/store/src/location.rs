//! Where a database is, as settings name it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The database of a role. In settings, one of:
///
/// - `"relay.db"` or `"sqlite:relay.db"`: a SQLite file, made if absent, of one process.
/// - `"postgres://user@host:5432/name?sslmode=verify-full&sslrootcert=ca.pem"`: a PostgreSQL
///   database (15 or later), which must exist and may be shared by any number of processes and by
///   all roles. Several hosts, parted by commas, are a primary and its standbys: the one that
///   takes writes is used, and looked for again when it is lost. A password stands after the user
///   name (`user:password@`), or in the file `~/.pgpass` of the process's user.
///
/// Neither [`Debug`] nor [`fmt::Display`] shows a password; [`Serialize`] does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, one URL for each host.
    Postgres(Hosts),
}

/// The hosts of a PostgreSQL database, as URLs; at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct Hosts {
    text: String,
    urls: Vec<String>,
}

impl Hosts {
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }
}

impl Location {
    /// Whether several processes may work on it at once.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if let Some(rest) = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
        {
            return Ok(Self::Postgres(hosts(text, rest)?));
        }
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(StoreError::Location("the path of the SQLite file is empty"));
        }
        if path.contains("://") {
            return Err(StoreError::Location(
                "a database is a path, sqlite:path or postgres://user@host/name",
            ));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// Makes a URL for each of the hosts parted by commas.
fn hosts(text: &str, rest: &str) -> Result<Hosts, StoreError> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, names) = match authority.rsplit_once('@') {
        Some((user, names)) => (format!("{user}@"), names),
        None => (String::new(), authority),
    };
    let urls: Vec<String> = names
        .split(',')
        .map(|host| format!("postgres://{user}{host}{tail}"))
        .collect();
    for url in &urls {
        // sqlx names the fault but might show the password with it.
        url.parse::<sqlx::postgres::PgConnectOptions>()
            .map_err(|_| StoreError::Location("not a URL of PostgreSQL"))?;
    }
    Ok(Hosts {
        text: text.to_owned(),
        urls,
    })
}

impl TryFrom<String> for Location {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        match location {
            Location::Sqlite(path) => path.display().to_string(),
            Location::Postgres(hosts) => hosts.text,
        }
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Self {
        location.clone()
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Sqlite(path)
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::Sqlite(path.clone())
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.to_owned())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(hosts) => f.write_str(&without_password(&hosts.text)),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.text))
    }
}

/// The URL without what may be secret: the password, and the parameters, one of which can be it.
fn without_password(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return String::new();
    };
    match rest.rsplit_once('@') {
        Some((user, place)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Location {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_is_a_sqlite_file_with_or_without_its_scheme() {
        let file = Location::Sqlite(PathBuf::from("/var/lib/liaison/relay.db"));
        assert_eq!(read("/var/lib/liaison/relay.db"), file);
        assert_eq!(read("sqlite:/var/lib/liaison/relay.db"), file);
        assert_eq!(read("sqlite:///var/lib/liaison/relay.db"), file);
        assert_eq!(read(&String::from(file.clone())), file);
        assert!(!file.is_shared());
    }

    #[test]
    fn each_host_has_its_url() {
        let Location::Postgres(hosts) =
            read("postgres://l:p%40x@a:5433,b.test/queue?sslmode=require")
        else {
            panic!("not PostgreSQL");
        };
        assert_eq!(
            hosts.urls(),
            [
                "postgres://l:p%40x@a:5433/queue?sslmode=require",
                "postgres://l:p%40x@b.test/queue?sslmode=require"
            ]
        );
    }

    #[test]
    fn a_password_is_kept_and_never_shown() {
        let text = "postgres://liaison:geheim@db.test/queue?password=geheim";
        let location = read(text);
        assert_eq!(location.to_string(), "postgres://liaison@db.test/queue");
        assert!(!format!("{location:?}").contains("geheim"));
        assert_eq!(String::from(location), text);
    }

    #[test]
    fn what_names_no_database_is_refused() {
        for wrong in ["", "sqlite:", "mysql://a/b", "postgres://a:b:c@d:x/e"] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong}");
        }
    }
}
