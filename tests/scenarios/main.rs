//! Scenarios across processes: one a file, named as a sentence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures real time"
)]

mod a_discharge_notice_reaches_the_nursing_home;
mod a_gigabyte_announced_before_login_is_refused;
mod a_mail_in_anothers_name_is_not_submitted;
mod a_peer_cannot_write_in_anothers_name;
mod a_plain_text_message_is_refused_by_a_relay;
mod a_relay_without_a_certificate_gets_no_session;
mod a_report_by_mail_gets_a_receipt_that_verifies;
mod a_truncated_frame_is_not_acknowledged;
mod a_wrong_password_is_refused_and_named_nowhere;
mod an_admission_without_a_patient_is_refused;
mod an_endless_frame_is_cut_off;
mod an_unknown_recipient_is_refused_while_the_client_waits;
mod an_unknown_trigger_is_acknowledged_and_tells_nobody;
mod garbage_at_any_door_is_sent_away;
mod no_smuggling_form_is_submitted;
mod smtp_without_tls_is_not_spoken_to_mail_clients;
mod the_ward_is_told_of_a_doctor_whom_the_directory_does_not_know;
