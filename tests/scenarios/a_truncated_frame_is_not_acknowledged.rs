//! A feed that breaks off inside a frame gets no answer, for its sender then repeats; the repeat
//! is taken.

use std::io::ErrorKind;

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::territory::EHPAD;
use liaison_tests::{Territory, routine};

#[test]
fn a_truncated_frame_is_not_acknowledged() {
    let (territory, _sites) = Territory::start();
    let message = territory.hl7("a01-admission").replace("LEFEBVRE", CANARY);
    let half = &message[..message.len() / 2];
    assert!(half.contains(CANARY));

    let mut feed = territory.mllp();
    feed.raw(b"\x0b").unwrap();
    feed.raw(half.as_bytes()).unwrap();
    feed.finish().unwrap();
    let answer = feed.answer().unwrap_err();
    assert_eq!(answer.kind(), ErrorKind::UnexpectedEof);

    let reason = format!(
        "the connection ended {} bytes into an MLLP frame; the sender has to repeat it",
        half.len()
    );
    let line = wait_for_line(
        &territory,
        "hospital",
        "feed closed",
        &[("reason", &reason)],
    );
    assert_eq!(line["level"], "WARN");
    assert_eq!(routine::count(&territory, EHPAD), 0);
    routine::an_admission_arrives(&territory);
    assert_silent_about(&territory, &[]);
}
