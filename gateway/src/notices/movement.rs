//! Movements of a stay, known by their ZBE-1: a repeat, a correction or a cancellation finds the
//! one that it is about.

use std::fmt;

use liaison_hl7::adt::{Action, AdtEvent, MovementId, Trigger};
use serde::{Deserialize, Serialize};

use super::french::Moment;

/// A movement heard of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementRecord {
    /// ZBE-1; one made up from the event and its time where a feed has no ZBE.
    pub keys: Vec<MovementKey>,
    /// The event that it is: `A03`. Empty while only its cancellation is known.
    pub trigger: String,
    /// Whether it was cancelled, perhaps before it was heard of.
    pub is_cancelled: bool,
    /// When its newest version was typed in.
    #[serde(default)]
    pub recorded_at: Option<Moment>,
}

/// One ZBE-1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementKey {
    /// EI.1.
    pub id: String,
    /// EI.2; empty where the feed does not say.
    pub authority: String,
}

impl MovementRecord {
    /// Whether the stay began with it.
    pub fn is_admission(&self) -> bool {
        self.trigger == Trigger::A01.as_str() || self.trigger == Trigger::A06.as_str()
    }

    /// Whether the person left with it.
    pub fn is_discharge(&self) -> bool {
        self.trigger == Trigger::A03.as_str()
    }
}

/// The event that a message is about: for a correction, the one that it corrects (ZBE-6).
pub fn subject(event: &AdtEvent) -> Trigger {
    let original = event
        .movement
        .as_ref()
        .and_then(|movement| movement.original);
    match event.action {
        Action::Insert => event.trigger,
        Action::Update | Action::Cancel => original.unwrap_or(event.trigger),
    }
}

/// The keys of an event's movement; one made up of the event and its time without ZBE.
pub fn movement_keys(event: &AdtEvent) -> Vec<MovementKey> {
    match &event.movement {
        Some(movement) => movement.ids.iter().map(MovementKey::from).collect(),
        None => {
            let when = event
                .effective_at()
                .map(|stamp| stamp.local.to_string())
                .unwrap_or_default();
            vec![MovementKey {
                id: format!("{} {when}", event.trigger),
                authority: "-".to_owned(),
            }]
        }
    }
}

/// Whether two movements are the same one. A feed that names the authority only sometimes is
/// still understood: within one stay a movement number is given once.
pub fn shares_key(one: &[MovementKey], other: &[MovementKey]) -> bool {
    let same = |a: &MovementKey, b: &MovementKey| {
        a.id == b.id
            && (a.authority == b.authority || a.authority.is_empty() || b.authority.is_empty())
    };
    one.iter().any(|a| other.iter().any(|b| same(a, b)))
}

/// Whether an event cancels one of those triggers (named as the event or as its cancel).
pub fn cancels(event: &AdtEvent, triggers: &[Trigger]) -> bool {
    event.action == Action::Cancel && triggers.contains(&subject(event))
}

impl From<&MovementId> for MovementKey {
    fn from(id: &MovementId) -> MovementKey {
        MovementKey {
            id: id.id.clone(),
            authority: id.authority.clone(),
        }
    }
}

impl fmt::Debug for MovementRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MovementRecord(..)")
    }
}

impl fmt::Debug for MovementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MovementKey(..)")
    }
}
