//! A protected person (PD1-12): nothing leaves, and the ward reads why in its own mailbox.

use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::territory::{EHPAD, WARD};
use mail_parser::MessageParser;

#[test]
fn a_notice_about_a_protected_person_waits_and_the_ward_is_told() {
    let (territory, _sites) = Territory::start();
    let protected = territory
        .hl7("a01-admission")
        .replace("\rROL|", "\rPD1||||||||||||Y\rROL|");
    let mut ward = territory.imap(WARD);
    let answer = territory.mllp().push(&protected).unwrap();
    assert_eq!(verdict(&answer).0, "CA", "accepted, kept, and held");

    let told = ward.wait_for(1).remove(0);
    let told = MessageParser::default().parse(&told).unwrap();
    assert_eq!(told.subject(), Some("Avis retenu : décision attendue"));
    let text = told.body_text(0).unwrap();
    assert!(
        text.contains("26004711-1") && text.contains("protégé"),
        "{text}"
    );
    assert!(!text.contains("LEFEBVRE"), "the stay's number is enough");

    assert!(territory.track("hospital").is_empty(), "nothing has left");
    assert!(territory.imap(EHPAD).messages().is_empty());
    assert!(territory.log("hospital").contains("held: protected person"));
}
