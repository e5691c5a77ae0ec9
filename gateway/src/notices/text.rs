//! The words of a notice: templates in `gateway/templates/notices`, one a kind, a head and a foot
//! that they share. First line a summary, « À FAIRE » last: readable in ten seconds on a
//! telephone.

use std::collections::BTreeMap;

use askama::Template;

use super::circle::Role;
use super::french::{numeric, ordinal};
use super::kind::{ExpectedReply, Kind, Urgency};
use super::number::NoticeNumber;
use super::plan::{Earlier, Planned, WardTask};
use super::recipients::Recipient;
use super::statement::{Destination, Lateness, Statement};

/// The hospital as a notice shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hospital {
    /// « CH d'Essai ».
    pub name: String,
    /// A number that answers day and night.
    pub phone: Option<String>,
    /// Units that may be named or have a telephone of their own, by their code (ZBE-7). List no
    /// psychiatric unit's name here.
    pub units: BTreeMap<String, Unit>,
}

/// A unit as a notice shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Shown instead of « Service hospitalier ».
    pub name: Option<String>,
    /// Shown instead of the hospital's number.
    pub phone: Option<String>,
}

/// One notice for one recipient, about to be worded.
pub(super) struct Page<'a> {
    pub(super) planned: &'a Planned,
    pub(super) recipient: &'a Recipient,
    pub(super) number: NoticeNumber,
    pub(super) version: u32,
    pub(super) hospital: &'a Hospital,
}

impl Page<'_> {
    /// The inner subject: urgency, kind, person, number.
    pub(super) fn subject(&self) -> String {
        let urgent = if self.recipient.urgency == Urgency::Urgent {
            "URGENT - "
        } else {
            ""
        };
        let lead = match (self.planned.kind, &self.planned.earlier) {
            (Kind::Cancellation { of }, _) => {
                format!(
                    "ANNULE l'avis n° {of} ({})",
                    self.planned.statement.kind.label()
                )
            }
            (_, Some(earlier)) => {
                format!(
                    "RECTIFIE ET REMPLACE l'avis n° {} : {}",
                    earlier.number,
                    self.title()
                )
            }
            (_, None) => self.title(),
        };
        format!(
            "{urgent}{lead} - {} - avis n° {}",
            self.planned.person.words(),
            self.number
        )
    }

    /// The body.
    pub(super) fn body(&self) -> String {
        let page = self.view();
        let page = &page;
        let rendered = match self.planned.kind {
            Kind::Admission => Admission { page }.render(),
            Kind::PlannedDischarge => PlannedDischarge { page }.render(),
            Kind::DischargeHome => DischargeHome { page }.render(),
            Kind::ReturnToNursingHome => ReturnToNursingHome { page }.render(),
            Kind::Transfer => Transfer { page }.render(),
            Kind::UnauthorisedExit => UnauthorisedExit { page }.render(),
            Kind::Death => Death { page }.render(),
            Kind::Cancellation { .. } => Cancellation { page }.render(),
        };
        // Rendering texts into a `String` has nothing that can fail.
        #[expect(
            clippy::expect_used,
            reason = "no template calls a filter that can fail"
        )]
        let mut text = rendered.expect("a notice renders");
        text.push('\n');
        text
    }

    fn title(&self) -> String {
        let statement = &self.planned.statement;
        match (self.planned.kind, &statement.destination) {
            (Kind::PlannedDischarge, _) => format!("Sortie prévue le {}", statement.at.words()),
            (Kind::DischargeHome, Destination::HomeHospitalisation) => {
                "Sortie à domicile avec HAD".to_owned()
            }
            (kind, _) => kind.label().to_owned(),
        }
    }

    fn view(&self) -> View {
        let Page {
            planned,
            recipient,
            hospital,
            ..
        } = *self;
        let statement = &planned.statement;
        let unit = statement
            .unit
            .as_ref()
            .and_then(|code| hospital.units.get(code));
        let phone = unit
            .and_then(|unit| unit.phone.as_ref())
            .or(hospital.phone.as_ref());
        View {
            title: self.title().to_uppercase(),
            urgent: recipient.urgency == Urgency::Urgent,
            info: recipient.urgency == Urgency::Info,
            regularisation: statement.lateness == Lateness::Regularisation,
            number: self.number.to_string(),
            version: format!("{} version", ordinal(self.version)),
            correction: planned
                .earlier
                .as_ref()
                .map(|earlier| correction(earlier, statement)),
            cancelled: planned.earlier.as_ref().map(cancelled).unwrap_or_default(),
            still_in_hospital: statement.kind != Kind::Admission,
            person: self.person(),
            at: statement.at.words(),
            recorded: recorded(statement),
            unit: unit
                .and_then(|unit| unit.name.clone())
                .unwrap_or("Service hospitalier".to_owned()),
            hospital: hospital.name.clone(),
            phone: phone.cloned(),
            destination: destination(statement),
            planning: planning(statement),
            through_emergency: statement.through_emergency,
            risky: planned.ward_task == Some(WardTask::RiskyDischarge),
            no_family_doctor: planned.missing.contains(&Role::FamilyDoctor),
            role: recipient.role,
            reply: planned.expected_reply(recipient.role),
        }
    }

    /// « Mme OCTAVIE ESSAI (usage FICTIVE), née le 12/05/1938 - INS : … ».
    fn person(&self) -> String {
        let person = &self.planned.person;
        let born = match person.sex {
            Some('F') => "née",
            Some('M') => "né",
            _ => "né(e)",
        };
        let mut words = person.words();
        if let Some(birth) = &person.birth_date {
            // « le » needs a day.
            let link = if birth.len() == 10 { "le" } else { "en" };
            words = format!("{words}, {born} {link} {birth}");
        }
        match &person.ins {
            // A coordinator works on the case, not on the record.
            _ if self.recipient.role == Role::Coordination => words,
            Some(ins) => format!("{words} - INS : {ins}"),
            None => format!("{words} - identité sans INS qualifiée"),
        }
    }
}

/// What the templates see.
struct View {
    title: String,
    urgent: bool,
    info: bool,
    regularisation: bool,
    number: String,
    version: String,
    correction: Option<String>,
    cancelled: String,
    still_in_hospital: bool,
    person: String,
    at: String,
    recorded: Option<String>,
    unit: String,
    hospital: String,
    phone: Option<String>,
    destination: Option<String>,
    planning: Option<String>,
    through_emergency: bool,
    risky: bool,
    no_family_doctor: bool,
    role: Role,
    reply: ExpectedReply,
}

impl View {
    fn to_doctor(&self) -> bool {
        self.role == Role::FamilyDoctor
    }

    fn to_nursing_home(&self) -> bool {
        self.role == Role::NursingHome
    }

    fn to_nurse(&self) -> bool {
        self.role == Role::HomeNurse
    }

    fn to_pharmacy(&self) -> bool {
        self.role == Role::Pharmacy
    }

    fn wants_arrival(&self) -> bool {
        self.reply == ExpectedReply::Arrival
    }
}

macro_rules! pages {
    ($($name:ident $path:literal)*) => {
        $(
            #[derive(Template)]
            #[template(path = $path, escape = "none")]
            struct $name<'a> {
                page: &'a View,
            }
        )*
    };
}

pages! {
    Admission "notices/admission.txt"
    PlannedDischarge "notices/planned_discharge.txt"
    DischargeHome "notices/discharge_home.txt"
    ReturnToNursingHome "notices/return_to_nursing_home.txt"
    Transfer "notices/transfer.txt"
    UnauthorisedExit "notices/unauthorised_exit.txt"
    Death "notices/death.txt"
    Cancellation "notices/cancellation.txt"
}

/// The differences, for the first line of a new version.
fn correction(earlier: &Earlier, now: &Statement) -> String {
    let before = &earlier.statement;
    let mut differences = Vec::new();
    if before.kind != now.kind {
        differences.push(format!(
            "« {} » au lieu de « {} »",
            now.kind.label(),
            before.kind.label()
        ));
    }
    if !before.at.reads_as(&now.at) {
        differences.push(format!(
            "{} au lieu de {}",
            now.at.words(),
            before.at.words()
        ));
    }
    if before.kind == now.kind && before.destination != now.destination {
        differences.push("destination modifiée".to_owned());
    }
    if differences.is_empty() {
        differences.push("précisions".to_owned());
    }
    let version = ordinal(earlier.version);
    format!(
        "RECTIFIE ET REMPLACE l'avis n° {} ({version} version) : {}",
        earlier.number,
        differences.join(" ; ")
    )
}

/// « l'avis n° 2026-11-21-0045 (Retour à l'EHPAD, samedi 21/11/2026 à 20 h 30) ».
fn cancelled(earlier: &Earlier) -> String {
    let statement = &earlier.statement;
    format!(
        "l'avis n° {} ({}, {})",
        earlier.number,
        statement.kind.label(),
        statement.at.words()
    )
}

/// When it was typed in, where that is not when it happened.
fn recorded(statement: &Statement) -> Option<String> {
    let recorded = statement.recorded_at?;
    if statement.kind == Kind::PlannedDischarge || recorded.reads_as(&statement.at) {
        return None;
    }
    let when = if recorded.at.date() == statement.at.at.date() && recorded.has_time {
        format!("à {}", recorded.hour())
    } else {
        format!("le {}", recorded.words())
    };
    match statement.lateness {
        Lateness::InTime => Some(format!("saisie {when}")),
        Lateness::Late | Lateness::Regularisation => Some(format!("saisie tardive {when}")),
    }
}

fn destination(statement: &Statement) -> Option<String> {
    match &statement.destination {
        Destination::Unsaid => None,
        Destination::Home => Some("domicile".to_owned()),
        Destination::HomeHospitalisation => {
            Some("domicile, avec hospitalisation à domicile (HAD)".to_owned())
        }
        Destination::NursingHome { finess, name } => Some(match (name, finess) {
            (Some(name), _) => name.clone(),
            (None, Some(finess)) => format!("EHPAD, FINESS {finess}"),
            (None, None) => "EHPAD".to_owned(),
        }),
        Destination::OtherHospital => Some("autre établissement de santé".to_owned()),
    }
}

/// Whether the discharge had been announced, and for when.
fn planning(statement: &Statement) -> Option<String> {
    let Some(expected) = statement.expected else {
        return Some("Sortie non annoncée à l'avance.".to_owned());
    };
    let far = (expected.at - statement.at.at).abs() > time::Duration::hours(24)
        || (!expected.has_time && expected.at.date() != statement.at.at.date());
    let verb = if far {
        "non reconfirmée depuis"
    } else {
        "effectuée"
    };
    let when = if expected.has_time {
        expected.words()
    } else {
        numeric(expected.at.date())
    };
    Some(format!("Sortie prévue le {when}, {verb}."))
}
