//! Python's fhir.resources, which nobody here wrote, parses every resource of the directory, and
//! finds people, places and recipients as hospital software does.

use liaison_tests::Territory;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::DOCTOR;

#[test]
fn hospital_software_reads_the_directory_as_fhir() {
    let territory = Territory::build();
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
