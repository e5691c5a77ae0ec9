//! A frame longer than the limit ends the connection without an answer, before it is kept.

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::territory::EHPAD;
use liaison_tests::{Territory, routine};

/// The limit of a frame, in octets.
const LIMIT: usize = 16 * 1024 * 1024;

#[test]
fn an_endless_frame_is_cut_off() {
    let (territory, _sites) = Territory::start();
    let mut feed = territory.mllp();
    feed.raw(b"\x0bMSH|^~\\&|GAM|CH-VALOMBRE\rPID|1||").unwrap();
    // The gateway may close while the rest is still on its way.
    let _ = feed.raw(CANARY.repeat(LIMIT / CANARY.len() + 1).as_bytes());
    let _ = feed.raw(b"\x1c\r");
    assert!(feed.answer().is_err());

    let reason = format!("no end of MLLP frame within {LIMIT} bytes; close the connection");
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
