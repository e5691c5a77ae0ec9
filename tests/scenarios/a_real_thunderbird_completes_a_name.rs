//! A real Thunderbird, on a screen that nobody sees, completes « lefevre » in the address field of a
//! message to LEFÈVRE, over LDAPS with an account. It takes a minute, and is played with
//! `LIAISON_LONG=1` alone; Debian's `thunderbird` and `xvfb` are installed when they are lacking,
//! which needs root.

use std::path::Path;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::{DOCTOR, liaison};

const LIST: &str = "type;identifiant;nom;prenom;activite;commune;adresse_mss;type_bal
personne;a-1;LEFÈVRE;Hélène;Sage-femme;Valfictif;helene.lefevre@valfictif.test;PER
personne;a-2;LEFÉBURE;Zoé;Diététicienne;Valfictif;zoe.lefebure@valfictif.test;PER
";

#[test]
fn a_real_thunderbird_completes_a_name() {
    if std::env::var("LIAISON_LONG").as_deref() != Ok("1") {
        return;
    }
    let programs = [
        ("/usr/bin/thunderbird", "thunderbird"),
        ("/usr/bin/Xvfb", "xvfb"),
        ("/usr/bin/certutil", "libnss3-tools"),
    ];
    for (program, package) in programs {
        if !Path::new(program).exists() {
            run(
                Command::new("apt-get")
                    .env("DEBIAN_FRONTEND", "noninteractive")
                    .args(["install", "-y", "-qq", package]),
                b"",
            );
        }
    }
    let territory = Territory::build();
    let list = territory.folder().join("liste.csv");
    std::fs::write(&list, LIST).unwrap();
    run(
        liaison()
            .args(["directory", "import", "community"])
            .arg(&list)
            .args(["--date", "2026-11-22", "--config"])
            .arg(territory.config("dac")),
        b"",
    );
    let _site = territory.start_site("dac");
    let directory = territory.member("dac");
    let account = territory.account(DOCTOR);
    let suffix = directory.ldap_base.as_deref().unwrap();
    let home = tempfile::tempdir().unwrap();
    let offered = run(
        python()
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/scenarios/complete_in_thunderbird.py"
            ))
            .arg(format!("ldaps://127.0.0.1:{}", directory.ldaps.unwrap()))
            .arg(suffix)
            .arg(format!("uid={},ou=comptes,{suffix}", account.user))
            .arg(&account.password)
            .arg(territory.ca())
            .arg("lefevre")
            .arg(home.path()),
        b"",
    );
    let offered = String::from_utf8(offered).unwrap();
    let expected = "LEFÈVRE Hélène - Sage-femme - Valfictif <helene.lefevre@valfictif.test>";
    assert_eq!(offered.lines().count(), 1, "{offered}");
    assert!(offered.starts_with(expected), "{offered}");
}
