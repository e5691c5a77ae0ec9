//! A trigger that Liaison does not know is acknowledged, or the feed would stop on it, and
//! nobody is told of anything (PAM-FR: ignored, but acknowledged).

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::mllp::verdict;
use liaison_tests::territory::EHPAD;
use liaison_tests::{Territory, routine};

#[test]
fn an_unknown_trigger_is_acknowledged_and_tells_nobody() {
    let (territory, _sites) = Territory::start();
    let message = territory
        .hl7("a01-admission")
        .replace("ADT^A01^ADT_A01", "ADT^A77^ADT_A01")
        .replace("LEFEBVRE", CANARY);
    let answer = territory.mllp().push(&message).unwrap();
    assert_eq!(verdict(&answer), ("CA".to_owned(), "700001".to_owned()));
    assert!(!answer.contains(CANARY));

    let line = wait_for_line(
        &territory,
        "hospital",
        "feed: message taken",
        &[("trigger", "A77"), ("notices", "0")],
    );
    let outcome = line["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("no notice: "), "{outcome}");
    assert_eq!(routine::count(&territory, EHPAD), 0);
    assert!(territory.track("hospital").is_empty());
    assert_silent_about(&territory, &[]);
}
