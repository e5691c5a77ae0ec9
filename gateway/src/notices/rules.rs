//! What a site may change: who is told of what and how urgently, how long a notice waits, which
//! units may be named, when planned discharges are repeated, and every text.
//!
//! The defaults are the table of events that the project follows; a site's file names only what
//! it wants otherwise, and is checked at the start.
//!
//! ```toml
//! [notice.admission]
//! to = { family_doctor = "normal", nursing_home = "urgent", home_nurse = "urgent" }
//!
//! [wait]                       # seconds before a notice leaves; corrected meanwhile, it leaves once
//! entry = 180
//!
//! [calendar]
//! alsace_moselle = true
//! closed = ["2026-12-24"]
//!
//! [reminders]
//! days_before = [2, 1]
//!
//! [unit.3120]                  # by code (ZBE-7); list no psychiatric unit's name
//! name = "Gériatrie"
//! phone = "01 00 00 00 99"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::{Date, Duration, PrimitiveDateTime, Weekday};

use super::calendar::Calendar;
use super::circle::Role;
use super::kind::{Kind, Slot};
use super::message::{self, MessageName, MessageRule};
use super::pages::{PageError, Pages};
use super::request::{self, IncomingRule, Requests};

/// The hospital as a notice shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hospital {
    /// « CH d'Essai ».
    pub name: String,
    /// A number that answers day and night.
    pub phone: Option<String>,
    /// Units with rules of their own, by their code (ZBE-7).
    pub units: BTreeMap<String, Unit>,
}

/// A unit as a notice shows it, and what is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Unit {
    /// Shown instead of « Service hospitalier ». Give none to a unit whose name tells of
    /// psychiatry.
    pub name: Option<String>,
    /// Shown instead of the hospital's number.
    pub phone: Option<String>,
    /// Further classes of stay (PV1-2) that are told of in this unit as if hospitalised: `"R"`
    /// séances, `"O"` outpatients.
    pub also: BTreeSet<char>,
    /// Nobody is told of anything in this unit.
    pub silent: bool,
    /// « Contact avant accueil recommandé »: who receives somebody from it should call first. The
    /// notice does not say why.
    pub contact_first: bool,
}

/// How urgently somebody is told; some are told only under a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// To know.
    Info,
    /// Within the working day.
    Normal,
    /// Now, at any hour.
    Urgent,
    /// Normal; urgent in the evening, at weekends, on public holidays, and when a planned
    /// discharge is missed by more than a day.
    UrgentAfterHours,
    /// As `urgent_after_hours`, and always urgent to who has care prescribed.
    UrgentIfCare,
    /// As `urgent_after_hours`, only to who was told of the entry.
    UrgentAfterHoursIfToldOfEntry,
    /// To know, only to who has care prescribed.
    InfoIfCare,
    /// Normal, only of somebody who came through the emergency ward and lives in no nursing home:
    /// nobody could ask for the treatment before, and nobody else gives it.
    NormalIfUnprepared,
}

/// Who is told of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeRule {
    /// How urgently each role is told; a role that is absent is not. Nobody: `to = {}`.
    pub to: BTreeMap<Role, Weight>,
}

/// How long a notice waits before it leaves, in seconds: what is corrected meanwhile leaves once,
/// and what is cancelled meanwhile is never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wait {
    /// Entries, planned entries and exits, leaves.
    pub entry: u32,
    /// Exits, in office hours.
    pub exit: u32,
    /// Exits from 17:00 to 08:00 and at weekends.
    pub exit_after_hours: u32,
}

impl Default for Wait {
    fn default() -> Wait {
        Wait {
            entry: 180,
            exit: 60,
            exit_after_hours: 0,
        }
    }
}

/// When a planned discharge is repeated to those who have not confirmed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reminders {
    /// Days before the discharge; none: `[]`.
    pub days_before: BTreeSet<u8>,
    /// Hour of the day, legal time.
    pub hour: u8,
}

impl Default for Reminders {
    fn default() -> Reminders {
        Reminders {
            days_before: BTreeSet::from([1, 2]),
            hour: 9,
        }
    }
}

/// The hours and days of the site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarRules {
    /// Good Friday and 26 December are holidays too.
    pub alsace_moselle: bool,
    /// Further days on which the site is closed, `2026-12-24`.
    pub closed: Vec<String>,
}

/// A site's rules file. What it does not name stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesFile {
    /// Who is told, by kind.
    pub notice: BTreeMap<Kind, NoticeRule>,
    /// How long notices wait.
    pub wait: Wait,
    /// Nights, weekends, holidays.
    pub calendar: CalendarRules,
    /// Repeating planned discharges.
    pub reminders: Reminders,
    /// Units, by code.
    pub unit: BTreeMap<String, Unit>,
    /// Notices of one feed in five minutes above which the rest wait for a person: a feed that
    /// storms sends old stays again. 0: no limit.
    pub storm: Option<u32>,
    /// What is asked on an entry.
    pub request: Requests,
    /// Kinds of message, by name: the site's own, or others in place of the project's.
    pub message: BTreeMap<MessageName, MessageRule>,
    /// Kinds of mail to the ward, by name; one without words is no more.
    pub incoming: BTreeMap<String, IncomingRule>,
}

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A day that is none.
    #[error("calendar.closed: {0:?} is no day: write 2026-12-24")]
    Day(String),
    /// A cancellation follows what it cancels.
    #[error("notice.cancellation: a cancellation goes to exactly those who were told")]
    Cancellation,
    /// An hour that is none.
    #[error("reminders.hour: {0} is no hour of the day")]
    Hour(u8),
    /// A field of a message that no template could name.
    #[error("message.{0}: a field is named with 1 to 31 of a-z, 0-9 and _, a letter first")]
    Field(MessageName),
    /// A text that cannot be used.
    #[error(transparent)]
    Page(#[from] PageError),
}

/// Everything that decides which notices leave and what they say.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The hospital and its units.
    pub hospital: Hospital,
    /// Nights, weekends, holidays.
    pub calendar: Calendar,
    /// How long notices wait.
    pub wait: Wait,
    /// Repeating planned discharges.
    pub reminders: Reminders,
    /// Most notices of one feed in five minutes.
    pub storm: Option<u32>,
    /// What is asked on an entry.
    pub requests: Requests,
    /// Kinds of message.
    pub messages: BTreeMap<MessageName, MessageRule>,
    /// Kinds of mail to the ward.
    pub incoming: BTreeMap<String, IncomingRule>,
    /// The texts.
    pub pages: Pages,
    notices: BTreeMap<Kind, NoticeRule>,
}

/// Most notices of one feed in five minutes, unless the site says otherwise: a large hospital has
/// some thirty.
const STORM: u32 = 500;

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            hospital: Hospital::default(),
            calendar: Calendar::default(),
            wait: Wait::default(),
            reminders: Reminders::default(),
            storm: Some(STORM),
            requests: Requests::default(),
            messages: message::built_in(),
            incoming: request::built_in(),
            pages: Pages::default(),
            notices: defaults(),
        }
    }
}

impl Rules {
    /// The defaults, for a hospital.
    pub fn of(hospital: Hospital) -> Rules {
        Rules {
            hospital,
            ..Rules::default()
        }
    }

    /// The rules of a site: the defaults, changed by its file, with the texts of `templates` where
    /// that folder has them.
    ///
    /// # Errors
    /// [`RulesError`] naming the key or the template.
    pub fn new(
        hospital: Hospital,
        file: RulesFile,
        templates: Option<&Path>,
    ) -> Result<Rules, RulesError> {
        let mut rules = Rules::of(hospital);
        rules.hospital.units.extend(file.unit);
        if file.reminders.hour > 23 {
            return Err(RulesError::Hour(file.reminders.hour));
        }
        for (kind, rule) in file.notice {
            if matches!(kind, Kind::Cancellation { .. }) {
                return Err(RulesError::Cancellation);
            }
            rules.notices.insert(kind, rule);
        }
        rules.calendar.alsace_moselle = file.calendar.alsace_moselle;
        for day in file.calendar.closed {
            let date = parse_day(&day).ok_or(RulesError::Day(day))?;
            rules.calendar.closed.insert(date);
        }
        rules.wait = file.wait;
        rules.reminders = file.reminders;
        rules.storm = match file.storm {
            None => Some(STORM),
            Some(0) => None,
            Some(most) => Some(most),
        };
        rules.requests = file.request;
        for (name, message) in file.message {
            if message
                .names()
                .any(|field| field.parse::<MessageName>().is_err())
            {
                return Err(RulesError::Field(name));
            }
            rules.messages.insert(name, message);
        }
        rules.incoming.extend(file.incoming);
        rules.pages = Pages::with(templates, &rules.messages)?;
        Ok(rules)
    }

    /// Who is told of a kind, and how urgently.
    pub fn to(&self, kind: &Kind) -> impl Iterator<Item = (Role, Weight)> + '_ {
        let to = match kind {
            Kind::Message(name) => self.messages.get(name).map(|rule| &rule.to),
            kind => self.notices.get(kind).map(|rule| &rule.to),
        };
        to.into_iter()
            .flatten()
            .map(|(role, weight)| (*role, *weight))
    }

    /// What a role is asked to send back on that kind, and after how many hours it is missed.
    pub fn asks(&self, kind: &Kind, role: Role) -> Option<(&str, u32)> {
        match kind {
            Kind::Admission | Kind::EmergencyVisit => {
                let words = self.requests.documents.get(&role)?;
                Some((words, self.requests.hours))
            }
            Kind::Message(name) => {
                let rule = self.messages.get(name)?;
                Some((rule.asks.as_deref()?, rule.answer_hours))
            }
            _ => None,
        }
    }

    /// Whether « PRIS EN CHARGE » is asked for on that kind of message.
    pub fn confirms(&self, name: &MessageName) -> bool {
        self.messages.get(name).is_some_and(|rule| rule.confirm)
    }

    /// How long a notice of that kind waits when it is decided at `now`, legal time.
    pub fn wait_of(&self, kind: &Kind, now: PrimitiveDateTime) -> Duration {
        let seconds = match kind.slot() {
            // What was seen is taken back at once; somebody who ran away is looked for at once.
            None => 0,
            _ if *kind == Kind::UnauthorisedExit => 0,
            // Somebody wrote it: there is nothing to correct.
            Some(Slot::Message) => 0,
            Some(Slot::Discharge | Slot::FollowUp) => {
                let weekend = matches!(now.weekday(), Weekday::Saturday | Weekday::Sunday);
                if weekend || !(8..17).contains(&now.hour()) {
                    self.wait.exit_after_hours
                } else {
                    self.wait.exit
                }
            }
            Some(_) => self.wait.entry,
        };
        Duration::seconds(i64::from(seconds))
    }

    /// How a unit is shown: its name and telephone.
    pub fn shown(&self, unit: Option<&str>) -> (&str, Option<&str>) {
        let unit = unit.and_then(|code| self.hospital.units.get(code));
        let name = unit.and_then(|unit| unit.name.as_deref());
        let phone = unit.and_then(|unit| unit.phone.as_deref());
        (
            name.unwrap_or("Service hospitalier"),
            phone.or(self.hospital.phone.as_deref()),
        )
    }

    /// What is told of a unit.
    pub fn unit(&self, code: Option<&str>) -> Option<&Unit> {
        self.hospital.units.get(code?)
    }
}

fn parse_day(text: &str) -> Option<Date> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).ok()
}

/// The table of events.
fn defaults() -> BTreeMap<Kind, NoticeRule> {
    use Role::{
        Coordination, FamilyDoctor, HomeCareService, HomeHospitalisation, HomeNurse, NursingHome,
        Pharmacy,
    };
    use Weight::{
        Normal, NormalIfUnprepared, Urgent, UrgentAfterHours, UrgentAfterHoursIfToldOfEntry,
        UrgentIfCare,
    };
    let at_home =
        |weight| [HomeNurse, HomeCareService, HomeHospitalisation].map(|role| (role, weight));
    let rule = |pairs: &[(Role, Weight)], carers: Option<Weight>| NoticeRule {
        to: pairs
            .iter()
            .copied()
            .chain(carers.map(at_home).into_iter().flatten())
            .collect(),
    };
    let urgent_to_all = || {
        rule(
            &[
                (NursingHome, Urgent),
                (Pharmacy, Urgent),
                (FamilyDoctor, Urgent),
            ],
            Some(Urgent),
        )
    };
    BTreeMap::from([
        (
            Kind::Admission,
            rule(
                &[
                    (FamilyDoctor, Normal),
                    (NursingHome, Urgent),
                    // It is asked for what it delivered.
                    (Pharmacy, NormalIfUnprepared),
                    (Coordination, Normal),
                ],
                Some(Urgent),
            ),
        ),
        (Kind::EmergencyVisit, rule(&[(NursingHome, Urgent)], None)),
        (
            Kind::EmergencyEnd,
            rule(&[(FamilyDoctor, Normal), (NursingHome, Urgent)], None),
        ),
        (
            Kind::OutpatientFollowUp,
            rule(&[(FamilyDoctor, Normal), (NursingHome, Normal)], None),
        ),
        (Kind::PlannedAdmission, rule(&[], None)),
        (
            Kind::PlannedDischarge,
            rule(
                &[
                    (NursingHome, UrgentAfterHours),
                    (Pharmacy, UrgentAfterHours),
                    (FamilyDoctor, UrgentAfterHours),
                ],
                Some(UrgentAfterHours),
            ),
        ),
        (
            Kind::DischargeHome,
            rule(
                &[
                    (FamilyDoctor, UrgentAfterHours),
                    // It was told that its resident came in, and would never hear the end.
                    (NursingHome, UrgentAfterHoursIfToldOfEntry),
                    (Pharmacy, UrgentAfterHours),
                    (Coordination, UrgentAfterHours),
                ],
                Some(UrgentIfCare),
            ),
        ),
        (
            Kind::DischargeWithCare,
            rule(&[(Pharmacy, Urgent), (FamilyDoctor, Urgent)], Some(Urgent)),
        ),
        (Kind::ReturnToNursingHome, urgent_to_all()),
        (
            Kind::Transfer,
            rule(&[(FamilyDoctor, Normal), (NursingHome, Normal)], None),
        ),
        (
            Kind::UnauthorisedExit,
            rule(&[(FamilyDoctor, Urgent), (NursingHome, Urgent)], None),
        ),
    ])
    .into_iter()
    .chain(leaves_and_later())
    .collect()
}

/// The rows of deaths and leaves, and of what comes when the person has left.
fn leaves_and_later() -> [(Kind, NoticeRule); 5] {
    use Role::{
        FamilyDoctor, HomeCareService, HomeHospitalisation, HomeNurse, NursingHome, Pharmacy,
    };
    use Weight::{InfoIfCare, Normal};
    let rule = |pairs: &[(Role, Weight)]| NoticeRule {
        to: pairs.iter().copied().collect(),
    };
    let leave = || {
        let carers = [NursingHome, HomeNurse, HomeCareService, HomeHospitalisation];
        rule(&carers.map(|role| (role, InfoIfCare)))
    };
    let carers = [HomeNurse, HomeCareService, HomeHospitalisation];
    let all = [FamilyDoctor, NursingHome, Pharmacy]
        .into_iter()
        .chain(carers);
    [
        (
            Kind::Death,
            NoticeRule {
                to: all.map(|role| (role, Normal)).collect(),
            },
        ),
        (
            Kind::Letter,
            rule(&[
                (FamilyDoctor, Normal),
                (NursingHome, Normal),
                (Pharmacy, Normal),
            ]),
        ),
        (Kind::PendingResult, rule(&[(FamilyDoctor, Normal)])),
        (Kind::LeaveStart, leave()),
        (Kind::LeaveEnd, leave()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::config;
    use time::macros::datetime;

    fn rules(text: &str) -> Result<Rules, String> {
        let file = config::parse(text)?;
        Rules::new(Hospital::default(), file, None).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_has_its_row() {
        let rules = Rules::default();
        for kind in Kind::STATED {
            assert!(rules.notices.contains_key(&kind), "{kind:?}");
        }
    }

    #[test]
    fn a_site_changes_one_row_and_keeps_the_others() {
        let rules = rules(
            "storm = 0\n[notice.death]\nto = { family_doctor = \"urgent\" }\n[unit.3120]\nname = \"Gériatrie\"\nalso = [\"R\"]\n[wait]\nentry = 0\n[calendar]\nclosed = [\"2026-12-24\"]\n",
        )
        .unwrap();
        let told: Vec<_> = rules.to(&Kind::Death).collect();
        assert_eq!(told, [(Role::FamilyDoctor, Weight::Urgent)]);
        assert_eq!(rules.to(&Kind::Transfer).count(), 2);
        assert_eq!(rules.shown(Some("3120")).0, "Gériatrie");
        assert_eq!(rules.shown(Some("9999")).0, "Service hospitalier");
        assert_eq!((rules.wait.entry, rules.wait.exit), (0, 60));
        assert_eq!(rules.storm, None);
        assert!(
            rules
                .calendar
                .is_holiday(time::macros::date!(2026 - 12 - 24))
        );
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, said) in [
            ("[notice.deth]\nto = {}", "unknown variant `deth`"),
            (
                "[notice.death]\nto = { doctor = \"urgent\" }",
                "unknown variant `doctor`",
            ),
            (
                "[notice.death]\nto = { pharmacy = \"now\" }",
                "unknown variant `now`",
            ),
            ("[calendar]\nclosed = [\"24/12\"]", "24/12"),
            ("[reminders]\nhour = 24", "reminders.hour"),
            ("[reminder]\nhour = 1", "did you mean `reminders`?"),
        ] {
            let error = rules(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn exits_leave_at_once_in_the_evening_and_at_weekends() {
        let rules = Rules::default();
        let wait = |kind, at| rules.wait_of(&kind, at).whole_seconds();
        for (kind, at, seconds) in [
            (Kind::Admission, datetime!(2026-11-19 14:00), 180),
            (Kind::DischargeHome, datetime!(2026-11-19 14:00), 60),
            (Kind::DischargeHome, datetime!(2026-11-19 16:59), 60),
            (Kind::DischargeHome, datetime!(2026-11-19 17:00), 0),
            (Kind::ReturnToNursingHome, datetime!(2026-11-20 07:59), 0),
            (Kind::Transfer, datetime!(2026-11-21 12:00), 0),
            (Kind::UnauthorisedExit, datetime!(2026-11-19 14:00), 0),
        ] {
            assert_eq!(wait(kind, at), seconds, "{kind:?} {at}");
        }
    }
}
