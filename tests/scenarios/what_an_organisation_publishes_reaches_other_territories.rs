//! Four directories as processes and a lying copy in between: an EHPAD publishes its log, a GHT
//! follows and witnesses it, a DAC and later a CPTS read it from somebody's copy. Whatever the copy
//! shows, nothing is encrypted to a certificate that the EHPAD did not publish; and when the log's
//! key is stolen the EHPAD sees what it signs.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use liaison_certs_dev::{KeyKind, Territory};
use liaison_tests::programs::python;
use liaison_tests::territory::liaison;
use serde_json::Value;
use tempfile::TempDir;

const ORIGIN: &str = "annuaire.ehpad.test/log";
const MAILBOX: &str = "soins@ehpad.test";
const DEADLINE: Duration = Duration::from_secs(60);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Scene {
    folder: TempDir,
}

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// `liaison directory log …`; gives what it printed.
    fn log(&self, arguments: &[&str]) -> String {
        let output = liaison()
            .current_dir(self.folder.path())
            .args(["directory", "log"])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn status(&self, site: &str) -> Value {
        let text = self.log(&["status", "--json", "--config", &format!("{site}.toml")]);
        serde_json::from_str(&text).unwrap()
    }

    fn verdict(&self, site: &str) -> String {
        let status = self.status(site);
        let verdict = status["logs"][0]["verdict"].as_str();
        verdict.unwrap_or_default().to_owned()
    }

    fn wait_for(&self, site: &str, verdict: &str) {
        until(&format!("{site} says {verdict}"), || {
            let now = self.verdict(site);
            (now == verdict).then_some(()).ok_or(now)
        });
    }

    fn alarms(&self, site: &str) -> Vec<String> {
        let status = self.status(site);
        let alarms = status["alarms"].as_array().unwrap();
        let words = alarms.iter().map(|alarm| alarm["verdict"].as_str());
        words.map(|word| word.unwrap().to_owned()).collect()
    }

    /// The certificates that a site's directory would have a message encrypted to.
    fn encrypts_to(&self, site: &str) -> Vec<String> {
        let output = liaison()
            .current_dir(self.folder.path())
            .args(["directory", "find", MAILBOX, "--json", "--config"])
            .arg(format!("{site}.toml"))
            .output()
            .unwrap();
        let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) else {
            return Vec::new();
        };
        // An address that is typed is an entry to be confirmed.
        let finding = &answer["finding"];
        let entry = match &finding["found"] {
            Value::Null => &finding["ambiguous"][0],
            found => found,
        };
        let certificates = entry["certificates"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        certificates
            .iter()
            .filter(|one| one["revoked_at"].is_null())
            .map(|one| one["sha256"].as_str().unwrap().to_owned())
            .collect()
    }

    fn start(&self, site: &str) -> Running {
        let log = fs::File::create(self.path(&format!("{site}.log"))).unwrap();
        let mut process = liaison()
            .current_dir(self.folder.path())
            .args(["serve", "--config", &format!("{site}.toml")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let line = first_line(&mut process);
        let said = fs::read_to_string(self.path(&format!("{site}.log"))).unwrap();
        assert_eq!(line, "ready", "{site}: {said}");
        Running(process)
    }

    /// What the EHPAD's file of entries says.
    fn entries(&self, name: &str, certificates: &str) {
        let text = format!(
            r#"
title = "EHPAD"
source = "EHPAD fictif"
[[organisations]]
id = "ehpad"
name = "EHPAD Les Tilleuls"
finess = "000000026"
[[organisations.mailboxes]]
address = "{MAILBOX}"
type = "ORG"
certificates = [{certificates}]
"#
        );
        self.write(name, &text);
    }

    fn import(&self, site: &str, file: &str) {
        let output = liaison()
            .current_dir(self.folder.path())
            .args([
                "directory",
                "import",
                "entries",
                file,
                "--accept-changes",
                "--config",
            ])
            .arg(format!("{site}.toml"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

fn first_line(process: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    line.trim().to_owned()
}

fn until(what: &str, mut check: impl FnMut() -> Result<(), String>) {
    let end = Instant::now() + DEADLINE;
    loop {
        match check() {
            Ok(()) => return,
            Err(now) => assert!(Instant::now() < end, "waited for: {what}; now: {now}"),
        }
        thread::yield_now();
    }
}

fn free_port() -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    door.local_addr().unwrap().port()
}

fn copy(from: &Path, to: &Path) {
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

/// The section of a directory without what it shares.
fn directory(site: &str, port: u16) -> String {
    format!(
        "[directory]\nlisten = \"127.0.0.1:{port}\"\ntls_certificate = \"https.chain.pem\"\n\
         tls_key = \"https.key\"\ndatabase = \"{site}.db\"\nsets = \"{site}.sets\"\n"
    )
}

/// The section by which the EHPAD's log is followed.
fn peer(url: &str, key: &str) -> String {
    format!(
        "[[directory.sharing.peers]]\norigin = \"{ORIGIN}\"\nurl = \"{url}\"\n\
         anchors = \"root.pem\"\nkeys = [\"{key}\"]\ndomains = [\"ehpad.test\"]\n\
         organisations = [\"finess:000000026\"]\n"
    )
}

const SHARING: &str = "[directory.sharing]\npoll = \"500ms\"\n";
const WITNESS: &str = "annuaire.ght.test/witness";

/// The certificates of the directories and of the mailbox.
fn certificates(scene: &Scene) {
    let pki = Territory::new(liaison_base::clock::Clock::now(
        &liaison_base::clock::SystemClock,
    ));
    let pki = pki.unwrap();
    let member = pki.member("ehpad.test").unwrap();
    pki.write_root(&scene.path("root.pem")).unwrap();
    let at = scene.folder.path();
    member
        .directory_identity()
        .unwrap()
        .write(at, "https")
        .unwrap();
    for stem in ["good", "swapped"] {
        let issued = member.smime(MAILBOX, "Soins", KeyKind::P256).unwrap();
        issued.write(at, stem).unwrap();
    }
}

/// A server of the folder `copy`, and its address.
fn mirror(scene: &Scene) -> (Running, String) {
    let mut mirror = python()
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/scenarios/serve_folder.py"
        ))
        .args([
            &scene.path("copy"),
            &scene.path("https.chain.pem"),
            &scene.path("https.key"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let copies = format!("https://localhost:{}/", first_line(&mut mirror));
    (Running(mirror), copies)
}

/// The section of the log that the EHPAD publishes, or a thief of its key.
fn own(folder: &str) -> String {
    format!(
        "[directory.sharing.log]\norigin = \"{ORIGIN}\"\nfolder = \"{folder}\"\n\
         key = \"log.key\"\ndomains = [\"ehpad.test\"]\norganisations = [\"finess:000000026\"]\n"
    )
}

/// Keys and settings of every directory; the copy is served at `copies`.
fn settings(scene: &Scene, copies: &str) {
    let log_key = scene.log(&["key", "--origin", ORIGIN, "--out", "log.key"]);
    let witness_key = scene.log(&["key", "--witness", "--origin", WITNESS, "--out", "ght.key"]);
    let (ehpad, ght, dac, cpts) = (free_port(), free_port(), free_port(), free_port());
    let asked = format!(
        "[[directory.sharing.witnesses]]\nkey = \"{witness_key}\"\n\
         url = \"https://localhost:{ght}/witness/\"\nanchors = \"root.pem\"\n"
    );
    let mut text = format!(
        "{}{SHARING}{}{asked}",
        directory("ehpad", ehpad),
        own("log")
    );
    for port in [ght, dac, cpts] {
        let _ = writeln!(
            text,
            "[[directory.sharing.replicas]]\nurl = \"https://localhost:{port}\"\nanchors = \"root.pem\""
        );
    }
    scene.write("ehpad.toml", &text);
    let follows = peer(&format!("https://localhost:{ehpad}/log/"), &log_key);
    let cosigns = format!("[directory.sharing.witness]\nname = \"{WITNESS}\"\nkey = \"ght.key\"\n");
    let text = format!("{}{SHARING}{follows}{cosigns}", directory("ght", ght));
    scene.write("ght.toml", &text);
    let from_copy = peer(copies, &log_key);
    let required = "required_witnesses = 1\n";
    let text = format!(
        "{}{SHARING}{required}{from_copy}{asked}",
        directory("dac", dac)
    );
    scene.write("dac.toml", &text);
    let text = format!("{}{SHARING}{from_copy}", directory("cpts", cpts));
    scene.write("cpts.toml", &text);
}

/// The EHPAD publishes; the GHT follows and cosigns. Gives the certificate of the mailbox.
fn published_and_cosigned(scene: &Scene) -> Vec<String> {
    scene.entries("entries.toml", r#"{ file = "good.crt" }"#);
    scene.import("ehpad", "entries.toml");
    let appended = scene.log(&["append", "--config", "ehpad.toml"]);
    assert!(appended.ends_with("3 in all"), "{appended}");
    until("the GHT shows the mailbox", || {
        let shown = scene.encrypts_to("ght");
        (shown.len() == 1).then_some(()).ok_or(format!("{shown:?}"))
    });
    let good = scene.encrypts_to("ght");
    until("the GHT has cosigned", || {
        let note = fs::read_to_string(scene.path("log/checkpoint")).unwrap();
        note.contains(WITNESS).then_some(()).ok_or(note)
    });
    good
}

/// The copy changes a record, then goes back to an earlier checkpoint.
fn the_copy_lies(scene: &Scene) {
    let text = fs::read_to_string(scene.path("entries.toml")).unwrap();
    scene.write(
        "entries.toml",
        &text.replace("Les Tilleuls", "Les Grands Tilleuls"),
    );
    scene.import("ehpad", "entries.toml");
    scene.log(&["append", "--config", "ehpad.toml"]);
    until("the GHT has cosigned again", || {
        let note = fs::read_to_string(scene.path("log/checkpoint")).unwrap();
        let whole = note.contains(WITNESS) && note.contains("\n4\n");
        whole.then_some(()).ok_or(note)
    });
    copy(&scene.path("log"), &scene.path("lie"));
    let mut records = fs::read(scene.path("lie/records/000")).unwrap();
    let last = records.len() - 20;
    records[last] ^= 1;
    fs::write(scene.path("copy/records/000"), &records).unwrap();
    copy(&scene.path("lie/tile"), &scene.path("copy/tile"));
    fs::copy(scene.path("lie/checkpoint"), scene.path("copy/checkpoint")).unwrap();
    scene.wait_for("dac", "forged_record");
    fs::copy(
        scene.path("lie/records/000"),
        scene.path("copy/records/000"),
    )
    .unwrap();
    scene.wait_for("dac", "current");

    // The copy goes back to yesterday.
    fs::copy(scene.path("old/checkpoint"), scene.path("copy/checkpoint")).unwrap();
    scene.wait_for("dac", "replayed");
}

/// The log's key is stolen: its thief signs another history, in which the certificate is swapped.
fn the_key_is_stolen(scene: &Scene, good: &[String]) {
    copy(&scene.path("old"), &scene.path("stolen"));
    let thief = directory("thief", free_port()) + SHARING + &own("stolen");
    scene.write("thief.toml", &thief);
    scene.entries("thief-entries.toml", r#"{ file = "swapped.crt" }"#);
    scene.import("thief", "thief-entries.toml");
    scene.log(&["append", "--config", "thief.toml"]);
    fs::remove_dir_all(scene.path("copy")).unwrap();
    copy(&scene.path("stolen"), &scene.path("copy"));
    until("the DAC refuses the other history", || {
        let verdict = scene.verdict("dac");
        let refused = verdict == "split_view" || verdict == "unwitnessed";
        refused.then_some(()).ok_or(verdict)
    });
    assert_eq!(scene.encrypts_to("dac"), good);
    assert_eq!(scene.encrypts_to("ght"), good);
    assert!(
        scene.alarms("ehpad").is_empty(),
        "{:?}",
        scene.alarms("ehpad")
    );

    // A newcomer that asks for no witness believes the copy; the EHPAD sees it at its next poll.
    let _cpts = scene.start("cpts");
    until("the EHPAD sees what its key signed", || {
        let alarms = scene.alarms("ehpad");
        let seen = alarms.iter().any(|one| one == "foreign_checkpoint");
        seen.then_some(())
            .ok_or(format!("{alarms:?} {}", scene.verdict("cpts")))
    });
    until("the EHPAD sees the swapped certificate", || {
        let alarms = scene.alarms("ehpad");
        let seen = alarms.iter().any(|one| one == "foreign_certificate");
        seen.then_some(()).ok_or(format!("{alarms:?}"))
    });
    let told = fs::read_to_string(scene.path("ehpad.log")).unwrap();
    assert!(told.contains("ALARM"), "{told}");
}

#[test]
fn what_an_organisation_publishes_reaches_other_territories() {
    let scene = Scene {
        folder: TempDir::with_prefix("liaison-test-").unwrap(),
    };
    certificates(&scene);
    let (_mirror, copies) = mirror(&scene);
    settings(&scene, &copies);
    let _ght = scene.start("ght");
    let _ehpad = scene.start("ehpad");
    let good = published_and_cosigned(&scene);
    // The DAC reads a true copy.
    copy(&scene.path("log"), &scene.path("copy"));
    let _dac = scene.start("dac");
    until("the DAC shows the mailbox", || {
        let shown = scene.encrypts_to("dac");
        (shown == good).then_some(()).ok_or(scene.verdict("dac"))
    });
    copy(&scene.path("log"), &scene.path("old"));
    the_copy_lies(&scene);
    the_key_is_stolen(&scene, &good);
}
