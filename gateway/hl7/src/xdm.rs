//! IHE XDM (ITI TF-1 §16, TF-2 §3.32): documents of one patient in a zip file, with the metadata
//! that a receiving system files them by. The layout is that of the French volet: `INDEX.HTM`,
//! `README.TXT`, `IHE_XDM/SUBSET01/METADATA.XML` and the documents beside it.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::Error;

/// A document and what is said of it.
pub struct Submission<'a> {
    /// A UUID of ours; those of the parts are made from it.
    pub id: &'a str,
    /// The document's own identifier: an OID, with an extension after `^`.
    pub unique_id: &'a str,
    /// `text/xml` or `application/pdf`.
    pub mime: &'static str,
    /// The document.
    pub document: &'a [u8],
    /// SHA-1 of the document in hexadecimal, as ITI TF-3 §4.2.3.2 asks for.
    pub sha1: &'a str,
    /// When it was made, UTC, `YYYYMMDDHHMMSS`.
    pub created: &'a str,
    /// The title.
    pub title: &'a str,
    /// LOINC code of the type, and its name.
    pub kind: (&'a str, &'a str),
    /// The patient's identifier: `number^^^&OID&ISO^INS-C`.
    pub patient: &'a str,
    /// Who sends it: the hospital's name.
    pub author: &'a str,
}

/// Makes the zip file.
///
/// # Errors
/// [`Error::Letter`] when it would be larger than a zip file may be.
pub fn pack(submission: &Submission<'_>) -> Result<Vec<u8>, Error> {
    let name = match submission.mime {
        "application/pdf" => "DOC0001.PDF",
        _ => "DOC0001.XML",
    };
    let title = escape(submission.title);
    let author = escape(submission.author);
    let index = format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML Basic 1.1//EN\" \"http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd\">\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"fr\">\n<head><title>{title}</title></head>\n<body><p>{author}</p><ul><li><a href=\"IHE_XDM/SUBSET01/{name}\">{title}</a></li></ul><p><a href=\"README.TXT\">README</a></p></body>\n</html>\n"
    );
    let readme = format!(
        "{}\r\n\r\nCe fichier suit le profil IHE XDM. Ouvrir INDEX.HTM pour lire le document,\r\nou importer le fichier dans le logiciel du cabinet.\r\n",
        submission.author
    );
    let metadata = metadata(submission, name);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let document = format!("IHE_XDM/SUBSET01/{name}");
    let files: [(&str, &[u8]); 4] = [
        ("INDEX.HTM", index.as_bytes()),
        ("README.TXT", readme.as_bytes()),
        ("IHE_XDM/SUBSET01/METADATA.XML", metadata.as_bytes()),
        (&document, submission.document),
    ];
    let unpackable = || Error::Letter("it cannot be packed");
    for (path, bytes) in files {
        zip.start_file(path, options).map_err(|_| unpackable())?;
        zip.write_all(bytes).map_err(|_| unpackable())?;
    }
    Ok(zip.finish().map_err(|_| unpackable())?.into_inner())
}

const ENTRY: &str = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1";
const SET: &str = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd";

/// ITI TF-3 §4.2: one document entry, one submission set, and that the one belongs to the other.
fn metadata(submission: &Submission<'_>, name: &str) -> String {
    let Submission {
        id,
        kind: (code, code_name),
        ..
    } = submission;
    let (patient, title) = (escape(submission.patient), escape(submission.title));
    let slot = |name: &str, value: &str| {
        format!(
            "<rim:Slot name=\"{name}\"><rim:ValueList><rim:Value>{value}</rim:Value></rim:ValueList></rim:Slot>"
        )
    };
    let words = |text: &str| {
        format!(
            "<rim:Name><rim:LocalizedString xml:lang=\"fr-FR\" charset=\"UTF-8\" value=\"{text}\"/></rim:Name>"
        )
    };
    let mut number = 0;
    let mut class = |scheme: &str, of: &str, value: (&str, &str, &str)| {
        number += 1;
        let (code, system, name) = value;
        format!(
            "<rim:Classification id=\"cl{number:02}\" classificationScheme=\"{scheme}\" classifiedObject=\"{of}\" nodeRepresentation=\"{code}\">{}{}</rim:Classification>",
            slot("codingScheme", system),
            words(name)
        )
    };
    const LOINC: &str = "2.16.840.1.113883.6.1";
    let code_name = escape(code_name);
    let classes = [
        class(
            "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
            "Document01",
            ("10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
        ),
        class(
            "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
            "Document01",
            (code, LOINC, &code_name),
        ),
        class(
            "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
            "Document01",
            ("N", "2.16.840.1.113883.5.25", "Normal"),
        ),
        class(
            "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
            "Document01",
            (
                "urn:ans:ci-sis-cda:2025.06",
                "1.2.250.1.213.1.1.4.2.282",
                "Document CDA",
            ),
        ),
        class(
            "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
            "Document01",
            (
                "SA01",
                "1.2.250.1.71.4.2.4",
                "Etablissement public de santé",
            ),
        ),
        class(
            "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
            "Document01",
            (
                "ETABLISSEMENT",
                "1.2.250.1.213.1.1.4.9",
                "Etablissement de santé",
            ),
        ),
    ]
    .concat();
    let content = class(
        "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500",
        "SubmissionSet01",
        (code, LOINC, &code_name),
    );
    let external = |number: u32, of: &str, scheme: &str, value: &str, name: &str| {
        format!(
            "<rim:ExternalIdentifier id=\"ei{number:02}\" registryObject=\"{of}\" identificationScheme=\"{scheme}\" value=\"{}\">{}</rim:ExternalIdentifier>",
            escape(value),
            words(name)
        )
    };
    let author = |number: u32, scheme: &str, of: &str| {
        format!(
            "<rim:Classification id=\"au{number:02}\" classificationScheme=\"{scheme}\" classifiedObject=\"{of}\" nodeRepresentation=\"\">{}</rim:Classification>",
            slot("authorInstitution", &escape(submission.author))
        )
    };
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = write!(
        xml,
        "<lcm:SubmitObjectsRequest xmlns:lcm=\"urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0\" xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\"><rim:RegistryObjectList>\
         <rim:ExtrinsicObject id=\"Document01\" objectType=\"{ENTRY}\" mimeType=\"{mime}\" status=\"urn:oasis:names:tc:ebxml-regrep:StatusType:Approved\">{slots}{name}{author}{classes}{patient_id}{unique_id}</rim:ExtrinsicObject>\
         <rim:RegistryPackage id=\"SubmissionSet01\" status=\"urn:oasis:names:tc:ebxml-regrep:StatusType:Approved\">{sent}{set_name}{set_author}{content}{set_patient}{set_source}{set_unique}</rim:RegistryPackage>\
         <rim:Classification id=\"set01\" classifiedObject=\"SubmissionSet01\" classificationNode=\"{SET}\"/>\
         <rim:Association id=\"as01\" associationType=\"urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember\" sourceObject=\"SubmissionSet01\" targetObject=\"Document01\">{original}</rim:Association>\
         </rim:RegistryObjectList></lcm:SubmitObjectsRequest>\n",
        mime = submission.mime,
        slots = [
            slot("creationTime", submission.created),
            slot("languageCode", "fr-FR"),
            slot("sourcePatientId", &patient),
            slot("hash", submission.sha1),
            slot("size", &submission.document.len().to_string()),
            slot("URI", name),
        ]
        .concat(),
        name = words(&title),
        author = author(
            1,
            "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d",
            "Document01"
        ),
        patient_id = external(
            1,
            "Document01",
            "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
            submission.patient,
            "XDSDocumentEntry.patientId"
        ),
        unique_id = external(
            2,
            "Document01",
            "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab",
            submission.unique_id,
            "XDSDocumentEntry.uniqueId"
        ),
        sent = slot("submissionTime", submission.created),
        set_name = words(&title),
        set_author = author(
            2,
            "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d",
            "SubmissionSet01"
        ),
        set_patient = external(
            3,
            "SubmissionSet01",
            "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
            submission.patient,
            "XDSSubmissionSet.patientId"
        ),
        set_source = external(
            4,
            "SubmissionSet01",
            "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832",
            "2.25.1",
            "XDSSubmissionSet.sourceId"
        ),
        set_unique = external(
            5,
            "SubmissionSet01",
            "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8",
            &format!("2.25.{}", decimal(id)),
            "XDSSubmissionSet.uniqueId"
        ),
        original = slot("SubmissionSetStatus", "Original"),
    );
    xml
}

/// A UUID as the number after 2.25 (ITU-T X.667 §7).
fn decimal(uuid: &str) -> u128 {
    let digits: String = uuid
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(32)
        .collect();
    u128::from_str_radix(&digits, 16).unwrap_or(1)
}

fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_zip_has_the_four_files_and_escapes_what_it_says() {
        let packed = pack(&Submission {
            id: "0193b0c0-0000-7000-8000-000000000001",
            unique_id: "1.2.3^7",
            mime: "text/xml",
            document: b"<ClinicalDocument/>",
            sha1: "0123456789abcdef0123456789abcdef01234567",
            created: "20261121200000",
            title: "Lettre <de> liaison & sortie",
            kind: ("11490-0", "Lettre de liaison"),
            patient: "000000000000191^^^&1.2.250.1.213.1.4.10&ISO^INS-C",
            author: "CH d'Essai",
        })
        .unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(packed)).unwrap();
        let names: Vec<String> = zip
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        for name in [
            "INDEX.HTM",
            "README.TXT",
            "IHE_XDM/SUBSET01/METADATA.XML",
            "IHE_XDM/SUBSET01/DOC0001.XML",
        ] {
            assert!(names.iter().any(|known| known == name), "{names:?}");
        }
        let mut metadata = String::new();
        zip.by_name("IHE_XDM/SUBSET01/METADATA.XML")
            .unwrap()
            .read_to_string(&mut metadata)
            .unwrap();
        assert!(metadata.contains("Lettre &lt;de&gt; liaison &amp; sortie"));
        assert!(metadata.contains("&amp;1.2.250.1.213.1.4.10&amp;ISO"));
        assert!(metadata.contains("2.25.209608"));
    }
}
