//! Cosignatures: who saw a checkpoint, that it grew from what was seen before, and when.
//! c2sp.org/tlog-cosignature with Ed25519 (`cosignature/v1`). Pure; the caller gives key and time.
//!
//! A log signs its own checkpoint in this form too: the plain signature of a checkpoint has no
//! time, and without one an old checkpoint cannot be told from the present one.

use std::fmt;
use std::str::FromStr;

use ring::signature::{
    ED25519, ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
};

use super::note::{Note, NoteError, Origin, key_id, line, read_key, written_key};

/// The signature type "cosignature/v1" (tlog-cosignature, "Format").
const TYPE_COSIGNATURE: u8 = 4;

/// The public key of a witness, written `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerKey {
    name: Origin,
    public: [u8; ED25519_PUBLIC_KEY_LEN],
}

impl CosignerKey {
    pub(super) fn new(name: Origin, public: [u8; ED25519_PUBLIC_KEY_LEN]) -> Self {
        Self { name, public }
    }

    /// The witness's name.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// When this witness cosigned the note, in seconds since 1970: the latest of its lines. Lines
    /// of others are passed over.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] when it has not; [`NoteError::Signature`] when a line in its name
    /// does not verify; [`NoteError::Form`] when this is no note.
    pub fn cosigned_at(&self, note: &str) -> Result<u64, NoteError> {
        let note = Note::read(note)?;
        let id = key_id(&self.name, TYPE_COSIGNATURE, &self.public);
        let mut latest = None;
        for signature in &note.signatures {
            if signature.name != self.name.as_str() || signature.id != id {
                continue;
            }
            let (time, value) = signature
                .value
                .split_first_chunk::<8>()
                .ok_or(NoteError::Signature)?;
            let time = u64::from_be_bytes(*time);
            if i64::try_from(time).is_err() {
                return Err(NoteError::Signature);
            }
            UnparsedPublicKey::new(&ED25519, &self.public)
                .verify(message(time, note.text).as_bytes(), value)
                .map_err(|_| NoteError::Signature)?;
            latest = latest.max(Some(time));
        }
        latest.ok_or(NoteError::Unsigned)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written_key(&self.name, TYPE_COSIGNATURE, &self.public))
    }
}

impl FromStr for CosignerKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, public) = read_key(text, TYPE_COSIGNATURE)?;
        Ok(Self { name, public })
    }
}

/// Cosigns checkpoints.
pub struct Cosigner {
    pair: Ed25519KeyPair,
    key: CosignerKey,
}

impl Cosigner {
    /// Takes a key in PKCS#8 version 2 (RFC 5958).
    ///
    /// # Errors
    /// [`NoteError::Form`] when it is not an Ed25519 key.
    pub fn new(name: Origin, pkcs8: &[u8]) -> Result<Self, NoteError> {
        const FORM: NoteError = NoteError::Form("signing key");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| FORM)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| FORM)?;
        Ok(Self {
            pair,
            key: CosignerKey { name, public },
        })
    }

    /// What verifies its lines.
    pub fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// The line to add to a note at `time`, in seconds since 1970.
    ///
    /// # Errors
    /// [`NoteError::Form`] when this is no note.
    pub fn cosign(&self, note: &str, time: u64) -> Result<String, NoteError> {
        let text = Note::read(note)?.text;
        let mut value = time.to_be_bytes().to_vec();
        value.extend_from_slice(self.pair.sign(message(time, text).as_bytes()).as_ref());
        let id = key_id(&self.key.name, TYPE_COSIGNATURE, &self.key.public);
        Ok(line(&self.key.name, id, &value))
    }
}

/// What is signed (tlog-cosignature, "Ed25519 signed message").
fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::super::merkle::Hash;
    use super::super::note::Signer;
    use super::*;
    use ring::rand::SystemRandom;

    fn pkcs8() -> Vec<u8> {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        key.as_ref().to_vec()
    }

    fn cosigner(name: &str) -> Cosigner {
        Cosigner::new(Origin::parse(name).unwrap(), &pkcs8()).unwrap()
    }

    fn note() -> String {
        let signer = Signer::new(Origin::parse("ch.test/log").unwrap(), &pkcs8()).unwrap();
        signer.sign(7, Hash::of(b"root"))
    }

    #[test]
    fn a_cosignature_tells_who_and_when() {
        let (ght, dac) = (cosigner("ght.test/witness"), cosigner("dac.test/witness"));
        let mut note = note();
        assert_eq!(ght.key().cosigned_at(&note), Err(NoteError::Unsigned));
        note += &ght.cosign(&note, 1_795_000_000).unwrap();
        note += &dac.cosign(&note, 1_795_000_001).unwrap();
        note += &ght.cosign(&note, 1_795_000_009).unwrap();
        assert_eq!(ght.key().cosigned_at(&note), Ok(1_795_000_009));
        assert_eq!(dac.key().cosigned_at(&note), Ok(1_795_000_001));
        let changed = note.replacen("\n7\n", "\n8\n", 1);
        assert_eq!(dac.key().cosigned_at(&changed), Err(NoteError::Signature));
    }

    #[test]
    fn a_time_cannot_be_put_in_place_of_another() {
        let witness = cosigner("ght.test/witness");
        let note = note();
        let line = witness.cosign(&note, 1_795_000_000).unwrap();
        let (head, value) = line.rsplit_once(' ').unwrap();
        let mut octets =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, value.trim())
                .unwrap();
        octets[11] ^= 1;
        let value = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &octets);
        let forged = format!("{note}{head} {value}\n");
        assert_eq!(
            witness.key().cosigned_at(&forged),
            Err(NoteError::Signature)
        );
    }

    #[test]
    fn a_witness_key_is_not_a_log_key() {
        let key = cosigner("ght.test/witness").key().clone();
        let text = key.to_string();
        assert_eq!(text.parse::<CosignerKey>().unwrap(), key);
        assert!(text.parse::<super::super::note::VerifierKey>().is_err());
    }
}
