use super::*;
use crate::keys::{self, SiteKey};
use liaison_base::clock::ManualClock;
use liaison_store::body::INLINE;
use liaison_store::testing::{database, everything_in};
use std::collections::BTreeSet;
use std::path::Path;
use time::macros::datetime;

const TEXT: &[u8] = b"Subject: x\r\n\r\ncontent\r\n";

fn address() -> Address {
    Address::parse("ide@ehpad.test").unwrap()
}

async fn opened(folder: &Path) -> Mailboxes {
    let key = folder.join("site.key");
    let site = SiteKey::load(&key)
        .or_else(|_| SiteKey::create(&key))
        .unwrap();
    let store = Store::open(database(folder.join("gateway.db")), &[keys::SCHEMA, SCHEMA])
        .await
        .unwrap();
    let bodies = Bodies::open("gateway", folder.join("bodies")).unwrap();
    let vault = Vault::new(site, store.clone());
    let clock = Arc::new(ManualClock::at(datetime!(2026-11-22 12:00 UTC)));
    Mailboxes::open(store, bodies, vault, clock).await.unwrap()
}

async fn provided(folder: &Path) -> (Mailboxes, Mailbox, u32) {
    let all = opened(folder).await;
    let mailbox = all.provide(&address()).await.unwrap();
    let inbox = mailbox.folder("inbox").await.unwrap().validity;
    (all, mailbox, inbox)
}

fn filing(dedupe: &str, message: &'static [u8]) -> Filing<'static> {
    Filing {
        mailbox: address(),
        folder: SpecialUse::Inbox,
        message,
        dedupe: dedupe.to_owned(),
        tracked: None,
        seen: false,
    }
}

#[tokio::test]
async fn a_message_is_filed_once_and_reads_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mailbox, inbox) = provided(folder.path()).await;
    let mut wakes = mailbox.wakes();
    let first = all.file(filing("a", TEXT)).await.unwrap();
    assert!(wakes.has_changed().unwrap());
    wakes.mark_unchanged();
    let second = all.file(filing("a", TEXT)).await.unwrap();
    assert!(first.new && !second.new);
    assert_eq!((first.folder, first.uid), (second.folder, second.uid));
    mailbox
        .expunge(inbox, vec![first.uid], false)
        .await
        .unwrap();
    assert!(!all.file(filing("a", TEXT)).await.unwrap().new);
    let third = all.file(filing("b", TEXT)).await.unwrap();
    assert_eq!(third.uid, first.uid + 1, "uids never come back");

    let again = opened(folder.path()).await;
    assert!(again.serves(&address()));
    let mailbox = again.mailbox(&address()).unwrap();
    let content = mailbox.content(inbox, third.uid).await.unwrap().unwrap();
    assert_eq!(content, TEXT);
    assert_eq!(mailbox.content(inbox, first.uid).await.unwrap(), None);
}

#[tokio::test]
async fn a_filing_that_is_undone_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mailbox, inbox) = provided(folder.path()).await;
    let prepared = all.prepare(filing("a", TEXT)).await.unwrap();
    let undone: Result<(), MailboxError> = all
        .0
        .store
        .write(move |tx| {
            Box::pin(async move {
                prepared.file(tx).await?;
                Err(MailboxError::Unknown)
            })
        })
        .await;
    assert!(undone.is_err());
    assert!(mailbox.entries(inbox).await.unwrap().is_empty());
    assert!(all.file(filing("a", TEXT)).await.unwrap().new);
}

#[tokio::test]
async fn nothing_that_a_user_wrote_is_in_the_files_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mailbox, _) = provided(folder.path()).await;
    let large: &'static [u8] = Box::leak(b"CANARI-LEFEBVRE ".repeat(INLINE / 8).into_boxed_slice());
    all.file(filing("CANARI-LEFEBVRE", large)).await.unwrap();
    all.file(filing("small", b"CANARI-LEFEBVRE")).await.unwrap();
    mailbox.create("CANARI-LEFEBVRE").await.unwrap();
    let inbox = mailbox.folder("INBOX").await.unwrap().validity;
    let by = Flags {
        bits: 0,
        keywords: BTreeSet::from(["CANARI-LEFEBVRE".to_owned()]),
    };
    mailbox
        .store_flags(inbox, &[1, 2], (Change::Add, by), "ide")
        .await
        .unwrap();
    let mut searched = 0;
    for part in ["", "bodies"] {
        for file in std::fs::read_dir(folder.path().join(part)).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(15).any(|w| w == b"CANARI-LEFEBVRE");
                assert!(!found, "{}", path.display());
                searched += 1;
            }
        }
    }
    assert!(searched >= 2, "key and body were searched");
    let rows = everything_in(&database(folder.path().join("gateway.db")));
    assert!(!rows.windows(15).any(|w| w == b"CANARI-LEFEBVRE"));
    assert!(
        rows.windows(5).any(|w| w == b"INBOX" || w == b"inbox"),
        "rows were searched"
    );
    assert_eq!(all.body_files().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_first_reading_of_a_tracked_message_is_its_opening() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mailbox, inbox) = provided(folder.path()).await;
    let tracked = Filing {
        tracked: Some("token-1".to_owned()),
        ..filing("a", TEXT)
    };
    let uid = all.file(tracked).await.unwrap().uid;
    let seen = Flags {
        bits: Flags::SEEN,
        ..Flags::default()
    };
    for change in [Change::Add, Change::Remove, Change::Add] {
        mailbox
            .store_flags(inbox, &[uid], (change, seen.clone()), "ide")
            .await
            .unwrap();
    }
    all.openings_waiting().await;
    let openings = all.openings(10).await.unwrap();
    assert_eq!(openings.len(), 1);
    assert_eq!(openings[0].token, "token-1");
    assert_eq!(openings[0].account, "ide");
    let opening = openings[0].clone();
    all.0
        .store
        .write(move |tx| Box::pin(async move { Mailboxes::delete_opening(tx, &opening).await }))
        .await
        .unwrap();
    assert!(all.openings(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_session_learns_only_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mailbox, inbox) = provided(folder.path()).await;
    for dedupe in ["a", "b", "c"] {
        all.file(filing(dedupe, TEXT)).await.unwrap();
    }
    let before = mailbox.changes(inbox, 0).await.unwrap();
    assert_eq!((before.changed.len(), before.count), (3, 3));
    let flagged = Flags {
        bits: Flags::FLAGGED,
        ..Flags::default()
    };
    mailbox
        .store_flags(inbox, &[2], (Change::Replace, flagged), "ide")
        .await
        .unwrap();
    let removed = mailbox.expunge(inbox, vec![1, 2, 3], true).await.unwrap();
    assert!(removed.is_empty(), "none is marked");
    mailbox.expunge(inbox, vec![1], false).await.unwrap();
    let after = mailbox.changes(inbox, before.modseq).await.unwrap();
    assert_eq!(after.changed.len(), 1);
    assert_eq!(after.changed[0].uid, 2);
    assert_eq!(after.count, 2);
    assert_eq!(mailbox.uids(inbox).await.unwrap(), [2, 3]);
}

#[tokio::test]
async fn a_copy_shares_its_content_until_the_last_one_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mailbox, inbox) = provided(folder.path()).await;
    let large: &'static [u8] = Box::leak(vec![b'x'; INLINE + 1].into_boxed_slice());
    let uid = all.file(filing("a", large)).await.unwrap().uid;
    let trash = mailbox.folder("Corbeille").await.unwrap().validity;
    let copied = mailbox
        .copy(inbox, vec![uid, 99], trash, false)
        .await
        .unwrap();
    assert_eq!(copied, [(uid, 1)]);
    mailbox.expunge(inbox, vec![uid], false).await.unwrap();
    assert_eq!(mailbox.content(trash, 1).await.unwrap().unwrap(), large);
    let moved = mailbox.copy(trash, vec![1], inbox, true).await.unwrap();
    assert_eq!(moved, [(1, 2)]);
    assert!(mailbox.entries(trash).await.unwrap().is_empty());
    mailbox.expunge(inbox, vec![2], false).await.unwrap();
    assert!(all.body_files().await.unwrap().is_empty());
    let left = std::fs::read_dir(folder.path().join("bodies")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn folders_are_made_renamed_and_deleted_but_never_those_of_special_use() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mailbox, _) = provided(folder.path()).await;
    mailbox.create("Patients/Été").await.unwrap();
    let first = mailbox.folder("Patients/Été").await.unwrap().validity;
    mailbox.rename("Patients", "Résidents").await.unwrap();
    assert_eq!(
        mailbox.folder("Résidents/Été").await.unwrap().validity,
        first
    );
    mailbox.delete("Résidents/Été").await.unwrap();
    mailbox.create("Résidents/Été").await.unwrap();
    assert!(mailbox.folder("Résidents/Été").await.unwrap().validity > first);
    for special in SpecialUse::ALL {
        assert!(matches!(
            mailbox.delete(special.first_name()).await,
            Err(MailboxError::Protected)
        ));
    }
    assert!(mailbox.create("inbox").await.is_err());
    for name in [
        "",
        "/",
        "a//b",
        "a\r\nb",
        "a*",
        &"a/".repeat(11),
        &"a".repeat(201),
    ] {
        assert!(
            matches!(mailbox.create(name).await, Err(MailboxError::FolderName)),
            "{name:?} was accepted"
        );
    }
}

#[tokio::test]
async fn an_erased_mailbox_is_gone_and_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (all, _, _) = provided(folder.path()).await;
    all.file(filing("a", TEXT)).await.unwrap();
    all.erase(&address()).await.unwrap();
    assert!(!all.serves(&address()));
    assert!(matches!(
        all.file(filing("a", TEXT)).await,
        Err(MailboxError::Unknown)
    ));
    all.provide(&address()).await.unwrap();
    assert!(all.file(filing("a", TEXT)).await.unwrap().new);
}
