//! The attacks on what organisations publish of themselves, each with its verdict. Whatever is
//! shown, no message is encrypted to a certificate that its owner did not publish.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up must fail"
)]

use std::time::Duration;

use liaison_base::clock::Clock as _;
use liaison_directory::model::{Field, Period, Subject};
use liaison_directory::sharing::{
    Content, Entry, LogVerdict, NotRead, Part, Record, RecordVerdict, Sealed, Statement, cosigner,
    new_key, write_bundle,
};
use liaison_directory_client::{Finess, ReasonCode, Rpps};
use liaison_mail::Address;

use crate::territory::logs::{HOUR, ORIGIN, World};

const FIRST: Part = Part::Records { index: 0 };

#[tokio::test]
async fn what_is_published_is_shown_and_only_what_is_new_is_read() {
    let world = World::new().await;
    assert_eq!(world.poll().await, LogVerdict::Taken);
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
    assert_eq!(world.resolved().await.source, ORIGIN);
    let size = world.size().await;
    assert!(size >= 5, "{size}");
    assert_eq!(world.poll().await, LogVerdict::Current);
    assert_eq!(
        world.says(r#"{ file = "helene.crt" }"#).await,
        0,
        "nothing is said twice"
    );
    assert!(world.alarms().await.is_empty());
    let relay = Subject::organisation_of("siret", "1");
    assert!(
        world
            .replica
            .view()
            .unwrap()
            .record(&relay)
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_swapped_certificate_with_a_valid_chain_is_not_the_logs_word() {
    let mut world = World::new().await;
    world.certificate("swapped");
    world.poll().await;
    world
        .says(r#"{ file = "helene.crt" }, { file = "revoked.crt" }"#)
        .await;
    // The records between are exchanged: they are not those that were committed to.
    let swapped = Record {
        at: world.bench.clock.now(),
        content: Content::Said(world.statement("swapped")),
    };
    let sealed = Sealed {
        salt: [7; 16],
        record: swapped.written(),
    };
    let items = vec![sealed.written(); 20];
    world
        .mirror
        .lie(FIRST, Ok(write_bundle(items.iter().map(Vec::as_slice))));
    assert_eq!(world.poll().await, LogVerdict::ForgedRecord);
    // The entries too: then they are not under the signed root.
    let bundle = |width| Part::Entries { index: 0, width };
    for width in 1..=30 {
        let entries = vec![sealed.entry(); usize::from(width)];
        let octets = write_bundle(entries.iter().map(Entry::as_bytes));
        world.mirror.lie(bundle(Some(width)), Ok(octets));
    }
    assert_eq!(world.poll().await, LogVerdict::ForgedTile);
    // And the checkpoint: then the key is another one.
    let other = world.other_log("other", "other.key");
    world.append(&other, vec![Content::Said(world.statement("swapped"))]);
    let note = other.note().unwrap().unwrap();
    world.mirror.lie(Part::Checkpoint, Ok(note.into_bytes()));
    assert_eq!(world.poll().await, LogVerdict::UnknownKey);
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
    assert_eq!(
        world.alarms().await,
        [
            LogVerdict::ForgedRecord,
            LogVerdict::ForgedTile,
            LogVerdict::UnknownKey
        ]
    );
}

#[tokio::test]
async fn a_certificate_that_a_stolen_log_key_adds_waits_and_the_good_one_is_used() {
    let mut world = World::new().await;
    world.certificate("second");
    world.poll().await;
    let size = world.size().await;
    world.append(&world.log, vec![Content::Said(world.statement("second"))]);
    assert_eq!(world.poll().await, LogVerdict::Taken);
    assert_eq!(world.verdicts_from(size).await, [RecordVerdict::Held]);
    assert_eq!(world.encrypts_to(&["helene", "second"]).await, ["helene"]);
    world.bench.clock.advance(23 * HOUR);
    world.log.vouch(world.bench.clock.now()).unwrap();
    world.poll().await;
    assert_eq!(world.encrypts_to(&["helene", "second"]).await, ["helene"]);
    // Its owner revokes what was never hers, within the hold: it is never used.
    let mut revoked = world.statement("second");
    revoked.facts = vec![(Field::RevokedAt, "2026-11-23T12:00:00Z".to_owned())];
    world.append(&world.log, vec![Content::Said(revoked)]);
    world.poll().await;
    world.bench.clock.advance(2 * HOUR);
    world.log.vouch(world.bench.clock.now()).unwrap();
    world.poll().await;
    assert_eq!(world.encrypts_to(&["helene", "second"]).await, ["helene"]);
}

#[tokio::test]
async fn a_new_certificate_is_used_after_the_hold_or_when_it_is_confirmed() {
    let mut world = World::new().await;
    world.certificate("second");
    world.certificate("third");
    world.poll().await;
    world
        .says(r#"{ file = "helene.crt" }, { file = "second.crt" }"#)
        .await;
    world.poll().await;
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
    world
        .replica
        .confirm(&world.sha256("second"))
        .await
        .unwrap();
    world.poll().await;
    let mut both = world.encrypts_to(&["helene", "second"]).await;
    both.sort();
    assert_eq!(both, ["helene", "second"]);
    world
        .says(r#"{ file = "helene.crt" }, { file = "second.crt" }, { file = "third.crt" }"#)
        .await;
    world.poll().await;
    world.bench.clock.advance(25 * HOUR);
    world.log.vouch(world.bench.clock.now()).unwrap();
    world.poll().await;
    let mut all = world.encrypts_to(&["helene", "second", "third"]).await;
    all.sort();
    assert_eq!(all, ["helene", "second", "third"]);
}

#[tokio::test]
async fn a_certificate_that_the_key_before_vouches_for_is_used_at_once() {
    let mut world = World::new().await;
    world.certificate("second");
    world.certificate("third");
    world.poll().await;
    let key = |stem: &str| {
        let path = world.bench.path(&format!("{stem}.key"));
        liaison_directory::sharing::read_key(&path).unwrap()
    };
    let (old, next) = (world.der("helene"), world.der("second"));
    let now = world.bench.clock.now();
    world
        .log
        .succeed((&old, &key("helene")), &next, now)
        .unwrap();
    world.poll().await;
    let mut both = world.encrypts_to(&["helene", "second"]).await;
    both.sort();
    assert_eq!(both, ["helene", "second"]);
    // The word of another key is worth nothing.
    let size = world.size().await;
    let third = world.der("third");
    world
        .log
        .succeed((&next, &key("third")), &third, now)
        .unwrap();
    world.poll().await;
    assert_eq!(world.verdicts_from(size).await, [RecordVerdict::Held]);
    let mut both = world.encrypts_to(&["helene", "second"]).await;
    both.sort();
    assert_eq!(both, ["helene", "second"]);
}

#[tokio::test]
async fn when_the_old_certificate_is_revoked_nothing_is_encrypted_until_the_hold_ends() {
    let mut world = World::new().await;
    world.certificate("second");
    world.poll().await;
    let old = r#"{ file = "helene.crt", revoked_at = "2026-11-22T00:00:00Z" }"#;
    world
        .says(&format!(r#"{old}, {{ file = "second.crt" }}"#))
        .await;
    world.poll().await;
    assert!(world.encrypts_to(&["helene", "second"]).await.is_empty());
    assert!(
        world
            .resolved()
            .await
            .has_reason(ReasonCode::NoUsableCertificate)
    );
    // Nor is a revocation taken back at once by whoever stole the log's key.
    let mut back = world.statement("helene");
    back.facts = vec![(Field::RevokedAt, String::new())];
    world.append(&world.log, vec![Content::Said(back)]);
    world.poll().await;
    assert!(world.encrypts_to(&["helene", "second"]).await.is_empty());
    world
        .replica
        .confirm(&world.sha256("second"))
        .await
        .unwrap();
    world.poll().await;
    assert_eq!(world.encrypts_to(&["helene", "second"]).await, ["second"]);
}

#[tokio::test]
async fn an_old_checkpoint_and_a_shorter_log_are_told_apart() {
    let mut world = World::new().await;
    world.certificate("second");
    let old = world.mirror.frozen(&world.bench.path("old"));
    world.poll().await;
    world
        .says(r#"{ file = "helene.crt", revoked_at = "2026-11-22T00:00:00Z" }"#)
        .await;
    assert_eq!(world.poll().await, LogVerdict::Taken);
    assert!(world.encrypts_to(&["helene"]).await.is_empty());
    // Somebody in between shows the log from before the revocation.
    assert_eq!(world.poll_from(&old).await, LogVerdict::Replayed);
    // Its owner, or a thief of the key, signs the shorter log again, now.
    let shorter = world.other_log("old", "log.key");
    world.bench.clock.advance(Duration::from_secs(60));
    shorter.vouch(world.bench.clock.now()).unwrap();
    assert_eq!(world.poll_from(&old).await, LogVerdict::Truncated);
    assert!(world.encrypts_to(&["helene"]).await.is_empty());
    let alarms = world.replica.alarms().await.unwrap();
    assert!(
        alarms
            .iter()
            .all(|alarm| !alarm.known.is_empty() && !alarm.shown.is_empty())
    );
    assert_eq!(
        world.alarms().await,
        [LogVerdict::Replayed, LogVerdict::Truncated]
    );
}

#[tokio::test]
async fn two_histories_under_one_key_are_evidence() {
    let mut world = World::new().await;
    world.certificate("swapped");
    let fork = world.mirror.frozen(&world.bench.path("fork"));
    world.poll().await;
    let size = world.size().await;
    world
        .says(r#"{ file = "helene.crt" }, { file = "revoked.crt" }"#)
        .await;
    world.poll().await;
    let stolen = world.other_log("fork", "log.key");
    world.append(&stolen, vec![Content::Said(world.statement("swapped"))]);
    // One size, two roots.
    assert_eq!(world.poll_from(&fork).await, LogVerdict::SplitView);
    // A larger size that does not grow from what was seen.
    for _ in 0..3 {
        world.append(&stolen, vec![Content::Erased(size)]);
    }
    assert_eq!(world.poll_from(&fork).await, LogVerdict::SplitView);
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
    let alarms = world.replica.alarms().await.unwrap();
    assert_eq!(alarms.len(), 2);
    for alarm in alarms {
        let key = world.key("log.key");
        assert!(key.open(&alarm.known).is_ok() && key.open(&alarm.shown).is_ok());
    }
}

#[tokio::test]
async fn a_view_that_the_witnesses_did_not_see_is_not_taken() {
    let mut world = World::new().await;
    let mut witnesses = Vec::new();
    for name in ["ght", "dac"] {
        let key = new_key(&world.bench.path(&format!("{name}.key"))).unwrap();
        witnesses.push(cosigner(&format!("{name}.test/witness"), &key).unwrap());
    }
    world.peer.witnesses.keys = witnesses.iter().map(|one| one.key().clone()).collect();
    world.peer.witnesses.required = 2;
    assert_eq!(world.poll().await, LogVerdict::Unwitnessed);
    assert_eq!(world.size().await, 0);
    let note = world.log.note().unwrap().unwrap();
    let time = u64::try_from(world.bench.clock.now().unix_timestamp()).unwrap();
    let one = witnesses[0].cosign(&note, time).unwrap();
    let both = format!("{one}{}", witnesses[1].cosign(&note, time).unwrap());
    // Twice the same witness is one.
    world.mirror.lie(
        Part::Checkpoint,
        Ok(format!("{note}{one}{one}").into_bytes()),
    );
    assert_eq!(world.poll().await, LogVerdict::Unwitnessed);
    world
        .mirror
        .lie(Part::Checkpoint, Ok(format!("{note}{both}").into_bytes()));
    assert_eq!(world.poll().await, LogVerdict::Taken);
    let state = world.replica.followed().await.unwrap().remove(0);
    assert_eq!(state.witnessed_by, ["ght.test/witness", "dac.test/witness"]);
    // One is away: the settings say whether to go on, and it shows.
    world
        .mirror
        .lie(Part::Checkpoint, Ok(format!("{note}{one}").into_bytes()));
    world.peer.witnesses.take_unwitnessed = true;
    assert_eq!(world.poll().await, LogVerdict::TakenUnwitnessed);
}

#[tokio::test]
async fn who_is_kept_from_the_log_says_so_and_at_last_encrypts_nothing() {
    let world = World::new().await;
    world.poll().await;
    let frozen = world.mirror.frozen(&world.bench.path("frozen"));
    // The revocation never arrives.
    world
        .says(r#"{ file = "helene.crt", revoked_at = "2026-11-22T00:00:00Z" }"#)
        .await;
    world.bench.clock.advance(HOUR);
    assert_eq!(world.poll_from(&frozen).await, LogVerdict::Current);
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
    world.bench.clock.advance(6 * HOUR);
    assert_eq!(world.poll_from(&frozen).await, LogVerdict::Stale);
    assert!(world.resolved().await.has_reason(ReasonCode::StaleSource));
    frozen.lie(Part::Checkpoint, Err(NotRead::Absent));
    assert_eq!(world.poll_from(&frozen).await, LogVerdict::Stale);
    world.bench.clock.advance(66 * HOUR);
    world.poll_from(&frozen).await;
    assert!(world.encrypts_to(&["helene"]).await.is_empty());
    assert!(
        world
            .resolved()
            .await
            .has_reason(ReasonCode::NoUsableCertificate)
    );
    // The log is back.
    world.log.vouch(world.bench.clock.now()).unwrap();
    assert_eq!(world.poll().await, LogVerdict::Taken);
    assert!(
        world
            .resolved()
            .await
            .has_reason(ReasonCode::CertificateRevoked)
    );
    assert!(!world.resolved().await.has_reason(ReasonCode::StaleSource));
}

fn said(subject: Subject, field: Field, value: &str) -> Content {
    Content::Said(Statement {
        subject,
        period: Period::ALWAYS,
        facts: vec![(field, value.to_owned())],
        endorsement: None,
    })
}

#[tokio::test]
async fn nobody_speaks_for_another() {
    let world = World::new().await;
    world.poll().await;
    let size = world.size().await;
    let ehpad = Subject::organisation_of_finess(&Finess::parse("000000026").unwrap());
    let own = Subject::organisation_of_finess(&Finess::parse("000000018").unwrap());
    let person = Subject::person_of_rpps(&Rpps::parse("00200000015").unwrap());
    let address = |text: &str| Address::parse(text).unwrap();
    let look_alike = address("accueil@c-h.test");
    let records = vec![
        // Of another's FINESS number.
        said(ehpad.clone(), Field::Name, "EHPAD"),
        said(
            ehpad.mailbox(&address("a@ch.test")),
            Field::Address,
            "a@ch.test",
        ),
        // A mailbox led to another domain, and to one that looks like its own.
        said(
            own.mailbox(&address("a@evil.test")),
            Field::Address,
            "a@evil.test",
        ),
        said(own.mailbox(&look_alike), Field::Address, "accueil@c-h.test"),
        // A substitute that a third party declares.
        said(
            person.role("idel.test:1").delegation("1"),
            Field::To,
            own.key(),
        ),
        said(person.delegation("1"), Field::To, own.key()),
        // A certificate under another's name.
        said(
            own.mailbox(&address("accueil@ch.test"))
                .certificate(&world.sha256("helene")),
            Field::Der,
            &base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                world.der("helene"),
            ),
        ),
        said(Subject::about(), Field::Name, "Annuaire"),
    ];
    world.append(&world.log, records);
    assert_eq!(world.poll().await, LogVerdict::Taken);
    use RecordVerdict::{LookAlike, Unauthorised, WrongCertificate};
    assert_eq!(
        world.verdicts_from(size).await,
        [
            Unauthorised,
            Unauthorised,
            Unauthorised,
            LookAlike,
            Unauthorised,
            Unauthorised,
            WrongCertificate,
            Unauthorised
        ]
    );
    let view = world.replica.view().unwrap();
    assert!(view.record(&ehpad).unwrap().is_none());
    assert!(view.owner_of(&look_alike).unwrap().is_empty());
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
}

#[tokio::test]
async fn dates_out_of_order_repetitions_and_nonsense_are_left_out() {
    let world = World::new().await;
    world.poll().await;
    let size = world.size().await;
    let own = Subject::organisation_of_finess(&Finess::parse("000000018").unwrap());
    let now = world.bench.clock.now();
    let phone = |number: &str| said(own.clone(), Field::Phone, number);
    world
        .log
        .append(vec![phone("1")], now - time::Duration::hours(1))
        .unwrap();
    world
        .log
        .append(vec![phone("2")], now + time::Duration::hours(1))
        .unwrap();
    world.log.append(vec![phone("3")], now).unwrap();
    world.log.append(vec![phone("3")], now).unwrap();
    world.poll().await;
    use RecordVerdict::{Accepted, Backdated, Duplicate, Postdated};
    assert_eq!(
        world.verdicts_from(size).await,
        [Backdated, Postdated, Accepted, Duplicate]
    );
}

#[tokio::test]
async fn a_lying_or_broken_copy_is_named() {
    let world = World::new().await;
    let note = String::from_utf8(world.mirror.true_part(Part::Checkpoint)).unwrap();
    let (text, lines) = note.split_once("\n\n").unwrap();
    let own_line = lines.lines().next().unwrap();
    let renamed = note.replacen(ORIGIN, "annuaire.autre.test/log", 1);
    let grown = {
        let (head, root) = text.rsplit_once('\n').unwrap();
        let (origin, _) = head.rsplit_once('\n').unwrap();
        format!("{origin}\n9999\n{root}\n\n{lines}")
    };
    for (shown, verdict) in [
        (b"hello".to_vec(), LogVerdict::Malformed),
        (vec![0xff; 9], LogVerdict::Malformed),
        (vec![b'a'; 65 * 1024], LogVerdict::Oversized),
        (renamed.into_bytes(), LogVerdict::WrongOrigin),
        (grown.into_bytes(), LogVerdict::BadSignature),
        (
            format!("{text}\n\n{own_line}\n").into_bytes(),
            LogVerdict::Undated,
        ),
    ] {
        world.mirror.lie(Part::Checkpoint, Ok(shown));
        assert_eq!(world.poll().await, verdict);
    }
    world.mirror.lie(Part::Checkpoint, Ok(note.into_bytes()));
    let records = world.mirror.true_part(FIRST);
    world.mirror.lie(FIRST, Ok(write_bundle([])));
    assert_eq!(world.poll().await, LogVerdict::Withheld);
    let empty = vec![&[][..]; 40];
    world.mirror.lie(FIRST, Ok(write_bundle(empty)));
    assert_eq!(
        world.poll().await,
        LogVerdict::Withheld,
        "erased, and the log does not say so"
    );
    world
        .mirror
        .lie(FIRST, Ok(write_bundle([&vec![0; 60_000][..]])));
    assert_eq!(world.poll().await, LogVerdict::Oversized);
    world.mirror.lie(FIRST, Err(NotRead::Absent));
    assert_eq!(world.poll().await, LogVerdict::Unreachable);
    assert!(world.encrypts_to(&[]).await.is_empty());
    world.mirror.lie(FIRST, Ok(records));
    assert_eq!(world.poll().await, LogVerdict::Taken);
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
}

#[tokio::test]
async fn a_checkpoint_of_tomorrow_is_refused() {
    let world = World::new().await;
    let tomorrow = world.bench.clock.now() + time::Duration::hours(24);
    world.log.vouch(tomorrow).unwrap();
    assert_eq!(world.poll().await, LogVerdict::Postdated);
}

#[tokio::test]
async fn a_key_hands_over_and_the_old_one_is_worth_nothing() {
    let mut world = World::new().await;
    world.certificate("second");
    world.poll().await;
    let stolen = world.mirror.frozen(&world.bench.path("stolen"));
    new_key(&world.bench.path("next.key")).unwrap();
    world.bench.clock.advance(Duration::from_secs(1));
    let next = world.key("next.key");
    world.log.hand_over(&next, world.bench.clock.now()).unwrap();
    // Nobody asked in between: the log is signed by the next key already.
    let renewed = world.other_log("log", "next.key");
    let own = Subject::organisation_of_finess(&Finess::parse("000000018").unwrap());
    world.append(&renewed, vec![said(own, Field::Phone, "0100000000")]);
    assert_eq!(world.poll().await, LogVerdict::Taken);
    assert_eq!(world.poll().await, LogVerdict::Current);
    let thief = world.other_log("stolen", "log.key");
    for _ in 0..9 {
        world.append(&thief, vec![Content::Said(world.statement("second"))]);
    }
    assert_eq!(world.poll_from(&stolen).await, LogVerdict::RetiredKey);
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
}

#[tokio::test]
async fn a_key_that_only_the_settings_name_waits_for_the_hold() {
    let mut world = World::new().await;
    world.poll().await;
    // The log's key is lost; the owner begins to sign with another one.
    let lost = world.key("log.key");
    let renewed = world.other_log("log", "fresh.key");
    world.bench.clock.advance(Duration::from_secs(1));
    renewed.vouch(world.bench.clock.now()).unwrap();
    assert_eq!(world.poll().await, LogVerdict::UnknownKey);
    let fresh = world.key("fresh.key");
    world.peer.keys = vec![fresh.clone()];
    assert_eq!(world.poll().await, LogVerdict::KeyHeld);
    assert_eq!(world.encrypts_to(&["helene"]).await, ["helene"]);
    world.bench.clock.advance(25 * HOUR);
    renewed.vouch(world.bench.clock.now()).unwrap();
    assert_eq!(world.poll().await, LogVerdict::Current);
    // The lost key is given up with that.
    let thief = world.mirror.frozen(&world.bench.path("thief"));
    assert_eq!(world.key("log.key"), lost);
    let stolen = world.other_log("thief", "log.key");
    stolen.vouch(world.bench.clock.now()).unwrap();
    assert_eq!(world.poll_from(&thief).await, LogVerdict::RetiredKey);
}

#[tokio::test]
async fn an_erased_record_is_forgotten_and_every_proof_still_holds() {
    let world = World::new().await;
    world.poll().await;
    let own = Subject::organisation_of_finess(&Finess::parse("000000018").unwrap());
    let size = world.size().await;
    world.append(
        &world.log,
        vec![said(own.clone(), Field::Phone, "0100000000")],
    );
    world.poll().await;
    let phone = |world: &World| {
        let view = world.replica.view().unwrap();
        let said = view.assertions(&own).unwrap();
        said.iter()
            .any(|one| one.facts.iter().any(|(field, _)| *field == Field::Phone))
    };
    assert!(phone(&world));
    world.bench.clock.advance(Duration::from_secs(1));
    world.log.erase(size, world.bench.clock.now()).unwrap();
    assert_eq!(world.poll().await, LogVerdict::Taken);
    assert!(!phone(&world));
    assert_eq!(
        world.verdicts_from(size).await,
        [RecordVerdict::Erased, RecordVerdict::Accepted]
    );
    let records = world.mirror.true_part(FIRST);
    assert!(!records.windows(10).any(|run| run == b"0100000000"));
    // Who comes later takes the log without it.
    let late = std::sync::Arc::new(world.bench.open(&world.bench.path("late.db")).await);
    let follower = liaison_directory::sharing::Follower::new(late, world.peer.clone());
    assert_eq!(
        follower.poll(&world.mirror).await.unwrap(),
        LogVerdict::Taken
    );
}
