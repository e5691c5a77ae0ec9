//! Answers to what an entry asks for, other mail to the ward, and messages about a stay.

use std::collections::BTreeMap;

use liaison_mail::EnvelopeId;

use super::*;
use crate::hospital::mail::{Handling, WardMail};
use crate::hospital::messages::Unsent;
use crate::hospital::requests::Asked;
use crate::notices::french::Moment;
use crate::notices::message::Message as Written;
use crate::notices::{EpisodeKey, RulesFile};
use crate::tracking::Ledger;

const EHPAD: &str = "soins@ehpad.test";

/// Tells the ledger where the notice for a role went, as the directory would.
async fn resolve(site: &Site, role: &str, address: &str) -> String {
    let row = sqlx::query(
        "SELECT t.envelope, t.message_id FROM tracked t
         JOIN tracked_recipient r ON r.envelope = t.envelope
         WHERE r.wanted LIKE $1 ORDER BY t.rowid DESC LIMIT 1",
    )
    .bind(format!("{role} %"))
    .fetch_one(site.store.read())
    .await
    .unwrap();
    let (envelope, id): (String, String) = (row.get(0), row.get(1));
    let address = Address::parse(address).unwrap();
    site.store
        .write(move |tx| {
            let (envelope, address) = (envelope.clone(), address.clone());
            Box::pin(async move {
                let envelope = EnvelopeId::parse(&envelope).unwrap();
                Ledger::resolved(tx, &envelope, 0, &address).await
            })
        })
        .await
        .unwrap();
    id
}

fn mail(subject: &str, cites: &str, file: bool) -> String {
    let head = format!(
        "From: Soins <{EHPAD}>\r\nSubject: {subject}\r\nMessage-ID: <r1@ehpad.test>\r\nIn-Reply-To: <{cites}>\r\nMIME-Version: 1.0\r\n"
    );
    match file {
        false => format!("{head}Content-Type: text/plain; charset=utf-8\r\n\r\nBonjour.\r\n"),
        true => format!(
            "{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nVoici.\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=dlu.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--b--\r\n"
        ),
    }
}

async fn arrives(site: &Site, author: &str, text: &str) {
    let author = Address::parse(author).unwrap();
    let read = WardMail::read(&EnvelopeId::fresh(), &author, text.as_bytes());
    let Some(read) = read else { return };
    let (feed, now) = (site.feed.clone(), site.clock_now());
    site.store
        .write(move |tx| {
            let (feed, read) = (feed.clone(), read.clone());
            Box::pin(async move { feed.take_mail(tx, &read, now).await })
        })
        .await
        .unwrap();
}

async fn states(site: &Site) -> Vec<(String, Asked, u32)> {
    let asked = site.feed.requests(10).await.unwrap();
    asked
        .into_iter()
        .map(|one| {
            let role = one.wanted.split_once(' ').unwrap().0.to_owned();
            (role, one.state, one.files)
        })
        .collect()
}

#[tokio::test]
async fn a_document_answers_what_its_author_was_asked_and_nothing_else_does() {
    let site = Site::new().await;
    site.push(&entry()).await;
    site.later(180).await;
    assert_eq!(
        states(&site).await,
        [("EHPAD".to_owned(), Asked::Waiting, 0)],
        "the IDEL is asked nothing"
    );
    let id = resolve(&site, "EHPAD", EHPAD).await;
    let before = site.count("draft").await;

    // A word is no document; somebody else's document is not the nursing home's; a notice that
    // was never sent is none.
    arrives(&site, EHPAD, &mail("Re: Entrée", &id, false)).await;
    arrives(&site, "idel@cabinet.test", &mail("Re: Entrée", &id, true)).await;
    let unknown = "avis-2026-11-19-0099.v1.aabbccddeeff@ch.test";
    arrives(&site, EHPAD, &mail("Re: Entrée", unknown, true)).await;
    assert_eq!(states(&site).await[0].1, Asked::Waiting);
    assert_eq!(site.count("draft").await, before + 2, "two clear answers");
    let texts = site.drafts.texts().await;
    let told = texts.iter().filter(|text| text.contains("NON RATTACHÉE"));
    assert_eq!(told.count(), 2, "{texts:?}");

    arrives(&site, EHPAD, &mail("Re: Entrée", &id, true)).await;
    assert_eq!(
        states(&site).await,
        [("EHPAD".to_owned(), Asked::Answered, 1)]
    );
    let kinds: Vec<(String, Option<String>)> = site
        .feed
        .incoming(10)
        .await
        .unwrap()
        .into_iter()
        .map(|mail| (mail.kind, mail.visit))
        .collect();
    let stay = Some("26004711-1".to_owned());
    for known in [
        ("answer".to_owned(), stay.clone()),
        ("message".to_owned(), stay),
        ("unmatched".to_owned(), None),
    ] {
        assert!(kinds.contains(&known), "{kinds:?}");
    }
    let ward = site.count("message").await;
    site.later(5 * 3600).await;
    assert_eq!(site.count("message").await, ward, "nothing is missing");
}

#[tokio::test]
async fn a_missing_document_is_said_once_after_its_delay_and_survives_a_crash() {
    let site = Site::new().await;
    site.push(&entry()).await;
    site.later(180).await;
    site.later(4 * 3600 - 1).await;
    assert_eq!(site.count("message").await, 0);
    let site = site.again().await;
    site.later(1).await;
    assert_eq!(states(&site).await[0].1, Asked::Missing);
    assert_eq!(site.count("message").await, 1, "the ward knows");
    site.later(48 * 3600).await;
    assert_eq!(site.count("message").await, 1, "once");
    // It comes all the same.
    let id = resolve(&site, "EHPAD", EHPAD).await;
    arrives(&site, EHPAD, &mail("Re: Entrée", &id, true)).await;
    assert_eq!(states(&site).await[0].1, Asked::Answered);
}

#[tokio::test]
async fn nothing_is_missing_once_the_person_has_left_or_the_entry_is_cancelled() {
    let cancel = adt("A11", ("M1", "CANCEL", "A01"), "20261119150000", ("", ""));
    for end in [exit(), cancel] {
        let site = Site::new().await;
        site.push(&entry()).await;
        site.later(180).await;
        site.push(&end).await;
        site.later(24 * 3600).await;
        let asked = states(&site).await;
        let ehpad = asked.iter().find(|one| one.0 == "EHPAD").unwrap();
        assert_eq!(ehpad.1, Asked::Closed);
        assert_eq!(site.count("message").await, 0);
    }
}

#[tokio::test]
async fn mail_that_asks_something_of_the_ward_is_acknowledged_and_waits_for_a_person() {
    let site = Site::new().await;
    let demand = mail("Demande d'admission", "x@ehpad.test", true);
    arrives(&site, EHPAD, &demand).await;
    // What a program sends is never answered (RFC 3834 §2), and an ordinary mail is ordinary.
    let automatic = format!("Auto-Submitted: auto-replied\r\n{demand}");
    arrives(&site, EHPAD, &automatic).await;
    arrives(&site, EHPAD, &mail("Bonjour", "x@ehpad.test", true)).await;
    let texts = site.drafts.texts().await;
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with("DEMANDE D'ADMISSION - REÇUE - n° 2026-11-19-0001"));
    let mails = site.feed.incoming(10).await.unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].state, Handling::Open);
    assert_eq!(site.count("message").await, 1, "the ward is told");
    site.later(4 * 3600).await;
    assert_eq!(site.count("message").await, 2, "and reminded");
    assert!(
        site.feed
            .handled(&mails[0].number, "Mme Essai")
            .await
            .unwrap()
    );
    assert!(
        !site
            .feed
            .handled(&mails[0].number, "Mme Essai")
            .await
            .unwrap()
    );
    site.later(48 * 3600).await;
    assert_eq!(site.count("message").await, 2);
}

fn written(kind: &str, fields: &[(&str, &str)]) -> Written {
    Written {
        name: kind.parse().unwrap(),
        id: "m1".to_owned(),
        fields: fields
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<BTreeMap<_, _>>(),
        only: Vec::new(),
        urgent: false,
        at: Moment {
            at: datetime!(2026-11-19 15:00),
            has_time: true,
        },
    }
}

fn stay() -> EpisodeKey {
    EpisodeKey {
        facility: "CH-TEST".to_owned(),
        visit: "26004711-1".to_owned(),
    }
}

#[tokio::test]
async fn a_message_goes_once_to_the_roles_of_its_kind_and_says_what_is_wrong_with_it() {
    let site = Site::new().await;
    let note = written("social_note", &[("note", "Vit seule, GARANCE.")]);
    let no_stay = site.feed.write(stay(), note.clone()).await.unwrap();
    assert_eq!(no_stay, Err(Unsent::NoStay));
    site.push(&entry()).await;
    site.later(180).await;
    for (message, error) in [
        (written("social_note", &[]), "fields.note: it is needed"),
        (
            written("social_note", &[("note", "x"), ("garance", "x")]),
            "fields: social_note has no such field; it has note, besoins, contact",
        ),
        (
            written("social_note", &[("note", "x\u{0}GARANCE")]),
            "fields.note: at most 4000 octets of text",
        ),
        (written("garance", &[]), "kind: there is none of that name"),
    ] {
        let said = site.feed.write(stay(), message).await.unwrap().unwrap_err();
        assert!(said.to_string().starts_with(error), "{said}");
        assert!(!said.to_string().contains("GARANCE"));
    }
    for notices in [1, 0] {
        let taken = site.feed.write(stay(), note.clone()).await.unwrap();
        assert_eq!(taken.unwrap().notices, notices, "once");
    }
    let left = site.left().await;
    assert_eq!(left[2..], ["Note sociale et conditions de vie 0002 IDEL"]);
    let texts = site.drafts.texts().await;
    let text = texts.iter().find(|text| text.contains("GARANCE")).unwrap();
    assert!(text.starts_with("NOTE SOCIALE ET CONDITIONS DE VIE - avis n° 2026-11-19-0002"));
    assert!(!text.contains("PRIS EN CHARGE"), "{text}");
}

/// What `gateway/NOTICES.md` shows.
const TRANSPORT: &str = r#"
[message.transport]
title = "Transport à organiser"
to = { nursing_home = "urgent", home_nurse = "normal" }
fields = ["heure"]
optional = ["remarque"]
asks = "le bon de transport"
answer_hours = 2
confirm = true
"#;

#[tokio::test]
async fn a_site_adds_a_kind_of_its_own_by_its_rules_and_a_template() {
    let manual = include_str!("../../../NOTICES.md");
    assert!(
        manual.contains(TRANSPORT),
        "the manual shows what is tested"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = || -> RulesFile { liaison_base::config::parse(TRANSPORT).unwrap() };
    let rules = |folder: &Path| Rules::new(hospital(), file(), Some(folder));
    let missing = rules(folder.path()).unwrap_err().to_string();
    assert!(missing.contains("messages/transport.txt"), "{missing}");
    std::fs::create_dir(folder.path().join("messages")).unwrap();
    let path = folder.path().join("messages/transport.txt");
    std::fs::write(&path, "{{ fields.heur }}").unwrap();
    let wrong = rules(folder.path()).unwrap_err().to_string();
    assert!(
        wrong.starts_with("template messages/transport.txt, line 1"),
        "{wrong}"
    );
    let template = "{% include \"notices/_head.txt\" %}\nTransport à {{ fields.heure }}{% if fields.remarque %} ({{ fields.remarque }}){% endif %}{% include \"notices/_from.txt\" %}\nÀ FAIRE : {% include \"notices/_reply.txt\" %}\n";
    assert!(manual.contains(template), "the manual shows what is tested");
    std::fs::write(&path, template).unwrap();

    let site = Site::with(rules(folder.path()).unwrap()).await;
    site.push(&entry()).await;
    site.later(180).await;
    let message = written("transport", &[("heure", "10 h 30")]);
    let taken = site.feed.write(stay(), message).await.unwrap().unwrap();
    assert_eq!(taken.notices, 1);
    let left = site.left().await;
    assert_eq!(
        left[2..],
        [
            "Transport à organiser 0002 EHPAD",
            "Transport à organiser 0002 IDEL"
        ]
    );
    let texts = site.drafts.texts().await;
    let text = texts.iter().find(|text| text.contains("10 h 30")).unwrap();
    assert!(
        text.starts_with("TRANSPORT À ORGANISER - URGENT - avis n° 2026-11-19-0002 (1re version)")
            && text.contains("en joignant le bon de transport"),
        "{text}"
    );
    // Its answer is counted, and missed, as any other.
    let id = resolve(&site, "IDEL", "idel@cabinet.test").await;
    arrives(
        &site,
        "idel@cabinet.test",
        &mail("Re: Transport", &id, true),
    )
    .await;
    site.later(2 * 3600).await;
    let asked = site.feed.requests(2).await.unwrap();
    let states: Vec<_> = asked
        .iter()
        .map(|one| (one.title.as_str(), one.state))
        .collect();
    assert_eq!(
        states,
        [
            ("Transport à organiser", Asked::Missing),
            ("Transport à organiser", Asked::Answered)
        ]
    );
}

#[tokio::test]
async fn the_ward_is_told_of_a_discharge_letter_that_does_not_come() {
    let site = Site::new().await;
    site.push(&entry()).await;
    site.push(&exit()).await;
    site.later(60).await;
    let before = site.count("message").await;
    site.later(4 * 3600).await;
    assert_eq!(site.count("message").await, before + 1);
    let letter = |site: &Site| {
        let feed = site.feed.clone();
        async move {
            let asked = feed.requests(10).await.unwrap();
            let own = asked
                .into_iter()
                .find(|one| one.wanted == "lettre de liaison");
            own.unwrap().state
        }
    };
    assert_eq!(letter(&site).await, Asked::Missing);
    site.later(48 * 3600).await;
    assert_eq!(site.count("message").await, before + 1, "once");

    // One that comes in time is not missed; nor one of an exit that was cancelled.
    let site = Site::new().await;
    site.push(&entry()).await;
    site.push(&exit()).await;
    site.later(60).await;
    let cancel = adt("A13", ("M4", "CANCEL", "A03"), "20261119150000", ("", ""));
    site.push(&cancel).await;
    site.later(48 * 3600).await;
    assert_eq!(letter(&site).await, Asked::Closed);
}
