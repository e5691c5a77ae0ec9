//! The settings file of one process: the sections that it has are the roles that it runs.

use std::path::{Path, PathBuf};

use liaison_base::{BaseError, config, log};
use liaison_directory_client::CacheSettings;
use serde::{Deserialize, Serialize};

/// A settings file, whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is logged, and how.
    #[serde(default)]
    pub(crate) log: log::Settings,
    /// Where the directory is asked. Absent, the `[directory]` of this process is.
    #[serde(default)]
    pub(crate) lookup: Option<Lookup>,
    /// Store and forward.
    #[serde(default)]
    pub(crate) relay: Option<liaison_relay::Settings>,
    /// Mail clients, hospital systems, keys.
    #[serde(default)]
    pub(crate) gateway: Option<liaison_gateway::Settings>,
    /// The shared directory.
    #[serde(default)]
    pub(crate) directory: Option<liaison_directory::Settings>,
}

/// A directory elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    /// Its address: `https://annuaire.example:443`.
    pub(crate) url: String,
    /// PEM file of the authorities that vouch for it.
    pub(crate) anchors: PathBuf,
    /// How long its answers are believed.
    #[serde(default)]
    pub(crate) cache: CacheSettings,
}

impl Config {
    /// Reads a settings file; relative paths in it are taken from the current folder.
    pub(crate) fn load(path: &Path) -> Result<Self, BaseError> {
        config::load(path)
    }
}
