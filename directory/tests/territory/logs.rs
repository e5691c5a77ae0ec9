//! An owner's log, a replica that follows it, and whoever stands in between.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each scenario uses a part; one that cannot be set up must fail"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use liaison_base::clock::Clock as _;
use liaison_base::tlog::note::VerifierKey;
use liaison_certs_dev::KeyKind;
use liaison_directory::Directory;
use liaison_directory::sharing::{
    Content, Delegation, Follower, LogSettings, LogVerdict, NotRead, OwnLog, Part, Peer,
    RecordVerdict, Source, Statement, Witnesses, new_key, verifier,
};
use liaison_directory_client::{Finding, Lookup as _, Query, Resolution};
use liaison_mail::port::PortFuture;
use liaison_mail::{Address, Domain};

use super::{Bench, import};

pub(crate) const ORIGIN: &str = "annuaire.ch.test/log";
pub(crate) const MAILBOX: &str = "helene.essai@ch.test";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// What the owner's file of entries says, with these certificates of the one doctor.
pub(crate) fn entries(certificates: &str) -> String {
    format!(
        r#"
title = "CH du Vallon"
source = "CH fictif du Vallon"
[[organisations]]
id = "ch"
name = "Centre hospitalier du Vallon"
finess = "000000018"
mailboxes = [{{ address = "accueil@ch.test", type = "ORG" }}]
[[people]]
id = "dr-essai"
name = "Dr Hélène ESSAI"
profession = "Médecin généraliste"
rpps = "00100000017"
organisation = "ch"
[[people.mailboxes]]
address = "{MAILBOX}"
type = "PER"
certificates = [{certificates}]
"#
    )
}

/// The folder of a log, and the lies that are told about it.
pub(crate) struct Mirror {
    pub(crate) folder: PathBuf,
    lies: Mutex<HashMap<Part, Result<Vec<u8>, NotRead>>>,
}

impl Mirror {
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            lies: Mutex::new(HashMap::new()),
        }
    }

    /// Shows something else in place of a part.
    pub(crate) fn lie(&self, part: Part, octets: Result<Vec<u8>, NotRead>) {
        self.lies.lock().unwrap().insert(part, octets);
    }

    pub(crate) fn true_part(&self, part: Part) -> Vec<u8> {
        fs::read(self.folder.join(part.to_string())).unwrap()
    }

    /// A copy of everything as it is now, which does not grow.
    pub(crate) fn frozen(&self, into: &Path) -> Self {
        copy(&self.folder, into);
        Self::of(into)
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl Source for Mirror {
    fn part(&self, part: Part, limit: usize) -> PortFuture<'_, Result<Vec<u8>, NotRead>> {
        let lie = self.lies.lock().unwrap().get(&part).cloned();
        let path = self.folder.join(part.to_string());
        Box::pin(async move {
            let octets = match lie {
                Some(lie) => lie?,
                None => fs::read(path).map_err(|_| NotRead::Absent)?,
            };
            if octets.len() > limit {
                return Err(NotRead::Oversized);
            }
            Ok(octets)
        })
    }
}

pub(crate) struct World {
    pub(crate) bench: Bench,
    pub(crate) owner: Directory,
    pub(crate) log: OwnLog,
    pub(crate) replica: Arc<Directory>,
    pub(crate) mirror: Mirror,
    pub(crate) peer: Peer,
}

impl World {
    /// The owner has published Hélène with her certificate; nobody has read it yet.
    pub(crate) async fn new() -> Self {
        let bench = Bench::new();
        new_key(&bench.path("log.key")).unwrap();
        let log = OwnLog::open(&settings(&bench, "log", "log.key")).unwrap();
        let owner = bench.open(&bench.path("owner.db")).await;
        let replica = Arc::new(bench.open(&bench.path("replica.db")).await);
        let peer = Peer {
            origin: ORIGIN.to_owned(),
            keys: vec![log.verifier().unwrap()],
            delegation: Delegation::new(&[domain()], &["finess:000000018".to_owned()]).unwrap(),
            witnesses: Witnesses::default(),
            hold: 24 * HOUR,
            stale_after: 6 * HOUR,
            unusable_after: 72 * HOUR,
        };
        let mirror = Mirror::of(&bench.path("log"));
        let world = Self {
            bench,
            owner,
            log,
            replica,
            mirror,
            peer,
        };
        world.says(r#"{ file = "helene.crt" }"#).await;
        world
    }

    /// A further certificate for Hélène, `STEM.crt`.
    pub(crate) fn certificate(&mut self, stem: &str) {
        let issued = self.bench.member.smime(MAILBOX, "Hélène", KeyKind::P256);
        issued
            .unwrap()
            .write(self.bench.folder.path(), stem)
            .unwrap();
    }

    /// The owner's entries say this of Hélène's certificates, and it is published, a second later.
    pub(crate) async fn says(&self, certificates: &str) -> usize {
        let file = self.bench.entries("owner.toml", &entries(certificates));
        import(&self.owner, &file).await.unwrap();
        self.bench.clock.advance(Duration::from_secs(1));
        let now = self.bench.clock.now();
        self.owner.publish(&self.log, now).await.unwrap()
    }

    pub(crate) fn follower(&self) -> Follower {
        Follower::new(Arc::clone(&self.replica), self.peer.clone())
    }

    /// The replica asks the true log.
    pub(crate) async fn poll(&self) -> LogVerdict {
        self.follower().poll(&self.mirror).await.unwrap()
    }

    /// The replica asks somebody else.
    pub(crate) async fn poll_from(&self, mirror: &Mirror) -> LogVerdict {
        self.follower().poll(mirror).await.unwrap()
    }

    pub(crate) async fn resolved(&self) -> Resolution {
        let query = Query::address(Address::parse(MAILBOX).unwrap());
        self.replica.resolve(&query).await.unwrap()
    }

    /// The certificates that a message to Hélène would be encrypted to, by file.
    pub(crate) async fn encrypts_to(&self, stems: &[&str]) -> Vec<String> {
        if self.replica.view().is_err() {
            return Vec::new();
        }
        let resolution = self.resolved().await;
        let Finding::Found(entry) = &resolution.finding else {
            return Vec::new();
        };
        let now = self.bench.clock.now();
        let usable = entry.usable_certificates(now);
        usable
            .iter()
            .map(|one| {
                let named = stems.iter().find(|stem| self.der(stem) == one.der);
                named.map_or_else(|| "WRONG".to_owned(), |stem| (*stem).to_owned())
            })
            .collect()
    }

    pub(crate) fn der(&self, stem: &str) -> Vec<u8> {
        let path = self.bench.path(&format!("{stem}.crt"));
        liaison_base::tls::certificates(&path).unwrap()[0].to_vec()
    }

    pub(crate) fn sha256(&self, stem: &str) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.der(stem));
        digest.as_ref().iter().map(|o| format!("{o:02x}")).collect()
    }

    /// The verdicts of the records from a place on.
    pub(crate) async fn verdicts_from(&self, first: u64) -> Vec<RecordVerdict> {
        let taken = self.replica.taken(ORIGIN).await.unwrap();
        taken
            .into_iter()
            .filter(|entry| entry.position >= first)
            .map(|entry| entry.verdict)
            .collect()
    }

    pub(crate) async fn size(&self) -> u64 {
        self.replica.taken(ORIGIN).await.unwrap().len() as u64
    }

    /// The verdicts of the alarms that were raised.
    pub(crate) async fn alarms(&self) -> Vec<LogVerdict> {
        let alarms = self.replica.alarms().await.unwrap();
        alarms.into_iter().map(|alarm| alarm.verdict).collect()
    }

    /// Another log with the same name, in another folder, with a key of its own or a stolen one.
    pub(crate) fn other_log(&self, folder: &str, key: &str) -> OwnLog {
        if !self.bench.path(key).exists() {
            new_key(&self.bench.path(key)).unwrap();
        }
        OwnLog::open(&settings(&self.bench, folder, key)).unwrap()
    }

    pub(crate) fn key(&self, file: &str) -> VerifierKey {
        let pkcs8 = liaison_directory::sharing::read_key(&self.bench.path(file)).unwrap();
        verifier(ORIGIN, &pkcs8).unwrap()
    }

    /// What an owner's log says of Hélène's certificate, with another one in its place.
    pub(crate) fn statement(&self, stem: &str) -> Statement {
        let mailbox = liaison_directory::model::Subject::person_of_rpps(
            &liaison_directory_client::Rpps::parse("00100000017").unwrap(),
        )
        .role("ch.test:dr-essai")
        .mailbox(&Address::parse(MAILBOX).unwrap());
        let der =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, self.der(stem));
        Statement {
            subject: mailbox.certificate(&self.sha256(stem)),
            period: liaison_directory::model::Period::ALWAYS,
            facts: vec![(liaison_directory::model::Field::Der, der)],
            endorsement: None,
        }
    }

    pub(crate) fn append(&self, log: &OwnLog, contents: Vec<Content>) {
        self.bench.clock.advance(Duration::from_secs(1));
        log.append(contents, self.bench.clock.now()).unwrap();
    }
}

pub(crate) fn domain() -> Domain {
    Domain::parse("ch.test").unwrap()
}

fn settings(bench: &Bench, folder: &str, key: &str) -> LogSettings {
    LogSettings {
        origin: ORIGIN.to_owned(),
        folder: bench.path(folder),
        key: bench.path(key),
        domains: vec![domain()],
        organisations: vec!["finess:000000018".to_owned()],
    }
}
