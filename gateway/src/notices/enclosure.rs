//! What goes with a notice: the discharge letter that the hospital pushed, and what it changes in
//! the treatment.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_hl7::cda::{Change, How};
use liaison_hl7::document::Format;
use liaison_hl7::xdm::{Submission, pack};
use ring::digest;
use serde::{Deserialize, Serialize};

use super::bundle;
use super::circle::Role;
use super::plan::Planned;
use crate::outbound::Attachment;

/// LOINC: a discharge letter.
const LETTER: (&str, &str) = ("11490-0", "Lettre de liaison à la sortie");
const ZIP: &str = "application/zip";

/// What a stay has to enclose.
#[derive(Debug, Clone, Default)]
pub struct Enclosures {
    /// Letters, oldest first.
    pub letters: Vec<Letter>,
    /// The hospital's name, as the author of what is packed.
    pub author: String,
    /// Who has sent already what is asked on an entry, as role and code.
    pub answered: Vec<String>,
    /// A person asked that who receives the patient calls first.
    pub contact_first: bool,
}

/// A letter, or a list of treatments, that the hospital pushed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// The hospital's own identifier of it.
    pub id: String,
    /// As its message or its document says.
    pub title: Option<String>,
    /// When it came, in words.
    pub received: String,
    /// When it came, UTC, `YYYYMMDDHHMMSS`.
    pub received_at: String,
    /// `None` for a list of treatments without a document.
    pub format: Option<FileFormat>,
    /// The document in base64; empty without one.
    pub content: String,
    /// The identifiers of the patient that it names: root and number.
    pub patients: Vec<(String, String)>,
    /// What it changes in the treatment.
    pub changes: Vec<Change>,
}

/// [`Format`], kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// PDF.
    Pdf,
    /// CDA.
    Cda,
}

impl From<Format> for FileFormat {
    fn from(format: Format) -> FileFormat {
        match format {
            Format::Pdf => FileFormat::Pdf,
            Format::Cda => FileFormat::Cda,
        }
    }
}

impl Enclosures {
    /// For trying templates.
    pub(super) fn made_up() -> Enclosures {
        let change = Change {
            how: How::Stopped,
            product: "ESSAILOL".to_owned(),
            dose: None,
            reason: Some("essai".to_owned()),
        };
        Enclosures {
            letters: vec![Letter {
                id: "1".to_owned(),
                title: None,
                received: "lundi".to_owned(),
                received_at: "20261121200000".to_owned(),
                format: Some(FileFormat::Pdf),
                content: String::new(),
                patients: Vec::new(),
                changes: vec![change],
            }],
            author: String::new(),
            answered: Vec::new(),
            contact_first: true,
        }
    }

    /// « jointe (PDF, reçue le …) », to who gets the letter.
    pub(super) fn letter_words(&self, role: Role) -> Option<String> {
        if !gets_letters(role) {
            return None;
        }
        let of_format = |format| self.letters.iter().any(|one| one.format == Some(format));
        let formats = match (of_format(FileFormat::Pdf), of_format(FileFormat::Cda)) {
            (true, true) => "PDF et document structuré",
            (true, false) => "PDF",
            (false, true) => "document structuré",
            (false, false) => return None,
        };
        let mut newest = self.letters.iter().rev();
        let letter = newest.find(|letter| letter.format.is_some())?;
        Some(format!("jointe ({formats}, reçue le {})", letter.received))
    }

    /// What changes in the treatment, to who gives or takes care of it.
    pub(super) fn change_words(&self, role: Role) -> Vec<String> {
        if !gets_letters(role) && role != Role::Pharmacy {
            return Vec::new();
        }
        let newest = self.letters.iter().rev();
        let changes = newest
            .map(|letter| &letter.changes)
            .find(|all| !all.is_empty());
        changes.into_iter().flatten().map(words).collect()
    }

    /// The files for a recipient: the newest of each format, and a CDA letter packed as IHE XDM.
    pub(super) fn files_for(&self, role: Role, planned: &Planned) -> Vec<Attachment> {
        if !gets_letters(role) {
            return Vec::new();
        }
        let newest = |format: FileFormat| {
            let of_format = |letter: &&Letter| letter.format == Some(format);
            let letter = self.letters.iter().rev().find(of_format)?;
            Some((letter, STANDARD.decode(&letter.content).ok()?))
        };
        let mut files = Vec::new();
        if let Some((_, bytes)) = newest(FileFormat::Pdf) {
            files.push(Attachment {
                name: "lettre-de-liaison.pdf".to_owned(),
                media_type: "application/pdf".to_owned(),
                bytes,
            });
        }
        if let Some((letter, bytes)) = newest(FileFormat::Cda) {
            files.push(match self.packed(letter, &bytes, planned) {
                Some(packed) => Attachment {
                    name: "IHE_XDM.ZIP".to_owned(),
                    media_type: ZIP.to_owned(),
                    bytes: packed,
                },
                None => Attachment {
                    name: "lettre-de-liaison.xml".to_owned(),
                    media_type: "text/xml".to_owned(),
                    bytes,
                },
            });
        }
        files
    }

    fn packed(&self, letter: &Letter, bytes: &[u8], planned: &Planned) -> Option<Vec<u8>> {
        let person = &planned.person;
        let patient = match (&person.ins, &person.ins_oid) {
            (Some(ins), Some(oid)) => format!("{ins}^^^&{oid}&ISO^INS-C"),
            // A receiving system files by a number that it can know: the letter's own.
            _ => letter
                .patients
                .first()
                .map(|(root, number)| format!("{number}^^^&{root}&ISO^PI"))?,
        };
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
        let sha1 = hash.as_ref().iter().fold(String::new(), |mut text, octet| {
            use fmt::Write as _;
            let _ = write!(text, "{octet:02x}");
            text
        });
        let id = bundle::part_id(&format!("xdm {} {}", letter.id, letter.received_at));
        let title = letter.title.as_deref().unwrap_or(LETTER.1);
        pack(&Submission {
            id: &id,
            unique_id: &letter.id,
            mime: "text/xml",
            document: bytes,
            sha1: &sha1,
            created: &letter.received_at,
            title,
            kind: LETTER,
            patient: &patient,
            author: &self.author,
        })
        .ok()
    }
}

/// Whether a file of that type names the person by the INS, made here.
pub fn names_by_ins(media_type: &str) -> bool {
    media_type == bundle::MEDIA_TYPE || media_type == ZIP
}

/// The letter is for physicians and for the nursing home that takes the person back.
fn gets_letters(role: Role) -> bool {
    matches!(role, Role::FamilyDoctor | Role::NursingHome)
}

fn words(change: &Change) -> String {
    let how = match change.how {
        How::Stopped => "ARRÊTÉ",
        How::Modified => "MODIFIÉ",
        How::Added => "AJOUTÉ",
    };
    let mut words = format!("{how} : {}", change.product);
    if let Some(dose) = &change.dose {
        words = format!("{words}, {dose}");
    }
    match &change.reason {
        Some(reason) => format!("{words} (motif : {reason})"),
        None => words,
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Letter({:?}, {} octets)",
            self.format,
            self.content.len()
        )
    }
}
