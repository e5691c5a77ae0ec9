//! The receipt: a letter to who reported, with a proof that anyone can check without asking us.
//!
//! The proof has the form of c2sp.org/tlog-proof; its `extra` is the entry's canonical text, from
//! which a verifier makes the leaf itself. So the number and the date are proved too, and no other
//! file is needed. It says nothing about who reported or what.

use std::fmt;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use time::OffsetDateTime;

use super::entry::{Entry, Number};
use liaison_base::tlog::merkle::{self, Hash, ProofError};
use liaison_base::tlog::note::{Checkpoint, NoteError, VerifierKey, decimal};

/// Most octets of a text in which a proof is looked for.
pub const MAX_RECEIPT: usize = 1024 * 1024;
/// First line of a proof (tlog-proof, "Format").
const FORM: &str = "c2sp.org/tlog-proof@v1";
/// What begins a signature line of the checkpoint (signed-note, "Format").
const SIGNATURE: &str = "\u{2014} ";

/// That an entry stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The entry.
    pub entry: Entry,
    /// Its place, from 0.
    pub index: u64,
    /// The hashes from its neighbour up to the root (RFC 6962 §2.1.1).
    pub path: Vec<Hash>,
    /// The signed checkpoint (c2sp.org/tlog-checkpoint).
    pub checkpoint: String,
}

/// What a receipt has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The number of the entry.
    pub number: Number,
    /// When it was taken in, UTC.
    pub received_at: OffsetDateTime,
    /// Its place in the log, from 0.
    pub index: u64,
    /// The hash of its leaf.
    pub leaf: Hash,
    /// The state of the log that it is part of. A later checkpoint of the same log must be
    /// consistent with it ([`merkle::verify_consistency`]).
    pub checkpoint: Checkpoint,
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// No proof in the text, or a text too long.
    #[error("no proof in this text: give the whole receipt, unchanged")]
    Missing,
    /// Two proofs or more.
    #[error("several proofs in this text: give one receipt at a time")]
    Several,
    /// A line that is not what its place demands.
    #[error("the proof is damaged at its {0}: was the text wrapped or cut by a mail program?")]
    Form(&'static str),
    /// The checkpoint is not signed by that log.
    #[error("the checkpoint is not believed: {0}")]
    Checkpoint(#[from] NoteError),
    /// The entry is not in the log that the checkpoint describes.
    #[error("the entry is not in the log: {0}")]
    Inclusion(#[from] ProofError),
}

/// Finds the proof in the text of a receipt, or of a mail that quotes one, and checks it with the
/// key of the log, which the reader must have from elsewhere. Pure and offline.
///
/// # Errors
/// [`ReceiptError`].
pub fn verify_receipt(text: &str, verifier: &VerifierKey) -> Result<Verified, ReceiptError> {
    let proof = Proof::find(text)?;
    let checkpoint = Checkpoint::open(&proof.checkpoint, verifier)?;
    let leaf = proof.entry.leaf();
    let tree = (checkpoint.size, checkpoint.root);
    merkle::verify_inclusion(leaf, proof.index, &proof.path, tree)?;
    Ok(Verified {
        number: proof.entry.number(),
        received_at: proof.entry.received_at(),
        index: proof.index,
        leaf,
        checkpoint,
    })
}

impl Proof {
    /// Reads the one proof in a text, without checking it. White space at the end of lines, CRLF
    /// and the `>` of quotations are passed over: mail programs add them.
    ///
    /// # Errors
    /// [`ReceiptError::Missing`], [`ReceiptError::Several`], [`ReceiptError::Form`].
    pub fn find(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > MAX_RECEIPT {
            return Err(ReceiptError::Missing);
        }
        let mut lines = text.lines().map(unquoted);
        lines
            .find(|line| *line == FORM)
            .ok_or(ReceiptError::Missing)?;
        if lines.clone().any(|line| line == FORM) {
            return Err(ReceiptError::Several);
        }
        let mut field = |name: &'static str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .ok_or(ReceiptError::Form(name))
        };
        let entry = field("extra")?;
        let index = field("index")?;
        let entry = STANDARD
            .decode(entry)
            .ok()
            .and_then(|octets| String::from_utf8(octets).ok()?.parse().ok())
            .ok_or(ReceiptError::Form("entry"))?;
        let index = decimal(index).ok_or(ReceiptError::Form("index"))?;
        let mut path = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            if path.len() == merkle::MAX_PROOF {
                return Err(ReceiptError::Form("path"));
            }
            path.push(Hash::from_base64(line).ok_or(ReceiptError::Form("path"))?);
        }
        let mut checkpoint = String::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            checkpoint.push_str(line);
            checkpoint.push('\n');
        }
        checkpoint.push('\n');
        for line in lines.take_while(|line| line.starts_with(SIGNATURE)) {
            checkpoint.push_str(line);
            checkpoint.push('\n');
        }
        Ok(Self {
            entry,
            index,
            path,
            checkpoint,
        })
    }
}

/// The form of c2sp.org/tlog-proof, lines ended by LF.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = STANDARD.encode(self.entry.to_string());
        writeln!(f, "{FORM}\nextra {entry}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// The letter that answers a report.
#[derive(Template)]
#[template(path = "reports/receipt.txt", escape = "none")]
struct Letter<'a> {
    number: String,
    received: String,
    place: u64,
    size: u64,
    leaf: Hash,
    origin: &'a str,
    proof: &'a Proof,
}

/// The text of the letter in French. Holds no word of what was reported.
pub(super) fn letter(
    proof: &Proof,
    size: u64,
    verifier: &VerifierKey,
) -> Result<String, askama::Error> {
    let at = proof.entry.received_at();
    Letter {
        number: proof.entry.number().to_string(),
        received: format!(
            "{:02}/{:02}/{:04} à {:02} h {:02}",
            at.day(),
            u8::from(at.month()),
            at.year(),
            at.hour(),
            at.minute()
        ),
        place: proof.index + 1,
        size,
        leaf: proof.entry.leaf(),
        origin: verifier.origin().as_str(),
        proof,
    }
    .render()
}

/// A line without its marks of quotation (RFC 3676 §4.5) and without trailing white space.
fn unquoted(line: &str) -> &str {
    let mut line = line;
    while let Some(rest) = line.strip_prefix('>') {
        line = rest.strip_prefix(' ').unwrap_or(rest);
    }
    line.trim_end()
}

#[cfg(test)]
mod tests {
    use super::super::entry::commitment;
    use super::*;
    use liaison_base::tlog::merkle::Tree;
    use liaison_base::tlog::note::{Origin, Signer};
    use proptest::prelude::*;
    use time::macros::datetime;

    fn signer(name: &str) -> Signer {
        let random = ring::rand::SystemRandom::new();
        let pkcs8 = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Signer::new(Origin::parse(name).unwrap(), pkcs8.as_ref()).unwrap()
    }

    /// The receipt of report `serial` in a log of `size` reports.
    fn receipt(signer: &Signer, serial: u32, size: u64) -> (Proof, String) {
        let entry = |serial: u32| {
            let at = datetime!(2026-11-22 15:24 UTC);
            Entry::report((2026, serial), at, commitment(&serial.to_be_bytes()))
        };
        let leaves = (1..=u32::try_from(size).unwrap()).map(|serial| entry(serial).leaf());
        let tree = Tree::of(leaves);
        let index = u64::from(serial) - 1;
        let proof = Proof {
            entry: entry(serial),
            index,
            path: tree
                .hashes(&merkle::inclusion(index, size).unwrap())
                .unwrap(),
            checkpoint: signer.sign(size, tree.root_at(size).unwrap()),
        };
        let text = letter(&proof, size, signer.verifier()).unwrap();
        (proof, text)
    }

    #[test]
    fn a_receipt_proves_its_number_date_and_place() {
        let signer = signer("ch.test/signalements");
        for (serial, size) in [(1, 1), (1, 2), (2, 2), (5, 9), (9, 9), (64, 100)] {
            let (proof, text) = receipt(&signer, serial, size);
            let verified = verify_receipt(&text, signer.verifier()).unwrap();
            assert_eq!(verified.number, proof.entry.number());
            assert_eq!(verified.received_at, datetime!(2026-11-22 15:24 UTC));
            assert_eq!(
                (verified.index, verified.checkpoint.size),
                (proof.index, size)
            );
            assert_eq!(verified.leaf, proof.entry.leaf());
            assert!(text.len() < 4096, "{} octets", text.len());
        }
    }

    #[test]
    fn a_proof_stands_alone_and_survives_quotation() {
        let signer = signer("ch.test/signalements");
        let (proof, text) = receipt(&signer, 3, 7);
        let alone = proof.to_string();
        assert_eq!(Proof::find(&alone).unwrap(), proof);
        verify_receipt(&alone, signer.verifier()).unwrap();
        let quoted: String = text
            .lines()
            .map(|line| format!("> > {line} \r\n"))
            .collect();
        verify_receipt(&quoted, signer.verifier()).unwrap();
    }

    #[test]
    fn any_changed_character_of_the_proof_is_found() {
        let signer = signer("ch.test/signalements");
        let (proof, _) = receipt(&signer, 3, 7);
        let text = proof.to_string();
        for (at, c) in text.char_indices() {
            for put in ['0', 'A', 'z', '\n'] {
                if put != c {
                    let changed = format!("{}{put}{}", &text[..at], &text[at + c.len_utf8()..]);
                    let outcome = verify_receipt(&changed, signer.verifier());
                    assert!(outcome.is_err(), "octet {at} became {put:?}");
                }
            }
        }
    }

    #[test]
    fn a_cut_receipt_is_refused() {
        let signer = signer("ch.test/signalements");
        let (proof, _) = receipt(&signer, 3, 7);
        let text = proof.to_string();
        let lines: Vec<_> = text.lines().collect();
        for kept in 0..lines.len() {
            assert!(verify_receipt(&lines[..kept].join("\n"), signer.verifier()).is_err());
            let mut without = lines.clone();
            without.remove(kept);
            assert!(verify_receipt(&without.join("\n"), signer.verifier()).is_err());
        }
        for at in (0..text.len() - 1).filter(|at| text.is_char_boundary(*at)) {
            assert!(
                verify_receipt(&text[..at], signer.verifier()).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn a_receipt_of_another_log_is_refused() {
        let (ours, other) = (
            signer("ch.test/signalements"),
            signer("other.test/signalements"),
        );
        let (_, text) = receipt(&other, 3, 7);
        assert_eq!(
            verify_receipt(&text, ours.verifier()),
            Err(ReceiptError::Checkpoint(NoteError::Unsigned))
        );
    }

    #[test]
    fn a_proof_cannot_lend_its_path_to_another_entry() {
        let signer = signer("ch.test/signalements");
        let (mut proof, _) = receipt(&signer, 3, 7);
        proof.entry = receipt(&signer, 4, 7).0.entry;
        assert_eq!(
            verify_receipt(&proof.to_string(), signer.verifier()),
            Err(ReceiptError::Inclusion(ProofError::Root))
        );
    }

    #[test]
    fn texts_without_one_proof_are_refused() {
        let signer = signer("ch.test/signalements");
        let (proof, _) = receipt(&signer, 1, 1);
        let verify = |text: &str| verify_receipt(text, signer.verifier());
        assert_eq!(verify("Bonjour"), Err(ReceiptError::Missing));
        assert_eq!(
            verify(&"\n".repeat(MAX_RECEIPT + 1)),
            Err(ReceiptError::Missing)
        );
        assert_eq!(
            verify(&format!("{proof}{proof}")),
            Err(ReceiptError::Several)
        );
        let endless = format!(
            "{FORM}\nextra {}\nindex 0\n",
            STANDARD.encode(proof.entry.to_string())
        );
        let endless = endless + &format!("{}\n", Hash::of(b"x")).repeat(merkle::MAX_PROOF + 1);
        assert_eq!(verify(&endless), Err(ReceiptError::Form("path")));
    }

    #[test]
    fn the_letter_says_what_happens_next() {
        let (_, text) = receipt(&signer("ch.test/signalements"), 3, 7);
        for said in [
            "Numéro : EM-2026-000003",
            "22/11/2026 à 15 h 24",
            "servent à apprendre",
            "n'est pas une prévalence",
            "entrée 3 sur 7",
        ] {
            assert!(text.contains(said), "{said}");
        }
    }

    proptest! {
        /// Texts made of the pieces of a true receipt, and of anything, are judged, not choked on.
        #[test]
        fn shuffled_receipts_are_refused(
            order in prop::collection::vec((0_usize..20, "\\PC{0,20}", 0..6), 0..30),
        ) {
            let signer = signer("ch.test/signalements");
            let (proof, _) = receipt(&signer, 3, 7);
            let proof = proof.to_string();
            let lines: Vec<_> = proof.lines().collect();
            let text: String = order
                .iter()
                .map(|(at, noise, what)| match what {
                    0 => format!("{noise}\n"),
                    _ => format!("{}\n", lines[at % lines.len()]),
                })
                .collect();
            // Only the lines of a proof in their order prove anything.
            prop_assert_eq!(
                verify_receipt(&text, signer.verifier()).is_ok(),
                text.contains(&proof) && text.matches(FORM).count() == 1
            );
        }
    }
}
