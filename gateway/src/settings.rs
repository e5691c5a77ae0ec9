//! The `[gateway]` section of the settings file.

use std::net::SocketAddr;
use std::path::PathBuf;

use liaison_mail::{Address, Domain};
use liaison_smime::Profile;
use liaison_store::Location;
use liaison_store::body::Place;
use serde::{Deserialize, Serialize};

use crate::GatewayError;
use crate::accounts::AccountSettings;
use crate::hospital::network::Network;

/// Everything a gateway is told. A port that is absent is not served.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The member's mail domain.
    pub domain: Domain,
    /// The member's name as recipients read it.
    pub organisation: String,
    /// The gateway's database: the path of a SQLite file, made if absent, of one process; or
    /// `postgres://user@host/name`, a PostgreSQL database that the processes of a site share. It
    /// may be the relay's. See [`Location`].
    pub database: Location,
    /// Where message bodies larger than 128 KiB are: a local folder, made if absent, or
    /// `s3://bucket/prefix?endpoint=https://…&region=…`. The processes that share a database share
    /// this too. See [`Place`].
    pub bodies: Place,
    /// How many seconds a process may give no sign of life before the others on its database take
    /// over its drafts. Default: 30.
    #[serde(default = "thirty")]
    pub takeover_seconds: u64,
    /// The 32-octet key of this site, made by `liaison key create`, mode 0600. Its loss is the
    /// loss of all content at rest; keep a copy where the database's backups are not.
    pub site_key: PathBuf,
    /// PEM file of the authorities whose S/MIME certificates are believed.
    pub anchors: PathBuf,
    /// PEM files of revocation lists.
    #[serde(default)]
    pub revocations: Vec<PathBuf>,
    /// PEM chain of the certificate shown to mail clients and hospital systems.
    pub certificate: PathBuf,
    /// PEM key of that certificate.
    pub key: PathBuf,
    /// Where mail clients submit, TLS from the first byte (RFC 8314): `0.0.0.0:465`.
    #[serde(default)]
    pub submissions: Option<SocketAddr>,
    /// Where mail clients read, TLS from the first byte: `0.0.0.0:993`.
    #[serde(default)]
    pub imaps: Option<SocketAddr>,
    /// S/MIME identities whose keys this gateway holds.
    #[serde(default, rename = "identity")]
    pub identities: Vec<IdentitySettings>,
    /// How partners are sent to, where that is not as everybody.
    #[serde(default, rename = "partner")]
    pub partners: Vec<PartnerSettings>,
    /// Who may log in.
    #[serde(default, rename = "account")]
    pub accounts: Vec<AccountSettings>,
    /// The hospital system's feed.
    #[serde(default)]
    pub hospital: Option<HospitalSettings>,
    /// The medication-error reports that this gateway takes in.
    #[serde(default)]
    pub reports: Option<ReportsSettings>,
}

fn thirty() -> u64 {
    30
}

/// An address with its S/MIME certificate and key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    /// The address that the certificate is for.
    pub address: Address,
    /// The name shown in `From` of what the gateway itself writes for this address.
    pub name: String,
    /// PEM chain, the address's certificate first.
    pub certificate: PathBuf,
    /// PEM key in PKCS#8.
    pub key: PathBuf,
}

/// How a partner, or every address of a domain, is sent to. Without an entry: header protection
/// (RFC 9788), AES-256-GCM, and RSA or elliptic keys. Partners who are sent to differently get a
/// message in envelopes apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerSettings {
    /// One address; or leave it out and give a domain.
    #[serde(default)]
    pub address: Option<Address>,
    /// Every address of a domain that has no entry of its own.
    #[serde(default)]
    pub domain: Option<Domain>,
    /// Seal for its ML-KEM-768 or ML-KEM-1024 keys where it has some (RFC 9936), and for no other
    /// of its keys then: what is recorded today stays closed to a quantum computer. Its client
    /// must read them, as Liaison does.
    #[serde(default)]
    pub ml_kem: bool,
    /// Let a message leave in AES-CBC when every one of its recipients is a partner with this set
    /// whose client says, in a valid signature, that it reads nothing better. Such content is
    /// always signed inside; without this it leaves in AES-GCM whatever the client says.
    #[serde(default)]
    pub cbc: bool,
    /// What its software wants a message to look like.
    #[serde(default)]
    pub form: PartnerForm,
}

/// What a partner's software wants a message to look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartnerForm {
    /// `rfc9788`: S/MIME 4.0 with its header fields protected.
    #[default]
    Rfc9788,
    /// `direct`: the whole message inside as message/rfc822, as Direct demands (United States).
    Direct,
    /// `kim`: as gemSMIME_KOMLE demands (Germany): wrapped, and sealed for the sender too. Only RSA
    /// keys are sent to then, and the sender's own certificate must have one.
    Kim,
}

impl From<PartnerForm> for Profile {
    fn from(form: PartnerForm) -> Self {
        match form {
            PartnerForm::Rfc9788 => Self::Rfc9788,
            PartnerForm::Direct => Self::WrappedRfc822,
            PartnerForm::Kim => Self::KomLe,
        }
    }
}

/// Checks what the types do not.
///
/// # Errors
/// [`GatewayError::Setting`] for a partner with both an address and a domain, or neither.
pub(crate) fn check_partners(partners: &[PartnerSettings]) -> Result<(), GatewayError> {
    match partners
        .iter()
        .any(|p| p.address.is_some() == p.domain.is_some())
    {
        true => Err(GatewayError::Setting {
            key: "gateway.partner",
            cause: "give each partner either an address or a domain".to_owned(),
        }),
        false => Ok(()),
    }
}

/// The feed of a hospital information system.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HospitalSettings {
    /// Where HL7 v2 arrives without TLS: a loopback address, or any with `allow`.
    #[serde(default)]
    pub mllp: Option<SocketAddr>,
    /// Where HL7 v2 arrives over TLS.
    #[serde(default)]
    pub mllps: Option<SocketAddr>,
    /// Networks that hospital systems connect from, `["10.2.0.0/16"]`; none: from anywhere.
    #[serde(default)]
    pub allow: Vec<Network>,
    /// A folder into which hospital systems write files of HL7 v2.
    #[serde(default)]
    pub drop_folder: Option<DropFolderSettings>,
    /// Where FHIR and plain JSON arrive over HTTPS; absent: nowhere.
    #[serde(default)]
    pub http: Option<HttpSettings>,
    /// How the hospital's system is told what became of each notice; absent: not at all.
    #[serde(default)]
    pub back: Option<BackSettings>,
    /// How patient the gateway is with that system.
    #[serde(default)]
    pub back_pace: BackPace,
    /// The address that notices are sent from; it must have an identity and a mailbox here.
    pub sender: Address,
    /// The telephone number, answered day and night, that notices give.
    pub telephone: String,
    /// A file of care circles: who looks after whom besides the family doctor.
    #[serde(default)]
    pub care_circles: Option<PathBuf>,
    /// A file of rules: who is told of what, how urgently, after how long; units; closed days.
    #[serde(default)]
    pub rules: Option<PathBuf>,
    /// A folder of texts that take the place of the built-in ones, `notices/admission.txt`.
    #[serde(default)]
    pub templates: Option<PathBuf>,
}

/// A folder of HL7 v2 files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropFolderSettings {
    /// The folder. `taken`, `done` and `refused` are made beneath it.
    pub path: PathBuf,
    /// Whether files stay, in `done`, once every message of them is sealed in the database. They
    /// hold patients' data in clear: somebody then has to erase them.
    #[serde(default)]
    pub keep_done: bool,
}

/// Events over HTTPS, in FHIR or plain JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Where: `0.0.0.0:8443`.
    pub listen: SocketAddr,
    /// PEM file of the authorities that vouch for clients' certificates; with it a connection
    /// without one is refused.
    #[serde(default)]
    pub anchors: Option<PathBuf>,
    /// PEM files of revocation lists: a client whose certificate is on one gets no connection.
    /// Read when the gateway starts.
    #[serde(default)]
    pub revocations: Vec<PathBuf>,
    /// Who may call.
    #[serde(default, rename = "client")]
    pub clients: Vec<HttpClient>,
}

/// A system that sends events over HTTPS.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpClient {
    /// Its name, in the log and in what is sent back to the hospital's system.
    pub name: String,
    /// The facility whose stays it speaks of: MSH-4 of the same hospital's HL7 v2, if it has one.
    pub facility: String,
    /// The file of its bearer token, at least 16 characters, mode 0600.
    #[serde(default)]
    pub token: Option<PathBuf>,
    /// Instead: the PEM file of its own certificate.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// What it may: `fhir`, `notices`.
    pub may: Vec<HttpScope>,
}

/// What a client over HTTPS may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpScope {
    /// `/fhir`.
    Fhir,
    /// `/v1/notices`.
    Notices,
}

/// How a hospital's system is told what became of each notice.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BackSettings {
    /// ZAM^Z02 and ZAM^Z03 (ANS) over MLLP.
    Zam {
        /// Host and port: `127.0.0.1:2576`.
        to: String,
        /// PEM file of the authorities that vouch for it, for TLS; without, only this machine.
        #[serde(default)]
        anchors: Option<PathBuf>,
    },
    /// A FHIR R4 Task for each piece of news.
    FhirTask {
        /// Where it is posted: `https://sih.example/fhir/Task`.
        url: String,
        /// PEM file of the authorities that vouch for it.
        anchors: PathBuf,
        /// A file with a bearer token, mode 0600.
        #[serde(default)]
        token: Option<PathBuf>,
    },
    /// A plain JSON object for each piece of news.
    Webhook {
        /// Where it is posted.
        url: String,
        /// PEM file of the authorities that vouch for it.
        anchors: PathBuf,
        /// A file with a bearer token, mode 0600.
        #[serde(default)]
        token: Option<PathBuf>,
    },
}

/// How patient a gateway is with the hospital's system that it tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackPace {
    /// Seconds that a connection, and an answer, may take.
    pub answer_seconds: u64,
    /// Seconds before news is told again that was not taken; doubled each time, up to 15 minutes.
    pub retry_seconds: u64,
}

impl Default for BackPace {
    fn default() -> Self {
        Self {
            answer_seconds: 30,
            retry_seconds: 5,
        }
    }
}

/// Where reports of medication errors arrive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportsSettings {
    /// The address that takes reports; it must have an identity here.
    pub address: Address,
}
