//! The directory in processes of its own: one imports, one serves.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use liaison_base::clock::SystemClock;
use liaison_base::login::hash_password;
use liaison_base::shutdown::Shutdown;
use liaison_certs_dev::{KeyKind, Territory};
use liaison_directory::import::{FileKind, Options};
use liaison_directory::{AccountSettings, Directory, Settings, ldap};
use liaison_tests::registers::Registers;
use serde_json::json;
use time::OffsetDateTime;

use crate::figures::{at_most, memory, plain, processor};

pub(crate) const SUFFIX: &str = "dc=annuaire,dc=bench";
pub(crate) const PASSWORD: &str = "mot de passe du banc";
/// Each may see a fiftieth of the directory.
pub(crate) const ACCOUNTS: u32 = 40;
/// How many people have a certificate.
pub(crate) const CERTIFIED: u32 = 300;

/// The files in the order in which they are imported.
const FILES: [(FileKind, &str); 7] = [
    (FileKind::Communes, "communes"),
    (FileKind::Finess, "etalab"),
    (FileKind::FinessPlus, "structures"),
    (FileKind::Rpps, "PS_LibreAcces_Personne"),
    (FileKind::Skills, "PS_LibreAcces_Savoir"),
    (FileKind::Mailboxes, "Extraction"),
    (FileKind::Entries, "entries"),
];

/// A certificate for the addresses of the first people who have one, and the server's own.
pub(crate) fn certificates(registers: &Registers, folder: &Path) {
    let pki = Territory::new(OffsetDateTime::now_utc()).unwrap();
    let member = pki.member("bench.test").unwrap();
    pki.write_root(&folder.join("root.pem")).unwrap();
    member
        .directory_identity()
        .unwrap()
        .write(folder, "https")
        .unwrap();
    let people: Vec<serde_json::Value> = certified(registers)
        .enumerate()
        .map(|(at, number)| {
            let person = registers.person(number);
            let address = person.address.unwrap();
            let stem = format!("person{at}");
            let issued = member.smime(&address, "Essai", KeyKind::P256).unwrap();
            issued.write(&folder.join("files.new"), &stem).unwrap();
            json!({
                "id": stem, "name": format!("{} {}", person.given, person.family),
                "rpps": person.rpps,
                "mailboxes": [{"address": address, "type": "PER", "certificates": [{"file": format!("{stem}.crt")}]}],
            })
        })
        .collect();
    let entries = json!({"title": "Annuaire du banc", "source": "Banc", "people": people, "organisations": [], "relays": []});
    fs::write(folder.join("files.new/entries.json"), entries.to_string()).unwrap();
}

/// The people who have a certificate.
pub(crate) fn certified(registers: &Registers) -> impl Iterator<Item = u32> {
    (0..registers.people())
        .filter(|number| registers.person(*number).address.is_some())
        .take(CERTIFIED as usize)
}

pub(crate) async fn open(folder: &Path) -> Directory {
    let database = folder.join("directory.db");
    Directory::open(database, &folder.join("sets"), Arc::new(SystemClock))
        .await
        .unwrap()
}

/// Imports everything in a process of its own, and prints what it took.
pub(crate) fn run_import(folder: &Path) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["import".as_ref(), folder.as_os_str()])
        .status()
        .unwrap();
    assert!(status.success(), "the import failed");
}

/// The importing process.
pub(crate) fn import(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let began = Instant::now();
    let files: Vec<(FileKind, PathBuf, Options)> = FILES
        .iter()
        .map(|(kind, prefix)| {
            let found = fs::read_dir(folder.join("files"))
                .unwrap()
                .find_map(|entry| {
                    let entry = entry.unwrap();
                    let name = entry.file_name().into_string().unwrap();
                    name.starts_with(prefix).then(|| entry.path())
                });
            (*kind, found.unwrap(), Options::default())
        })
        .collect();
    runtime.block_on(async {
        let directory = open(folder).await;
        for report in directory.import_all(files).await.unwrap() {
            let report = report.unwrap();
            println!("  {:<12} {report}", report.list);
        }
        directory.close().await;
    });
    at_most(
        "import of all sources",
        "s",
        began.elapsed().as_secs_f64(),
        90.0,
    );
    plain(
        "import of all sources, processor",
        "s",
        processor(std::process::id()),
    );
    at_most(
        "import of all sources, memory",
        "MiB",
        memory(std::process::id(), "VmHWM"),
        512.0,
    );
    let index = fs::read_dir(folder.join("sets")).unwrap();
    let octets: u64 = index
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    plain("index and sets on disk", "MiB", octets as f64 / 1048576.0);
}

/// A directory that serves until it is dropped.
pub(crate) struct Served {
    process: Child,
    pub(crate) tls: SocketAddr,
    pub(crate) clear: SocketAddr,
    pub(crate) https: SocketAddr,
}

impl Served {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["serve".as_ref(), folder.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let mut addresses = line
            .split_ascii_whitespace()
            .map(|one| one.parse().unwrap());
        let mut next = || addresses.next().unwrap();
        Self {
            tls: next(),
            clear: next(),
            https: next(),
            process,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The serving process: until its input ends.
pub(crate) fn serve(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let password = hash_password(PASSWORD.as_bytes()).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let settings = Settings {
        listen: any,
        tls_certificate: folder.join("https.chain.pem"),
        tls_key: folder.join("https.key"),
        database: folder.join("directory.db").into(),
        sets: folder.join("sets"),
        entries: None,
        sharing: None,
        ldap: Some(ldap::LdapSettings {
            listen: any,
            listen_clear: Some(any),
            suffix: SUFFIX.to_owned(),
            anonymous: false,
        }),
        accounts: (0..ACCOUNTS)
            .map(|number| AccountSettings {
                user: format!("banc{number}"),
                password: password.clone(),
            })
            .collect(),
    };
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        let running = liaison_directory::serve(&settings, &shutdown, Arc::new(SystemClock))
            .await
            .unwrap();
        let ldap = running.ldap.unwrap();
        println!("{} {} {}", ldap.tls, ldap.clear.unwrap(), running.address);
        std::io::stdout().flush().unwrap();
        let ended = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
        ended.await.unwrap().unwrap();
    });
    runtime.shutdown_background();
}
