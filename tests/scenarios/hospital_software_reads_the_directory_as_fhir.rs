//! Python's fhir.resources, which nobody here wrote, parses every resource of the directory, and
//! finds people, places and recipients as hospital software does.

use liaison_tests::Territory;
use liaison_tests::programs::{python, run};
use liaison_tests::registers::{Registers, Size};
use liaison_tests::territory::{DOCTOR, liaison};

#[test]
fn hospital_software_reads_the_directory_as_fhir() {
    let territory = Territory::build();
    // Legal entities with their establishments, and where towns are.
    let files = Registers::new(7, Size::part(20_000)).write(territory.folder(), "20261122");
    run(
        liaison()
            .args(["directory", "import", "finess-plus"])
            .arg(&files.finess_plus)
            .arg("communes")
            .arg(&files.communes)
            .arg("--config")
            .arg(territory.config("dac")),
        b"",
    );
    let _site = territory.start_site("dac");
    let directory = territory.member("dac");
    let account = territory.account(DOCTOR);
    let said = run(
        python()
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/scenarios/read_with_fhir_resources.py"
            ))
            .arg(directory.https.unwrap().to_string())
            .arg(territory.ca())
            .args([&account.user, &account.password]),
        b"",
    );
    assert_eq!(String::from_utf8(said).unwrap(), "parsed\n");
    let log = territory.log("dac");
    assert!(!log.contains(&account.password), "a password was logged");
}
