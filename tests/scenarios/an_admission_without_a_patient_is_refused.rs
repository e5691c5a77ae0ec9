//! An ADT without PID is refused with what is missing and where; a repeat cannot help, and the
//! answer says so (`CE`).

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::mllp::verdict;
use liaison_tests::territory::EHPAD;
use liaison_tests::{Territory, routine};

#[test]
fn an_admission_without_a_patient_is_refused() {
    let (territory, _sites) = Territory::start();
    let message: String = territory
        .hl7("a01-admission")
        .split_inclusive('\r')
        .filter(|segment| !segment.starts_with("PID|"))
        .collect();
    // A patient's name stands in other segments too: a relative's, here.
    let message = format!("{message}NK1|1|{CANARY}^LUCIE|CHD^Enfant^HL70063\r");

    let mut feed = territory.mllp();
    let answer = feed.push(&message).unwrap();
    assert_eq!(verdict(&answer), ("CE".to_owned(), "700001".to_owned()));
    let err = answer
        .split('\r')
        .find(|segment| segment.starts_with("ERR|"));
    assert_eq!(
        err,
        Some("ERR||PID^1|100^Segment sequence error^HL70357|E"),
        "{answer}"
    );
    assert!(!answer.contains(CANARY));

    let reason = "100 Segment sequence error at PID^1";
    let refused = [("reason", reason), ("level", "WARN")];
    wait_for_line(&territory, "hospital", "feed: message refused", &refused);
    assert_eq!(routine::count(&territory, EHPAD), 0);
    // The same connection goes on.
    let answer = feed.push(&territory.hl7("a16-planned-discharge")).unwrap();
    assert_eq!(verdict(&answer), ("CA".to_owned(), "700020".to_owned()));
    routine::an_admission_arrives(&territory);
    assert_silent_about(&territory, &[]);
}
