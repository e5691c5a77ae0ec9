//! A small fictitious territory: its PKI, its file of entries, and a directory that loaded it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each scenario uses a part; one that cannot be set up must fail"
)]

pub(crate) mod logs;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use liaison_base::clock::ManualClock;
use liaison_certs_dev::{KeyKind, Member, Territory};
use liaison_directory::import::{FileKind, Options, Report};
use liaison_directory::{Directory, DirectoryError, Settings};
use liaison_store::testing::database;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) pki: Territory,
    pub(crate) member: Member,
    pub(crate) clock: ManualClock,
}

impl Bench {
    /// A folder with `root.pem`, the identity `https`, and the certificates `helene.crt`,
    /// `expired.crt` and `revoked.crt`, all for the domain `ch.test`.
    pub(crate) fn new() -> Self {
        let pki = Territory::new(NOW).unwrap();
        let mut member = pki.member("ch.test").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        pki.write_root(&at.join("root.pem")).unwrap();
        member
            .directory_identity()
            .unwrap()
            .write(at, "https")
            .unwrap();
        for (stem, issued) in [
            (
                "helene",
                member.smime("helene.essai@ch.test", "Hélène", KeyKind::P256),
            ),
            (
                "expired",
                member.expired_smime("helene.essai@ch.test", "Hélène", KeyKind::P256),
            ),
            (
                "revoked",
                member.revoked_smime("helene.essai@ch.test", "Hélène", KeyKind::P256),
            ),
        ] {
            issued.unwrap().write(at, stem).unwrap();
        }
        Self {
            folder,
            pki,
            member,
            clock: ManualClock::at(NOW),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Saves a file of entries.
    pub(crate) fn entries(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A directory in this process that has loaded `text`.
    pub(crate) async fn directory(&self, text: &str) -> Directory {
        let file = self.entries("entries.toml", text);
        let directory = self.open(&self.path("directory.db")).await;
        import(&directory, &file).await.unwrap();
        directory
    }

    pub(crate) async fn open(&self, path: &Path) -> Directory {
        Directory::open(
            database(path),
            &path.with_extension("sets"),
            Arc::new(self.clock.clone()),
        )
        .await
        .unwrap()
    }

    pub(crate) fn settings(&self, entries: Option<PathBuf>) -> Settings {
        Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls_certificate: self.path("https.chain.pem"),
            tls_key: self.path("https.key"),
            database: database(self.path("directory.db")),
            sets: self.path("directory.sets"),
            entries,
            ldap: None,
            sharing: None,
            accounts: Vec::new(),
        }
    }
}

/// Imports a file of entries.
pub(crate) async fn import(directory: &Directory, file: &Path) -> Result<Report, DirectoryError> {
    directory
        .import(FileKind::Entries, file, Options::default())
        .await
}

pub(crate) const ENTRIES: &str = r#"
title = "Annuaire du Vallon"
source = "CPTS fictive du Vallon"
as_of = "2026-11-20T08:00:00Z"
demonstration = true

[[organisations]]
id = "ch"
name = "Centre hospitalier du Vallon"
category = "Centre hospitalier"
finess = "000000018"
town = "Valfictif"

[[organisations]]
id = "ehpad"
name = "EHPAD Les Tilleuls"
finess = "000000026"
mailboxes = [{ address = "accueil@ehpad.test", type = "ORG" }]

[[organisations]]
id = "ccas"
name = "CCAS de Valfictif"
finess = "000000034"

[[services]]
id = "ch-admissions"
name = "Bureau des admissions"
organisation = "ch"
mailboxes = [{ address = "admissions@ch.test", type = "ORG", purposes = ["admission"] }]

[[services]]
id = "ch-medecine"
name = "Médecine polyvalente"
organisation = "ch"
mailboxes = [{ address = "medecine@ch.test", type = "ORG", purposes = ["discharge"] }]

[[services]]
id = "ehpad-soins"
name = "Coordination des soins"
organisation = "ehpad"
mailboxes = [{ address = "soins@ehpad.test", type = "ORG", purposes = ["discharge"] }]

[[people]]
id = "dr-essai"
name = "Dr Hélène LEFÈVRE-ESSAI"
profession = "Médecin généraliste"
rpps = "00100000017"
organisation = "ch"
town = "Valfictif"
[[people.mailboxes]]
address = "Helene.Essai@ch.test"
type = "PER"
certificates = [{ file = "expired.crt" }, { file = "helene.crt" }]

[[people]]
id = "ide-fictif"
name = "Paul FICTIF"
profession = "Infirmier"
rpps = "00200000015"
mailboxes = [
    { address = "paul.fictif@idel.test", type = "PER" },
    { address = "secretariat@idel.test", type = "CAB", purposes = ["secretariat"] },
]

[[people]]
id = "dr-double-ville"
name = "Dr Jean DOUBLE"
rpps = "00300000013"
mailboxes = [{ address = "jean.double@cabinet.test", type = "PER" }]

[[people]]
id = "dr-double-hopital"
name = "Dr Jean DOUBLE"
rpps = "00300000013"
organisation = "ch"
mailboxes = [{ address = "jean.double@ch.test", type = "PER" }]

[[people]]
id = "dr-sans"
name = "Dr Luc SANSBOITE"
rpps = "00400000011"

[[relays]]
domain = "ch.test"
server_name = "relay.ch.test"
host = "127.0.0.1"
port = 2525
serves = ["ehpad.test"]

[[relays]]
domain = "cabinet.test"
server_name = "relay.cabinet.test"
host = "relay.cabinet.test"
port = 25
"#;
