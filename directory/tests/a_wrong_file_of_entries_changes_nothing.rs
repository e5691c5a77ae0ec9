//! Importing: what is refused, what is told, and what stays.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail"
)]

use crate::territory;

use std::fs;

use liaison_directory::import::{EntriesFile, MAX_FILE};
use liaison_directory::model::{Kind, Subject};
use liaison_directory::{DirectoryError, RowProblem};
use liaison_directory_client::{Lookup, Query, Rpps};
use territory::{Bench, ENTRIES, import};

const HEAD: &str = "title = \"T\"\nsource = \"S\"\n";

/// The problems of a file that must be refused.
async fn problems(bench: &Bench, name: &str, text: &str) -> Vec<RowProblem> {
    let file = bench.entries(name, text);
    let directory = bench.open(&bench.path("refused.db")).await;
    match import(&directory, &file).await {
        Err(DirectoryError::Entries { problems, path }) => {
            assert_eq!(path, file);
            problems
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// The one problem of a TOML file with `rows` after its head.
async fn problem(rows: &str) -> RowProblem {
    let bench = Bench::new();
    let mut problems = problems(&bench, "wrong.toml", &format!("{HEAD}{rows}")).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[tokio::test]
async fn an_import_tells_what_it_changed() {
    let bench = Bench::new();
    let directory = bench.open(&bench.path("directory.db")).await;
    let file = bench.entries("entries.toml", ENTRIES);

    let first = import(&directory, &file).await.unwrap();
    let all = first.changes.total();
    assert_eq!((all.changed, all.removed, all.unchanged), (0, 0, 0));
    assert_eq!(first.changes.kinds[&Kind::Role].added, 5);
    assert_eq!(first.changes.kinds[&Kind::Organisation].added, 3);
    assert_eq!(first.changes.kinds[&Kind::Service].added, 3);
    assert_eq!(first.changes.kinds[&Kind::Relay].added, 2);
    let again = import(&directory, &file).await.unwrap();
    assert_eq!(
        again.changes.to_string(),
        format!("0 added, 0 changed, 0 removed, {} unchanged", all.added)
    );

    let changed = ENTRIES
        .replace("Dr Luc SANSBOITE", "Dr Luc AVECNOM")
        .replace("port = 25\n", "port = 26\n")
        .replace("\"ccas\"", "\"ccas-2\"")
        .replace("000000034", "000000042");
    fs::write(&file, changed).unwrap();
    let second = import(&directory, &file).await.unwrap();
    let names = |subjects: &[Subject]| -> Vec<String> {
        subjects.iter().map(ToString::to_string).collect()
    };
    assert_eq!(names(&second.changes.added), ["organisation 000000042"]);
    assert_eq!(
        names(&second.changes.changed),
        ["relay cabinet.test", "person 800400000011"]
    );
    assert_eq!(names(&second.changes.removed), ["organisation 000000034"]);
    assert_eq!(second.changes.total().unchanged, all.added - 3);
}

#[tokio::test]
async fn the_entries_survive_a_restart() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    directory.close().await;
    let directory = bench.open(&bench.path("directory.db")).await;
    let query = Query::rpps(Rpps::parse("00100000017").unwrap());
    let resolution = directory.resolve(&query).await.unwrap();
    assert_eq!(resolution.found().unwrap().certificates.len(), 2);
}

#[tokio::test]
async fn a_refused_file_leaves_the_earlier_entries() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    let wrong = bench.entries(
        "wrong.toml",
        &ENTRIES.replace("organisation = \"ch\"", "organisation = \"x\""),
    );
    assert!(import(&directory, &wrong).await.is_err());
    let again = import(&directory, &bench.path("entries.toml"))
        .await
        .unwrap();
    assert_eq!(
        again.changes.total().added + again.changes.total().changed,
        0
    );
}

#[tokio::test]
async fn a_wrong_value_is_named_with_its_line() {
    let rows = "[[people]]\nid = \"p\"\nname = \"P\"\nrpps = \"123\"\n";
    let problem = problem(rows).await;
    assert_eq!(problem.place, "line 6, column 8");
    assert!(problem.problem.contains("11 digits"), "{problem}");
}

#[tokio::test]
async fn a_wrong_key_is_named_with_the_nearest_right_one() {
    let problem = problem("[[people]]\nid = \"p\"\nname = \"P\"\nprofesion = \"x\"\n").await;
    assert!(problem.place.starts_with("line 6"), "{problem}");
    assert!(problem.problem.contains("`profession`"), "{problem}");
}

#[tokio::test]
async fn a_json_file_is_read_by_the_same_rules() {
    let bench = Bench::new();
    let directory = bench.open(&bench.path("directory.db")).await;
    let rows: EntriesFile = liaison_base::config::parse(ENTRIES).unwrap();
    let file = bench.entries(
        "entries.json",
        &serde_json::to_string_pretty(&rows).unwrap(),
    );
    assert!(
        import(&directory, &file)
            .await
            .unwrap()
            .changes
            .total()
            .added
            > 13
    );
    let file = bench.entries("entries.toml", &toml::to_string(&rows).unwrap());
    let again = import(&directory, &file).await.unwrap().changes.total();
    assert_eq!((again.added, again.changed, again.removed), (0, 0, 0));

    let json = "{\"title\": \"T\", \"source\": \"S\",\n\"people\": [{\"id\": 7}]}";
    let problems = problems(&bench, "wrong.json", json).await;
    assert!(
        problems[0].place.starts_with("line 2, column"),
        "{problems:?}"
    );
    assert!(!problems[0].problem.contains("at line"), "{problems:?}");
}

#[tokio::test]
async fn every_wrong_row_is_named_at_once() {
    let bench = Bench::new();
    let text = format!(
        r#"{HEAD}
        organisations = [{{ id = "a", name = "A" }}, {{ id = "a", name = " " }}]
        services = [{{ id = "s", name = "S", organisation = "nowhere" }}]
        people = [{{ id = "p", name = "P", mailboxes = [
            {{ address = "x@ch.test", type = "PER" }},
            {{ address = "X@ch.test", type = "PER" }},
        ] }}]
        relays = [
            {{ domain = "a.test", server_name = "r.test", host = "h.test", port = 0 }},
            {{ domain = "b.test", server_name = "r.test", host = "h.test", port = 1, serves = ["a.test"] }},
        ]"#
    );
    let problems = problems(&bench, "wrong.toml", &text).await;
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "organisations 2 (`a`): `name` is empty",
        "organisations 2 (`a`): the `id` is already used by organisations 1 (`a`)",
        "services 1 (`s`): there is no organisation whose `id` is `nowhere`",
        "people 1 (`p`), mailbox 2: the address X@ch.test is already that of people 1 (`p`), mailbox 1",
        "relays 1 (`a.test`): the port must be 1 to 65535",
        "relays 2 (`b.test`): the `server_name` is already that of relays 1 (`a.test`)",
        "relays 2 (`b.test`): the domain a.test is already that of relays 1 (`a.test`)",
    ];
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused() {
    let rows = r#"
        [[people]]
        id = "p"
        name = "P"
        [[people.mailboxes]]
        address = "other@ch.test"
        type = "PER"
        certificates = [{ file = "helene.crt" }]
    "#;
    let problem = problem(rows).await;
    assert_eq!(problem.place, "people 1 (`p`), mailbox 1");
    assert!(
        problem
            .problem
            .contains("does not bear the address other@ch.test"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_is_named() {
    for (file, expected) in [
        ("missing.crt", "missing.crt"),
        ("wrong.toml", "no readable certificate"),
    ] {
        let rows = format!(
            "[[people]]\nid = \"p\"\nname = \"P\"\n[[people.mailboxes]]\naddress = \"a@ch.test\"\n\
             type = \"PER\"\ncertificates = [{{ file = \"{file}\" }}]\n"
        );
        let problem = problem(&rows).await;
        assert!(problem.problem.contains(expected), "{problem}");
    }
}

#[tokio::test]
async fn more_than_the_limits_is_refused() {
    let mailboxes: Vec<String> = (0..17)
        .map(|n| format!("{{ address = \"a{n}@ch.test\", type = \"ORG\" }}"))
        .collect();
    let rows = format!(
        "organisations = [{{ id = \"o\", name = \"O\", mailboxes = [{}] }}]\n",
        mailboxes.join(", ")
    );
    assert!(
        problem(&rows)
            .await
            .problem
            .contains("more than 16 mailboxes")
    );
    let rows = format!(
        "people = [{{ id = \"p\", name = \"{}\" }}]\n",
        "é".repeat(201)
    );
    assert!(
        problem(&rows)
            .await
            .problem
            .contains("longer than 200 characters")
    );
    let rows = "people = [{ id = \"p\", name = \"a\\u0007b\" }]\n";
    assert!(problem(rows).await.problem.contains("control character"));
}

#[tokio::test]
async fn a_file_that_is_missing_or_too_long_is_not_read() {
    let bench = Bench::new();
    let directory = bench.open(&bench.path("directory.db")).await;
    let missing = bench.path("missing.toml");
    assert!(matches!(
        import(&directory, &missing).await,
        Err(DirectoryError::Read { .. })
    ));
    let long = bench.path("long.toml");
    fs::File::create(&long)
        .unwrap()
        .set_len(MAX_FILE + 1)
        .unwrap();
    assert!(matches!(
        import(&directory, &long).await,
        Err(DirectoryError::Read { .. })
    ));
}
