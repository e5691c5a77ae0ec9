//! MRG: the identifiers that give way to those of PID (PAM-FR 2.11, ITI-30: A40, A44, A47).

use std::fmt;

use super::patient::{is_ins, read_ipp};
use super::text::clean;
use crate::er7::Message;

/// What gives way.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Merge {
    /// MRG-1 of type PI: the patient number that gives way (A40), or of the patient whom a dossier
    /// leaves (A44).
    pub ipp: Option<String>,
    /// MRG-3.1: the dossier that moves (A44).
    pub dossier: Option<String>,
    /// MRG-5.1: the visit that moves.
    pub visit: Option<String>,
    /// MRG-1 names an INS: it is withdrawn (A47).
    pub withdraws_ins: bool,
}

impl Merge {
    pub(super) fn read(message: &Message<'_>) -> Option<Merge> {
        let mrg = message.segment("MRG")?;
        Some(Merge {
            ipp: read_ipp(mrg.field(1)),
            dossier: clean(mrg.field(3).component(1)),
            visit: clean(mrg.field(5).component(1)),
            withdraws_ins: mrg.field(1).repetitions().any(is_ins),
        })
    }
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Merge(..)")
    }
}
