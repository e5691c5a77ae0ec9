//! The settings file of one process: the sections that it has are the roles that it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use liaison_base::{BaseError, config, log};
use liaison_directory_client::CacheSettings;
use serde::{Deserialize, Serialize};

use crate::admin;

/// A settings file, whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is logged, and how.
    #[serde(default)]
    pub(crate) log: log::Settings,
    /// How the process ends.
    #[serde(default)]
    pub(crate) shutdown: Shutdown,
    /// The operators' port. Absent, there is none.
    #[serde(default)]
    pub(crate) admin: Option<admin::Settings>,
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

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shutdown {
    /// How long what is under way may take after SIGTERM; meanwhile peers are told to come again.
    /// What is cut off then was not acknowledged. Default: 10s.
    #[serde(with = "liaison_base::span")]
    pub(crate) patience: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
        }
    }
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
