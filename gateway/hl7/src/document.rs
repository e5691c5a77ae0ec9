//! Documents that a hospital's system pushes: MDM^T02 and ORU^R01 with the document in OBX-5 as
//! encapsulated data (HL7 v2.5 §2.A.24; the ANS volet for CDA documents).

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::adt::text::clean;
use crate::er7::Message;
use crate::error::Error;
use crate::refusal::{Code, Refusal};
use crate::timestamp::Timestamp;

/// Most documents of one message.
const MAX_FILES: usize = 8;
/// Senders forget the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message with documents, or with results.
#[derive(Clone, PartialEq)]
pub struct DocumentEvent {
    /// MSH-10.
    pub control_id: String,
    /// MSH-3.1.
    pub application: String,
    /// MSH-4.1.
    pub facility: String,
    /// MSH-11 is P.
    pub is_production: bool,
    /// PID-3 of type PI.
    pub ipp: String,
    /// PV1-19.1, or PID-18.1.
    pub visit: String,
    /// MSH-7.
    pub sent_at: Option<Timestamp>,
    /// TXA-12.1; empty where the message has none.
    pub id: String,
    /// What the message is.
    pub matter: Matter,
    /// The documents, in order.
    pub files: Vec<File>,
}

/// What a message of documents is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// A document, new or in place of an earlier version.
    Document,
    /// A document is taken back (MDM^T11).
    Withdrawn,
    /// Results without a document (ORU): final or corrected (OBR-25 F or C).
    Result {
        /// ORC-7.6 or OBR-27.6 is S, or a value is flagged HH, LL or AA (OBX-8).
        urgent: bool,
    },
}

/// A document.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// What its first octets say it is.
    pub format: Format,
    /// OBX-3.2, else TXA-2.
    pub title: Option<String>,
    /// Its octets.
    pub bytes: Vec<u8>,
}

/// Formats taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `%PDF-`.
    Pdf,
    /// XML.
    Cda,
}

impl DocumentEvent {
    /// Whether a message is one: MSH-9.1 is MDM or ORU.
    pub fn concerns(message: &Message<'_>) -> bool {
        let kind = message.msh().field(9).component(1);
        kind.is("MDM") || kind.is("ORU")
    }

    /// Reads a message of documents.
    ///
    /// # Errors
    /// [`Error::Refused`]: 101 MSH-4, MSH-10, PID-3 or PV1-19 empty; 102 OBX-5 that is not base64
    /// or is neither PDF nor XML; 207 more than eight documents.
    pub fn parse(message: &Message<'_>) -> Result<DocumentEvent, Error> {
        let of = |segment: &'static str, field: u16| {
            message
                .segment(segment)
                .and_then(|found| clean(found.field(usize::from(field)).component(1)))
        };
        let required = |segment: &'static str, field: u16| {
            of(segment, field).ok_or(Refusal::missing(segment, field))
        };
        let pid = message.segment("PID").ok_or(Refusal::no_segment("PID"))?;
        let ipp = pid
            .field(3)
            .repetitions()
            .find(|id| id.component(5).is("PI"))
            .or_else(|| {
                pid.field(3)
                    .repetitions()
                    .find(|id| id.component(5).is_empty())
            })
            .and_then(|id| clean(id.component(1)))
            .ok_or(Refusal::missing("PID", 3))?;
        let title = of("TXA", 2);
        let files = files(message, title.as_ref())?;
        let kind = message.msh().field(9);
        let matter = if kind.component(2).is("T11") {
            Matter::Withdrawn
        } else if files.is_empty() && kind.component(1).is("ORU") {
            result(message)
        } else {
            Matter::Document
        };
        Ok(DocumentEvent {
            control_id: required("MSH", 10)?,
            application: of("MSH", 3).unwrap_or_default(),
            facility: required("MSH", 4)?,
            is_production: message.msh().field(11).component(1).is("P"),
            ipp,
            visit: of("PV1", 19)
                .or_else(|| of("PID", 18))
                .ok_or(Refusal::missing("PV1", 19))?,
            sent_at: of("MSH", 7).and_then(|text| Timestamp::parse(&text)),
            id: of("TXA", 12).unwrap_or_default(),
            matter,
            files,
        })
    }
}

fn files(message: &Message<'_>, title: Option<&String>) -> Result<Vec<File>, Refusal> {
    let wrong = || Refusal::at_field(Code::DataType, "OBX", 5);
    let mut files = Vec::new();
    for obx in message
        .segments_named("OBX")
        .filter(|obx| obx.field(2).is("ED"))
    {
        if files.len() == MAX_FILES {
            return Err(Refusal::at_field(Code::Cardinality, "OBX", 5));
        }
        let data = obx.field(5);
        if !data.component(4).bytes().eq_ignore_ascii_case(b"Base64") {
            return Err(wrong());
        }
        // Long values are broken over lines; the escapes of line breaks are not base64.
        let octets: Vec<u8> = data
            .component(5)
            .text()
            .bytes()
            .filter(|octet| !octet.is_ascii_whitespace())
            .collect();
        let bytes = LENIENT.decode(octets).map_err(|_| wrong())?;
        let start = bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&bytes)
            .trim_ascii_start();
        let format = if start.starts_with(b"%PDF-") {
            Format::Pdf
        } else if start.starts_with(b"<") {
            Format::Cda
        } else {
            return Err(wrong());
        };
        files.push(File {
            format,
            title: clean(obx.field(3).component(2)).or_else(|| title.cloned()),
            bytes,
        });
    }
    Ok(files)
}

fn result(message: &Message<'_>) -> Matter {
    let stat = |segment: &str, field: usize| {
        message
            .segments_named(segment)
            .any(|found| found.field(field).component(6).is("S"))
    };
    let alarming = message
        .segments_named("OBX")
        .any(|obx| ["HH", "LL", "AA"].iter().any(|flag| obx.field(8).is(flag)));
    Matter::Result {
        urgent: stat("ORC", 7) || stat("OBR", 27) || alarming,
    }
}

impl fmt::Debug for DocumentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DocumentEvent({}, {:?}, {} files)",
            self.control_id,
            self.matter,
            self.files.len()
        )
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({:?}, {} octets)", self.format, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DocumentEvent, Error> {
        let wire = text.replace('\n', "\r");
        DocumentEvent::parse(&Message::parse(wire.as_bytes()).unwrap())
    }

    const HEAD: &str = "MSH|^~\\&|DPI|CH-TEST|LIAISON|CH-TEST|20261121210000||MDM^T02^MDM_T02|d1|P|2.6\nEVN||20261121210000\nPID|1||900123^^^CH-TEST^PI||ESSAI^OCTAVIE\nPV1|1|I|||||||||||||||||26004711-1\n";

    #[test]
    fn a_pdf_and_a_cda_are_taken_out_of_their_message() {
        let text = format!(
            "{HEAD}TXA|1|Lettre de liaison||||||||||doc-7\nOBX|1|ED|11490-0^Lettre de liaison^LN||^application^pdf^Base64^JVBERi0xLjcK||||||F\nOBX|2|ED|||^text^xml^Base64^PENsaW5pY2FsRG9jdW1lbnQvPg||||||F\n"
        );
        let event = read(&text).unwrap();
        assert_eq!(event.matter, Matter::Document);
        assert_eq!(
            (event.id.as_str(), event.visit.as_str()),
            ("doc-7", "26004711-1")
        );
        assert_eq!(event.files[0].format, Format::Pdf);
        assert_eq!(event.files[0].bytes, b"%PDF-1.7\n");
        assert_eq!(event.files[1].format, Format::Cda);
        assert_eq!(event.files[1].title.as_deref(), Some("Lettre de liaison"));
        assert_eq!(format!("{event:?}"), "DocumentEvent(d1, Document, 2 files)");
    }

    #[test]
    fn results_say_whether_they_are_urgent() {
        let oru = HEAD.replace("MDM^T02^MDM_T02", "ORU^R01");
        let plain = read(&format!("{oru}OBR|1|||718-7\nOBX|1|NM|718-7||12|||N|||F\n")).unwrap();
        assert_eq!(plain.matter, Matter::Result { urgent: false });
        let low = read(&format!("{oru}OBR|1|||718-7\nOBX|1|NM|718-7||4|||LL|||F\n")).unwrap();
        assert_eq!(low.matter, Matter::Result { urgent: true });
    }

    #[test]
    fn what_is_no_document_is_refused_by_its_place() {
        for obx in [
            "OBX|1|ED|||^application^pdf^Base64^****||||||F\n",
            "OBX|1|ED|||^application^pdf^Hex^25||||||F\n",
            "OBX|1|ED|||^application^zip^Base64^UEsDBA||||||F\n",
        ] {
            let refusal = read(&format!("{HEAD}{obx}"))
                .unwrap_err()
                .refusal()
                .unwrap();
            assert!(refusal.to_string().contains("OBX^1^5"), "{refusal}");
        }
        assert!(read(&HEAD.replace("26004711-1", "")).is_err());
        assert!(read(&HEAD.replace("900123", "")).is_err());
    }
}
