//! From a hospital's event to the notices that it gives: who is told, what, how urgently, and
//! when it is better to say nothing. Pure: no clock, no storage, no network.
//!
//! # Map
//! - [`decide`](mod@decide): an episode and an event in, a [`Decision`] out. The table of events is there.
//! - [`decision`]: what there is to decide, and every reason.
//! - [`episode`]: what is known of one stay, and who was told what. It is kept between events,
//!   sealed, as JSON.
//! - [`movement`]: which movement a message is about. [`person`]: whom a notice names.
//! - [`statement`]: what an event states, in the terms of a notice.
//! - [`plan`]: a notice decided but not yet numbered, and the [`Notice`] for each recipient.
//! - [`recipients`]: who gets which kind, with which urgency.
//! - [`circle`]: the people and services around a patient.
//! - [`carried`]: who was told in an earlier stay of the person.
//! - [`after_discharge`]: letters and results that come when the person has left.
//! - [`message`]: what people write about a stay, and a site's own kinds.
//! - [`request`]: what is asked of whom on an entry, and what mail to the ward is called.
//! - [`enclosure`]: what goes with a notice. [`bundle`]: the notice for machines, in FHIR.
//! - [`anticipation`]: planned discharges said again, two days and one day before.
//! - [`calendar`]: nights, weekends and French public holidays.
//! - [`rules`]: what a site may change: who is told, how urgently, after how long.
//! - [`pages`]: the texts, which a site may change too.
//! - [`explain`]: what a feed would give, without sending.
//! - [`identity`]: merged and moved patients.
//! - [`kind`]: kinds of notice, urgency, expected reply.
//! - [`number`]: what people quote, as in `2026-11-21-0045`.
//! - [`french`]: dates and names as clinicians read them.
//! - [`text`]: what the texts are made of.
//!
//! # How a listener uses it
//! ```text
//! for each stay that identity::reach(&event) names:
//!     first(&mut episode, ..)   gives what has to be done before, seldom anything
//!     take(&mut episode, ..)    gives the decision
//!     for each planned notice:  number it, episode.record(&planned, ..); when it leaves,
//!                               planned.issue(..) gives one Notice per recipient
//! store event, episode and notices in one commit, then acknowledge
//! ```
//!
//! # What a notice never says
//! No diagnosis, no reason, no psychiatric status and no name of a unit unless the site lists it
//! as harmless: the unit prints as « Service hospitalier » with its telephone.

pub mod after_discharge;
pub mod anticipation;
pub mod bundle;
pub mod calendar;
pub mod carried;
pub mod circle;
pub mod decide;
pub mod decision;
pub mod enclosure;
pub mod episode;
pub mod explain;
pub mod french;
pub mod identity;
pub mod kind;
pub mod message;
pub mod movement;
pub mod number;
pub mod pages;
pub mod person;
pub mod plan;
pub mod recipients;
pub mod request;
pub mod rules;
pub mod statement;
pub mod text;

pub use calendar::Calendar;
pub use circle::{CareCircle, CareMember, PatientKey, Role, Target};
pub use decide::{decide, first, take};
pub use decision::{Decision, HoldReason, Silence, Withdrawal};
pub use episode::{Delivery, Episode, EpisodeKey, NotToNotify};
pub use kind::{ExpectedReply, Kind, Urgency};
pub use number::NoticeNumber;
pub use plan::{Notice, Origin, Planned, WardTask};
pub use recipients::Recipient;
pub use rules::{Hospital, Rules, RulesFile, Unit};

#[cfg(test)]
mod tests;
