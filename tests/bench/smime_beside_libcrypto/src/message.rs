//! What is sent: a letter with an attachment in base64, of a given size.

use std::io::Write;

use crate::people::{DOCTOR, HOME};

/// The fields that travel outside, as both write them.
pub(crate) fn outer_fields() -> String {
    format!(
        "From: {DOCTOR}\r\nTo: {HOME}\r\nDate: Sun, 22 Nov 2026 18:00:00 +0000\r\n\
         Message-ID: <mesure@hopital.test>\r\nSubject: [...]\r\n"
    )
}

/// Writes a complete message of about `octets`, CRLF line endings.
pub(crate) fn letter(octets: usize, out: &mut dyn Write) {
    let head = format!(
        "From: {DOCTOR}\r\nTo: {HOME}\r\nDate: Sun, 22 Nov 2026 18:00:00 +0000\r\n\
         Message-ID: <mesure@hopital.test>\r\nSubject: Sortie de Mme Fictive\r\n\
         MIME-Version: 1.0\r\nContent-Type: application/pdf; name=lettre.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    out.write_all(head.as_bytes()).expect("it is written");
    let mut written = head.len();
    // Lines of base64 that differ: a generator of Knuth's, of no cryptographic use.
    let mut state = 26_071_934u64;
    let mut line = [0u8; 78];
    line[76..].copy_from_slice(b"\r\n");
    while written < octets {
        for character in &mut line[..76] {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *character = ALPHABET[usize::from((state >> 58) as u8)];
        }
        out.write_all(&line).expect("it is written");
        written += line.len();
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
