//! The attacks known against S/MIME readers, each with the verdict that it must get. The numbers
//! are those of the project's list of attacks. Those that concern the gateway around this crate
//! (replies, Bcc, forwarding, logs) have a second half in the gateway's own tests and scenarios.
//!
//! `forge` writes what an attacker would send.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

mod forge;

mod a01_ciphertext_between_html_parts;
mod a02_cbc_gadgets_and_moved_blocks;
mod a03_a_cipher_in_the_wrong_container;
mod a04_truncated_tags;
mod a05_nonces_and_wrapped_keys_of_odd_lengths;
mod a06_padding_and_key_oracles;
mod a07_changed_authenticated_attributes;
mod a08_signature_wrapping;
mod a09_no_signer_or_one_of_two;
mod a10_missing_and_doubled_attributes;
mod a11_substituted_algorithms;
mod a12_broken_algorithms;
mod a13_names_that_are_not_the_signers;
mod a14_certificates_that_may_not_sign;
mod a15_ber_bombs;
mod a16_mime_bombs;
mod a17_recipients_of_other_kinds;
mod a18_keys_and_points_that_are_none;
mod a19_header_spoofing;
mod a20_what_an_answer_could_leak;
mod a21_copies_that_tell_of_each_other;
mod a22_capabilities_that_downgrade;
mod a23_signed_for_somebody_else;
mod a24_secrets_in_plain_sight;
