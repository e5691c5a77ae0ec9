//! IHE XDM (ITI TF-1 §16, TF-2 §3.32): documents of one patient in a zip file, with the metadata
//! that a receiving system files them by. The layout is that of the French volet: `INDEX.HTM`,
//! `README.TXT`, `IHE_XDM/SUBSET01/METADATA.XML` and the documents beside it.

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

/// ITI TF-3 §4.2: one document entry, one submission set, and that the one belongs to the other.
const METADATA: &str = include_str!("xdm_metadata.xml");

fn metadata(submission: &Submission<'_>, name: &str) -> String {
    let (code, code_name) = submission.kind;
    let values = [
        ("{mime}", submission.mime.to_owned()),
        ("{created}", escape(submission.created)),
        ("{patient}", escape(submission.patient)),
        ("{sha1}", escape(submission.sha1)),
        ("{size}", submission.document.len().to_string()),
        ("{uri}", name.to_owned()),
        ("{code}", escape(code)),
        ("{code_name}", escape(code_name)),
        ("{unique_id}", escape(submission.unique_id)),
        ("{set_id}", format!("2.25.{}", decimal(submission.id))),
        ("{author}", escape(submission.author)),
        ("{title}", escape(submission.title)),
    ];
    let mut rest = METADATA;
    let mut xml = String::with_capacity(rest.len() + 1024);
    // In one pass: what is filled in is not looked at again.
    while let Some(at) = rest.find('{') {
        xml.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = values.iter().find(|(mark, _)| rest.starts_with(mark));
        let (mark, value) = known.map_or(("{", "{"), |(mark, value)| (*mark, value.as_str()));
        xml.push_str(value);
        rest = &rest[mark.len()..];
    }
    xml.push_str(rest);
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
