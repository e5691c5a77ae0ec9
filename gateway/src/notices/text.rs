//! The words of a notice: what the templates of `gateway/templates/notices` see, one a kind, a head
//! and a foot that they share. First line a summary, « À FAIRE » last: readable in ten seconds on a
//! telephone.

use std::collections::BTreeMap;

use liaison_directory_client::Rpps;
use serde::Serialize;
use time::macros::{date, datetime};

use super::bundle;
use super::circle::{Role, Target};
use super::enclosure::Enclosures;
use super::explain::named;
use super::french::{Moment, numeric, ordinal};
use super::kind::{ExpectedReply, Kind, Urgency};
use super::message::{MessageName, MessageRule, Said};
use super::number::NoticeNumber;
use super::pages::{PageError, Pages};
use super::person::Person;
use super::plan::{Earlier, Planned, WardTask};
use super::recipients::Recipient;
use super::rules::{Hospital, Rules};
use super::statement::{Destination, Lateness, Statement};
use crate::outbound::Attachment;

/// One notice for one recipient, about to be worded.
pub(super) struct Page<'a> {
    pub(super) planned: &'a Planned,
    pub(super) recipient: &'a Recipient,
    pub(super) number: NoticeNumber,
    pub(super) version: u32,
    pub(super) rules: &'a Rules,
    pub(super) enclosed: &'a Enclosures,
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
                format!("ANNULE l'avis n° {of} ({})", self.planned.statement.label())
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

    /// What goes with the text: the same for machines, and the letter.
    pub(super) fn attachments(&self) -> Vec<Attachment> {
        let mut found = vec![Attachment {
            name: "avis.json".to_owned(),
            media_type: bundle::MEDIA_TYPE.to_owned(),
            bytes: bundle::of(self),
        }];
        found.extend(self.enclosed.files_for(self.recipient.role, self.planned));
        found
    }

    /// What the recipient is asked for, unless it came already, and for how many hours.
    pub(super) fn asks(&self) -> Option<(&str, u32)> {
        let Recipient { role, target, .. } = self.recipient;
        let label = format!("{} {}", role.label(), named(target));
        let came = self.enclosed.answered.contains(&label);
        self.rules.asks(&self.planned.kind, *role).filter(|_| !came)
    }

    /// The body.
    ///
    /// # Errors
    /// [`PageError`] when a site's own template fails on this notice.
    pub(super) fn body(&self) -> Result<String, PageError> {
        self.body_by(&self.rules.pages)
    }

    fn body_by(&self, pages: &Pages) -> Result<String, PageError> {
        let mut text = pages.render(&self.planned.kind.template(), self.view())?;
        text.push('\n');
        Ok(text)
    }

    /// What the notice is called, without what it states.
    pub(super) fn name(&self) -> &str {
        match self.planned.kind {
            Kind::Message(_) => self.planned.statement.label(),
            ref kind => kind.label(),
        }
    }

    fn title(&self) -> String {
        let statement = &self.planned.statement;
        match (self.planned.kind, &statement.destination) {
            (Kind::PlannedDischarge, _) => format!("Sortie prévue le {}", statement.at.words()),
            (Kind::PlannedAdmission, _) => format!("Entrée prévue le {}", statement.at.words()),
            (Kind::Admission, _) if statement.after_emergency => {
                "Hospitalisation après urgences".to_owned()
            }
            (Kind::DischargeWithCare, Destination::HomeHospitalisation) => {
                "Sortie à domicile avec HAD".to_owned()
            }
            (Kind::DischargeWithCare, Destination::HomeCare) => {
                "Sortie à domicile avec SSIAD".to_owned()
            }
            (Kind::LeaveStart, _) => {
                let from = numeric(statement.at.at.date());
                match statement.expected_return {
                    Some(until) => format!("Permission du {from} au {}", numeric(until.at.date())),
                    None => format!("Permission du {from}"),
                }
            }
            (Kind::Message(_), _) => statement.label().to_owned(),
            (kind, _) => kind.label().to_owned(),
        }
    }

    fn view(&self) -> View {
        let Page {
            planned,
            recipient,
            rules,
            ..
        } = *self;
        let statement = &planned.statement;
        let (unit, phone) = rules.shown(statement.unit.as_deref());
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
                .filter(|_| planned.reminder.is_none())
                .map(|earlier| correction(earlier, statement, rules)),
            cancelled: planned.earlier.as_ref().map(cancelled).unwrap_or_default(),
            still_in_hospital: !matches!(
                statement.kind,
                Kind::Admission | Kind::EmergencyVisit | Kind::PlannedAdmission
            ),
            wrong_patient: planned.ward_task == Some(WardTask::PrivacyIncident),
            reminder: planned.reminder,
            person: self.person(),
            at: statement.at.words(),
            recorded: recorded(statement),
            unit: unit.to_owned(),
            hospital: rules.hospital.name.clone(),
            phone: phone.map(str::to_owned),
            destination: destination(statement),
            planning: planning(statement),
            unscheduled: statement.kind.is_return() && is_unscheduled(statement),
            expected_return: statement.expected_return.map(|until| until.words()),
            through_emergency: statement.through_emergency,
            risky: planned.ward_task == Some(WardTask::RiskyDischarge)
                || (statement.kind == Kind::PlannedDischarge
                    && rules.calendar.is_after_hours(statement.at)),
            contact_first: statement.kind.is_arrival()
                && recipient.role.receives()
                && (self.enclosed.contact_first
                    || rules
                        .unit(statement.unit.as_deref())
                        .is_some_and(|unit| unit.contact_first)),
            letter: self.enclosed.letter_words(recipient.role),
            changes: self.enclosed.change_words(recipient.role),
            no_family_doctor: planned.missing.contains(&Role::FamilyDoctor),
            role: recipient.role,
            at_home: matches!(
                recipient.role,
                Role::HomeNurse | Role::HomeCareService | Role::HomeHospitalisation
            ),
            asks: self.asks().map(|asked| asked.0.to_owned()),
            fields: statement
                .message
                .as_ref()
                .map(|said| said.fields.clone())
                .unwrap_or_default(),
            reply: planned.expected_reply(recipient.role, rules),
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

/// What the templates see; [`super::pages`] lists it for those who write them.
#[derive(Serialize)]
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
    wrong_patient: bool,
    reminder: Option<u8>,
    person: String,
    at: String,
    recorded: Option<String>,
    unit: String,
    hospital: String,
    phone: Option<String>,
    destination: Option<String>,
    planning: Option<String>,
    unscheduled: bool,
    expected_return: Option<String>,
    through_emergency: bool,
    risky: bool,
    contact_first: bool,
    letter: Option<String>,
    changes: Vec<String>,
    no_family_doctor: bool,
    role: Role,
    at_home: bool,
    asks: Option<String>,
    fields: BTreeMap<String, String>,
    reply: ExpectedReply,
}

/// What the template of a ward's task sees.
#[derive(Serialize)]
pub(crate) struct TaskView {
    /// The subject.
    pub(crate) title: &'static str,
    /// [`WardTask::name`].
    pub(crate) task: &'static str,
    /// The hospital's own number of the stay.
    pub(crate) visit: String,
    /// The notice's number.
    pub(crate) number: String,
    /// When the discharge is planned for, or happened.
    pub(crate) at: String,
    /// Who has not answered, or was told wrongly: roles, never a patient.
    pub(crate) waiting_for: Vec<String>,
}

/// What a text about mail to the ward sees: `answers/*.txt`, which its author reads, and
/// `tasks/mail.txt`, `tasks/missing.txt`, which the ward reads.
#[derive(Serialize)]
pub(crate) struct MailView {
    /// What it is called.
    pub(crate) title: String,
    /// `answer`, `message`, `incoming` or `unmatched`; for what is missing `answers`,
    /// `letter` or `unhandled`.
    pub(crate) state: &'static str,
    /// The number that people quote: of the notice that it answers, or its own.
    pub(crate) number: String,
    /// The hospital's own number of the stay; empty where that is not known. Shown to the ward.
    pub(crate) visit: String,
    /// Who wrote: a role, or an address.
    pub(crate) author: String,
    /// How many files came with it.
    pub(crate) files: u32,
    /// When it came, or was asked for.
    pub(crate) at: String,
    /// How many were asked, and have answered.
    pub(crate) asked: usize,
    /// See `asked`.
    pub(crate) answered: usize,
    /// Who has not answered yet.
    pub(crate) missing: Vec<String>,
    /// The hospital, and the number that answers day and night.
    pub(crate) hospital: String,
    /// See `hospital`; empty where there is none.
    pub(crate) phone: String,
}

/// Renders every kind for every role, as first notice, correction and cancellation, and every
/// task, with a made-up person.
///
/// # Errors
/// The first [`PageError`].
pub(super) fn try_all(
    pages: &Pages,
    messages: &BTreeMap<MessageName, MessageRule>,
) -> Result<(), PageError> {
    let mut rules = Rules::of(Hospital {
        name: "CH d'Essai".to_owned(),
        phone: Some("01 00 00 00 00".to_owned()),
        ..Hospital::default()
    });
    rules.messages.clone_from(messages);
    let number = NoticeNumber::new(date!(2026 - 11 - 21), 45);
    let Ok(target) = Rpps::parse("00000000000").map(Target::Rpps) else {
        return Ok(());
    };
    let own = messages.keys().copied().map(Kind::Message);
    for kind in Kind::STATED.into_iter().chain(own) {
        for role in Role::ALL {
            for planned in made_up((kind, messages), number) {
                let recipient = Recipient {
                    role,
                    target: target.clone(),
                    urgency: Urgency::Urgent,
                };
                for enclosed in [Enclosures::default(), Enclosures::made_up()] {
                    let page = Page {
                        planned: &planned,
                        recipient: &recipient,
                        number,
                        version: 1,
                        rules: &rules,
                        enclosed: &enclosed,
                    };
                    page.body_by(pages)?;
                }
            }
        }
    }
    for task in [
        WardTask::RiskyDischarge,
        WardTask::CallAtOnce,
        WardTask::UnconfirmedDischarge,
        WardTask::PrivacyIncident,
    ] {
        let view = TaskView {
            title: task.label(),
            task: task.name(),
            visit: "1".to_owned(),
            number: number.to_string(),
            at: "lundi".to_owned(),
            waiting_for: vec!["EHPAD".to_owned()],
        };
        pages.render("tasks/ward_task.txt", view)?;
    }
    try_mail(pages)
}

fn try_mail(pages: &Pages) -> Result<(), PageError> {
    let texts = [
        ("answers/incoming.txt", "incoming"),
        ("answers/unmatched.txt", "unmatched"),
        ("tasks/mail.txt", "answer"),
        ("tasks/mail.txt", "message"),
        ("tasks/mail.txt", "incoming"),
        ("tasks/mail.txt", "unmatched"),
        ("tasks/missing.txt", "answers"),
        ("tasks/missing.txt", "letter"),
        ("tasks/missing.txt", "unhandled"),
    ];
    for (name, state) in texts {
        for visit in ["", "1"] {
            let view = MailView {
                title: "Essai".to_owned(),
                state,
                number: "2026-11-21-0045".to_owned(),
                visit: visit.to_owned(),
                author: "EHPAD".to_owned(),
                files: 1,
                at: "lundi".to_owned(),
                asked: 2,
                answered: 1,
                missing: vec!["EHPAD".to_owned()],
                hospital: "CH d'Essai".to_owned(),
                phone: String::new(),
            };
            pages.render(name, view)?;
        }
    }
    Ok(())
}

fn made_up(
    (kind, messages): (Kind, &BTreeMap<MessageName, MessageRule>),
    number: NoticeNumber,
) -> [Planned; 3] {
    let message = match kind {
        Kind::Message(name) => messages.get(&name).map(|rule| Said {
            title: rule.title.clone(),
            fields: rule
                .names()
                .map(|field| (field.to_owned(), "essai".to_owned()))
                .collect(),
        }),
        _ => None,
    };
    let at = Moment {
        at: datetime!(2026-11-21 20:30),
        has_time: true,
    };
    let first = Planned {
        kind,
        person: Person::default(),
        statement: Statement {
            kind,
            at,
            recorded_at: Some(at),
            lateness: Lateness::Late,
            destination: Destination::Home,
            expected: Some(at),
            through_emergency: true,
            after_emergency: false,
            expected_return: Some(at),
            unit: None,
            message,
        },
        earlier: None,
        recipients: Vec::new(),
        missing: vec![Role::FamilyDoctor],
        movement: Vec::new(),
        ward_task: None,
        in_place_of: None,
        reminder: None,
        origin: None,
    };
    let correction = Planned {
        earlier: Some(Earlier {
            number,
            version: 1,
            statement: first.statement.clone(),
        }),
        ..first.clone()
    };
    let cancellation = Planned {
        kind: Kind::Cancellation { of: number },
        ..correction.clone()
    };
    [first, correction, cancellation]
}

/// The differences, for the first line of a new version.
fn correction(earlier: &Earlier, now: &Statement, rules: &Rules) -> String {
    let before = &earlier.statement;
    let mut differences = Vec::new();
    if before.kind != now.kind {
        differences.push(format!(
            "« {} » au lieu de « {} »",
            now.label(),
            before.label()
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
    if let (Some(_), Some(_)) = (&before.unit, &now.unit) {
        let (was, is) = (
            rules.shown(before.unit.as_deref()),
            rules.shown(now.unit.as_deref()),
        );
        if was != is {
            differences.push(format!("service : {} au lieu de {}", is.0, was.0));
        }
    }
    if let Some(until) = now.expected_return
        && before.expected_return != now.expected_return
    {
        differences.push(format!("retour prévu le {}", until.words()));
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
        statement.label(),
        statement.at.words()
    )
}

/// When it was typed in, where that is not when it happened.
fn recorded(statement: &Statement) -> Option<String> {
    let recorded = statement.recorded_at?;
    let planned = matches!(
        statement.kind,
        Kind::PlannedDischarge | Kind::PlannedAdmission
    );
    if planned || recorded.reads_as(&statement.at) {
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
        Destination::HomeCare => Some("domicile, avec le SSIAD".to_owned()),
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
    let far = is_unscheduled(statement);
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

/// Whether a person left at another time than had been planned, by a day or more, or without a
/// plan.
fn is_unscheduled(statement: &Statement) -> bool {
    statement.expected.is_none_or(|expected| {
        (expected.at - statement.at.at).abs() > time::Duration::hours(24)
            || (!expected.has_time && expected.at.date() != statement.at.at.date())
    })
}
