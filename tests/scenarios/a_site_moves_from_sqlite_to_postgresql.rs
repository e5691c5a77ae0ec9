//! The doctor's site outgrows its files: it is stopped with a letter waiting, `liaison store migrate`
//! moves both databases into PostgreSQL with its progress shown, and the site goes on there: what was
//! read is still read, what waited is delivered, nothing is shown twice.

use std::process::Output;

use liaison_store::testing::Server;
use liaison_tests::Territory;
use liaison_tests::routine::{a_letter_arrives, letter};
use liaison_tests::territory::{DOCTOR, EHPAD, liaison};
use toml::Table;

#[test]
fn a_site_moves_from_sqlite_to_postgresql() {
    let server = Server::start(&[]);
    let (territory, mut sites) = Territory::start();
    a_letter_arrives(&territory, EHPAD, DOCTOR);
    a_letter_arrives(&territory, DOCTOR, EHPAD);
    // Large enough to lie beside the database, not in it.
    let large = letter(EHPAD, DOCTOR, "Compte rendu", "xxx");
    let large = large.replace("xxx", &format!("{}\r\n", "y".repeat(70)).repeat(3000));
    let reply = territory.smtp(EHPAD).submit(EHPAD, &[DOCTOR], &large);
    assert!(reply.starts_with("250"), "{reply}");
    territory.imap(DOCTOR).wait_for(2);

    // A letter waits in the doctor's queue.
    let home = territory.account(EHPAD).member.clone();
    let member = territory.account(DOCTOR).member.clone();
    sites.remove(&home).unwrap().kill();
    let text = letter(DOCTOR, EHPAD, "En attente", "Bonjour.");
    let reply = territory.smtp(DOCTOR).submit(DOCTOR, &[EHPAD], &text);
    assert!(reply.starts_with("250"), "{reply}");
    let before = territory.imap(DOCTOR).messages();

    let folder = territory.site_folder(&member);
    let busy = migrate(
        &folder.join("relay.db"),
        &String::from(server.named("relay")),
    );
    assert!(!busy.status.success(), "a site that runs is not moved");
    assert!(sites.remove(&member).unwrap().stop().success());
    let path = territory.config(&member);
    let mut settings: Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for role in ["relay", "gateway"] {
        let database = String::from(server.named(role));
        let moved = migrate(&folder.join(format!("{role}.db")), &database);
        let (out, said) = (text_of(&moved.stdout), text_of(&moved.stderr));
        assert!(moved.status.success(), "{said}");
        assert!(
            said.contains("copied 100 %") && said.contains("verified 100 %"),
            "{said}"
        );
        assert!(
            out.contains("rows moved from") && out.contains("found equal"),
            "{out}"
        );
        let again = migrate(&folder.join(format!("{role}.db")), &database);
        assert!(!again.status.success(), "the database is no longer empty");
        assert!(text_of(&again.stderr).contains("not empty"), "{again:?}");
        let section = settings[role].as_table_mut().unwrap();
        section.insert("database".to_owned(), database.into());
    }
    std::fs::write(&path, toml::to_string(&settings).unwrap()).unwrap();
    sites.insert(member.clone(), territory.start_site(&member));
    sites.insert(home.clone(), territory.start_site(&home));

    assert_eq!(
        territory.imap(DOCTOR).messages(),
        before,
        "what was read is still read"
    );
    let mut reader = territory.imap(EHPAD);
    reader.wait_for(2);
    assert_eq!(
        reader
            .subjects()
            .iter()
            .filter(|one| *one == "En attente")
            .count(),
        1
    );
    a_letter_arrives(&territory, EHPAD, DOCTOR);
    a_letter_arrives(&territory, DOCTOR, EHPAD);
}

fn migrate(from: &std::path::Path, to: &str) -> Output {
    liaison()
        .args(["store", "migrate", "--from"])
        .arg(from)
        .args(["--to", to])
        .output()
        .unwrap()
}

fn text_of(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
