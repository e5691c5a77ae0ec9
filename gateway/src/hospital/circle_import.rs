//! Care circles out of a table: what a home-care service, a DAC or the ward's secretary can give.
//!
//! A CSV file in UTF-8 with a first line of names, separated by commas or semicolons (as
//! spreadsheets in French write them). Columns, in any order:
//!
//! | column | what |
//! |---|---|
//! | `ins`, or `facility` and `ipp` | which patient: the qualified INS, or MSH-4 of the feed and its own number; both ways may be given |
//! | `role` | `family_doctor`, `nursing_home`, `home_nurse`, `home_care_service`, `home_hospitalisation`, `pharmacy`, `coordination`; or « médecin traitant », « EHPAD », « IDEL », « SSIAD », « HAD », « pharmacie », « DAC » |
//! | `rpps`, `finess` or `address` | where they are found: exactly one |
//! | `name` | optional, as shown |
//! | `care_prescribed` | optional, `yes`: a discharge concerns them at once |
//! | `never` | optional, `yes`: the patient does not want them told |
//!
//! A file is taken whole or not at all. What is wrong is named by its line, never by its value:
//! the file holds patients' data.

use liaison_directory_client::{Finess, Rpps};
use liaison_mail::Address;

use crate::notices::{CareMember, PatientKey, Role, Target};

/// Most lines of a file.
pub const MAX_LINES: usize = 1_000_000;

/// One line: the ways to name the patient, and somebody of the circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// At least one.
    pub patients: Vec<PatientKey>,
    /// Who.
    pub member: CareMember,
}

/// What is wrong with a file, without its values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImportError {
    /// It cannot be read as a table.
    #[error("line {line}: {cause}")]
    Line {
        /// The line, from 1; the names of the columns are line 1.
        line: u64,
        /// What to write instead.
        cause: &'static str,
    },
    /// A column that is not known, or one that is lacking.
    #[error(
        "the first line must name the columns ins (or facility and ipp), role, and rpps, finess or address; optional: name, care_prescribed, never; {0}"
    )]
    Columns(&'static str),
    /// Too long.
    #[error("more than {MAX_LINES} lines: split the file")]
    TooLong,
}

const COLUMNS: [&str; 10] = [
    "ins",
    "facility",
    "ipp",
    "role",
    "rpps",
    "finess",
    "address",
    "name",
    "care_prescribed",
    "never",
];

/// Reads a file.
///
/// # Errors
/// [`ImportError`] naming the first line that cannot be used; nothing is taken then.
pub fn read(bytes: &[u8]) -> Result<Vec<Line>, ImportError> {
    // Spreadsheets begin UTF-8 with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let delimiter = if head.contains(&b';') { b';' } else { b',' };
    let mut table = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(bytes);
    let unreadable = |_| ImportError::Columns("the file is not UTF-8 text");
    let names = table.headers().map_err(unreadable)?.clone();
    let places = places(&names)?;
    let mut lines = Vec::new();
    for record in table.records() {
        let record = record.map_err(|error| ImportError::Line {
            line: line_at(bytes, error.position()),
            cause: "it is not UTF-8 text",
        })?;
        let cell = |column: usize| {
            let value = places[column].and_then(|at| record.get(at));
            value.filter(|value| !value.is_empty())
        };
        if record.iter().all(str::is_empty) {
            continue;
        }
        if lines.len() == MAX_LINES {
            return Err(ImportError::TooLong);
        }
        let line = read_line(cell).map_err(|cause| ImportError::Line {
            line: line_at(bytes, record.position()),
            cause,
        })?;
        lines.push(line);
    }
    Ok(lines)
}

/// The line on which a record begins: the reader's own count takes the empty lines before it for
/// a part of it.
fn line_at(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let at = position.map_or(0, csv::Position::byte);
    let at = usize::try_from(at).unwrap_or(bytes.len()).min(bytes.len());
    let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let empty = bytes[at..].iter().take_while(is_end).count();
    let before = &bytes[..at + empty];
    1 + before.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Where each of [`COLUMNS`] stands.
fn places(names: &csv::StringRecord) -> Result<[Option<usize>; 10], ImportError> {
    let mut places = [None; 10];
    for (name, at) in names.iter().zip(0..) {
        let known = COLUMNS
            .iter()
            .position(|column| name.eq_ignore_ascii_case(column));
        let Some(column) = known else {
            return Err(ImportError::Columns("one of its names is none of these"));
        };
        if places[column].replace(at).is_some() {
            return Err(ImportError::Columns("one of its names is there twice"));
        }
    }
    let [ins, facility, ipp, role, rpps, finess, address, ..] = places;
    let patient = ins.is_some() || (facility.is_some() && ipp.is_some());
    if !patient || role.is_none() || rpps.or(finess).or(address).is_none() {
        return Err(ImportError::Columns("one of them is lacking"));
    }
    Ok(places)
}

fn read_line<'a>(cell: impl Fn(usize) -> Option<&'a str>) -> Result<Line, &'static str> {
    let mut patients = Vec::new();
    if let Some(ins) = cell(0) {
        let formed =
            (13..=15).contains(&ins.len()) && ins.bytes().all(|b| b.is_ascii_alphanumeric());
        if !formed {
            return Err("ins: 13 to 15 letters and digits, without spaces");
        }
        patients.push(PatientKey::Ins(ins.to_owned()));
    }
    match (cell(1), cell(2)) {
        (Some(facility), Some(ipp)) => patients.push(PatientKey::Local {
            facility: facility.to_owned(),
            ipp: ipp.to_owned(),
        }),
        (None, None) => {}
        _ => return Err("facility and ipp go together"),
    }
    if patients.is_empty() {
        return Err("no patient: give ins, or facility and ipp");
    }
    let role = cell(3)
        .and_then(role)
        .ok_or("role: home_nurse, home_care_service, home_hospitalisation, pharmacy, coordination, nursing_home or family_doctor")?;
    let target = match (cell(4), cell(5), cell(6)) {
        (Some(rpps), None, None) => Rpps::parse(rpps)
            .map(Target::Rpps)
            .map_err(|_| "rpps: eleven digits")?,
        (None, Some(finess), None) => Finess::parse(finess)
            .map(Target::Finess)
            .map_err(|_| "finess: nine characters")?,
        (None, None, Some(address)) => Address::parse(address)
            .map(Target::Address)
            .map_err(|_| "address: not a mail address")?,
        _ => return Err("give exactly one of rpps, finess and address"),
    };
    Ok(Line {
        patients,
        member: CareMember {
            role,
            target,
            name: cell(7).map(str::to_owned),
            care_prescribed: yes(cell(8)).ok_or("care_prescribed: yes or no")?,
            never: yes(cell(9)).ok_or("never: yes or no")?,
        },
    })
}

fn yes(cell: Option<&str>) -> Option<bool> {
    match cell.map(str::to_lowercase).as_deref() {
        None | Some("no" | "non" | "false" | "0") => Some(false),
        Some("yes" | "oui" | "true" | "1") => Some(true),
        Some(_) => None,
    }
}

fn role(text: &str) -> Option<Role> {
    Some(match text.to_lowercase().as_str() {
        "family_doctor" | "médecin traitant" | "medecin traitant" | "mt" => Role::FamilyDoctor,
        "nursing_home" | "ehpad" => Role::NursingHome,
        "home_nurse" | "idel" => Role::HomeNurse,
        "home_care_service" | "ssiad" => Role::HomeCareService,
        "home_hospitalisation" | "had" => Role::HomeHospitalisation,
        "pharmacy" | "pharmacie" => Role::Pharmacy,
        "coordination" | "dac" => Role::Coordination,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_a_french_spreadsheet_is_read() {
        let text = "\u{feff}Facility;IPP;Role;RPPS;FINESS;Address;Name;care_prescribed;never\r\n\
                    CH-TEST;900123;IDEL;00000000022;;;;oui;\r\n\
                    CH-TEST;900123;EHPAD;;009400777;;EHPAD Les Tilleuls;;\r\n\
                    ;;;;;;;;\r\n\
                    CH-TEST;900123;pharmacie;;;officine@pharmacie.test;;;oui\r\n";
        let lines = read(text.as_bytes()).unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].member.role, Role::HomeNurse);
        assert!(lines[0].member.care_prescribed && !lines[0].member.never);
        assert_eq!(lines[1].member.name.as_deref(), Some("EHPAD Les Tilleuls"));
        assert!(lines[2].member.never);
    }

    #[test]
    fn a_patient_may_be_named_both_ways() {
        let text =
            "ins,facility,ipp,role,rpps\n000000000000191,CH-TEST,900123,home_nurse,00000000022\n";
        assert_eq!(read(text.as_bytes()).unwrap()[0].patients.len(), 2);
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_line_and_not_by_its_value() {
        for (text, told) in [
            ("", "must name the columns"),
            ("ins,role\n1,idel\n", "lacking"),
            ("ins,role,rpps,rpps\n", "twice"),
            ("ins,role,rpps,ward\n", "none of these"),
            ("ins,role,rpps\n238 059,idel,00000000022\n", "line 2: ins"),
            (
                "ins,role,rpps\n000000000000191,cousin,00000000022\n",
                "line 2: role",
            ),
            (
                "ins,role,rpps\n000000000000191,idel,238059\n",
                "line 2: rpps",
            ),
            ("ins,role,rpps\n\n,idel,00000000022\n", "line 3: no patient"),
            (
                "facility,ipp,role,rpps\nCH,,idel,00000000022\n",
                "go together",
            ),
            (
                "ins,role,rpps,finess\n000000000000191,idel,00000000022,009400777\n",
                "exactly one",
            ),
            (
                "ins,role,rpps,never\n000000000000191,idel,00000000022,238059\n",
                "never: yes or no",
            ),
            (
                "ins,role,address\n000000000000191,idel,238059\n",
                "not a mail address",
            ),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{text:?}: {error}");
            assert!(
                !error.contains("238") && !error.contains("cousin"),
                "{error}"
            );
        }
        assert!(read(b"ins,role,rpps\n\xff,idel,00000000022\n").is_err());
    }
}
