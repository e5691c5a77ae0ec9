//! The feed with its database and a made-up clock: what waits, what leaves, in which order, and
//! what a crash or a fault leaves behind.

mod answers;
mod circles;
mod documents;
mod faults;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::ManualClock;
use liaison_directory_client::Finess;
use liaison_hl7::adt::AdtEvent;
use liaison_hl7::er7::Message;
use liaison_mail::Address;
use liaison_store::Store;
use liaison_store::body::Bodies;
use sqlx::Row as _;
use time::OffsetDateTime;
use time::macros::datetime;

use super::feed::{Feed, Taken};
use super::held::Released;
use crate::SCHEMAS;
use crate::keys::{SiteKey, Vault};
use crate::mailbox::Mailboxes;
use crate::notices::{CareCircle, CareMember, Hospital, PatientKey, Role, Rules, Target};
use crate::notifications::Notifications;
use crate::outbound::Drafts;

/// Thursday 19 November 2026, 14:05 in France.
const THURSDAY: OffsetDateTime = datetime!(2026-11-19 13:05 UTC);

struct Site {
    folder: tempfile::TempDir,
    clock: ManualClock,
    store: Store,
    drafts: Drafts,
    feed: Feed,
    rules: Rules,
}

impl Site {
    async fn new() -> Site {
        Site::with(Rules::of(hospital())).await
    }

    async fn with(rules: Rules) -> Site {
        let folder = tempfile::tempdir().unwrap();
        SiteKey::create(&folder.path().join("site.key")).unwrap();
        let clock = ManualClock::at(THURSDAY);
        let (store, drafts, feed) = open(folder.path(), &clock, &rules).await;
        Site {
            folder,
            clock,
            store,
            drafts,
            feed,
            rules,
        }
    }

    /// As after `kill -9`: everything in memory is gone.
    async fn again(self) -> Site {
        let (store, drafts, feed) = open(self.folder.path(), &self.clock, &self.rules).await;
        Site {
            store,
            drafts,
            feed,
            ..self
        }
    }

    async fn push(&self, text: &str) -> Taken {
        let wire = text.replace('\n', "\r");
        let event = AdtEvent::parse(&Message::parse(wire.as_bytes()).unwrap()).unwrap();
        self.feed.take(event, wire.into_bytes()).await.unwrap()
    }

    async fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.feed.depart_due().await.unwrap();
    }

    /// What has become a draft, in order: kind, number, for whom.
    async fn left(&self) -> Vec<String> {
        sqlx::query(
            "SELECT t.title, t.number, r.wanted FROM tracked t
             JOIN tracked_recipient r ON r.envelope = t.envelope ORDER BY t.rowid",
        )
        .fetch_all(self.store.read())
        .await
        .unwrap()
        .iter()
        .map(|row| {
            let (title, number, wanted): (String, String, String) =
                (row.get(0), row.get(1), row.get(2));
            let role = wanted.split_once(' ').map_or("", |(role, _)| role);
            format!("{title} {} {role}", &number[11..])
        })
        .collect()
    }

    async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(self.store.read())
            .await
            .unwrap()
    }
}

fn hospital() -> Hospital {
    Hospital {
        name: "CH d'Essai".to_owned(),
        phone: Some("01 00 00 00 00".to_owned()),
        ..Hospital::default()
    }
}

async fn open(folder: &Path, clock: &ManualClock, rules: &Rules) -> (Store, Drafts, Feed) {
    let store = Store::open(&folder.join("gateway.db"), SCHEMAS)
        .await
        .unwrap();
    let vault = Vault::new(
        SiteKey::load(&folder.join("site.key")).unwrap(),
        store.clone(),
    );
    let bodies = Bodies::open("gateway", folder.join("bodies")).unwrap();
    let clock: Arc<ManualClock> = Arc::new(clock.clone());
    let mailboxes = Mailboxes::open(store.clone(), bodies, vault.clone(), clock.clone())
        .await
        .unwrap();
    let sender = Address::parse("avis@ch.test").unwrap();
    mailboxes.provide(&sender).await.unwrap();
    let drafts = Drafts::new(store.clone(), &vault);
    let notifications =
        Notifications::new(mailboxes, Address::parse("postmaster@ch.test").unwrap());
    let feed = Feed::new(
        store.clone(),
        &vault,
        (drafts.clone(), notifications),
        (rules.clone(), circle(), sender),
        clock,
    );
    (store, drafts, feed)
}

fn circle() -> CareCircle {
    let mut circle = CareCircle::default();
    let patient = PatientKey::Local {
        facility: "CH-TEST".to_owned(),
        ipp: "900123".to_owned(),
    };
    for (role, target) in [
        (
            Role::NursingHome,
            Target::Finess(Finess::parse("009400777").unwrap()),
        ),
        (
            Role::HomeNurse,
            Target::Address(Address::parse("idel@cabinet.test").unwrap()),
        ),
    ] {
        circle.insert(
            patient.clone(),
            CareMember {
                role,
                target,
                name: None,
                care_prescribed: false,
                never: false,
            },
        );
    }
    circle
}

/// A message: trigger, movement, what ZBE does and when, PV2-9 or EVN-3, and the way out.
fn adt(trigger: &str, zbe: (&str, &str, &str), recorded: &str, rest: (&str, &str)) -> String {
    let (movement, action, original) = zbe;
    let (planned, modes) = rest;
    let segment = match trigger {
        "A47" => String::new(),
        _ => format!("ZBE|{movement}^CH-TEST|20261119140000||{action}|N|{original}\n"),
    };
    let (ins, status) = match trigger {
        "A47" => ("\"\"", "PROV"),
        _ => ("000000000000191", "VALI"),
    };
    format!(
        "MSH|^~\\&|GAM|CH-TEST|LIAISON|CH-TEST|{recorded}||ADT^{trigger}|c{recorded}|P|2.5^FRA^2.11||||||UNICODE UTF-8\n\
         EVN||{recorded}|{planned}\n\
         PID|1||900123^^^CH-TEST^PI~{ins}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||ESSAI^OCTAVIE^^^Mme^^L||19380512|F||||||||||26004711||||||||||||||{status}\n\
         PV1|1|I|||||||||||||||||26004711-1\n\
         {segment}ZFM|{modes}\n"
    )
}

fn entry() -> String {
    adt(
        "A01",
        ("M1", "INSERT", ""),
        "20261119140500",
        ("", "8||7||"),
    )
}

fn exit() -> String {
    adt("A03", ("M4", "INSERT", ""), "20261119140600", ("", "|8||7"))
}

#[tokio::test]
async fn a_notice_waits_durably_and_leaves_once_after_a_crash() {
    let site = Site::new().await;
    site.push(&entry()).await;
    assert_eq!(site.count("draft").await, 0);
    site.later(100).await;
    let site = site.again().await;
    site.later(79).await;
    assert_eq!(site.count("draft").await, 0);
    site.later(1).await;
    let left = [
        "Entrée à l'hôpital 0001 EHPAD",
        "Entrée à l'hôpital 0001 IDEL",
    ];
    assert_eq!(site.left().await, left);
    let site = site.again().await;
    site.later(600).await;
    site.push(&entry()).await;
    site.later(600).await;
    assert_eq!(site.left().await, left, "once");
}

#[tokio::test]
async fn what_is_cancelled_or_corrected_while_it_waits_is_seen_once_or_never() {
    let site = Site::new().await;
    site.push(&entry()).await;
    let cancel = adt("A11", ("M1", "CANCEL", "A01"), "20261119140530", ("", ""));
    let taken = site.push(&cancel).await;
    assert_eq!(taken.outcome, "withdrawn before it left");
    site.later(1000).await;
    assert!(site.left().await.is_empty() && site.count("waiting_notice").await == 0);

    let site = Site::new().await;
    site.push(&entry()).await;
    site.later(60).await;
    let correction = adt(
        "Z99",
        ("M1", "UPDATE", "A01"),
        "20261119140600",
        ("", "8||7||"),
    )
    .replace("|20261119140000||UPDATE", "|20261119130000||UPDATE");
    site.push(&correction).await;
    // It leaves when the first was to leave: corrections delay nothing for ever.
    site.later(120).await;
    let left = site.left().await;
    assert_eq!(
        left,
        [
            "Entrée à l'hôpital 0001 EHPAD",
            "Entrée à l'hôpital 0001 IDEL"
        ]
    );
    let texts = site.drafts.texts().await;
    assert!(texts.iter().all(|text| text.contains("13 h")), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains("RECTIFIE")));
}

#[tokio::test]
async fn notices_of_a_stay_leave_in_their_order_and_an_urgent_one_takes_the_others_along() {
    let site = Site::new().await;
    site.push(&entry()).await;
    site.push(&exit()).await;
    site.later(60).await;
    let left = site.left().await;
    assert_eq!(
        left,
        [
            "Entrée à l'hôpital 0001 EHPAD",
            "Entrée à l'hôpital 0001 IDEL",
            "Retour à l'EHPAD 0002 EHPAD",
            "Retour à l'EHPAD 0002 IDEL",
        ]
    );
    // The worker gets the second notice for somebody only when the first is handed over.
    let due = site.drafts.due_titles(site.clock_now()).await;
    assert_eq!(due, ["Entrée à l'hôpital", "Entrée à l'hôpital"]);
    site.drafts.forget_first().await;
    let due = site.drafts.due_titles(site.clock_now()).await;
    assert_eq!(due.len(), 2, "{due:?}");
    assert!(due.contains(&"Retour à l'EHPAD".to_owned()));
}

#[tokio::test]
async fn a_planned_discharge_is_said_again_two_days_and_one_day_before_to_who_has_not_confirmed() {
    let site = Site::new().await;
    site.push(&entry()).await;
    // Tuesday 24 November, 11:00.
    let plan = adt(
        "A16",
        ("M3", "INSERT", ""),
        "20261119140600",
        ("20261124110000", ""),
    );
    site.push(&plan).await;
    site.later(180).await;
    assert_eq!(site.left().await.len(), 4);
    // The IDEL takes charge; the EHPAD is silent.
    sqlx::query("UPDATE tracked_recipient SET state = 6 WHERE wanted LIKE 'IDEL%'")
        .execute(&mut writer(&site).await)
        .await
        .unwrap();
    // Sunday 22, 08:59 and 09:00 in France.
    site.later(seconds_until(&site, datetime!(2026-11-22 07:59:59 UTC)))
        .await;
    assert_eq!(site.left().await.len(), 4);
    site.later(1).await;
    let left = site.left().await;
    assert_eq!(left[4..], ["Sortie prévue 0002 EHPAD"]);
    assert_eq!(
        site.count("message").await,
        1,
        "that the nursing home has sent no document, and nothing else for the ward yet"
    );
    let site = site.again().await;
    site.later(seconds_until(&site, datetime!(2026-11-23 08:00:00 UTC)))
        .await;
    assert_eq!(site.left().await.len(), 6, "and again the day before");
    assert_eq!(
        site.count("message").await,
        2,
        "and the ward is told who has not confirmed"
    );
    let texts = site.drafts.texts().await;
    assert!(
        texts
            .last()
            .unwrap()
            .starts_with("RAPPEL - SORTIE PRÉVUE LE MARDI 24/11/2026")
    );
    site.later(7 * 24 * 3600).await;
    assert_eq!(site.left().await.len(), 6);
}

#[tokio::test]
async fn a_plan_for_the_weekend_asks_the_ward_to_move_the_discharge() {
    let site = Site::new().await;
    let plan = adt(
        "A16",
        ("M3", "INSERT", ""),
        "20261119140600",
        ("20261121110000", ""),
    );
    site.push(&plan).await;
    site.later(180).await;
    assert_eq!(site.count("message").await, 1);
    // The person leaves before: no reminder of what is past.
    site.push(&exit()).await;
    site.later(3 * 24 * 3600).await;
    let left = site.left().await;
    assert_eq!(
        left.iter()
            .filter(|line| line.starts_with("Sortie prévue"))
            .count(),
        2,
        "{left:?}"
    );
}

#[tokio::test]
async fn an_ins_withdrawn_is_in_no_text_that_has_not_left() {
    let site = Site::new().await;
    site.push(&entry()).await;
    site.later(180).await;
    assert!(site.drafts.texts().await[0].contains("INS : 000000000000191"));
    site.push(&adt("A47", ("", "", ""), "20261119141000", ("", "")))
        .await;
    site.push(&exit().replace("VALI", "PROV")).await;
    site.later(180).await;
    for text in site.drafts.texts().await {
        assert!(!text.contains("000000000000191"), "{text}");
        assert!(text.contains("identité sans INS qualifiée"), "{text}");
    }
}

#[tokio::test]
async fn what_is_held_is_listed_released_once_or_dropped() {
    let site = Site::new().await;
    let protected = entry().replace("|VALI", "|VALI~CACH");
    let taken = site.push(&protected).await;
    assert!(
        taken.outcome.starts_with("held: protected"),
        "{}",
        taken.outcome
    );
    let held = site.feed.held().await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].visit, "26004711-1");
    assert_eq!(held[0].kinds, ["Entrée à l'hôpital"]);
    assert_eq!(held[0].recipients.len(), 2);
    let site = site.again().await;
    let released = site.feed.release_held(&held[0].id).await.unwrap();
    assert_eq!(released, Released::Leaving(1));
    site.later(0).await;
    assert_eq!(site.left().await.len(), 2);
    let again = site.feed.release_held(&held[0].id).await.unwrap();
    assert_eq!(again, Released::Unknown);

    site.push(&exit()).await;
    let held = site.feed.held().await.unwrap();
    assert!(site.feed.drop_held(&held[0].id).await.unwrap());
    assert!(site.feed.held().await.unwrap().is_empty());
    assert_eq!(site.left().await.len(), 2);
}

#[tokio::test]
async fn what_no_longer_holds_is_not_released() {
    let site = Site::new().await;
    site.push(&entry().replace("|VALI", "|VALI~CACH")).await;
    site.push(&adt(
        "A11",
        ("M1", "CANCEL", "A01"),
        "20261119141000",
        ("", ""),
    ))
    .await;
    let held = site.feed.held().await.unwrap();
    let released = site.feed.release_held(&held[0].id).await.unwrap();
    assert_eq!(released, Released::NoLongerHolds);
    assert!(site.left().await.is_empty());
}

#[tokio::test]
async fn a_storm_waits_for_a_person_who_is_told_once() {
    let mut rules = Rules::of(hospital());
    rules.storm = Some(3);
    let site = Site::with(rules).await;
    for visit in 0..12 {
        let one = entry().replace("26004711", &format!("3600{visit:04}"));
        site.push(&one).await;
    }
    assert_eq!(
        site.feed.held().await.unwrap().len(),
        6,
        "urgent ones have twice the room"
    );
    assert_eq!(site.count("message").await, 1);
    site.clock.advance(Duration::from_secs(301));
    site.push(&entry().replace("26004711", "37000000")).await;
    assert_eq!(
        site.feed.held().await.unwrap().len(),
        6,
        "the storm is over"
    );
}

#[tokio::test]
async fn a_closed_database_keeps_nothing_and_says_so() {
    let site = Site::new().await;
    site.store.clone().close().await;
    let wire = entry().replace('\n', "\r");
    let event = AdtEvent::parse(&Message::parse(wire.as_bytes()).unwrap()).unwrap();
    assert!(site.feed.take(event, wire.into_bytes()).await.is_err());
    let site = site.again().await;
    assert_eq!(site.count("feed_message").await, 0);
}

#[tokio::test]
async fn nothing_at_rest_shows_a_patient() {
    let site = Site::new().await;
    site.push(&entry()).await;
    site.push(
        &entry()
            .replace("26004711", "26009999")
            .replace("|VALI", "|CACH"),
    )
    .await;
    site.later(600).await;
    site.store.clone().close().await;
    for file in std::fs::read_dir(site.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in ["OCTAVIE", "900123", "000000000000191", "26004711-1"] {
                let shown = bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes());
                assert!(!shown, "{secret} in {}", path.display());
            }
        }
    }
}

impl Site {
    fn clock_now(&self) -> OffsetDateTime {
        use liaison_base::clock::Clock as _;
        self.clock.now()
    }
}

fn seconds_until(site: &Site, at: OffsetDateTime) -> u64 {
    u64::try_from((at - site.clock_now()).whole_seconds()).unwrap()
}

async fn writer(site: &Site) -> sqlx::AnyConnection {
    use sqlx::Connection as _;
    let url = format!(
        "sqlite://{}",
        site.folder.path().join("gateway.db").display()
    );
    sqlx::AnyConnection::connect(&url).await.unwrap()
}

mod files {
    use super::*;
    use crate::hospital::DropFolder;
    use crate::settings::DropFolderSettings;
    use liaison_base::shutdown::Shutdown;

    /// Writes a file as another program would, and waits until it is taken.
    async fn drop_file(site: &Site, name: &str, text: &str) -> (String, bool) {
        let path = site.folder.path().join("drop");
        let settings = DropFolderSettings {
            path: path.clone(),
            keep_done: false,
        };
        let folder = DropFolder::open(site.feed.clone(), &settings).unwrap();
        let unfinished = path.join(format!("{name}.part"));
        std::fs::write(&unfinished, text.replace('\n', "\r")).unwrap();
        std::fs::rename(&unfinished, path.join(name)).unwrap();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(folder.run(shutdown.clone()));
        let mut answer = None;
        for _ in 0..1_000 {
            for (part, taken) in [("done", true), ("refused", false)] {
                let ack = path.join(part).join(format!("{name}.ack"));
                if let Ok(text) = std::fs::read_to_string(ack) {
                    answer = Some((text, taken));
                }
            }
            if answer.is_some() && !path.join("taken").join(name).exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(shutdown.finish(Duration::from_secs(10)).await);
        running.await.unwrap();
        answer.unwrap()
    }

    #[tokio::test]
    async fn a_batch_is_acknowledged_message_by_message_and_leaves_nothing_in_clear() {
        let site = Site::new().await;
        let text = format!(
            "FHS|^~\\&|GAM\nBHS|^~\\&|GAM\n{}{}BTS|2\nFTS|1\n",
            entry(),
            exit()
        );
        let (acks, taken) = drop_file(&site, "batch.hl7", &text).await;
        assert!(taken);
        assert_eq!(acks.matches("MSA|AA|").count(), 2, "{acks}");
        assert_eq!(site.count("feed_message").await, 2);
        assert!(!site.folder.path().join("drop/done/batch.hl7").exists());
    }

    #[tokio::test]
    async fn a_batch_whose_count_is_wrong_is_kept_and_nothing_of_it_taken() {
        let site = Site::new().await;
        let text = format!("BHS|^~\\&|GAM\n{}BTS|2\n", entry());
        let (acks, taken) = drop_file(&site, "cut.hl7", &text).await;
        assert!(
            !taken && acks.contains("MSA|AR|") && acks.contains("ERR||BTS^1^1|199"),
            "{acks}"
        );
        assert_eq!(site.count("feed_message").await, 0);
        assert!(site.folder.path().join("drop/refused/cut.hl7").exists());
    }

    #[tokio::test]
    async fn a_message_at_fault_does_not_stop_the_others() {
        let site = Site::new().await;
        let text = format!("{}{}", entry().replace("900123^", "^"), exit());
        let (acks, taken) = drop_file(&site, "two.hl7", &text).await;
        assert!(
            !taken && acks.contains("MSA|AE|") && acks.contains("MSA|AA|"),
            "{acks}"
        );
        assert_eq!(site.count("feed_message").await, 1);
    }
}
