//! Both ways: an entry asks for documents; the nursing home answers with swaks, the family doctor
//! from Python, each replying in its own client; somebody else's answer belongs to nothing and its
//! author is told; a doctor asks for an admission with curl. The ward sees it all in its mailbox
//! and by command, and writes back about the stay.

use std::fs;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::imap::Imap;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::{DOCTOR, EHPAD, NURSE, PHARMACY, WARD, liaison};
use mail_parser::MessageParser;
use serde_json::Value;

/// Without an answer the ward is told at once: the delay is the site's.
const RULES: &str = "\n[request]\nhours = 0\n";
const PDF: &[u8] = b"%PDF-1.4\n% traitement\n";

#[test]
fn carers_answer_an_entry_and_write_to_the_ward_by_ordinary_mail() {
    let territory = Territory::build();
    let rules = territory.site_folder("hospital").join("rules.toml");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, text + RULES).unwrap();
    let _sites = territory.start_all();
    let mut ward = territory.imap(WARD);
    let answer = territory.mllp().push(&territory.hl7("a01-admission"));
    assert_eq!(verdict(&answer.unwrap()).0, "CA");

    let notice = territory.imap(EHPAD).wait_for(1).remove(0);
    let asked = body(&notice);
    assert!(
        asked.contains("en joignant la lettre d'entrée, le dossier de liaison d'urgence (DLU)"),
        "{asked}"
    );
    // Nobody has answered within the delay.
    let missing = wait_for_subject(&mut ward, "Réponse manquante : Entrée à l'hôpital");
    assert!(
        missing.contains("26004711-1") && missing.contains("0 sur 2"),
        "{missing}"
    );
    assert_eq!(states(&territory), ["missing", "missing"]);

    // The nursing home replies from its client with a file.
    let dlu = territory.folder().join("dlu.pdf");
    fs::write(&dlu, PDF).unwrap();
    let id = message_id(&notice);
    let mut swaks = swaks(&territory, (EHPAD, "Re: Entrée à l'hôpital"), Some(&id));
    run(
        swaks.arg("--attach").arg(format!("@{}", dlu.display())),
        b"",
    );
    let told = wait_for_subject(&mut ward, "Réponse reçue : Entrée à l'hôpital");
    assert!(
        told.contains("1 sur 2") && told.contains("médecin traitant"),
        "{told}"
    );
    assert!(!told.contains("LEFEBVRE"), "the stay's number is enough");
    assert_eq!(states(&territory), ["answered", "missing"]);
    let track = territory.track("hospital");
    let line = track
        .iter()
        .map(Value::to_string)
        .find(|one| one.contains("réponse avec document"));
    assert!(line.is_some(), "{track:?}");

    // The doctor's client is Python's: it fetches the notice, and answers it.
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/scenarios/answer_with_a_document.py"
    );
    let account = territory.account(DOCTOR);
    let member = territory.member(&account.member);
    let (imaps, submissions) = (member.imaps.unwrap(), member.submissions.unwrap());
    territory.imap(DOCTOR).wait_for(1);
    let said = run(
        python()
            .arg(script)
            .args([imaps.to_string(), submissions.to_string()])
            .arg(territory.ca())
            .args([&account.user, &account.password, DOCTOR, WARD]),
        b"",
    );
    assert_eq!(String::from_utf8_lossy(&said).trim(), "answered");
    wait_for_count(&mut ward, "Réponse reçue : Entrée à l'hôpital", 2);
    assert_eq!(states(&territory), ["answered", "answered"]);

    // The pharmacy cites what it never got: it is told so, and nothing is counted.
    let mut other = self::swaks(&territory, (PHARMACY, "Re: Entrée à l'hôpital"), Some(&id));
    run(
        other.arg("--attach").arg(format!("@{}", dlu.display())),
        b"",
    );
    let unmatched = wait_for_subject(&mut territory.imap(PHARMACY), "Réponse non rattachée");
    assert!(unmatched.contains(PHARMACY), "{unmatched}");
    wait_for_subject(&mut ward, "Réponse non rattachée à un séjour");

    a_doctor_asks_for_an_admission(&territory, &mut ward);
    the_ward_writes_about_the_stay(&territory);
    let log = territory.log("hospital");
    assert!(!log.contains("LEFEBVRE") && !log.contains("GARANCE"));
}

fn a_doctor_asks_for_an_admission(territory: &Territory, ward: &mut Imap) {
    let account = territory.account(DOCTOR);
    let port = territory.member(&account.member).submissions.unwrap();
    let letter = territory.folder().join("demande.eml");
    let text = format!(
        "From: Claire Garnier <{DOCTOR}>\r\nTo: {WARD}\r\nSubject: =?utf-8?Q?Demande_d=E2=80=99admission?=\r\n\
         Message-ID: <demande-1@cabinet-riviere.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nMme GARANCE, chutes.\r\n"
    );
    fs::write(&letter, text).unwrap();
    run(
        Command::new("curl")
            .args(["--silent", "--show-error", "--cacert"])
            .arg(territory.ca())
            .arg(format!("smtps://localhost:{port}/client.test"))
            .args(["--user", &format!("{}:{}", account.user, account.password)])
            .args(["--mail-from", DOCTOR, "--mail-rcpt", WARD, "--upload-file"])
            .arg(&letter),
        b"",
    );
    let answer = wait_for_subject(&mut territory.imap(DOCTOR), "Demande d'admission reçu");
    assert!(answer.contains("REÇUE - n° "), "{answer}");
    wait_for_subject(ward, "Demande d'admission");
    let open = |lines: &[Value]| -> Vec<String> {
        let mails = lines.iter().filter(|line| line["state"] == "open");
        mails
            .map(|line| line["number"].as_str().unwrap().to_owned())
            .collect()
    };
    let waiting = open(&answers(territory));
    assert_eq!(waiting.len(), 1);
    assert!(answer.contains(&waiting[0]), "{answer}");
    let said = notice(territory, &["handled", &waiting[0], "--by", "Mme Essai"]);
    assert!(said.contains("handled by Mme Essai"), "{said}");
    assert!(open(&answers(territory)).is_empty());
}

fn the_ward_writes_about_the_stay(territory: &Territory) {
    let stay = ["--facility", "CH-VALOMBRE", "--visit", "26004711-1"];
    let mut arguments = vec![
        "write",
        "social_note",
        "--field",
        "note=Vit seule, GARANCE.",
    ];
    arguments.extend(stay);
    assert_eq!(notice(territory, &arguments).trim(), "notices: 1");
    let told = wait_for_subject(
        &mut territory.imap(NURSE),
        "Note sociale et conditions de vie",
    );
    assert!(told.contains("Vit seule, GARANCE."), "{told}");
    let mut arguments = vec![
        "write",
        "renewal_request",
        "--field",
        "traitements=ESSAILOL 100 mg",
    ];
    arguments.extend(stay);
    notice(territory, &arguments);
    let asked = wait_for_subject(
        &mut territory.imap(DOCTOR),
        "Demande de renouvellement d'ordonnance",
    );
    assert!(
        asked.contains("ESSAILOL 100 mg") && asked.contains("en joignant l'ordonnance renouvelée"),
        "{asked}"
    );
}

/// What `liaison notice …` says; it must succeed.
fn notice(territory: &Territory, arguments: &[&str]) -> String {
    let mut command = liaison();
    command.arg("notice").args(arguments);
    let said = run(
        command.arg("--config").arg(territory.config("hospital")),
        b"",
    );
    String::from_utf8(said).unwrap()
}

fn answers(territory: &Territory) -> Vec<Value> {
    notice(territory, &["answers", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The states of what was asked on the entry: nursing home, family doctor.
fn states(territory: &Territory) -> Vec<String> {
    let mut asked: Vec<(String, String)> = answers(territory)
        .iter()
        .filter(|line| line["what"] == "request" && line["title"] == "Entrée à l'hôpital")
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            assert_eq!(text("stay"), "26004711-1");
            (text("recipient"), text("state"))
        })
        .collect();
    asked.sort();
    asked.into_iter().map(|(_, state)| state).collect()
}

fn body(message: &[u8]) -> String {
    let parsed = MessageParser::default().parse(message).unwrap();
    parsed.body_text(0).unwrap().into_owned()
}

fn message_id(message: &[u8]) -> String {
    let parsed = MessageParser::default().parse(message).unwrap();
    parsed.message_id().unwrap().to_owned()
}

/// The text of the first message whose subject holds these words.
fn wait_for_subject(mailbox: &mut Imap, words: &str) -> String {
    wait_for_count(mailbox, words, 1).remove(0)
}

fn wait_for_count(mailbox: &mut Imap, words: &str, wanted: usize) -> Vec<String> {
    let mut count = 1;
    loop {
        let messages = mailbox.wait_for(count);
        let found: Vec<String> = messages
            .iter()
            .filter(|message| {
                let parsed = MessageParser::default().parse(message.as_slice()).unwrap();
                parsed
                    .subject()
                    .is_some_and(|subject| subject.contains(words))
            })
            .map(|message| body(message))
            .collect();
        if found.len() >= wanted {
            return found;
        }
        count = messages.len() + 1;
    }
}

fn swaks(territory: &Territory, (from, subject): (&str, &str), cites: Option<&str>) -> Command {
    let account = territory.account(from);
    let port = territory.member(&account.member).submissions.unwrap();
    let mut swaks = Command::new("swaks");
    swaks
        .args(["-4", "--server", "localhost", "--port", &port.to_string()])
        .args(["--tlsc", "--tls-verify", "--tls-ca-path"])
        .arg(territory.ca())
        .args(["--auth", "PLAIN", "--auth-user", &account.user])
        .args(["--auth-password", &account.password, "--timeout", "30"])
        .args(["--helo", "client.test", "--from", from, "--to", WARD])
        .args(["--header", &format!("Subject: {subject}")])
        .args(["--body", "Voici le document."]);
    if let Some(id) = cites {
        swaks.args(["--add-header", &format!("In-Reply-To: <{id}>")]);
        swaks.args(["--add-header", &format!("References: <{id}>")]);
    }
    swaks
}
