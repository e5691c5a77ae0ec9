//! Signed notes and the checkpoint of a log: c2sp.org/signed-note and c2sp.org/tlog-checkpoint,
//! with Ed25519 (RFC 8032). Pure; the caller gives the key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    ED25519, ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
};
use thiserror::Error;

use super::cosignature::CosignerKey;
use super::merkle::Hash;

/// Most octets of a note that is read.
pub const MAX_NOTE: usize = 64 * 1024;
/// Most signature lines that are looked at; verifiers must accept 16 (signed-note, "Format").
const MAX_SIGNATURES: usize = 64;
/// The signature type "Ed25519" (signed-note, "Signature types").
const TYPE_ED25519: u8 = 1;
/// What begins a signature line: an em dash and a space.
pub(super) const MARK: &str = "\u{2014} ";

/// Why a note or a key is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not of the form of a note, a checkpoint or a key.
    #[error("not a well-formed {0}")]
    Form(&'static str),
    /// No signature by the key that was asked about.
    #[error("not signed by the expected key")]
    Unsigned,
    /// A signature by that key which does not verify.
    #[error("the signature is wrong: the text was changed")]
    Signature,
}

/// The name of a key and of a log: not empty, no white space, no `+` and no control character
/// (signed-note, "Format"). A URL without its scheme, for example `ch.test/signalements`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// # Errors
    /// [`NoteError::Form`] on a character that a name cannot hold, or beyond 255 octets.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if (1..=255).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoteError::Form("name of a log"))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A note that was read but not verified.
pub(super) struct Note<'n> {
    /// What is signed, with its final newline.
    pub(super) text: &'n str,
    pub(super) signatures: Vec<Signature<'n>>,
}

/// A signature line.
pub(super) struct Signature<'n> {
    pub(super) name: &'n str,
    pub(super) id: [u8; 4],
    /// What follows the key ID.
    pub(super) value: Vec<u8>,
}

impl<'n> Note<'n> {
    /// Takes a note apart (signed-note, "Format").
    pub(super) fn read(note: &'n str) -> Result<Self, NoteError> {
        const FORM: NoteError = NoteError::Form("signed note");
        let control = |c: char| c.is_ascii_control() && c != '\n';
        if note.len() > MAX_NOTE || note.contains(control) {
            return Err(FORM);
        }
        let gap = note.rfind("\n\n").ok_or(FORM)?;
        let (text, lines) = (&note[..=gap], &note[gap + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(FORM)?;
        let signatures = lines.split('\n').take(MAX_SIGNATURES);
        let signatures = signatures.map(|line| Signature::read(line).ok_or(FORM));
        Ok(Self {
            text,
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }
}

impl<'n> Signature<'n> {
    fn read(line: &'n str) -> Option<Self> {
        let (name, value) = line.strip_prefix(MARK)?.split_once(' ')?;
        let value = STANDARD.decode(value).ok()?;
        let (id, rest) = value.split_first_chunk::<4>()?;
        Some(Self {
            name,
            id: *id,
            value: rest.to_vec(),
        })
    }
}

/// A signature line (signed-note, "Signatures").
pub(super) fn line(origin: &Origin, id: [u8; 4], signature: &[u8]) -> String {
    let mut value = id.to_vec();
    value.extend_from_slice(signature);
    format!("{MARK}{} {}\n", origin.0, STANDARD.encode(value))
}

/// The key ID (signed-note, "Signatures").
pub(super) fn key_id(origin: &Origin, kind: u8, public: &[u8]) -> [u8; 4] {
    let mut named = origin.0.as_bytes().to_vec();
    named.extend_from_slice(b"\n");
    named.push(kind);
    named.extend_from_slice(public);
    let [a, b, c, d, ..] = *Hash::of(&named).as_bytes();
    [a, b, c, d]
}

/// Reads `name+id+key` whose key is of type `kind` (signed-note, "Verifier keys").
pub(super) fn read_key(
    text: &str,
    kind: u8,
) -> Result<(Origin, [u8; ED25519_PUBLIC_KEY_LEN]), NoteError> {
    const FORM: NoteError = NoteError::Form("verifier key");
    // Base64 may hold a `+` too; a name and an ID cannot.
    let mut parts = text.trim().splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(FORM);
    };
    let key = STANDARD.decode(key).map_err(|_| FORM)?;
    let public: [u8; ED25519_PUBLIC_KEY_LEN] = match key.split_first() {
        Some((first, public)) if *first == kind => public.try_into().map_err(|_| FORM)?,
        _ => return Err(FORM),
    };
    let origin = Origin::parse(name)?;
    if format!("{:08x}", u32::from_be_bytes(key_id(&origin, kind, &public))) == id {
        Ok((origin, public))
    } else {
        Err(FORM)
    }
}

/// Writes `name+id+key`.
pub(super) fn written_key(origin: &Origin, kind: u8, public: &[u8]) -> String {
    let id = u32::from_be_bytes(key_id(origin, kind, public));
    let mut key = vec![kind];
    key.extend_from_slice(public);
    format!("{}+{id:08x}+{}", origin.0, STANDARD.encode(key))
}

/// The public key of a log, written `name+id+key`: what a verifier must know beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    origin: Origin,
    public: [u8; ED25519_PUBLIC_KEY_LEN],
}

impl VerifierKey {
    /// The log that the key signs for.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The key ID (signed-note, "Signatures").
    fn id(&self) -> [u8; 4] {
        key_id(&self.origin, TYPE_ED25519, &self.public)
    }

    /// The same key as one that signs with its time: how a log says when it last vouched for a
    /// checkpoint.
    pub fn cosigner(&self) -> CosignerKey {
        CosignerKey::new(self.origin.clone(), self.public)
    }

    /// Verifies a note and gives its text. Signatures by other keys are passed over.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let note = Note::read(note)?;
        let mut signed = false;
        for signature in note.signatures {
            if signature.name != self.origin.0 || signature.id != self.id() {
                continue;
            }
            UnparsedPublicKey::new(&ED25519, &self.public)
                .verify(note.text.as_bytes(), &signature.value)
                .map_err(|_| NoteError::Signature)?;
            signed = true;
        }
        if signed {
            Ok(note.text)
        } else {
            Err(NoteError::Unsigned)
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written_key(&self.origin, TYPE_ED25519, &self.public))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (origin, public) = read_key(text, TYPE_ED25519)?;
        Ok(Self { origin, public })
    }
}

/// Signs notes in the name of a log.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl Signer {
    /// Takes a key in PKCS#8 version 2 (RFC 5958).
    ///
    /// # Errors
    /// [`NoteError::Form`] when it is not an Ed25519 key.
    pub fn new(origin: Origin, pkcs8: &[u8]) -> Result<Self, NoteError> {
        const FORM: NoteError = NoteError::Form("signing key");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| FORM)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| FORM)?;
        Ok(Self {
            pair,
            verifier: VerifierKey { origin, public },
        })
    }

    /// What verifies this signer's notes.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a checkpoint of this log.
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let origin = self.verifier.origin.clone();
        let text = Checkpoint { origin, size, root }.to_string();
        let signature = self.pair.sign(text.as_bytes());
        let line = line(
            &self.verifier.origin,
            self.verifier.id(),
            signature.as_ref(),
        );
        format!("{text}\n{line}")
    }

    /// The line that this signer adds to a note whose text is signed by others too.
    ///
    /// # Errors
    /// [`NoteError::Form`] when it is no note.
    pub fn countersign(&self, note: &str) -> Result<String, NoteError> {
        let text = Note::read(note)?.text;
        let signature = self.pair.sign(text.as_bytes());
        Ok(line(
            &self.verifier.origin,
            self.verifier.id(),
            signature.as_ref(),
        ))
    }
}

/// The state of a log at one size: the text of a signed note (tlog-checkpoint, "Note text").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Verifies a signed checkpoint with the key of the log that it names.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(note: &str, verifier: &VerifierKey) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(verifier.open(note)?)?;
        if checkpoint.origin == *verifier.origin() {
            Ok(checkpoint)
        } else {
            Err(NoteError::Unsigned)
        }
    }

    /// The checkpoint in a note whose signatures are not looked at: for who must tell which log it
    /// is of before a key can be chosen.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn unverified(note: &str) -> Result<Self, NoteError> {
        Self::parse(Note::read(note)?.text)
    }

    /// Reads the text of a note: nothing is verified. Extension lines are passed over: they say
    /// nothing that is used here.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        const FORM: NoteError = NoteError::Form("checkpoint");
        let mut lines = text.strip_suffix('\n').ok_or(FORM)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(FORM);
        };
        if lines.any(str::is_empty) {
            return Err(FORM);
        }
        Ok(Self {
            origin: Origin::parse(origin)?,
            size: decimal(size).ok_or(FORM)?,
            root: Hash::from_base64(root).ok_or(FORM)?,
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin.0, self.size, self.root)
    }
}

/// Reads an ASCII decimal without leading zeroes, below 2^63; `None` when it is none.
pub fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number <= i64::MAX as u64 && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    fn signer(name: &str) -> Signer {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::new(Origin::parse(name).unwrap(), pkcs8.as_ref()).unwrap()
    }

    #[test]
    fn the_public_example_of_a_key_and_a_note_is_understood() {
        // From the documentation of golang.org/x/mod/sumdb/note.
        let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
            .parse()
            .unwrap();
        let note = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n\n\
            \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert!(key.open(note).unwrap().starts_with("If you think"));
        assert_eq!(
            key.open(&note.replace("answer", "Answer")),
            Err(NoteError::Signature)
        );
    }

    #[test]
    fn a_checkpoint_opens_with_the_key_of_its_log_only() {
        let (ours, other) = (
            signer("ch.test/signalements"),
            signer("ch.test/signalements"),
        );
        let note = ours.sign(12, Hash::of(b"root"));
        let read = Checkpoint::open(&note, ours.verifier()).unwrap();
        assert_eq!((read.size, read.root), (12, Hash::of(b"root")));
        assert_eq!(
            Checkpoint::open(&note, other.verifier()),
            Err(NoteError::Unsigned)
        );
    }

    #[test]
    fn a_changed_character_of_a_checkpoint_is_found() {
        let ours = signer("ch.test/signalements");
        let note = ours.sign(1234, Hash::of(b"root"));
        for (at, c) in note.char_indices() {
            for put in ['0', 'A', '\n', 'é'] {
                if put != c {
                    let changed = format!("{}{put}{}", &note[..at], &note[at + c.len_utf8()..]);
                    assert!(
                        Checkpoint::open(&changed, ours.verifier()).is_err(),
                        "{changed}"
                    );
                }
            }
        }
    }

    #[test]
    fn signatures_of_witnesses_are_passed_over() {
        let (ours, witness) = (
            signer("ch.test/signalements"),
            signer("ch.test/signalements"),
        );
        let note = ours.sign(3, Hash::of(b"root"));
        let (_, line) = note.split_once("\n\n").unwrap();
        let seen = witness.sign(3, Hash::of(b"root")) + line;
        assert_eq!(Checkpoint::open(&seen, ours.verifier()).unwrap().size, 3);
    }

    #[test]
    fn a_verifier_key_is_written_and_read_and_a_damaged_one_refused() {
        let key = signer("ch.test/signalements").verifier().clone();
        let text = key.to_string();
        assert_eq!(text.parse::<VerifierKey>().unwrap(), key);
        for bad in [
            "",
            "a+b",
            "a+00000000+AQ==",
            &text[1..],
            &text[..text.len() - 4],
        ] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_would_be_ambiguous_are_refused() {
        for bad in ["", "a b", "a+b", "a\u{a0}b", "a\nb", &"x".repeat(256)] {
            assert!(Origin::parse(bad).is_err(), "{bad:?}");
        }
    }
}
