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
mod a_relay_between_the_sites_never_sees_the_plain_text;
mod a_relay_without_a_certificate_gets_no_session;
mod a_report_by_mail_gets_a_receipt_that_verifies;
mod a_truncated_frame_is_not_acknowledged;
mod a_wrong_password_is_refused_and_named_nowhere;
mod an_admission_without_a_patient_is_refused;
mod an_endless_frame_is_cut_off;
mod an_unknown_recipient_is_refused_while_the_client_waits;
mod an_unknown_trigger_is_acknowledged_and_tells_nobody;
mod curl_lists_and_fetches_mail;
mod curl_submits_a_letter_with_an_attachment;
mod garbage_at_any_door_is_sent_away;
mod mbsync_carries_mail_and_flags_both_ways;
mod no_smuggling_form_is_submitted;
mod nothing_acknowledged_is_lost_or_shown_twice_when_sites_are_killed;
mod openssl_opens_what_comes_off_the_wire;
mod python_hl7_pushes_the_feed;
mod python_imaplib_works_through_an_inbox;
mod python_smtplib_submits_any_octets;
mod smtp_without_tls_is_not_spoken_to_mail_clients;
mod swaks_submits_with_either_login;
mod the_ward_is_told_of_a_doctor_whom_the_directory_does_not_know;
mod what_openssl_seals_arrives_verified;
