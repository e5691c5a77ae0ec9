//! The terms of each card: what a question asks of a card at hand, instead of fetching every card
//! that could answer it.

use crate::set::claim::{push_number, take_number};

use super::Card;

/// Writes the terms of one card, ascending, behind `into`.
pub(super) fn encode(terms: &[u32], into: &mut Vec<u8>) {
    let mut last = 0;
    for term in terms {
        push_number((term - last) as usize, into);
        last = *term;
    }
}

pub(super) struct Forward {
    blob: Vec<u8>,
    starts: Vec<u32>,
}

impl Forward {
    pub(super) fn new(blob: Vec<u8>, starts: Vec<u32>) -> Self {
        Self { blob, starts }
    }

    /// The terms of a card into `terms`, ascending.
    pub(super) fn terms(&self, card: Card, terms: &mut Vec<u32>) {
        terms.clear();
        let card = card as usize;
        let (Some(from), Some(to)) = (self.starts.get(card), self.starts.get(card + 1)) else {
            return;
        };
        let mut octets = self
            .blob
            .get(*from as usize..*to as usize)
            .unwrap_or_default();
        let mut last = 0_u32;
        while let Some(difference) = take_number(&mut octets) {
            last = last.saturating_add(u32::try_from(difference).unwrap_or(u32::MAX));
            terms.push(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_of_a_card_are_read_back() {
        let lists: [&[u32]; 3] = [&[0, 3, 2_000_000], &[], &[7]];
        let (mut blob, mut starts) = (Vec::new(), vec![0]);
        for list in lists {
            encode(list, &mut blob);
            starts.push(blob.len() as u32);
        }
        let forward = Forward::new(blob, starts);
        let mut terms = vec![9];
        for (card, list) in (0..).zip(lists) {
            forward.terms(card, &mut terms);
            assert_eq!(terms, list);
        }
        forward.terms(3, &mut terms);
        assert!(terms.is_empty());
    }
}
