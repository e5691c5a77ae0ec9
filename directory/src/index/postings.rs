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

enum List {
    Few(Vec<u32>),
    Many(RoaringBitmap),
}

impl Postings {
    pub(super) fn new(blob: Vec<u8>, starts: Vec<u32>) -> Self {
        Self { blob, starts }
    }

    pub(super) fn union(&self, terms: impl Iterator<Item = u32>) -> RoaringBitmap {
        let mut few = Vec::new();
        let mut many = Vec::new();
        for term in terms {
            match self.list(term) {
                List::Few(cards) => few.extend(cards),
                List::Many(bitmap) => many.push(bitmap),
            }
        }
        few.sort_unstable();
        few.dedup();
        many.push(RoaringBitmap::from_sorted_iter(few).unwrap_or_default());
        many.union()
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

    fn list(&self, term: u32) -> List {
        let mut octets = self.octets(term);
        let count = take_number(&mut octets).unwrap_or(0);
        if count >= FEW {
            return List::Many(RoaringBitmap::deserialize_from(octets).unwrap_or_default());
        }
        let mut last = 0_u32;
        let mut cards = Vec::with_capacity(count);
        for _ in 0..count {
            let Some(difference) = take_number(&mut octets) else {
                break;
            };
            last = last.saturating_add(u32::try_from(difference).unwrap_or(u32::MAX));
            cards.push(last);
        }
        List::Few(cards)
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
