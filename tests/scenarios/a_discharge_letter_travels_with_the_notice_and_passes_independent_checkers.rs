//! The hospital pushes the letter, then the discharge: the nursing home gets both, and what is made
//! for machines passes checkers that nobody here wrote.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::{EHPAD, NURSE};

const CDA: &str = r##"<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3" extension="7"/><code code="11490-0"/><title>Lettre de liaison</title><recordTarget><patientRole><id root="1.2.250.1.213.1.4.10" extension="238059902812300"/></patientRole></recordTarget><component><structuredBody><component><section><code code="18610-6"/><text><table><tr><th>Médicament</th><th>Commentaire</th></tr><tr><td><content ID="M1">ESSAILOL 100 mg</content></td><td>chute de tension</td></tr></table></text><entry><substanceAdministration><text><reference value="#M1"/></text><consumable><manufacturedProduct><manufacturedMaterial><name>ESSAILOL 100 mg</name></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry></section></component></structuredBody></component></ClinicalDocument>"##;

#[test]
fn a_discharge_letter_travels_with_the_notice_and_passes_independent_checkers() {
    let (territory, _sites) = Territory::start();
    let mut feed = territory.mllp();
    let mut push = |message: &str, code: &str| {
        let answer = feed.push(message).unwrap();
        assert_eq!(verdict(&answer).0, code, "{answer}");
    };
    push(&territory.hl7("a01-admission"), "CA");
    push(&letter(CDA), "AA");
    push(&territory.hl7("a03-return-to-nursing-home"), "CA");
    // About somebody else: refused before anybody could read it.
    push(
        &letter(&CDA.replace("238059902812300", "155029902812300")),
        "AE",
    );

    let notices = territory.imap(EHPAD).wait_for(2);
    let shown = checked(&notices[1]);
    for line in [
        "bundle message notification-discharge MessageHeader Encounter Patient Organization Provenance",
        "xdm IHE_XDM/SUBSET01/DOC0001.XML IHE_XDM/SUBSET01/METADATA.XML INDEX.HTM README.TXT",
        "text/plain",
        "text/html",
    ] {
        assert!(shown.lines().any(|known| known.trim() == line), "{shown}");
    }
    let parsed = mail_parser::MessageParser::default()
        .parse(&notices[1])
        .unwrap();
    let text = parsed.body_text(0).unwrap();
    let change = text.find("ARRÊTÉ : ESSAILOL 100 mg (motif : chute de tension)");
    assert!(change.unwrap() < text.find("Sortie le").unwrap(), "{text}");

    let told = territory.imap(NURSE).wait_for(2);
    let shown = checked(&told[1]);
    assert!(
        shown.contains("bundle message") && !shown.contains("xdm"),
        "{shown}"
    );
}

fn letter(cda: &str) -> String {
    let data = STANDARD.encode(cda);
    format!(
        "MSH|^~\\&|DPI|CH-VALOMBRE|LIAISON|CH-VALOMBRE|20261121200000||MDM^T02^MDM_T02|800001|P|2.6\rEVN||20261121200000\rPID|1||900123^^^CH-VALOMBRE&000000001&L^PI||LEFEBVRE^JEANNE\rPV1|1|I|||||||||||||||||26004711-1^^^CH-VALOMBRE&000000001&L^VN\rTXA|1|Lettre de liaison||||||||||lettre-7\rOBX|1|ED|11490-0^Lettre de liaison^LN||^text^xml^Base64^{data}||||||F\r"
    )
}

fn checked(message: &[u8]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/check_notice.py");
    let said = run(python().arg(script), message);
    String::from_utf8(said).unwrap()
}
