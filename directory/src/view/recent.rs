//! The listings that were last read: people type the beginnings of the same names again and again.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use time::Date;

use super::{Listing, Shelf};
use crate::index::Card;

/// How many are kept at least; twice as many at most, of a few kilobytes each.
const KEPT: usize = 2048;

/// How many names of organisations are kept at most.
const NAMES: usize = 16_384;

type Listings = HashMap<(Shelf, Card), Listing>;

/// The listings that were last read, as they are on one day. It belongs to one state of the
/// directory and goes with it.
#[derive(Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    day: Option<Date>,
    /// What was read or read again since `old` was full.
    new: Listings,
    old: Listings,
    /// The names of organisations, by the key of their subject.
    names: HashMap<Box<str>, Option<String>>,
}

impl Recent {
    /// The name of an organisation, if it was read on that day.
    pub(super) fn name(&self, day: Date, organisation: &str) -> Option<Option<String>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.day != Some(day) {
            return None;
        }
        kept.names.get(organisation).cloned()
    }

    /// Keeps the name of an organisation for that day.
    pub(super) fn keep_name(&self, day: Date, organisation: &str, name: Option<String>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn(day);
        if kept.names.len() >= NAMES {
            kept.names.clear();
        }
        kept.names.insert(organisation.into(), name);
    }

    /// A listing as it is on that day.
    pub(super) fn get(&self, day: Date, place: (Shelf, Card)) -> Option<Listing> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.day != Some(day) {
            return None;
        }
        if let Some(listing) = kept.new.get(&place) {
            return Some(listing.clone());
        }
        let listing = kept.old.remove(&place)?;
        kept.add(place, listing.clone());
        Some(listing)
    }

    /// Keeps a listing for that day.
    pub(super) fn keep(&self, day: Date, place: (Shelf, Card), listing: &Listing) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn(day);
        kept.add(place, listing.clone());
    }
}

impl Kept {
    /// Forgets what was kept for another day.
    fn turn(&mut self, day: Date) {
        if self.day != Some(day) {
            *self = Self {
                day: Some(day),
                ..Self::default()
            };
        }
    }

    fn add(&mut self, place: (Shelf, Card), listing: Listing) {
        if self.new.len() >= KEPT {
            self.old = mem::take(&mut self.new);
        }
        self.new.insert(place, listing);
    }
}
