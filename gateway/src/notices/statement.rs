//! What an event states, in the terms of a notice.

use std::fmt;

use liaison_hl7::adt::{Action, AdtEvent, Stay, Trigger};
use serde::{Deserialize, Serialize};
use time::Duration;

use super::circle::{CareMember, Role, Target};
use super::decide::Scene;
use super::decision::Silence;
use super::episode::Episode;
use super::french::Moment;
use super::kind::{Kind, Slot};
use super::message::Said;
use super::movement::{movement_keys, shares_key, subject};
use super::rules::Rules;

/// A movement typed in later than this is called late in the notice.
const LATE: Duration = Duration::hours(4);
/// Later than this nobody is told, except to close an entry that was announced.
const TOO_LATE: Duration = Duration::hours(48);
/// A planned discharge that moves by less is no news.
const SMALL_MOVE: Duration = Duration::hours(4);

/// What a notice states; kept with the notice, to see later whether it still holds.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Which kind; never a cancellation.
    pub kind: Kind,
    /// When it happened or is planned for.
    pub at: Moment,
    /// When it was typed in.
    pub recorded_at: Option<Moment>,
    /// How long after the fact.
    pub lateness: Lateness,
    /// Where the person goes.
    pub destination: Destination,
    /// For a discharge: when it had been planned.
    pub expected: Option<Moment>,
    /// For an admission: through emergency.
    pub through_emergency: bool,
    /// For an admission: out of an emergency visit (A06).
    #[serde(default)]
    pub after_emergency: bool,
    /// For a leave: when it is expected to end.
    #[serde(default)]
    pub expected_return: Option<Moment>,
    /// Code of the unit responsible (ZBE-7, else ZBE-8). Shown only under a name that the site
    /// gave it.
    pub unit: Option<String>,
    /// For a message: what it says.
    #[serde(default)]
    pub message: Option<Said>,
}

/// Where the person goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Not said, or nothing to say.
    Unsaid,
    /// Home.
    Home,
    /// Home, with hospitalisation à domicile.
    HomeHospitalisation,
    /// Home, with a SSIAD.
    HomeCare,
    /// A nursing home.
    NursingHome {
        /// Its FINESS, where given.
        finess: Option<String>,
        /// Its name, where the care circle knows it.
        name: Option<String>,
    },
    /// Another hospital. Never named: its name may tell of psychiatry.
    OtherHospital,
}

/// How long after the fact a movement was typed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lateness {
    /// At most four hours.
    InTime,
    /// More: « saisie tardive ».
    Late,
    /// More than two days, and an entry was announced: « régularisation ».
    Regularisation,
}

impl Statement {
    /// What it is called, in French.
    pub fn label(&self) -> &str {
        match &self.message {
            Some(said) => &said.title,
            None => self.kind.label(),
        }
    }

    /// Whether a reader of one would learn nothing from the other.
    pub fn says_the_same(&self, other: &Statement, rules: &Rules) -> bool {
        if self.kind != other.kind {
            return false;
        }
        if matches!(self.kind, Kind::PlannedDischarge | Kind::PlannedAdmission) {
            // The date is the news; that a later message says where to, or no longer does, is not.
            let unsaid = [&self.destination, &other.destination].contains(&&Destination::Unsaid);
            return !has_moved(self.at, other.at)
                && (unsaid || self.destination == other.destination);
        }
        let shown = |statement: &Statement| {
            let unit = statement.unit.as_deref();
            unit.map(|unit| {
                let (name, phone) = rules.shown(Some(unit));
                (name.to_owned(), phone.map(str::to_owned))
            })
        };
        let same_unit = match (shown(self), shown(other)) {
            (Some(one), Some(other)) => one == other,
            // A message that does not say the unit does not change it.
            _ => true,
        };
        let same_return = other.expected_return.is_none()
            || self.expected_return.map(|at| at.words())
                == other.expected_return.map(|at| at.words());
        self.at.reads_as(&other.at)
            && self.destination == other.destination
            && same_unit
            && same_return
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement({:?})", self.kind)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Destination(..)")
    }
}

/// What an insertion or correction states. `before` is the episode without the event, `next` the
/// one with it absorbed.
///
/// # Errors
/// Why it states nothing that anybody outside is told.
pub(super) fn statements(scene: &Scene<'_>, event: &AdtEvent) -> Result<Vec<Statement>, Silence> {
    let Scene { next, rules, .. } = scene;
    let unit = rules.unit(unit_code(event).as_deref());
    if unit.is_some_and(|unit| unit.silent) {
        return Err(Silence::SilentUnit);
    }
    // Séances (R), outpatients (O) and emergency visits (E) are no stays; without a class the
    // feed is taken at its word.
    let hospitalised = match next.class {
        None | Some('I') => true,
        Some(class) => unit.is_some_and(|unit| unit.also.contains(&class)),
    };
    let trigger = subject(event);
    let mut found = Vec::new();
    let reason = match main(scene, event, hospitalised) {
        Ok(statement) => {
            found.push(statement);
            Silence::NothingNew
        }
        Err(reason) => reason,
    };
    if hospitalised && trigger != Trigger::A03 && is_planning_news(trigger, scene.before, next) {
        match planned_discharge(event, next, scene.members) {
            Ok(planned) => found.push(planned),
            Err(reason) if trigger == Trigger::A16 => return Err(reason),
            Err(_) => {}
        }
    }
    if found.is_empty() {
        Err(reason)
    } else {
        Ok(found)
    }
}

/// What the movement itself states.
fn main(scene: &Scene<'_>, event: &AdtEvent, hospitalised: bool) -> Result<Statement, Silence> {
    let Scene {
        before,
        next,
        members,
        ..
    } = scene;
    let emergency = next.class == Some('E');
    match subject(event) {
        Trigger::A01 | Trigger::A06 if hospitalised => admission(event, next),
        Trigger::A02 if hospitalised && changes_site(event, before, next) => admission(event, next),
        Trigger::A03 if hospitalised => discharge(event, next, members),
        Trigger::A03 if emergency => emergency_end(event, next, members),
        Trigger::A04 if emergency => emergency_visit(event, next, members),
        Trigger::A05 | Trigger::A14 if hospitalised => planned_admission(event, next),
        Trigger::A07 => follow_up(event, before, next),
        Trigger::A21 if hospitalised => leave(event, next, Kind::LeaveStart),
        Trigger::A22 if hospitalised => leave(event, next, Kind::LeaveEnd),
        Trigger::A01
        | Trigger::A03
        | Trigger::A04
        | Trigger::A06
        | Trigger::A16
        | Trigger::A21
        | Trigger::A22
            if !hospitalised =>
        {
            Err(Silence::NotAStay)
        }
        _ => Err(Silence::NotNotified),
    }
}

/// Whether a move between units takes the person to another hospital, or corrects one that did.
fn changes_site(event: &AdtEvent, before: &Episode, next: &Episode) -> bool {
    let moved = before.site.is_some() && before.site != next.site;
    let keys = movement_keys(event);
    let announced = next.live_notices().any(|issued| {
        issued.statement.kind == Kind::Admission && shares_key(&issued.movement, &keys)
    });
    moved || (announced && event.action == Action::Update)
}

/// Whether an event can be the one that announces a planned discharge: A16 itself, an admission,
/// or any event of a stay in which PV2-9 is new. Feeds repeat PV2-9 in every message.
fn is_planning_news(trigger: Trigger, before: &Episode, next: &Episode) -> bool {
    if matches!(trigger, Trigger::A01 | Trigger::A06 | Trigger::A16) {
        return true;
    }
    let admitted = next
        .movements
        .iter()
        .any(|record| record.is_admission() && !record.is_cancelled);
    let new = match (before.expected_discharge, next.expected_discharge) {
        (Some(old), Some(new)) => has_moved(old, new) || moved_since_announced(next, new),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    admitted && new
}

/// Small moves add up: what counts is the distance from what people were told.
fn moved_since_announced(next: &Episode, expected: Moment) -> bool {
    next.live(Slot::PlannedDischarge)
        .is_some_and(|told| has_moved(told.statement.at, expected))
}

fn admission(event: &AdtEvent, next: &Episode) -> Result<Statement, Silence> {
    // Arriving after the discharge was announced, it would send carers away again.
    if next.live(Slot::Discharge).is_some() && event.action == Action::Insert {
        return Err(Silence::AlreadyDischarged);
    }
    let mut statement = describe(event, Kind::Admission, Destination::Unsaid)?;
    keep_lateness(&mut statement, event, next);
    if statement.lateness == Lateness::Regularisation {
        return Err(Silence::TooLate);
    }
    statement.after_emergency = subject(event) == Trigger::A06;
    statement.through_emergency = event.modes.through_emergency || statement.after_emergency;
    Ok(statement)
}

/// A04 of class E. Only a resident of a nursing home, or somebody whom a carer follows, is told
/// of: the nursing home has to send the treatment, and to expect the person back.
fn emergency_visit(
    event: &AdtEvent,
    next: &Episode,
    members: &[&CareMember],
) -> Result<Statement, Silence> {
    let resident = next.from_nursing_home || next.nursing_home.is_some();
    if !resident && members.is_empty() {
        return Err(Silence::NotFollowed);
    }
    let left = next
        .movements
        .iter()
        .any(|record| record.is_discharge() && !record.is_cancelled);
    if event.action == Action::Insert && (left || next.live(Slot::Admission).is_some()) {
        return Err(Silence::AlreadyDischarged);
    }
    in_time(event, next, Kind::EmergencyVisit)
}

/// A03 of class E: whoever was told of the visit is told of its end; a nursing home that receives
/// somebody back is told in any case.
fn emergency_end(
    event: &AdtEvent,
    next: &Episode,
    members: &[&CareMember],
) -> Result<Statement, Silence> {
    let announced = next.live(Slot::Emergency).is_some() || next.live(Slot::Discharge).is_some();
    let mut statement = discharge(event, next, members)?;
    match statement.kind {
        Kind::ReturnToNursingHome => {}
        _ if !announced => return Err(Silence::NotAStay),
        Kind::DischargeHome | Kind::DischargeWithCare => {
            statement.kind = Kind::EmergencyEnd;
            statement.destination = Destination::Unsaid;
        }
        _ => {}
    }
    Ok(statement)
}

/// A07: the bed is given up, the stay goes on (PAM-FR: ZBE-4 says that it is no cancellation).
fn follow_up(event: &AdtEvent, before: &Episode, next: &Episode) -> Result<Statement, Silence> {
    let was_in_bed =
        matches!(before.class, None | Some('I')) || next.live(Slot::Admission).is_some();
    if !was_in_bed || next.live(Slot::Discharge).is_some() {
        return Err(Silence::NotAStay);
    }
    in_time(event, next, Kind::OutpatientFollowUp)
}

fn leave(event: &AdtEvent, next: &Episode, kind: Kind) -> Result<Statement, Silence> {
    let mut statement = in_time(event, next, kind)?;
    statement.expected_return = event
        .stay
        .as_ref()
        .and_then(|stay| stay.expected_return)
        .map(Moment::from);
    Ok(statement)
}

fn planned_admission(event: &AdtEvent, next: &Episode) -> Result<Statement, Silence> {
    if next.live(Slot::Admission).is_some() {
        return Err(Silence::NotNotified);
    }
    let mut statement = describe(event, Kind::PlannedAdmission, Destination::Unsaid)?;
    statement.at = event.planned_at.map_or(statement.at, Moment::from);
    statement.lateness = Lateness::InTime;
    if event
        .recorded_at
        .is_some_and(|now| statement.at.at.date() < now.local.date())
    {
        return Err(Silence::InThePast);
    }
    Ok(statement)
}

/// A statement that is of no use two days later.
fn in_time(event: &AdtEvent, next: &Episode, kind: Kind) -> Result<Statement, Silence> {
    let mut statement = describe(event, kind, Destination::Unsaid)?;
    keep_lateness(&mut statement, event, next);
    match statement.lateness {
        Lateness::Regularisation => Err(Silence::TooLate),
        Lateness::InTime | Lateness::Late => Ok(statement),
    }
}

fn discharge(
    event: &AdtEvent,
    next: &Episode,
    members: &[&CareMember],
) -> Result<Statement, Silence> {
    let told = next.live(Slot::Discharge).map(|told| &told.statement);
    let (kind, destination) = match told {
        // A correction of the hour alone does not say again how the person left.
        Some(told) if event.action == Action::Update && is_way_out_unsaid(event) => {
            (told.kind, told.destination.clone())
        }
        _ => way_out(event, members)?,
    };
    let mut statement = describe(event, kind, destination)?;
    keep_lateness(&mut statement, event, next);
    let entry = next.live(Slot::Admission).or(next.live(Slot::Emergency));
    if statement.lateness == Lateness::Regularisation && entry.is_none() {
        return Err(Silence::TooLate);
    }
    statement.expected = next.expected_discharge;
    Ok(statement)
}

fn planned_discharge(
    event: &AdtEvent,
    next: &Episode,
    members: &[&CareMember],
) -> Result<Statement, Silence> {
    let expected = next.expected_discharge.ok_or(Silence::NotNotified)?;
    if next.live(Slot::Discharge).is_some() {
        return Err(Silence::AlreadyDischarged);
    }
    if event
        .recorded_at
        .is_some_and(|now| expected.at.date() < now.local.date())
    {
        return Err(Silence::InThePast);
    }
    let mut statement = describe(
        event,
        Kind::PlannedDischarge,
        planned_destination(event, members),
    )?;
    statement.at = expected;
    statement.lateness = Lateness::InTime;
    Ok(statement)
}

/// A correction is typed in later than the fact by nature: the delay told first stays.
fn keep_lateness(statement: &mut Statement, event: &AdtEvent, next: &Episode) {
    let told = statement.kind.slot().and_then(|slot| next.live(slot));
    if let (Action::Update, Some(told)) = (event.action, told) {
        statement.lateness = told.statement.lateness;
    }
}

fn is_way_out_unsaid(event: &AdtEvent) -> bool {
    let circumstance = event
        .stay
        .as_ref()
        .and_then(|stay| stay.circumstance.as_ref());
    event.modes.exit.is_none()
        && event.modes.to.is_none()
        && destination(event).is_none()
        && circumstance.is_none()
        && !event.patient.is_dead
}

/// How the person left (ZFM-2, ZFM-4, PV1-36, PV1-37, PID-30).
fn way_out(event: &AdtEvent, members: &[&CareMember]) -> Result<(Kind, Destination), Silence> {
    let (exit, to) = (event.modes.exit, event.modes.to);
    let circumstance = event
        .stay
        .as_ref()
        .and_then(|stay| stay.circumstance.as_deref());
    if exit == Some('9') || event.patient.is_dead {
        return Ok((Kind::Death, Destination::Unsaid));
    }
    if exit == Some('4') || matches!(circumstance, Some("4" | "F" | "PSA")) {
        return Ok((Kind::UnauthorisedExit, Destination::Unsaid));
    }
    // 0 transfer for an act, 6 mutation: the person has not left the hospital's care.
    if matches!(exit, Some('0' | '6')) {
        return Err(Silence::InternalMove);
    }
    let named = destination(event);
    let known = named.is_some_and(|finess| nursing_home_of(members, finess).is_some());
    let structure = exit == Some('8') && to.is_none() && named.is_some();
    if to == Some('7') || known || structure {
        return Ok((Kind::ReturnToNursingHome, nursing_home(event, members)));
    }
    if to == Some('6') {
        return Ok((Kind::DischargeWithCare, Destination::HomeHospitalisation));
    }
    match exit {
        Some('7') => Ok((Kind::Transfer, Destination::OtherHospital)),
        Some('8') => Ok(home(members, Destination::Home)),
        _ if named.is_some() || to.is_some() => Ok((Kind::Transfer, Destination::OtherHospital)),
        _ => Ok(home(members, Destination::Unsaid)),
    }
}

/// A return home, with the service of the care circle that takes over there.
fn home(members: &[&CareMember], plain: Destination) -> (Kind, Destination) {
    let has = |role| members.iter().any(|member| member.role == role);
    if has(Role::HomeHospitalisation) {
        (Kind::DischargeWithCare, Destination::HomeHospitalisation)
    } else if has(Role::HomeCareService) {
        (Kind::DischargeWithCare, Destination::HomeCare)
    } else {
        (Kind::DischargeHome, plain)
    }
}

fn planned_destination(event: &AdtEvent, members: &[&CareMember]) -> Destination {
    let known = destination(event).is_some_and(|finess| nursing_home_of(members, finess).is_some());
    if event.modes.to == Some('7') || known {
        nursing_home(event, members)
    } else {
        Destination::Unsaid
    }
}

fn nursing_home(event: &AdtEvent, members: &[&CareMember]) -> Destination {
    let finess = destination(event).map(str::to_owned);
    let member = match &finess {
        Some(finess) => nursing_home_of(members, finess),
        None => members
            .iter()
            .copied()
            .find(|member| member.role == Role::NursingHome),
    };
    Destination::NursingHome {
        finess,
        name: member.and_then(|member| member.name.clone()),
    }
}

/// PV1-37.
pub(super) fn destination(event: &AdtEvent) -> Option<&str> {
    let stay: &Stay = event.stay.as_ref()?;
    stay.destination
        .as_ref()
        .map(liaison_hl7::adt::Finess::as_str)
}

fn nursing_home_of<'m>(members: &[&'m CareMember], finess: &str) -> Option<&'m CareMember> {
    let is_it = |member: &&CareMember| {
        member.role == Role::NursingHome
            && matches!(&member.target, Target::Finess(known) if known.as_str() == finess)
    };
    members.iter().copied().find(is_it)
}

fn describe(event: &AdtEvent, kind: Kind, destination: Destination) -> Result<Statement, Silence> {
    let at = event.effective_at().ok_or(Silence::NoTime)?;
    let delay = event
        .recorded_at
        .map_or(Duration::ZERO, |recorded| recorded.local - at.local);
    Ok(Statement {
        kind,
        at: at.into(),
        recorded_at: event.recorded_at.map(Moment::from),
        lateness: match delay {
            delay if delay > TOO_LATE => Lateness::Regularisation,
            delay if delay > LATE => Lateness::Late,
            _ => Lateness::InTime,
        },
        destination,
        expected: None,
        through_emergency: false,
        after_emergency: false,
        expected_return: None,
        unit: unit_code(event),
        message: None,
    })
}

/// Code of the unit responsible: ZBE-7, else ZBE-8.
fn unit_code(event: &AdtEvent) -> Option<String> {
    let movement = event.movement.as_ref()?;
    [&movement.medical_unit, &movement.nursing_unit]
        .into_iter()
        .flatten()
        .find_map(|unit| unit.code.clone())
}

fn has_moved(one: Moment, other: Moment) -> bool {
    if one.has_time && other.has_time {
        (one.at - other.at).abs() > SMALL_MOVE
    } else {
        one.at.date() != other.at.date()
    }
}
