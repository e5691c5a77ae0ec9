//! The cards of each term: ascending, few as differences, many as a compressed bitmap.

use roaring::{MultiOps as _, RoaringBitmap};

use crate::set::claim::{push_number, take_number};

/// From how many cards on a bitmap is smaller.
const FEW: usize = 256;

/// Writes the cards of one term behind `into`.
pub(super) fn encode(cards: &[u32], into: &mut Vec<u8>) -> std::io::Result<()> {
    if cards.len() < FEW {
        push_number(cards.len(), into);
        let mut last = 0;
        for card in cards {
            push_number((card - last) as usize, into);
            last = *card;
        }
        return Ok(());
    }
    push_number(FEW, into);
    let bitmap =
        RoaringBitmap::from_sorted_iter(cards.iter().copied()).map_err(std::io::Error::other)?;
    bitmap.serialize_into(into)
}

pub(super) struct Postings {
    blob: Vec<u8>,
    starts: Vec<u32>,
}

impl Postings {
    pub(super) fn new(blob: Vec<u8>, starts: Vec<u32>) -> Self {
        Self { blob, starts }
    }

    pub(super) fn union(&self, terms: impl Iterator<Item = u32>) -> RoaringBitmap {
        let mut few = Vec::new();
        let mut many = Vec::new();
        for term in terms {
            many.extend(self.list(term, &mut few));
        }
        few.sort_unstable();
        few.dedup();
        let few = RoaringBitmap::from_sorted_iter(few).unwrap_or_default();
        if many.is_empty() {
            return few;
        }
        many.push(few);
        many.union()
    }

    /// How many octets the postings of some terms take: about two a card.
    pub(super) fn octets_of(&self, terms: std::ops::Range<u32>) -> u64 {
        let start = |term: u32| self.starts.get(term as usize).copied().unwrap_or(0);
        if terms.is_empty() {
            return 0;
        }
        u64::from(start(terms.end).saturating_sub(start(terms.start)))
    }

    fn octets(&self, term: u32) -> &[u8] {
        let term = term as usize;
        match (self.starts.get(term), self.starts.get(term + 1)) {
            (Some(from), Some(to)) => self
                .blob
                .get(*from as usize..*to as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// Tells of the cards of a term in a range, ascending.
    pub(super) fn first_of(
        &self,
        term: u32,
        range: std::ops::Range<u32>,
        mut tell: impl FnMut(u32),
    ) {
        let mut octets = self.octets(term);
        let count = take_number(&mut octets).unwrap_or(0);
        if count >= FEW {
            if let Ok(cards) = RoaringBitmap::deserialize_from(octets) {
                cards.range(range).for_each(tell);
            }
            return;
        }
        let mut last = 0_u32;
        for _ in 0..count {
            let Some(difference) = take_number(&mut octets) else {
                return;
            };
            last = last.saturating_add(u32::try_from(difference).unwrap_or(u32::MAX));
            if last >= range.end {
                return;
            }
            if last >= range.start {
                tell(last);
            }
        }
    }

    /// The cards of a term: behind `few`, or as a bitmap when they are many.
    fn list(&self, term: u32, few: &mut Vec<u32>) -> Option<RoaringBitmap> {
        let mut octets = self.octets(term);
        let count = take_number(&mut octets).unwrap_or(0);
        if count >= FEW {
            return RoaringBitmap::deserialize_from(octets).ok();
        }
        let mut last = 0_u32;
        for _ in 0..count {
            let difference = take_number(&mut octets)?;
            last = last.saturating_add(u32::try_from(difference).unwrap_or(u32::MAX));
            few.push(last);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_cards_are_read_back() {
        let mut blob = Vec::new();
        let mut starts = vec![0];
        let lists: Vec<Vec<u32>> = vec![
            vec![],
            vec![0, 7, 8_000_000],
            (0..1000).map(|n| n * 3).collect(),
        ];
        for list in &lists {
            encode(list, &mut blob).unwrap();
            starts.push(blob.len() as u32);
        }
        let postings = Postings::new(blob, starts);
        for (term, list) in (0..).zip(&lists) {
            assert_eq!(
                postings
                    .union([term].into_iter())
                    .iter()
                    .collect::<Vec<_>>(),
                *list
            );
        }
        assert_eq!(postings.union(0..3).len(), 1000 + 3 - 1);
        assert!(postings.union([99].into_iter()).is_empty());
    }
}
