use std::path::Path;

use liaison_base::clock::millis;
use liaison_mail::{Address, EnvelopeId, MessageId};
use liaison_store::Store;
use liaison_store::testing::{database, everything_in};
use sqlx::Row as _;
use time::OffsetDateTime;
use time::macros::datetime;

use super::entry::{Number, Series, commitment};
use super::{Register, verify_receipt};
use crate::keys::{SiteKey, Vault};
use crate::outbound::{Content, Draft, Drafts};
use crate::settings::ReportsSettings;
use crate::{GatewayError, keys, outbound};
use liaison_base::tlog::merkle;
use liaison_base::tlog::note::Checkpoint;

const NOW: OffsetDateTime = datetime!(2026-11-22 15:24 UTC);
const MAIL: &[u8] = b"From: ide@ehpad.test\r\nMessage-ID: <m1@ehpad.test>\r\nSubject: s\r\n\r\nUne dose de trop, sans effet.\r\n";

struct Site {
    register: Register,
    store: Store,
    vault: Vault,
}

impl Site {
    async fn new(folder: &Path) -> Self {
        SiteKey::create(&folder.join("site.key")).unwrap();
        Self::start(folder).await
    }

    async fn start(folder: &Path) -> Self {
        let site = SiteKey::load(&folder.join("site.key")).unwrap();
        Self::with(folder, site).await.unwrap()
    }

    async fn with(folder: &Path, site: SiteKey) -> Result<Self, GatewayError> {
        let schemas = [keys::SCHEMA, outbound::draft::SCHEMA, super::SCHEMA];
        let store = Store::open(database(folder.join("gateway.db")), &schemas).await?;
        let vault = Vault::new(site, store.clone());
        let settings = ReportsSettings {
            address: Address::parse("signalements@ch.test").unwrap(),
        };
        let drafts = Drafts::new(store.clone(), &vault);
        let register = Register::open(&settings, store.clone(), &vault, drafts).await?;
        Ok(Self {
            register,
            store,
            vault,
        })
    }

    async fn report(&self, envelope: &str, mail: &[u8]) {
        let envelope = EnvelopeId::parse(envelope).unwrap();
        self.register
            .take_in(&envelope, Some(author()), mail.to_vec(), NOW)
            .await
            .unwrap();
    }

    async fn drafts(&self) -> Vec<Draft> {
        let key = self.vault.purpose("drafts");
        sqlx::query("SELECT envelope, content FROM draft ORDER BY created_at, envelope")
            .fetch_all(self.store.read())
            .await
            .unwrap()
            .iter()
            .map(|row| {
                let sealed: Vec<u8> = row.get(1);
                let plain = key.open(row.get(0), &sealed).unwrap();
                serde_json::from_slice(&plain).unwrap()
            })
            .collect()
    }

    async fn receipts(&self) -> Vec<String> {
        let text = |draft: Draft| match draft.content {
            Content::Text { text, .. } => text,
            _ => panic!("a receipt is a text"),
        };
        self.drafts().await.into_iter().map(text).collect()
    }

    async fn execute(&self, sql: &'static str) {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::raw_sql(sql).execute(tx).await?;
                    Ok::<_, GatewayError>(())
                })
            })
            .await
            .unwrap();
    }
}

fn author() -> Address {
    Address::parse("ide@ehpad.test").unwrap()
}

fn number(serial: u32) -> Number {
    Number {
        series: Series::Report,
        year: 2026,
        serial,
    }
}

#[tokio::test]
async fn a_report_becomes_an_entry_and_a_receipt_that_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    site.report("e0", MAIL).await;
    site.report("e1", MAIL).await;

    let entries = site.register.entries(10).await.unwrap();
    let numbers: Vec<_> = entries.iter().map(|e| e.entry.number()).collect();
    assert_eq!(numbers, [number(2), number(1)]);
    assert!(entries.iter().all(|e| e.verified && !e.erased));

    let drafts = site.drafts().await;
    assert_eq!(drafts.len(), 2);
    assert_eq!(drafts[0].wanted[0].label, "ide@ehpad.test");
    let Content::Text {
        in_reply_to,
        text,
        subject,
        ..
    } = &drafts[1].content
    else {
        panic!("a receipt is a text");
    };
    assert_eq!(
        *in_reply_to,
        Some(MessageId::parse("m1@ehpad.test").unwrap())
    );
    assert!(!text.contains("Une dose") && !text.contains("ide@"));
    assert!(subject.contains("EM-2026-00000"));
    for text in site.receipts().await {
        let verified = verify_receipt(&text, site.register.verifier()).unwrap();
        assert!(subjects_agree(&drafts, verified.number));
        assert_eq!(millis(verified.received_at), millis(NOW));
    }
}

fn subjects_agree(drafts: &[Draft], number: Number) -> bool {
    drafts.iter().any(|draft| match &draft.content {
        Content::Text { subject, .. } => subject.ends_with(&number.to_string()),
        _ => false,
    })
}

#[tokio::test]
async fn a_receipt_verifies_as_its_reader_copies_it_out_of_the_mail() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    for envelope in ["e1", "e2", "e3", "e4", "e5"] {
        site.report(envelope, MAIL).await;
    }
    for draft in site.drafts().await {
        let mail = outbound::compose::compose(&draft, "CH de Test", &[author()], NOW).unwrap();
        assert!(mail.iter().all(u8::is_ascii));
        let parsed = mail_parser::MessageParser::default().parse(&mail).unwrap();
        let text = parsed.body_text(0).unwrap();
        assert!(text.contains("jamais à désigner un responsable"));
        verify_receipt(&text, site.register.verifier()).unwrap();
    }
}

#[tokio::test]
async fn an_envelope_delivered_twice_is_one_entry_and_one_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    site.report("e1", MAIL).await;
    site.report("e1", MAIL).await;
    assert_eq!(site.register.entries(10).await.unwrap().len(), 1);
    assert_eq!(site.drafts().await.len(), 1);

    site.register
        .erase(number(1), "demande", NOW)
        .await
        .unwrap();
    site.report("e1", MAIL).await;
    let restarted = Site::start(folder.path()).await;
    restarted.report("e1", MAIL).await;
    assert_eq!(restarted.register.entries(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_report_without_a_proven_author_is_kept_and_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    let envelope = EnvelopeId::parse("e1").unwrap();
    site.register
        .take_in(&envelope, None, MAIL.to_vec(), NOW)
        .await
        .unwrap();
    let entries = site.register.entries(10).await.unwrap();
    assert!(!entries[0].verified);
    let record = site.register.read(number(1)).await.unwrap().unwrap();
    assert_eq!((record.author, record.content.as_slice()), (None, MAIL));
    assert!(site.drafts().await.is_empty());
}

#[tokio::test]
async fn programs_are_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    site.report("e1", b"Auto-Submitted: auto-replied\r\n\r\nabsent")
        .await;
    site.report("e2", b"auto-submitted: No; x=y\r\n\r\nby hand")
        .await;
    let ourselves = site.register.address().clone();
    site.register
        .take_in(
            &EnvelopeId::parse("e3").unwrap(),
            Some(ourselves),
            MAIL.to_vec(),
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(site.register.entries(10).await.unwrap().len(), 3);
    assert_eq!(site.drafts().await.len(), 1);
}

#[tokio::test]
async fn the_whole_mail_is_kept_and_can_be_checked_against_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    let mut mail = MAIL.to_vec();
    mail.extend((0..1_000_000_u32).map(|at| at.to_le_bytes()[0]));
    site.report("e1", &mail).await;
    let record = site.register.read(number(1)).await.unwrap().unwrap();
    assert_eq!(record.author, Some(author()));
    assert!(record.content == mail);
    let entry = site.register.entries(1).await.unwrap().remove(0).entry;
    assert_eq!(commitment(&record.committed), entry.commitment());
    assert_eq!(format!("{record:?}"), "Record { .. }");
}

#[tokio::test]
async fn an_erased_report_cannot_be_read_and_every_proof_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    for envelope in ["e1", "e2", "e3"] {
        site.report(envelope, MAIL).await;
    }
    let before = site.register.checkpoint().await.unwrap();
    let before = Checkpoint::open(&before, site.register.verifier()).unwrap();
    let wrapped: Vec<u8> = sqlx::query("SELECT wrapped_key FROM report_record WHERE position = 1")
        .fetch_one(site.store.read())
        .await
        .unwrap()
        .get(0);

    let erasure = site
        .register
        .erase(number(2), "à la demande", NOW)
        .await
        .unwrap();
    assert_eq!(erasure.unwrap().to_string(), "EF-2026-000001");
    assert!(site.register.read(number(2)).await.unwrap().is_none());
    assert!(site.register.read(number(3)).await.unwrap().is_some());
    let entries = site.register.entries(10).await.unwrap();
    assert_eq!(entries[0].entry.erases(), Some(number(2)));
    let erased: Vec<_> = entries.iter().map(|e| e.erased).collect();
    assert_eq!(erased, [false, false, true, false]);
    let reason = site.register.read(erasure.unwrap()).await.unwrap().unwrap();
    assert_eq!(reason.content, "à la demande".as_bytes());

    for text in site.receipts().await {
        verify_receipt(&text, site.register.verifier()).unwrap();
    }
    for index in 0..4 {
        let proof = site.register.prove(index).await.unwrap().unwrap();
        verify_receipt(&proof.to_string(), site.register.verifier()).unwrap();
    }
    let (path, after) = site.register.prove_growth(3).await.unwrap().unwrap();
    let after = Checkpoint::open(&after, site.register.verifier()).unwrap();
    merkle::verify_consistency((before.size, before.root), (after.size, after.root), &path)
        .unwrap();
    assert_eq!(site.register.audit().await.unwrap(), after);

    let again = site.register.erase(number(2), "encore", NOW).await.unwrap();
    let unknown = site
        .register
        .erase(number(9), "inconnu", NOW)
        .await
        .unwrap();
    let itself = site
        .register
        .erase(erasure.unwrap(), "non", NOW)
        .await
        .unwrap();
    assert_eq!((again, unknown, itself), (None, None, None));
    assert!(site.register.prove(4).await.unwrap().is_none());
    assert!(site.register.prove_growth(5).await.unwrap().is_none());

    drop(site.register);
    let database = site.store.location().clone();
    site.store.close().await;
    let file = everything_in(&database);
    assert!(
        !contains(&file, &wrapped),
        "the erased key is still on the disk"
    );
    assert!(!contains(&file, b"Une dose de trop"));
    assert!(!contains(&file, b"ide@ehpad.test"));
}

fn contains(file: &[u8], sought: &[u8]) -> bool {
    file.windows(sought.len()).any(|window| window == sought)
}

#[tokio::test]
async fn a_report_that_cannot_be_answered_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    site.report("e1", MAIL).await;
    site.execute("ALTER TABLE draft RENAME TO away").await;
    let envelope = EnvelopeId::parse("e2").unwrap();
    let failed = site
        .register
        .take_in(&envelope, Some(author()), MAIL.to_vec(), NOW)
        .await;
    assert!(matches!(failed, Err(GatewayError::Store(_))));
    assert_eq!(site.register.entries(10).await.unwrap().len(), 1);
    assert_eq!(site.register.audit().await.unwrap().size, 1);

    site.execute("ALTER TABLE away RENAME TO draft").await;
    site.report("e2", MAIL).await;
    assert_eq!(
        site.register.entries(1).await.unwrap()[0].entry.number(),
        number(2)
    );
    assert_eq!(site.register.audit().await.unwrap().size, 2);
}

#[tokio::test]
async fn the_log_goes_on_after_a_restart_under_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let first = Site::new(folder.path()).await;
    first.report("e1", MAIL).await;
    let receipt = first.receipts().await.remove(0);
    let key = first.register.verifier().to_string();
    assert!(key.starts_with("ch.test/signalements+"));
    drop(first.register);
    first.store.close().await;

    let second = Site::start(folder.path()).await;
    assert_eq!(second.register.verifier().to_string(), key);
    second.report("e2", MAIL).await;
    assert_eq!(
        second.register.entries(1).await.unwrap()[0].entry.number(),
        number(2)
    );
    verify_receipt(&receipt, &key.parse().unwrap()).unwrap();
    let other = SiteKey::create(&folder.path().join("other.key")).unwrap();
    let refused = Site::with(folder.path(), other).await;
    assert!(matches!(refused, Err(GatewayError::Key(_))));
}

#[tokio::test]
async fn reports_that_arrive_together_are_numbered_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    let arrivals = (0..40).map(|at| {
        let register = site.register.clone();
        let envelope = EnvelopeId::parse(&format!("e{at}")).unwrap();
        async move {
            register
                .take_in(&envelope, Some(author()), MAIL.to_vec(), NOW)
                .await
        }
    });
    for taken in futures::future::join_all(arrivals).await {
        taken.unwrap();
    }
    let mut serials = Vec::new();
    for text in site.receipts().await {
        let verified = verify_receipt(&text, site.register.verifier()).unwrap();
        assert_eq!(verified.index + 1, u64::from(verified.number.serial));
        serials.push(verified.number.serial);
    }
    serials.sort_unstable();
    assert!(serials.into_iter().eq(1..=40));
    assert_eq!(site.register.audit().await.unwrap().size, 40);
}

#[tokio::test]
async fn numbers_begin_again_each_year() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    site.report("e1", MAIL).await;
    let later = datetime!(2027-01-01 00:30 +1);
    let new_year = datetime!(2027-01-01 00:00 UTC);
    for (envelope, at) in [("e2", later), ("e3", new_year)] {
        let envelope = EnvelopeId::parse(envelope).unwrap();
        site.register
            .take_in(&envelope, Some(author()), MAIL.to_vec(), at)
            .await
            .unwrap();
    }
    let numbers: Vec<_> = site
        .register
        .entries(10)
        .await
        .unwrap()
        .iter()
        .map(|listed| listed.entry.number().to_string())
        .collect();
    assert_eq!(
        numbers,
        ["EM-2027-000001", "EM-2026-000002", "EM-2026-000001"]
    );
}

#[tokio::test]
async fn a_log_that_was_touched_does_not_pass_its_audit() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    for envelope in ["e1", "e2", "e3"] {
        site.report(envelope, MAIL).await;
    }
    assert_eq!(site.register.audit().await.unwrap().size, 3);
    site.execute("UPDATE report_entry SET received_at = received_at + 1 WHERE position = 1")
        .await;
    assert!(site.register.audit().await.is_err());
    site.execute("UPDATE report_entry SET received_at = received_at - 1 WHERE position = 1")
        .await;
    assert_eq!(site.register.audit().await.unwrap().size, 3);

    site.execute("UPDATE report_record SET content = wrapped_key WHERE position = 1")
        .await;
    assert!(site.register.read(number(2)).await.is_err());
    site.execute("DELETE FROM report_entry WHERE position = 2")
        .await;
    assert!(site.register.audit().await.is_err());
    let site_key = SiteKey::load(&folder.path().join("site.key")).unwrap();
    let refused = Site::with(folder.path(), site_key).await;
    assert!(matches!(refused, Err(GatewayError::Stored(_))));
}

#[tokio::test]
async fn an_empty_log_has_a_checkpoint_too() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path()).await;
    let note = site.register.checkpoint().await.unwrap();
    let checkpoint = Checkpoint::open(&note, site.register.verifier()).unwrap();
    assert_eq!(
        (checkpoint.size, checkpoint.root),
        (0, merkle::Hash::empty_root())
    );
    assert_eq!(site.register.audit().await.unwrap(), checkpoint);
    assert!(site.register.prove(0).await.unwrap().is_none());
    assert!(site.register.prove_growth(0).await.unwrap().is_none());
}
