//! What a site does all day, to be seen still working after something bad came in.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::Territory;
use crate::imap::Imap;
use crate::mllp::verdict;
use crate::territory::EHPAD;

static LETTERS: AtomicU32 = AtomicU32::new(1);

/// A letter between two mailboxes is submitted, carried, opened and read, exactly once.
pub fn a_letter_arrives(territory: &Territory, from: &str, to: &str) {
    let mut reader = territory.imap(to);
    let before = reader.messages().len();
    let number = LETTERS.fetch_add(1, Ordering::Relaxed);
    let subject = format!("Essai {number}");
    let letter = letter(from, to, &subject, "Bonjour.");
    let reply = territory.smtp(from).submit(from, &[to], &letter);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let messages = reader.wait_for(before + 1);
    assert_eq!(messages.len(), before + 1);
    assert_eq!(reader.subjects().last(), Some(&subject));
}

/// An admission is acknowledged and its notice reaches the nursing home. Can be told once in a
/// territory: the same movement again gives no notice.
pub fn an_admission_arrives(territory: &Territory) {
    let mut nursing_home = territory.imap(EHPAD);
    let before = nursing_home.messages().len();
    let admission = territory.hl7("a01-admission");
    let answer = territory.mllp().push(&admission).unwrap();
    assert_eq!(verdict(&answer), ("CA".to_owned(), "700001".to_owned()));
    nursing_home.wait_for(before + 1);
}

/// How many messages lie in somebody's INBOX.
pub fn count(territory: &Territory, address: &str) -> usize {
    let mut reader: Imap = territory.imap(address);
    reader.messages().len()
}

/// A message of one text, as a mail client writes it.
pub fn letter(from: &str, to: &str, subject: &str, text: &str) -> String {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
}
