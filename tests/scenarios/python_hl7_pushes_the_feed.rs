//! python-hl7, a library that nobody here wrote, pushes what a hospital's system would, in the
//! clear on loopback and over TLS, and reads the acknowledgements.

use liaison_tests::Territory;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::EHPAD;
use mail_parser::MessageParser;

#[test]
fn python_hl7_pushes_the_feed() {
    let territory = Territory::build();
    let _sites = ["dac", "hospital", "ehpad"].map(|member| territory.start_site(member));
    let doors = territory.member("hospital");
    let said = run(
        python()
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/scenarios/push_with_python_hl7.py"
            ))
            .args([doors.mllp.unwrap(), doors.mllps.unwrap()].map(|port| port.to_string()))
            .arg(territory.ca())
            .arg(territory.folder().join("hl7")),
        b"",
    );
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "700001 taken\n700045 taken\n"
    );

    let mut nursing_home = territory.imap(EHPAD);
    let notices = nursing_home.wait_for(2);
    // Two messages may overtake each other on their way.
    let mut subjects = nursing_home.subjects();
    subjects.sort();
    assert!(subjects[0].contains("Entrée à l'hôpital"), "{subjects:?}");
    assert!(subjects[1].contains("Retour à l'EHPAD"), "{subjects:?}");
    for notice in &notices {
        let parsed = MessageParser::default().parse(notice).unwrap();
        let verdict = parsed.header_raw("X-Liaison-Verification").unwrap();
        assert_eq!(verdict.trim(), "verified");
        // Sent in ISO 8859-15, the character set of the feed, where only this one has an Œ.
        let text = parsed.body_text(0).unwrap();
        assert!(text.contains("LEFÈVRE-NŒUF"), "{text}");
    }
}
