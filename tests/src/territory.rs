//! The demo's territory in a temporary folder, its sites as processes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::imap::Imap;
use crate::mllp::Mllp;
use crate::smtp::Smtp;

/// The mailboxes of the cast.
pub const EHPAD: &str = "soins@ehpad-tilleuls.test";
/// The family doctor of both patients.
pub const DOCTOR: &str = "claire.garnier@cabinet-riviere.test";
/// The home nurse of both patients.
pub const NURSE: &str = "luc.morel@cabinet-riviere.test";
/// The pharmacist.
pub const PHARMACY: &str = "officine@pharmacie-halle.test";
/// The hospital's mailbox of notices.
pub const WARD: &str = "avis@ch-valombre.test";
/// The DAC.
pub const DAC: &str = "coordination@dac-valombre.test";
/// The address that takes reports.
pub const REPORTS: &str = "signalement@dac-valombre.test";

/// The territory; its folder is removed when this is dropped.
pub struct Territory {
    folder: TempDir,
    file: TerritoryFile,
}

/// `territory.json`, as outside programs read it.
#[derive(Debug, Deserialize)]
pub struct TerritoryFile {
    /// The authority that clients trust, PEM.
    pub ca: PathBuf,
    /// The members by name.
    pub members: BTreeMap<String, Member>,
    /// Who can log in.
    pub accounts: Vec<Account>,
}

/// A member's doors on 127.0.0.1.
#[derive(Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "the names say it, and the demo's page explains them"
)]
pub struct Member {
    pub domain: String,
    pub host: String,
    pub server_name: String,
    pub submissions: Option<u16>,
    pub submission: Option<u16>,
    pub imaps: Option<u16>,
    pub imap: Option<u16>,
    pub pop3s: Option<u16>,
    pub ldaps: Option<u16>,
    pub ldap: Option<u16>,
    pub ldap_base: Option<String>,
    pub https: Option<u16>,
    pub mllp: Option<u16>,
    pub mllps: Option<u16>,
    pub relay: Option<u16>,
    pub admin: Option<u16>,
}

/// Somebody who can log in.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Account {
    pub address: String,
    pub user: String,
    pub password: String,
    pub member: String,
    pub role: String,
}

/// The executable under test: `LIAISON_BIN`, or the one beside the test.
pub fn liaison() -> Command {
    let program = std::env::var_os("LIAISON_BIN").map_or_else(
        || {
            let test = std::env::current_exe().unwrap();
            test.ancestors().nth(2).unwrap().join("liaison")
        },
        PathBuf::from,
    );
    assert!(
        program.exists(),
        "{} is missing: build it first (cargo build -p liaison), or run tests/run",
        program.display()
    );
    Command::new(program)
}

impl Territory {
    /// Builds a territory; nothing runs yet.
    pub fn build() -> Self {
        let folder = TempDir::with_prefix("liaison-test-").unwrap();
        let built = liaison()
            .args(["demo", "--prepare", "--dir"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let text = fs::read_to_string(folder.path().join("territory.json")).unwrap();
        let file = serde_json::from_str(&text).unwrap();
        Self { folder, file }
    }

    /// Builds a territory and starts every site, the directory's first.
    pub fn start() -> (Self, BTreeMap<String, Site>) {
        let territory = Self::build();
        let sites = territory.start_all();
        (territory, sites)
    }

    /// Starts every site, the directory's first.
    pub fn start_all(&self) -> BTreeMap<String, Site> {
        let mut names: Vec<&String> = self.file.members.keys().collect();
        names.sort_by_key(|name| name.as_str() != "dac");
        names
            .into_iter()
            .map(|name| (name.clone(), self.start_site(name)))
            .collect()
    }

    /// Starts a site and waits until its doors are open.
    pub fn start_site(&self, member: &str) -> Site {
        self.start_process(&self.config(member))
    }

    /// Starts a process with that settings file, which logs beside it, and waits until its doors
    /// are open.
    pub fn start_process(&self, config: &Path) -> Site {
        self.start_process_by(config, |command| {
            let mut same = Command::new(command.get_program());
            same.args(command.get_args());
            same
        })
    }

    /// As [`Territory::start_process`], by another command made of that one.
    pub fn start_process_by(&self, config: &Path, by: impl FnOnce(&Command) -> Command) -> Site {
        let path = config.with_extension("log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let mut serve = liaison();
        serve.arg("serve").arg("--config").arg(config);
        let mut process = by(&serve)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(
            line.trim(),
            "ready",
            "{} did not start:\n{}",
            config.display(),
            fs::read_to_string(&path).unwrap_or_default()
        );
        Site { process }
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A member's folder: settings, stores, keys and log.
    pub fn site_folder(&self, member: &str) -> PathBuf {
        self.folder().join(member)
    }

    /// A member's settings file.
    pub fn config(&self, member: &str) -> PathBuf {
        self.site_folder(member).join("liaison.toml")
    }

    /// What a site has logged so far.
    pub fn log(&self, member: &str) -> String {
        fs::read_to_string(self.log_path(member)).unwrap_or_default()
    }

    fn log_path(&self, member: &str) -> PathBuf {
        self.site_folder(member).join("liaison.log")
    }

    /// The authority that clients trust.
    pub fn ca(&self) -> &Path {
        &self.file.ca
    }

    /// A member's doors.
    pub fn member(&self, name: &str) -> &Member {
        &self.file.members[name]
    }

    /// An account by its address.
    pub fn account(&self, address: &str) -> &Account {
        self.file
            .accounts
            .iter()
            .find(|account| account.address == address)
            .expect("an account of the cast")
    }

    /// A mail client reading INBOX of this address.
    pub fn imap(&self, address: &str) -> Imap {
        let account = self.account(address);
        let port = self.member(&account.member).imaps.unwrap();
        Imap::open(self.ca(), port, account)
    }

    /// A mail client of this address, logged in to submit.
    pub fn smtp(&self, address: &str) -> Smtp {
        let account = self.account(address);
        let port = self.member(&account.member).submissions.unwrap();
        Smtp::open(self.ca(), port, account)
    }

    /// The hospital's feed.
    pub fn mllp(&self) -> Mllp {
        Mllp::connect(self.member("hospital").mllp.unwrap()).unwrap()
    }

    /// A message of the demo's folder, by its file's name without `.hl7`.
    pub fn hl7(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join("hl7").join(format!("{name}.hl7"))).unwrap()
    }

    /// What `liaison track --json` says, newest first, one object a message.
    pub fn track(&self, member: &str) -> Vec<Value> {
        let output = liaison()
            .args(["track", "--json", "--most", "100000", "--config"])
            .arg(self.config(member))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A running site; it is killed when this is dropped.
pub struct Site {
    process: Child,
}

impl Site {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// `kill -9`: nothing is finished, nothing is flushed.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM, then waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        let told = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        self.process.wait().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
