//! A site's IMAP door over real TLS: one scenario a file.

mod site;

mod a_session_keeps_the_rules_of_imap;
mod an_idling_client_is_told_at_once;
mod curl_and_mbsync_read_a_mailbox;
mod python_imaplib_reads_and_files_mail;
