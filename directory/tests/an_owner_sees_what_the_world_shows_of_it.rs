//! What the owner of a log finds when it compares what replicas show with what it published.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up must fail"
)]

use liaison_directory::sharing::{
    Content, LogVerdict, Part, Published, SeenOf, compare_checkpoint, compare_mailbox,
    compare_organisation,
};
use liaison_directory_client::{Finess, Lookup as _, Query};
use liaison_mail::Address;

use crate::territory::import;
use crate::territory::logs::{MAILBOX, Mirror, ORIGIN, World, domain};

fn seen(world: &World, mirror: &Mirror) -> SeenOf {
    let note = String::from_utf8(mirror.true_part(Part::Checkpoint)).unwrap();
    assert!(world.bench.path("log").is_dir());
    SeenOf {
        origin: ORIGIN.to_owned(),
        note,
        verdict: "taken".to_owned(),
        held: Vec::new(),
    }
}

#[tokio::test]
async fn a_stolen_key_is_seen_by_what_it_signed() {
    let mut world = World::new().await;
    world.certificate("swapped");
    let fork = world.mirror.frozen(&world.bench.path("fork"));
    world
        .says(r#"{ file = "helene.crt" }, { file = "revoked.crt" }"#)
        .await;
    let own = world.log.tree().unwrap();
    let keys = [world.log.verifier().unwrap()];
    let compared = |shown: &SeenOf| {
        let found = compare_checkpoint(shown, (&own, ORIGIN), &keys);
        found.map(|one| one.verdict)
    };
    // What it published, and what it published before.
    assert_eq!(compared(&seen(&world, &world.mirror)), None);
    assert_eq!(compared(&seen(&world, &fork)), None);
    let stolen = world.other_log("fork", "log.key");
    world.append(&stolen, vec![Content::Said(world.statement("swapped"))]);
    assert_eq!(
        compared(&seen(&world, &fork)),
        Some(LogVerdict::ForeignCheckpoint)
    );
    // A replica that believes it at first sight shows the swapped certificate: the owner sees it.
    assert_eq!(world.poll_from(&fork).await, LogVerdict::Taken);
    let published = Published::of(&world.log.said().unwrap());
    let address = Address::parse(MAILBOX).unwrap();
    let answer = world
        .replica
        .resolve(&Query::address(address.clone()))
        .await
        .unwrap();
    let found = compare_mailbox(&address, &answer, &published);
    let verdicts: Vec<_> = found.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [LogVerdict::ForeignCertificate]);
    assert!(found[0].detail.contains(&world.sha256("swapped")));
    // Another key's checkpoint under this name is nobody's.
    let other = world.other_log("other", "other.key");
    world.append(&other, vec![Content::Erased(0)]);
    let other = Mirror::of(&world.bench.path("other"));
    assert_eq!(
        compared(&seen(&world, &other)),
        Some(LogVerdict::ForeignCheckpoint)
    );
}

#[tokio::test]
async fn a_poisoned_register_is_seen_by_the_mailbox_that_it_names() {
    let world = World::new().await;
    // A file of another source names a mailbox elsewhere for the hospital's FINESS number.
    let poisoned = r#"
title = "Extrait"
source = "Extrait altéré"
[[organisations]]
id = "ch"
name = "Centre hospitalier du Vallon"
finess = "000000018"
mailboxes = [{ address = "accueil@evil.test", type = "ORG" }]
"#;
    let file = world.bench.entries("poisoned.toml", poisoned);
    import(&world.replica, &file).await.unwrap();
    world.poll().await;
    let finess = Finess::parse("000000018").unwrap();
    let answer = world.replica.resolve(&Query::finess(finess)).await.unwrap();
    assert!(
        answer.found().is_none(),
        "two mailboxes: none is chosen silently"
    );
    let found = compare_organisation("000000018", &answer, &[domain()]);
    let verdicts: Vec<_> = found.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [LogVerdict::ForeignMailbox]);
    assert!(found[0].detail.contains("accueil@evil.test"));
}

#[tokio::test]
async fn a_replica_that_does_not_show_a_mailbox_is_told() {
    let world = World::new().await;
    let empty = r#"
title = "Vide"
source = "Territoire voisin"
"#;
    let file = world.bench.entries("empty.toml", empty);
    import(&world.replica, &file).await.unwrap();
    let published = Published::of(&world.log.said().unwrap());
    assert!(published.mailboxes.contains_key(MAILBOX));
    let address = Address::parse(MAILBOX).unwrap();
    let before = world
        .replica
        .resolve(&Query::address(address.clone()))
        .await
        .unwrap();
    let verdicts: Vec<_> = compare_mailbox(&address, &before, &published)
        .into_iter()
        .map(|one| one.verdict)
        .collect();
    assert_eq!(verdicts, [LogVerdict::NotShown]);
    world.poll().await;
    let after = world
        .replica
        .resolve(&Query::address(address.clone()))
        .await
        .unwrap();
    assert!(compare_mailbox(&address, &after, &published).is_empty());
}
