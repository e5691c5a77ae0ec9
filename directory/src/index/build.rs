//! From groups of claims to an index.

use std::io::{self, Write};

use super::exact::MAX_CARDS;
use super::file::SectionWriter;
use super::gather::{ELEMENT_BITS, Gathered, Scratch, gather};
use super::neighbours;
use super::source::Group;
use super::terms::TermField;
use super::words::{SortedWords, Words};
use super::{Head, OriginRow, forward, postings, trigrams, write_group};
use crate::model::{Field, Kind, Origin, Subject};
use crate::set::claim::{Claim, push_number, take_number};

/// The kinds of cards, in the order of their numbers in [`ELEMENT_BITS`].
pub(super) const KINDS: [Kind; 9] = [
    Kind::Person,
    Kind::Role,
    Kind::Organisation,
    Kind::Service,
    Kind::Resource,
    Kind::Territory,
    Kind::Commune,
    Kind::Relay,
    Kind::About,
];

/// Writes an index.
pub(crate) struct Builder<W> {
    out: SectionWriter<W>,
    head: Head,
    groups: Vec<u64>,
    /// Group and element of each card, in the order of arrival.
    cards: Vec<(u32, u16)>,
    /// The order in which cards are shown, with the number by arrival.
    ranks: Vec<(u64, u32)>,
    words: Words,
    /// Of each card in the order of arrival: how many terms it bears, and which (LEB128).
    bearers: Vec<u8>,
    /// Identifier and card.
    names: Vec<u64>,
    actors: u32,
    scratch: Scratch,
}

impl<W: Write> Builder<W> {
    /// Begins an index of what `origins` say; `fingerprint` names them.
    pub(crate) fn new(out: W, origins: &[Origin], fingerprint: &str) -> io::Result<Self> {
        Ok(Self {
            out: SectionWriter::new(out)?,
            head: Head {
                fingerprint: fingerprint.to_owned(),
                origins: origins.iter().map(OriginRow::of).collect(),
                ..Head::default()
            },
            groups: Vec::new(),
            cards: Vec::new(),
            ranks: Vec::new(),
            words: Words::default(),
            bearers: Vec::new(),
            names: Vec::new(),
            actors: 0,
            scratch: Scratch::default(),
        })
    }

    /// Adds everything that is said under one root.
    pub(crate) fn add(&mut self, group: &Group) -> io::Result<()> {
        let Some(root) = Subject::parse(&group.root) else {
            return Ok(());
        };
        if root.kind() == Kind::Label {
            self.label(&root, group);
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let used = gather(&mut self.words, &root, group, &mut scratch);
        let number = u32::try_from(self.groups.len()).map_err(io::Error::other)?;
        self.groups.push(self.out.at());
        scratch.octets.clear();
        write_group(group, &mut scratch.octets);
        self.out.write(&scratch.octets)?;
        for (element, gathered) in scratch.elements.iter().take(used).enumerate() {
            self.card(number, element, gathered, &scratch.shared)?;
        }
        self.scratch = scratch;
        Ok(())
    }

    fn label(&mut self, root: &Subject, group: &Group) {
        let name = group.claims.iter().find_map(|one| {
            let mut claim = Claim::read(&one.claim)?;
            claim.find(|(field, _)| *field == Field::Name)
        });
        if let Some((_, name)) = name {
            let key = root.component().to_owned();
            self.head.labels.push((key, name.to_owned()));
        }
    }

    fn card(
        &mut self,
        group: u32,
        element: usize,
        gathered: &Gathered,
        shared: &Gathered,
    ) -> io::Result<()> {
        let card = u32::try_from(self.cards.len()).map_err(io::Error::other)?;
        if card >= MAX_CARDS {
            return Err(io::Error::other("the index holds at most 16 million cards"));
        }
        let kind = gathered.kind.unwrap_or(Kind::About);
        let Some(kind_number) = KINDS.iter().position(|one| *one == kind) else {
            return Ok(());
        };
        // Both fit: fewer than 4096 elements, nine kinds.
        self.cards
            .push((group, (kind_number << ELEMENT_BITS | element) as u16));
        let can_be_written_to = gathered.has_mailbox || shared.has_mailbox;
        let class: u64 = match kind {
            Kind::Person | Kind::Role if can_be_written_to => 0,
            Kind::Organisation if can_be_written_to => 1,
            Kind::Service if gathered.has_mailbox => 2,
            Kind::Role => 3,
            Kind::Person => 4,
            Kind::Organisation if shared.has_finess => 5,
            Kind::Organisation | Kind::Service => 6,
            Kind::Resource => 8,
            _ => 9,
        };
        self.actors += u32::from(class < 8);
        let name = if gathered.sort.is_empty() {
            &shared.sort
        } else {
            &gathered.sort
        };
        self.ranks.push((class << 60 | sort_prefix(name), card));
        // A service is found by the name and the town of its organisation too, but an address
        // leads to its own owner alone.
        let shared_mail: &[u32] = if kind == Kind::Service {
            &[]
        } else {
            &shared.mail_terms
        };
        let of_kind = self.words.intern(TermField::Kind, kind.word());
        let lists = [
            &gathered.terms[..],
            &gathered.mail_terms,
            &shared.terms,
            shared_mail,
            &[of_kind],
        ];
        let count = lists.iter().map(|list| list.len()).sum();
        push_number(count, &mut self.bearers);
        for term in lists.into_iter().flatten() {
            push_number(*term as usize, &mut self.bearers);
        }
        for name in &gathered.names {
            self.names.push(name | u64::from(card));
        }
        // What names the organisation or the person itself leads to every card of a person, but
        // not to every service of an organisation.
        if kind != Kind::Service {
            for name in &shared.names {
                self.names.push(name | u64::from(card));
            }
        }
        Ok(())
    }

    /// Writes the rest and gives the output back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.groups.push(self.out.at());
        self.head.groups = u32::try_from(self.groups.len() - 1).map_err(io::Error::other)?;
        self.head.actors = self.actors;
        let groups = std::mem::take(&mut self.groups);
        self.out
            .numbers("groups", groups.iter().map(|at| at.to_le_bytes()))?;
        drop(groups);
        let arrivals = self.arrivals()?;
        let mut order = vec![0_u32; arrivals.len()];
        for (arrival, number) in arrivals.iter().zip(0_u32..) {
            if let Some(slot) = order.get_mut(*arrival as usize) {
                *slot = number;
            }
        }
        self.names(&order)?;
        let words = std::mem::take(&mut self.words).into_sorted();
        let rank_of_term = self.terms(&words)?;
        self.forward(&arrivals, &rank_of_term, &words)?;
        drop(arrivals);
        let starts = self.postings(&order, &rank_of_term)?;
        drop(order);
        self.trigrams(&words, &starts)?;
        let head = serde_json::to_vec(&self.head).map_err(io::Error::other)?;
        self.out.section("head", &head)?;
        self.out.finish()
    }

    /// Numbers the cards as they are shown: which one by arrival each is.
    fn arrivals(&mut self) -> io::Result<Vec<u32>> {
        let mut ranks = std::mem::take(&mut self.ranks);
        ranks.sort_unstable();
        let arrivals: Vec<u32> = ranks.iter().map(|(_, arrival)| *arrival).collect();
        drop(ranks);
        let cards = std::mem::take(&mut self.cards);
        let card = |arrival: u32| cards.get(arrival as usize).copied().unwrap_or_default();
        self.out.numbers(
            "card_groups",
            arrivals
                .iter()
                .map(|arrival| card(*arrival).0.to_le_bytes()),
        )?;
        self.out.numbers(
            "card_elements",
            arrivals
                .iter()
                .map(|arrival| card(*arrival).1.to_le_bytes()),
        )?;
        Ok(arrivals)
    }

    fn names(&mut self, order: &[u32]) -> io::Result<()> {
        let mut names = std::mem::take(&mut self.names);
        let mask = u64::from(MAX_CARDS - 1);
        for name in &mut names {
            let card = order.get((*name & mask) as usize).copied().unwrap_or(0);
            *name = *name & !mask | u64::from(card);
        }
        names.sort_unstable();
        names.dedup();
        self.out
            .numbers("exact", names.iter().map(|name| name.to_le_bytes()))
    }

    /// Writes the terms: the final number of each, by arrival.
    fn terms(&mut self, words: &SortedWords) -> io::Result<Vec<u32>> {
        if words.len() >= 1 << neighbours::TERM_BITS || words.is_too_long() {
            return Err(io::Error::other(
                "the index holds at most 16 million words of 4 GiB",
            ));
        }
        let mut rank = vec![0_u32; words.len()];
        let mut starts = vec![0_u32];
        let mut neighbour_keys = Vec::new();
        let from = self.out.at();
        for ((word, arrival), number) in words.iter().zip(0_u32..) {
            if let Some(slot) = rank.get_mut(arrival as usize) {
                *slot = number;
            }
            self.out.write(word.as_bytes())?;
            self.out.write(b"\n")?;
            starts.push(u32::try_from(self.out.at() - from).map_err(io::Error::other)?);
            if let Some((letter, word)) = word.split_at_checked(1)
                && let Some(field) = letter.bytes().next().and_then(TermField::has_neighbours)
            {
                neighbours::keys(field, word, number, &mut neighbour_keys);
            }
        }
        self.out.name("terms", from);
        self.out
            .numbers("term_starts", starts.iter().map(|at| at.to_le_bytes()))?;
        neighbour_keys.sort_unstable();
        neighbour_keys.dedup();
        self.out.numbers(
            "neighbours",
            neighbour_keys.iter().map(|key| key.to_le_bytes()),
        )?;
        Ok(rank)
    }

    /// Writes the terms of each card.
    fn forward(
        &mut self,
        arrivals: &[u32],
        rank_of_term: &[u32],
        words: &SortedWords,
    ) -> io::Result<()> {
        // Every card has a kind, and whoever has an address can be written to: that is asked of
        // the card's number and of its addresses.
        let left_out = [TermField::Kind, TermField::Writable].map(|field| words.of(field));
        let mut places = Vec::with_capacity(arrivals.len());
        let mut rest = &self.bearers[..];
        let whole = rest.len();
        while !rest.is_empty() {
            places.push(u32::try_from(whole - rest.len()).map_err(io::Error::other)?);
            let count = take_number(&mut rest).unwrap_or(0);
            for _ in 0..count {
                take_number(&mut rest);
            }
        }
        let from = self.out.at();
        let mut starts = Vec::with_capacity(arrivals.len() + 1);
        starts.push(0_u32);
        let (mut terms, mut octets): (Vec<u32>, Vec<u8>) = Default::default();
        for arrival in arrivals {
            let place = places.get(*arrival as usize).copied().unwrap_or(u32::MAX);
            let mut rest = self.bearers.get(place as usize..).unwrap_or_default();
            let count = take_number(&mut rest).unwrap_or(0);
            terms.clear();
            for _ in 0..count {
                let term = take_number(&mut rest).and_then(|term| rank_of_term.get(term));
                terms.extend(term);
            }
            terms.retain(|term| left_out.iter().all(|range| !range.contains(term)));
            terms.sort_unstable();
            terms.dedup();
            octets.clear();
            forward::encode(&terms, &mut octets);
            self.out.write(&octets)?;
            starts.push(u32::try_from(self.out.at() - from).map_err(io::Error::other)?);
        }
        self.out.name("card_terms", from);
        self.out
            .numbers("card_term_starts", starts.iter().map(|at| at.to_le_bytes()))
    }

    /// Writes the cards of each term, and gives where each begins: a part of the terms at a time,
    /// each counted first and then put in its place, so that little is held.
    fn postings(&mut self, order: &[u32], rank_of_term: &[u32]) -> io::Result<Vec<u32>> {
        /// Cards that are held at once.
        const HELD: u64 = 8 * 1024 * 1024;
        let bearers = std::mem::take(&mut self.bearers);
        let mut counts = vec![0_u32; rank_of_term.len()];
        borne(&bearers, rank_of_term, |term, _| {
            if let Some(count) = counts.get_mut(term) {
                *count += 1;
            }
        });
        let (mut blob, from) = (Vec::new(), self.out.at());
        let mut starts = Vec::with_capacity(counts.len() + 1);
        starts.push(0_u32);
        let mut first = 0;
        while first < counts.len() {
            let mut held = 0_u64;
            let part = counts.get(first..).unwrap_or_default();
            let taken = part.iter().take_while(|count| {
                let fits = held == 0 || held + u64::from(**count) <= HELD;
                held += u64::from(**count);
                fits
            });
            let taken = taken.count();
            let part = part.get(..taken).unwrap_or_default();
            for of_term in part_of_cards(&bearers, rank_of_term, order, (first, part)) {
                blob.clear();
                postings::encode(&of_term, &mut blob)?;
                self.out.write(&blob)?;
                starts.push(u32::try_from(self.out.at() - from).map_err(io::Error::other)?);
            }
            first += taken;
        }
        self.out.name("postings", from);
        self.out
            .numbers("posting_starts", starts.iter().map(|at| at.to_le_bytes()))?;
        Ok(starts)
    }

    /// Writes which words contain three octets in a row; `starts` says where the cards of each
    /// begin.
    fn trigrams(&mut self, words: &SortedWords, starts: &[u32]) -> io::Result<()> {
        let mut gathering = trigrams::Gathering::default();
        let searched = [
            TermField::Activity,
            TermField::Family,
            TermField::Given,
            TermField::Address,
            TermField::Organisation,
            TermField::Town,
        ];
        for term in searched.into_iter().flat_map(|field| words.of(field)) {
            let place = term as usize;
            if let (Some(word), Some(from), Some(to)) =
                (words.get(place), starts.get(place), starts.get(place + 1))
            {
                gathering.add(word.as_bytes(), term, to - from);
            }
        }
        let lists = gathering.into_sorted();
        self.out
            .numbers("trigrams", lists.iter().map(|(key, ..)| key.to_le_bytes()))?;
        self.out.numbers(
            "trigram_octets",
            lists.iter().map(|(_, octets, _)| octets.to_le_bytes()),
        )?;
        let from = self.out.at();
        let mut starts = vec![0_u32];
        for (.., list) in &lists {
            self.out.write(list)?;
            starts.push(u32::try_from(self.out.at() - from).map_err(io::Error::other)?);
        }
        self.out.name("trigram_terms", from);
        self.out
            .numbers("trigram_starts", starts.iter().map(|at| at.to_le_bytes()))
    }
}

/// The cards of each term of a part of the terms, which begins at a term and has these counts.
fn part_of_cards<'a>(
    bearers: &[u8],
    rank_of_term: &[u32],
    order: &[u32],
    (first, counts): (usize, &'a [u32]),
) -> impl Iterator<Item = Vec<u32>> + use<'a> {
    let mut next = Vec::with_capacity(counts.len());
    let mut sum = 0_u32;
    for count in counts {
        next.push(sum);
        sum = sum.saturating_add(*count);
    }
    let mut cards = vec![0_u32; sum as usize];
    borne(bearers, rank_of_term, |term, arrival| {
        let at = term.checked_sub(first).and_then(|term| next.get_mut(term));
        if let Some(at) = at {
            if let Some(slot) = cards.get_mut(*at as usize) {
                *slot = order.get(arrival).copied().unwrap_or(0);
            }
            *at += 1;
        }
    });
    drop(next);
    let mut from = 0;
    counts.iter().map(move |count| {
        let end = from + *count as usize;
        let mut of_term = cards.get(from..end).unwrap_or_default().to_vec();
        from = end;
        of_term.sort_unstable();
        of_term.dedup();
        of_term
    })
}

/// Tells of each card by arrival which terms, by their final numbers, it bears.
fn borne(bearers: &[u8], rank_of_term: &[u32], mut tell: impl FnMut(usize, usize)) {
    let mut rest = bearers;
    let mut arrival = 0;
    while let Some(count) = take_number(&mut rest) {
        for _ in 0..count {
            let term = take_number(&mut rest).and_then(|term| rank_of_term.get(term));
            if let Some(term) = term {
                tell(*term as usize, arrival);
            }
        }
        arrival += 1;
    }
}

/// The first ten letters of a folded name, six bits each.
fn sort_prefix(name: &str) -> u64 {
    let mut octets = name.bytes();
    (0..10).fold(0, |key, _| {
        let code = match octets.next() {
            Some(letter @ b'a'..=b'z') => u64::from(letter - b'a') + 12,
            Some(digit @ b'0'..=b'9') => u64::from(digit - b'0') + 2,
            Some(b' ') => 1,
            Some(_) => 63,
            None => 0,
        };
        key << 6 | code
    })
}
