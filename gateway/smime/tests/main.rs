//! The rules of sealing and opening: one a file.

#[path = "attacks/forge/mod.rs"]
mod forge;
mod territory;

mod a_changed_octet_is_refused_or_harmless;
mod a_changed_or_misplaced_signature_is_not_valid;
mod a_sealed_message_opens_for_each_recipient;
mod a_signer_is_valid_only_if_everything_agrees;
mod an_authority_issues_renews_and_revokes;
mod any_body_survives_sealing;
mod bombs_meet_their_limits;
mod chacha20_poly1305_content_is_opened;
mod every_failure_to_decrypt_looks_the_same;
mod headers_outside_are_compared_and_never_trusted;
mod keys_travel_between_programs;
mod ml_dsa_signatures_are_verified;
mod ml_kem_recipients_open_what_is_sealed_for_them;
mod no_input_makes_it_panic;
mod ocsp_responses_count_while_they_are_current;
mod openssl_opens_what_we_seal;
mod rsassa_pss_keys_sign_and_never_receive;
mod we_open_what_openssl_seals;
mod what_is_not_accepted_is_refused_by_name;
