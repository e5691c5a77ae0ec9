//! OpenLDAP's server with a part of the people.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use liaison_tests::registers::{Registers, Someone};
use tempfile::TempDir;

use crate::figures::plain;

pub(crate) const SUFFIX: &str = "dc=bench,dc=test";
/// How many people it holds.
pub(crate) const PEOPLE: usize = 100_000;

pub(crate) struct Slapd {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

/// The people whom it holds: those with an address.
pub(crate) fn people(registers: &Registers) -> impl Iterator<Item = Someone> {
    (0..registers.people())
        .map(|number| registers.person(number))
        .filter(|person| person.address.is_some())
        .take(PEOPLE)
}

impl Slapd {
    /// Loads and starts it; installed first when it is lacking, which needs root. `None` when that
    /// fails.
    pub(crate) fn start(registers: &Registers, _folder: &Path) -> Option<Self> {
        let slapadd = "/usr/sbin/slapadd";
        if !Path::new(slapadd).exists() {
            println!("installing slapd");
            let _ = Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["install", "-y", "-qq", "slapd"])
                .status();
        }
        if !Path::new(slapadd).exists() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("db")).unwrap();
        fs::write(at.join("slapd.conf"), settings(at)).unwrap();
        fs::write(at.join("people.ldif"), ldif(registers)).unwrap();
        let began = Instant::now();
        let loaded = Command::new(slapadd)
            .args(["-q", "-f"])
            .arg(at.join("slapd.conf"))
            .arg("-l")
            .arg(at.join("people.ldif"))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(loaded.success(), "slapadd failed");
        plain(
            "slapd: loading with slapadd",
            "s",
            began.elapsed().as_secs_f64(),
        );
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-h", &format!("ldap://{address}/"), "-f"])
            .arg(at.join("slapd.conf"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "slapd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            process,
            address,
            _folder: folder,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings(folder: &Path) -> String {
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         pidfile {0}/slapd.pid\n\
         database mdb\n\
         suffix \"{SUFFIX}\"\n\
         directory {0}/db\n\
         maxsize 4294967296\n\
         index objectClass eq\n\
         index mail,cn,sn,givenName eq,sub\n\
         sizelimit 100\n",
        folder.display()
    )
}

fn ldif(registers: &Registers) -> String {
    let mut text = format!(
        "dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: bench\no: bench\n\n"
    );
    for (number, person) in people(registers).enumerate() {
        let (family, given) = (&person.family, liaison_directory::text::fold(&person.given));
        writeln!(
            text,
            "dn: uid={number},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {number}\ncn: {family} {given} - {} - {}\ncn: {given} {family}\nsn: {family}\ngivenName: {given}\nmail: {}\n",
            person.profession,
            liaison_directory::text::fold(person.town.as_deref().unwrap_or("sans adresse")),
            person.address.as_deref().unwrap_or_default(),
        )
        .unwrap();
    }
    text
}
