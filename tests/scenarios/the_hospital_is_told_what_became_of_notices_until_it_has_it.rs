//! Back to the hospital, by each way, against a system written in Python that parses what it gets
//! with python-hl7 or fhir.resources and answers with refusals, faults, cut connections and
//! silence: everything is told again, in the end taken, shown meanwhile by `liaison notice back`,
//! and kept across a `kill -9`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::{EHPAD, liaison};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// The hospital's system; it ends with the test.
struct Receiver {
    process: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

impl Receiver {
    fn start(territory: &Territory, kind: &str, answers: &str, port: u16) -> Receiver {
        let file = territory.folder().join(format!("answers-{kind}"));
        fs::write(&file, answers).unwrap();
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/scenarios/receive_for_the_hospital.py"
        );
        let site = territory.site_folder("hospital");
        let mut command = python();
        command.arg(script).arg(kind).arg(file);
        if kind == "https" {
            command
                .arg(site.join("clients.crt"))
                .arg(site.join("clients.key"));
        }
        let mut process = command
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut receiver = Receiver {
            lines: BufReader::new(process.stdout.take().unwrap()),
            process,
            port: 0,
        };
        let said = receiver.next();
        receiver.port = said.strip_prefix("port ").unwrap().parse().unwrap();
        receiver
    }

    /// The next message, once it has come: the answer, and what it says.
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(!line.starts_with("WRONG"), "{line}");
        line.trim().to_owned()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn over_mllp() {
    let territory = Territory::build();
    let mut receiver = Receiver::start(&territory, "mllp", "AE close hang AR", 0);
    let port = receiver.port;
    configure(
        &territory,
        &format!("kind = \"zam\"\nto = \"127.0.0.1:{port}\""),
    );
    let mut sites = territory.start_all();
    let pushed = territory
        .mllp()
        .push(&territory.hl7("a01-admission"))
        .unwrap();
    assert_eq!(verdict(&pushed).0, "CA");

    // One admission, three people: each is received (Z02), and nothing of it is lost.
    let mut refused = 0;
    let mut taken = Vec::new();
    while taken.len() < 3 {
        let line = receiver.next();
        let (answer, words) = line.split_once(' ').unwrap();
        assert!(words.starts_with("Z02 700001 Y "), "{line}");
        match answer {
            "AA" => taken.push(words.to_owned()),
            _ => refused += 1,
        }
    }
    assert_eq!(refused, 4, "refused, cut, silent and refused: told again");
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 3, "each once: {taken:?}");

    // The system is away when the nursing home opens and takes charge; the gateway is killed.
    drop(receiver);
    territory.imap(EHPAD).wait_for(1);
    take_charge(&territory);
    let waiting = wait_for(&territory, |untold| {
        untold
            .iter()
            .any(|one| !one["answer"].as_str().unwrap().is_empty())
    });
    assert!(
        waiting.iter().all(|one| one["due_again"] == true),
        "{waiting:?}"
    );
    sites.remove("hospital").unwrap().kill();
    sites.insert("hospital".to_owned(), territory.start_site("hospital"));
    let mut receiver = Receiver::start(&territory, "mllp", "", port);
    let line = receiver.next();
    assert!(
        line.starts_with(&format!("AA Z03 700001 Y {EHPAD}")),
        "{line}"
    );
    wait_for(&territory, <[Value]>::is_empty);
}

#[test]
fn as_fhir_tasks() {
    over_https("fhir_task", "in-progress 700001 mailto:");
}

#[test]
fn over_a_webhook() {
    over_https("webhook", "delivered 700001 ");
}

fn over_https(kind: &str, expected: &str) {
    let territory = Territory::build();
    let site = territory.site_folder("hospital");
    certificate(&territory);
    let mut receiver = Receiver::start(&territory, "https", "503 422 close hang 401", 0);
    configure(
        &territory,
        &format!(
            "kind = \"{kind}\"\nurl = \"https://localhost:{}/Task\"\nanchors = \"{}\"",
            receiver.port,
            site.join("clients.crt").display()
        ),
    );
    let _sites = territory.start_all();
    let pushed = territory
        .mllp()
        .push(&territory.hl7("a01-admission"))
        .unwrap();
    assert_eq!(verdict(&pushed).0, "CA");
    let mut taken = Vec::new();
    let mut refused = 0;
    while taken.len() < 3 {
        let line = receiver.next();
        let (answer, words) = line.split_once(' ').unwrap();
        assert!(words.starts_with(expected), "{line}");
        match answer {
            "201" => taken.push(words.to_owned()),
            _ => refused += 1,
        }
    }
    assert_eq!(refused, 5, "each fault is told again");
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 3, "each once: {taken:?}");
    wait_for(&territory, <[Value]>::is_empty);
}

/// A certificate of its own for the hospital's system.
fn certificate(territory: &Territory) {
    let site = territory.site_folder("hospital");
    run(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"])
            .args([
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-subj",
                "/CN=localhost",
            ])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(site.join("clients.key"))
            .arg("-out")
            .arg(site.join("clients.crt")),
        b"",
    );
}

fn configure(territory: &Territory, back: &str) {
    let path = territory.config("hospital");
    let text = fs::read_to_string(&path).unwrap();
    let section = format!(
        "\n[gateway.hospital.back]\n{back}\n\n[gateway.hospital.back_pace]\nanswer_seconds = 2\nretry_seconds = 1\n"
    );
    let text = without_pace(&text);
    fs::write(path, text + &section).unwrap();
}

/// The settings without the table that this test writes itself.
fn without_pace(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == "[gateway.hospital.back_pace]";
        }
        if !inside {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn take_charge(territory: &Territory) {
    let notice = territory.imap(EHPAD).wait_for(1).remove(0);
    let parsed = mail_parser::MessageParser::default()
        .parse(&notice)
        .unwrap();
    let id = parsed.message_id().unwrap();
    let reply = format!(
        "From: Soins <{EHPAD}>\r\nTo: avis@ch-valombre.test\r\nSubject: Re: avis\r\nIn-Reply-To: <{id}>\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nPRIS EN CHARGE\r\n"
    );
    let answer = territory
        .smtp(EHPAD)
        .submit(EHPAD, &["avis@ch-valombre.test"], &reply);
    assert!(answer.starts_with("250"), "{answer}");
}

/// What `liaison notice back` shows, once it is as expected.
fn wait_for(territory: &Territory, expected: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let said = run(
            liaison()
                .args(["notice", "back", "--json", "--config"])
                .arg(territory.config("hospital")),
            b"",
        );
        let untold: Vec<Value> = String::from_utf8(said)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if expected(&untold) {
            return untold;
        }
        assert!(begun.elapsed() < DEADLINE, "{untold:?}");
    }
}
