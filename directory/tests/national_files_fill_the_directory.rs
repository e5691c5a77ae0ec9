//! Importing the national files as published, and what happens when they are not as they were.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail"
)]

use crate::territory;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use liaison_directory::import::{FileKind, Options, Report, TEMPLATE};
use liaison_directory::view::{Attribute, Filter, Test};
use liaison_directory::{Directory, DirectoryError, Search};
use liaison_directory_client::{Finding, Finess, Lookup, Query, ReasonCode, Rpps};
use liaison_mail::Address;
use territory::Bench;

const RPPS_HEAD: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code civilité d'exercice|Nom d'exercice|Prénom d'exercice|Code profession|Libellé profession|Code type savoir-faire|Code savoir-faire|Libellé savoir-faire|Code mode exercice|Numéro SIRET site|Numéro FINESS site|Identifiant technique de la structure|Raison sociale site|Code postal (coord. structure)|Code commune (coord. structure)|Libellé commune (coord. structure)|Code secteur d'activité|";
const BOXES_HEAD: &str = "Type de BAL|Adresse BAL|Identification nationale PP|Identification Structure|Service de rattachement|Nom d'exercice|Prénom d'exercice|Raison Sociale structure BAL|L6LIGNEACHEMINEMENT structure BAL|Dématérialisation|";

/// `count` fictitious doctors, numbered from 0.
fn rpps(count: usize) -> String {
    let mut text = format!("{RPPS_HEAD}\n");
    for n in 0..count {
        let family = if n == 7 {
            "LEFÈVRE-ESSAI".to_owned()
        } else {
            format!("FICTIF{n:04}")
        };
        writeln!(
            text,
            "8|9990{n:07}|89990{n:07}|DR|{family}|Hélène|10|Médecin|S|SM54|Médecine Générale|L||990000018|R{n}|CH FICTIF|52100|52448|Saint-Dizier|SA01|"
        )
        .unwrap();
    }
    text
}

fn boxes(count: usize) -> String {
    let mut text = format!("{BOXES_HEAD}\n");
    for n in 0..count {
        writeln!(
            text,
            "PER|medecin{n}@test.mssante.fr|89990{n:07}|||FICTIF{n:04}|Hélène|||O|"
        )
        .unwrap();
    }
    text.push_str("ORG|sortie@ehpad.test.mssante.fr||990000026|Coordination des sorties|||EHPAD ESSAI|52100 SAINT DIZIER||\n");
    text
}

async fn import(
    directory: &Directory,
    kind: FileKind,
    file: &Path,
) -> Result<Report, DirectoryError> {
    let options = Options {
        observed_at: Some(territory::NOW),
        ..Options::default()
    };
    directory.import(kind, file, options).await
}

async fn filled(bench: &Bench) -> Directory {
    let directory = bench.open(&bench.path("directory.db")).await;
    for (kind, name, text) in [
        (FileKind::Rpps, "rpps.txt", rpps(400)),
        (FileKind::Mailboxes, "mss.txt", boxes(400)),
    ] {
        import(&directory, kind, &bench.entries(name, &text))
            .await
            .unwrap();
    }
    directory
}

fn doctor(n: usize) -> Rpps {
    Rpps::parse(&format!("9990{n:07}")).unwrap()
}

#[tokio::test]
async fn files_imported_together_serve_together_without_the_refused_one() {
    let bench = Bench::new();
    let directory = bench.open(&bench.path("directory.db")).await;
    let files = [
        (FileKind::Rpps, "rpps.txt", rpps(300)),
        (
            FileKind::Skills,
            "skills.txt",
            "Nom|Prénom|\nA|B|\n".to_owned(),
        ),
        (FileKind::Mailboxes, "mss.txt", boxes(300)),
    ];
    let files = files.map(|(kind, name, text)| {
        let options = Options {
            observed_at: Some(territory::NOW),
            ..Options::default()
        };
        (kind, bench.entries(name, &text), options)
    });
    let reports = directory.import_all(files.into()).await.unwrap();
    let taken: Vec<bool> = reports.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, false, true]);
    let answer = directory.resolve(&Query::rpps(doctor(7))).await.unwrap();
    assert_eq!(
        answer.found().unwrap().mailbox.address.to_string(),
        "medecin7@test.mssante.fr"
    );
}

#[tokio::test]
async fn a_doctor_of_the_register_is_found_by_name_number_and_address() {
    let bench = Bench::new();
    let directory = filled(&bench).await;
    let view = directory.view().unwrap();
    for text in [
        "lefevre",
        "Hélène Lefèvre",
        "lefebvre helene",
        "lefevr essai",
        "essai dizier generaliste",
        "99900000007",
    ] {
        let hits = view.search(&Search::new(text, 10)).unwrap();
        assert_eq!(hits[0].listing.name(), "Dr Hélène LEFÈVRE-ESSAI", "{text}");
    }
    let listing = &view.search(&Search::new("lefevre", 1)).unwrap()[0].listing;
    assert_eq!(listing.activity(), Some("Médecine Générale"));
    let employer = view
        .listing_of(listing.organisation().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(employer.name(), "CH FICTIF");
    assert_eq!(
        view.members(&employer.subject).unwrap().len(),
        200,
        "at most 200"
    );
    assert_eq!(
        view.get(listing.id()).unwrap().unwrap().subject,
        listing.subject
    );

    let answer = directory.resolve(&Query::rpps(doctor(7))).await.unwrap();
    assert_eq!(
        answer.found().unwrap().mailbox.address.to_string(),
        "medecin7@test.mssante.fr"
    );
    let answer = directory
        .resolve(&Query::text("lefevre essai"))
        .await
        .unwrap();
    assert!(answer.has_reason(ReasonCode::TextMatch), "{answer:?}");
    let answer = directory
        .resolve(&Query::text("lefevbre essai"))
        .await
        .unwrap();
    assert!(
        matches!(&answer.finding, Finding::Ambiguous(some) if some.len() == 1),
        "{answer:?}"
    );

    let unit = directory
        .resolve(&Query::finess(Finess::parse("990000026").unwrap()))
        .await
        .unwrap();
    assert_eq!(unit.found().unwrap().name, "Coordination des sorties");
    let parts = |part: &str| Test::Parts {
        first: None,
        any: vec![part.to_owned()],
        last: None,
    };
    let filter = Filter::Or(vec![
        Filter::Has(Attribute::Label, parts("lef")),
        Filter::Has(Attribute::Address, parts("decin12@")),
    ]);
    assert_eq!(view.matching(&filter, 100, None).unwrap().listings.len(), 2);
    assert_eq!(view.count(&filter).unwrap(), 2);
    let first = view.matching(&Filter::All, 150, None).unwrap();
    let second = view.matching(&Filter::All, 1000, first.next).unwrap();
    assert_eq!(
        first.listings.len() + second.listings.len(),
        view.count(&Filter::All).unwrap() as usize
    );
}

#[tokio::test]
async fn what_is_not_as_it_was_is_refused_and_the_last_good_list_serves() {
    let bench = Bench::new();
    let directory = filled(&bench).await;
    let lacking = rpps(400).replace("Code profession", "Autre chose");
    let fewer = rpps(320);
    let whole = rpps(400);
    let truncated = whole.get(..whole.len() / 2).unwrap().to_owned();
    let spoilt = rpps(400).replace("|89990000", "|8x90000");
    let elsewhere = rpps(400).replace("SM54", "SM99");
    for (name, text, expected) in [
        ("lacking", lacking, "code profession"),
        ("fewer", fewer, "removed"),
        ("truncated", truncated, "removed"),
        ("spoilt", spoilt, "cannot be used"),
        ("elsewhere", elsewhere, "changed"),
    ] {
        let file = bench.entries(&format!("{name}.txt"), &text);
        let error = import(&directory, FileKind::Rpps, &file).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
        let view = directory.view().unwrap();
        let list = view
            .lists()
            .iter()
            .find(|list| list.list == "rpps")
            .unwrap();
        assert!(
            list.refused.as_ref().unwrap().contains(expected),
            "{list:?}"
        );
        assert!(
            directory
                .resolve(&Query::rpps(doctor(399)))
                .await
                .unwrap()
                .found()
                .is_some()
        );
    }
    // Columns in another order are the same columns.
    let reordered: String = rpps(400)
        .lines()
        .map(|line| {
            let mut fields: Vec<&str> = line.split('|').collect();
            fields.pop();
            fields.reverse();
            format!("{}|\n", fields.join("|"))
        })
        .collect();
    let file = bench.entries("reordered.txt", &reordered);
    let report = import(&directory, FileKind::Rpps, &file).await.unwrap();
    let total = report.changes.total();
    assert_eq!((total.added, total.changed, total.removed), (0, 0, 0));
}

#[tokio::test]
async fn ten_days_without_a_source_are_told_and_a_vanished_mailbox_is_suspected() {
    let bench = Bench::new();
    let directory = filled(&bench).await;
    bench.clock.advance(Duration::from_secs(10 * 24 * 3600));
    let answer = directory.resolve(&Query::rpps(doctor(3))).await.unwrap();
    assert!(answer.found().is_some());
    assert!(answer.has_reason(ReasonCode::StaleSource), "{answer:?}");

    let gone = boxes(400).replace("medecin3@test", "ailleurs3@test");
    let file = bench.entries("mss-2.txt", &gone);
    import(&directory, FileKind::Mailboxes, &file)
        .await
        .unwrap();
    let address = Address::parse("medecin3@test.mssante.fr").unwrap();
    let answer = directory.resolve(&Query::address(address)).await.unwrap();
    assert!(answer.found().is_some());
    assert!(answer.has_reason(ReasonCode::SuspectedClosed), "{answer:?}");
}

#[tokio::test]
async fn an_absent_doctor_leads_to_her_substitute() {
    let bench = Bench::new();
    let entries = format!(
        "{}\n{}",
        territory::ENTRIES,
        r#"
        [[absences]]
        who = "dr-essai"
        from = "2026-11-20"
        until = "2026-11-30"
        to = ["dr-double-ville"]
        [[territories]]
        id = "cpts"
        name = "CPTS du Vallon"
        communes = ["99001"]
        fallbacks = ["ehpad"]
        "#
    );
    let directory = bench.directory(&entries).await;
    let answer = directory
        .resolve(&Query::rpps(Rpps::parse("00100000017").unwrap()))
        .await
        .unwrap();
    let entry = answer.found().unwrap();
    assert_eq!(
        entry.mailbox.address.to_string(),
        "jean.double@cabinet.test"
    );
    assert_eq!(
        entry.alternates.last().unwrap().address.to_string(),
        "Helene.Essai@ch.test"
    );
    assert!(answer.has_reason(ReasonCode::Absent) && answer.has_reason(ReasonCode::Substitute));
    let asked = Address::parse("helene.essai@ch.test").unwrap();
    let answer = directory
        .resolve(&Query::address(asked.clone()))
        .await
        .unwrap();
    assert_eq!(answer.found().unwrap().mailbox.address.key(), asked.key());
    assert!(answer.has_reason(ReasonCode::Substitute));

    let fallback = directory
        .resolve(&Query::without_family_doctor("99001"))
        .await
        .unwrap();
    assert_eq!(
        fallback.found().unwrap().mailbox.address.to_string(),
        "accueil@ehpad.test"
    );
    assert!(fallback.has_reason(ReasonCode::TerritoryFallback));
    let nowhere = directory
        .resolve(&Query::without_family_doctor("99999"))
        .await
        .unwrap();
    assert_eq!(nowhere.finding, Finding::Unknown);
    bench.clock.advance(Duration::from_secs(30 * 24 * 3600));
    let back = directory
        .resolve(&Query::rpps(Rpps::parse("00100000017").unwrap()))
        .await
        .unwrap();
    assert_eq!(
        back.found().unwrap().mailbox.address.to_string(),
        "Helene.Essai@ch.test"
    );
}

#[tokio::test]
async fn the_template_is_a_list_that_can_be_imported() {
    let bench = Bench::new();
    let directory = bench.open(&bench.path("directory.db")).await;
    let latin: Vec<u8> = TEMPLATE
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let file = bench.path("liste.csv");
    std::fs::write(&file, latin).unwrap();
    let report = import(&directory, FileKind::Community, &file)
        .await
        .unwrap();
    assert_eq!((report.rows, report.quarantine.count()), (3, 0), "{report}");
    let answer = directory
        .resolve(&Query::text("ccas valfictif aide"))
        .await
        .unwrap();
    assert_eq!(
        answer.finding,
        Finding::Unknown,
        "a description is not a name"
    );
    let answer = directory
        .resolve(&Query::text("camille exemple"))
        .await
        .unwrap();
    let entry = answer.found().unwrap();
    assert_eq!(entry.organisation.as_deref(), Some("CCAS de Valfictif"));
}

#[tokio::test]
async fn establishments_of_both_editions_are_read() {
    let bench = Bench::new();
    let directory = bench.open(&bench.path("directory.db")).await;
    let row = "structureet;990000018;990000901;CH FICTIF;CENTRE HOSPITALIER FICTIF;;;1;R;FICTIVE;;;448;52;HAUTE MARNE;52100 SAINT DIZIER;0300000000;;355;Centre Hospitalier (C.H.);1102;x;;;;;;;;;2026-01-01;";
    let text = format!("finess;etalab;111;2026-11-12\n{row}\nstructureet;x\n");
    let file = bench.entries("finess.csv", &text);
    let report = directory
        .import(FileKind::Finess, &file, Options::default())
        .await
        .unwrap();
    assert_eq!((report.rows, report.quarantine.count()), (2, 1));
    assert_eq!(report.observed_at.date().to_string(), "2026-11-12");
    let view = directory.view().unwrap();
    let found = &view.named("finess:990000018").unwrap()[0];
    assert_eq!(found.place().unwrap().commune.as_deref(), Some("52448"));
    assert_eq!(found.activity(), Some("Centre Hospitalier (C.H.)"));

    let json = r#"{"generatedAt":"2026-11-20T00:00:00Z","gcc":[{"x":[1]}],"pmej":[{"informationsGeneralesPMEJ":{"numFinessPm":"990000901","denominationPm":"EJ FICTIVE","siren":"999999999"},"ege":[{"informationsGeneralesEGE":{"numFinessEge":"990000018","nomEgeCourt":"CH FICTIF","siret":"99999999900012"},"categorieentiteGeographiqueExercice":"355","adresse":[{"ligneQuatre":"1 RUE FICTIVE","cogCommune":"52448","codePostal":"52100","ligneAcheminement":"SAINT DIZIER","coordonneesGeographique":{"directionLatitude":"4.94","directionLongitude":"48.63"}}],"contact":[{"telecom":{"telephone":"0300000000"}}],"etatObjet":"A"}],"etatObjet":"A"}]}"#;
    let file = bench.entries("finess.json", json);
    directory
        .import(FileKind::FinessPlus, &file, Options::default())
        .await
        .unwrap();
    let view = directory.view().unwrap();
    let found = &view.named("siret:99999999900012").unwrap()[0];
    assert_eq!(found.place().unwrap().position, Some((48.63, 4.94)));
    let parent = view
        .listing_of(found.organisation().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(parent.name(), "EJ FICTIVE");
}
