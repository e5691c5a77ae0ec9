//! `[directory.sharing]`.

use std::path::PathBuf;
use std::time::Duration;

use liaison_mail::Domain;
use serde::{Deserialize, Serialize};

/// The `[directory.sharing]` section: what this directory publishes, whose logs it follows, and
/// who must have seen them. See directory/SHARING.md.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharingSettings {
    /// What the organisation of this directory publishes of itself; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogSettings>,
    /// The logs that are followed: `[[directory.sharing.peers]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerSettings>,
    /// With which key this directory cosigns the checkpoints of its peers; it is no witness when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<WitnessSettings>,
    /// The witnesses whose cosignatures count: `[[directory.sharing.witnesses]]`. The own log asks
    /// those that have an address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WitnessKeySettings>,
    /// How many of them must have cosigned a checkpoint. Default: 0; 2 is advised as soon as there
    /// are two.
    #[serde(default)]
    pub required_witnesses: usize,
    /// What becomes of a checkpoint that too few have cosigned: `refuse`, the default, or `take`,
    /// which shows that it is unwitnessed.
    #[serde(default)]
    pub unwitnessed: Unwitnessed,
    /// The directories that show what this one publishes, to be compared with it at each poll:
    /// `[[directory.sharing.replicas]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaSettings>,
    /// How often peers and replicas are asked. Default: 60s.
    #[serde(default = "poll", with = "liaison_base::span")]
    pub poll: Duration,
    /// How long a new key waits that neither the key before it nor a person vouched for.
    /// Default: 24h.
    #[serde(default = "hold", with = "liaison_base::span")]
    pub hold: Duration,
    /// After how long without a word of a log what it said is shown to be stale. Default: 6h.
    #[serde(default = "stale_after", with = "liaison_base::span")]
    pub stale_after: Duration,
    /// After how long without a word of a log nothing is encrypted to its certificates any more: a
    /// revocation may have been withheld. Default: 3d.
    #[serde(default = "unusable_after", with = "liaison_base::span")]
    pub unusable_after: Duration,
}

/// What this directory publishes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The log's name: the address below which it is served, without `https://`:
    /// `annuaire.ehpad.test/log`. It never changes.
    pub origin: String,
    /// The folder of the log, made if absent. It is served at `/log/`, and can be served by any
    /// other web server as it is.
    pub folder: PathBuf,
    /// PEM file of the private key, made by `liaison directory log key`.
    pub key: PathBuf,
    /// The mail domains of the organisation.
    pub domains: Vec<Domain>,
    /// Its identifiers: `finess:…`, `siret:…`.
    #[serde(default)]
    pub organisations: Vec<String>,
}

/// Somebody whose log is followed. This entry is what delegates to it: it is believed about these
/// domains and identifiers, and about nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSettings {
    /// The name of its log.
    pub origin: String,
    /// Where the log, or a copy of it, is served: `https://annuaire.ehpad.test/log/`.
    pub url: String,
    /// PEM file of the authorities that vouch for that server.
    pub anchors: PathBuf,
    /// The log's keys, `name+id+key` as `liaison directory log key` prints it. The first that is
    /// ever seen is believed at once; one that is added later, and that the log's key before has not
    /// vouched for, after the hold.
    pub keys: Vec<String>,
    /// The mail domains that it speaks for.
    pub domains: Vec<Domain>,
    /// The identifiers that it speaks for: `finess:…`, `siret:…`.
    #[serde(default)]
    pub organisations: Vec<String>,
}

/// This directory as a witness.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSettings {
    /// Its name: an address without `https://`, `annuaire.ght.test/witness`.
    pub name: String,
    /// PEM file of its private key, made by `liaison directory log key --witness`. Never that of
    /// the log.
    pub key: PathBuf,
}

/// A witness.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessKeySettings {
    /// Its key, `name+id+key`.
    pub key: String,
    /// Where it is asked to cosign: `https://annuaire.ght.test/witness/`; not asked when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// PEM file of the authorities that vouch for that server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchors: Option<PathBuf>,
}

/// A directory that shows what this one publishes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaSettings {
    /// Its address: `https://annuaire.ght.test`.
    pub url: String,
    /// PEM file of the authorities that vouch for it.
    pub anchors: PathBuf,
}

/// What becomes of a checkpoint that too few have cosigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unwitnessed {
    /// Nothing is taken; what was taken before stays, and becomes stale.
    #[default]
    Refuse,
    /// It is taken, and shown to be unwitnessed.
    Take,
}

fn poll() -> Duration {
    Duration::from_secs(60)
}

fn hold() -> Duration {
    Duration::from_secs(24 * 3600)
}

fn stale_after() -> Duration {
    Duration::from_secs(6 * 3600)
}

fn unusable_after() -> Duration {
    Duration::from_secs(3 * 24 * 3600)
}
