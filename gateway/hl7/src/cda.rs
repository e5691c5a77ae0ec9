//! What a discharge letter says that a machine can act on: a CDA document (HL7 CDA R2, the ANS
//! model LDL-SES), read for its header and for the treatments that changed.
//!
//! A section « traitements arrêtés durant le séjour » (LOINC 18610-6) and one « traitements à la
//! sortie » (10183-2) hold a product for each entry, and the reason in the row of the table that
//! the entry refers to. Nothing else of the body is read: diagnoses stay in the letter.

use std::fmt;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Largest letter, in octets.
pub const MAX_LETTER: usize = 8 * 1024 * 1024;
/// Deepest element.
const MAX_DEPTH: usize = 64;
/// Most elements.
const MAX_ELEMENTS: usize = 200_000;
/// Most products listed of a letter.
const MAX_CHANGES: usize = 200;

/// A letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// `ClinicalDocument/title`.
    pub title: Option<String>,
    /// `ClinicalDocument/code`: LOINC, 11490-0 for a discharge letter.
    pub code: Option<String>,
    /// `ClinicalDocument/id`: root, and extension after a `^` where there is one.
    pub id: Option<String>,
    /// `recordTarget/patientRole/id`: root and extension.
    pub patients: Vec<(String, String)>,
    /// What changed in the treatment, stopped products first.
    pub changes: Vec<Change>,
}

/// A product whose use changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// How.
    pub how: How,
    /// As the letter names it.
    pub product: String,
    /// Dose and frequency as the letter's table says them.
    pub dose: Option<String>,
    /// The letter's comment on it.
    pub reason: Option<String>,
}

/// How the use of a product changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// No longer to be taken.
    Stopped,
    /// Taken before, otherwise now.
    Modified,
    /// Not taken before the stay.
    Added,
}

impl Letter {
    /// Reads a CDA document.
    ///
    /// # Errors
    /// [`Error::Letter`]: not XML, not a CDA document, with a document type, or beyond the limits.
    pub fn read(bytes: &[u8]) -> Result<Letter, Error> {
        let root = parse(bytes)?;
        if root.name != "ClinicalDocument" {
            return Err(Error::Letter("its root is not ClinicalDocument"));
        }
        let id = root.child("id").and_then(|id| {
            let root = id.attribute("root")?;
            Some(match id.attribute("extension") {
                Some(extension) => format!("{root}^{extension}"),
                None => root.to_owned(),
            })
        });
        let role = root
            .child("recordTarget")
            .and_then(|target| target.child("patientRole"));
        let patients = role
            .into_iter()
            .flat_map(|role| role.children_named("id"))
            .filter_map(|id| {
                let pair = (id.attribute("root")?, id.attribute("extension")?);
                Some((pair.0.to_owned(), pair.1.to_owned()))
            })
            .collect();
        let began = root
            .path(&[
                "componentOf",
                "encompassingEncounter",
                "effectiveTime",
                "low",
            ])
            .and_then(|low| day(low.attribute("value")?));
        Ok(Letter {
            title: root
                .child("title")
                .map(Node::words)
                .filter(|title| !title.is_empty()),
            code: root
                .child("code")
                .and_then(|code| code.attribute("code"))
                .map(str::to_owned),
            id,
            patients,
            changes: changes(&root, began),
        })
    }
}

/// The products of both sections.
fn changes(root: &Node, began: Option<&str>) -> Vec<Change> {
    let mut sections = Vec::new();
    root.find("section", &mut sections);
    let of = |code: &str| {
        let section = sections.iter().find(|section| {
            let said = section.child("code").and_then(|one| one.attribute("code"));
            said == Some(code)
        });
        section.map(|section| products(section)).unwrap_or_default()
    };
    let (stopped, leaving) = (of("18610-6"), of("10183-2"));
    let same = |one: &Product, other: &Product| stem(&one.name) == stem(&other.name);
    let mut changes = Vec::new();
    for product in &stopped {
        if leaving.iter().any(|other| same(product, other)) {
            continue;
        }
        changes.push(product.changed(How::Stopped));
    }
    for product in &leaving {
        let before = stopped.iter().find(|other| same(product, other));
        // A product of before the stay goes on unchanged, unless its comment says something.
        let began_in_stay = match (product.since.as_deref(), began) {
            (Some(since), Some(began)) => since >= began,
            _ => before.is_none(),
        };
        let how = match (before, began_in_stay) {
            (Some(_), _) => How::Modified,
            (None, true) => How::Added,
            (None, false) if product.comment.is_some() => How::Modified,
            (None, false) => continue,
        };
        let mut change = product.changed(how);
        if change.reason.is_none() {
            change.reason = before.and_then(|before| before.comment.clone());
        }
        changes.push(change);
    }
    changes.sort_by_key(|change| change.how);
    changes.truncate(MAX_CHANGES);
    changes
}

struct Product {
    name: String,
    dose: Option<String>,
    comment: Option<String>,
    /// The first eight digits of when it began.
    since: Option<String>,
}

impl Product {
    fn changed(&self, how: How) -> Change {
        Change {
            how,
            product: self.name.clone(),
            dose: self.dose.clone().filter(|_| how != How::Stopped),
            reason: self.comment.clone(),
        }
    }
}

/// The trade name, without its strength: « SOLIAN 100 mg » and « SOLIAN 200 mg » are one product
/// in two doses.
fn stem(name: &str) -> String {
    let words = name.split_whitespace();
    words
        .take_while(|word| !word.starts_with(|first: char| first.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase()
}

fn products(section: &Node) -> Vec<Product> {
    let mut given = Vec::new();
    section.find("substanceAdministration", &mut given);
    given
        .into_iter()
        .filter_map(|one| product(section, one))
        .collect()
}

fn product(section: &Node, given: &Node) -> Option<Product> {
    let mut materials = Vec::new();
    given.find("manufacturedMaterial", &mut materials);
    let material = materials.first()?;
    let named = material.child("name").map(Node::words);
    let coded = || {
        let code = material.child("code")?;
        code.attribute("displayName").map(str::to_owned)
    };
    let name = named.filter(|name| !name.is_empty()).or_else(coded)?;
    let row = given
        .path(&["text", "reference"])
        .and_then(|reference| reference.attribute("value"))
        .and_then(|value| section.row_of(value.trim_start_matches('#')));
    let cell = |wanted: &[&str]| {
        let (heads, cells) = row.as_ref()?;
        let said = heads.iter().zip(cells).find(|(head, _)| {
            wanted
                .iter()
                .any(|start| head.to_lowercase().starts_with(start))
        });
        said.map(|(_, cell)| cell.clone())
            .filter(|cell| !cell.is_empty())
    };
    let dose: Vec<String> = [cell(&["dose"]), cell(&["fréquence"])]
        .into_iter()
        .flatten()
        .collect();
    let since = given
        .children_named("effectiveTime")
        .find_map(|time| day(time.child("low")?.attribute("value")?));
    Some(Product {
        name: clip(&name),
        dose: (!dose.is_empty()).then(|| clip(&dose.join(", "))),
        comment: cell(&["commentaire", "motif"]).map(|comment| clip(&comment)),
        since: since.map(str::to_owned),
    })
}

/// What a notice shows of a letter's words: one line of a telephone, twice.
fn clip(text: &str) -> String {
    text.chars().take(160).collect()
}

fn day(value: &str) -> Option<&str> {
    value
        .get(..8)
        .filter(|eight| eight.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An element.
#[derive(Default)]
struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Node>,
    text: String,
}

impl Node {
    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn children_named<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    fn path(&self, names: &[&str]) -> Option<&Node> {
        names.iter().try_fold(self, |node, name| node.child(name))
    }

    /// Every element of that name below this one.
    fn find<'n>(&'n self, name: &str, found: &mut Vec<&'n Node>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            child.find(name, found);
        }
    }

    /// Its text and that of everything below, with single spaces.
    fn words(&self) -> String {
        let mut all = String::new();
        self.gather(&mut all);
        all.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn gather(&self, all: &mut String) {
        all.push_str(&self.text);
        all.push(' ');
        for child in &self.children {
            child.gather(all);
        }
    }

    /// The heads and the cells of the table row that holds the content of that ID.
    fn row_of(&self, id: &str) -> Option<(Vec<String>, Vec<String>)> {
        let mut tables = Vec::new();
        self.find("table", &mut tables);
        tables.into_iter().find_map(|table| {
            let (mut rows, mut heads) = (Vec::new(), Vec::new());
            table.find("tr", &mut rows);
            table.find("th", &mut heads);
            let row = rows.into_iter().find(|row| row.holds(id))?;
            let cells = row.children_named("td").map(Node::words).collect();
            Some((heads.into_iter().map(Node::words).collect(), cells))
        })
    }

    fn holds(&self, id: &str) -> bool {
        self.attribute("ID") == Some(id) || self.children.iter().any(|child| child.holds(id))
    }
}

fn parse(bytes: &[u8]) -> Result<Node, Error> {
    if bytes.len() > MAX_LETTER {
        return Err(Error::Letter("it is too large"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Letter("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Node::default()];
    let mut count = 0_usize;
    loop {
        let event = reader
            .read_event()
            .map_err(|_| Error::Letter("it is not well-formed XML"))?;
        match event {
            Event::Start(start) => {
                count += 1;
                if open.len() > MAX_DEPTH || count > MAX_ELEMENTS {
                    return Err(Error::Letter("it has too many elements"));
                }
                open.push(node(&start)?);
            }
            Event::End(_) => {
                let Some(done) = open.pop() else { break };
                let Some(parent) = open.last_mut() else {
                    return Err(Error::Letter("it is not well-formed XML"));
                };
                parent.children.push(done);
            }
            Event::Text(words) => {
                let words = words
                    .decode()
                    .map_err(|_| Error::Letter("it is not UTF-8"))?;
                push(&mut open, &words);
            }
            Event::CData(words) => {
                let words = words
                    .decode()
                    .map_err(|_| Error::Letter("it is not UTF-8"))?;
                push(&mut open, &words);
            }
            Event::GeneralRef(entity) => {
                let known = match &*entity {
                    b"amp" => Some('&'),
                    b"lt" => Some('<'),
                    b"gt" => Some('>'),
                    b"quot" => Some('"'),
                    b"apos" => Some('\''),
                    _ => entity.resolve_char_ref().ok().flatten(),
                };
                let Some(known) = known else {
                    return Err(Error::Letter("it has an entity of its own"));
                };
                push(&mut open, known.encode_utf8(&mut [0; 4]));
            }
            // Entities of a document type could make a small file a large one.
            Event::DocType(_) => return Err(Error::Letter("it has a document type")),
            Event::Eof => break,
            _ => {}
        }
    }
    match (open.len(), open.pop()) {
        (1, Some(mut top)) if top.children.len() == 1 => Ok(top.children.remove(0)),
        _ => Err(Error::Letter("it is not well-formed XML")),
    }
}

fn push(open: &mut [Node], words: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(words);
    }
}

fn node(start: &BytesStart<'_>) -> Result<Node, Error> {
    let unusable = || Error::Letter("it is not well-formed XML");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| unusable());
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| unusable())?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|_| unusable())?
            .into_owned();
        attributes.push((text(attribute.key.local_name().as_ref())?, value));
    }
    Ok(Node {
        name: text(start.local_name().as_ref())?,
        attributes,
        ..Node::default()
    })
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({} changes)", self.changes.len())
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({:?})", self.how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(stopped: &str, leaving: &str) -> String {
        let section = |code: &str, rows: &str, entries: &str| {
            format!(
                "<component><section><code code=\"{code}\"/><text><table><thead><tr><th>Médicament</th><th>Dose</th><th>Fréquence</th><th>Commentaire</th></tr></thead><tbody>{rows}</tbody></table></text>{entries}</section></component>"
            )
        };
        let both = |list: &str| {
            let (mut rows, mut entries) = (String::new(), String::new());
            for (line, at) in list.lines().zip(1..) {
                let cells: Vec<&str> = line.split('|').collect();
                let id = format!("M{at}");
                rows.push_str(&format!(
                    "<tr><td><content ID=\"{id}\">{}</content></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                    cells[0], cells[1], cells[2], cells[3]
                ));
                entries.push_str(&format!(
                    "<entry><substanceAdministration><text><reference value=\"#{id}\"/></text><effectiveTime><low value=\"{}\"/></effectiveTime><consumable><manufacturedProduct><manufacturedMaterial><name>{}</name></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry>",
                    cells[4], cells[0]
                ));
            }
            (rows, entries)
        };
        let (a, b) = (both(stopped), both(leaving));
        format!(
            "<?xml version=\"1.0\"?><ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"1.2.3\" extension=\"7\"/><code code=\"11490-0\"/><title>Lettre de liaison &amp; sortie</title><recordTarget><patientRole><id root=\"1.2.250.1.213.1.4.10\" extension=\"000000000000191\"/></patientRole></recordTarget><componentOf><encompassingEncounter><effectiveTime><low value=\"20261116143000\"/></effectiveTime></encompassingEncounter></componentOf><component><structuredBody>{}{}</structuredBody></component></ClinicalDocument>",
            section("18610-6", &a.0, &a.1),
            section("10183-2", &b.0, &b.1)
        )
    }

    #[test]
    fn stopped_added_and_modified_treatments_are_told_apart_with_their_reasons() {
        let text = letter(
            "ESSAILOL 100 mg|1 comprimé|1 fois / jour|chute de tension|20260101\nFICTIVOL 5 mg|1|2 fois / jour|dose doublée|20260101",
            "FICTIVOL 10 mg|1 comprimé|2 fois / jour||20261118\nNOUVEL 20 mg|1 comprimé|le soir|insomnie|20261118\nANCIEN 1 g|1|matin||20260101",
        );
        let letter = Letter::read(text.as_bytes()).unwrap();
        assert_eq!(letter.title.as_deref(), Some("Lettre de liaison & sortie"));
        assert_eq!(letter.id.as_deref(), Some("1.2.3^7"));
        assert_eq!(letter.patients.len(), 1);
        let told: Vec<(How, &str, Option<&str>, Option<&str>)> = letter
            .changes
            .iter()
            .map(|c| {
                (
                    c.how,
                    c.product.as_str(),
                    c.dose.as_deref(),
                    c.reason.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (
                    How::Stopped,
                    "ESSAILOL 100 mg",
                    None,
                    Some("chute de tension")
                ),
                (
                    How::Modified,
                    "FICTIVOL 10 mg",
                    Some("1 comprimé, 2 fois / jour"),
                    Some("dose doublée")
                ),
                (
                    How::Added,
                    "NOUVEL 20 mg",
                    Some("1 comprimé, le soir"),
                    Some("insomnie")
                ),
            ]
        );
    }

    #[test]
    fn what_is_no_letter_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        for bad in [
            "",
            "text",
            "<a/>",
            "<ClinicalDocument>",
            "<ClinicalDocument></a>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><ClinicalDocument/>",
            "<ClinicalDocument>&own;</ClinicalDocument>",
            deep.as_str(),
        ] {
            assert!(Letter::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Letter::read(b"<ClinicalDocument>\xff</ClinicalDocument>").is_err());
        assert!(Letter::read(b"<ClinicalDocument/>").is_ok());
    }
}
