//! Scenarios across processes: one a file, named as a sentence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures real time"
)]

mod a_discharge_notice_reaches_the_nursing_home;
