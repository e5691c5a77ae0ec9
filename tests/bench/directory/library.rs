//! What the directory answers in the process.

use std::path::Path;

use liaison_directory::text::fold;
use liaison_directory::view::{Attribute, Filter, Test};
use liaison_directory::{Search, View};
use liaison_mail::Address;
use liaison_tests::registers::{Registers, Someone};

use crate::figures::{at_least, at_most, memory, plain, processor, times, within};
use crate::served;

const ROUNDS: u32 = 2_000;

pub(crate) fn measure(registers: &Registers, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let began = std::time::Instant::now();
    let directory = runtime.block_on(served::open(folder));
    plain("opening the directory", "s", began.elapsed().as_secs_f64());
    plain(
        "memory of an open directory",
        "MiB",
        memory(std::process::id(), "VmRSS"),
    );
    let view = directory.view().unwrap();
    plain(
        "people in their roles, organisations and services",
        "",
        view.actors() as f64,
    );
    let people = some(registers, ROUNDS);
    // Once over everything, so that what is measured is not the disk of this machine.
    for person in &people {
        assert!(
            !view
                .named(&format!("rpps:{}", person.rpps))
                .unwrap()
                .is_empty(),
            "{person:?}"
        );
    }
    exact(&view, &people);
    names(&view, &people);
    typos(&view, &people);
    runtime.block_on(directory.close());
}

/// People all over the register.
pub(crate) fn some(registers: &Registers, count: u32) -> Vec<Someone> {
    (0..count)
        .map(|at| {
            let number = u64::from(at) * 2_654_435_761 % u64::from(registers.people());
            registers.person(u32::try_from(number).unwrap())
        })
        .collect()
}

fn exact(view: &View, people: &[Someone]) {
    let by_number = times(ROUNDS, |round| {
        let person = &people[round as usize];
        let found = view.named(&format!("rpps:{}", person.rpps)).unwrap();
        assert!(found.iter().all(|one| one.rpps().is_some()));
    });
    at_most("by RPPS number, p99", "ms", within(&by_number, 990), 1.0);
    let addresses: Vec<Address> = people
        .iter()
        .filter_map(|person| Address::parse(person.address.as_deref()?).ok())
        .collect();
    let by_address = times(ROUNDS, |round| {
        let address = &addresses[round as usize % addresses.len()];
        assert!(!view.owner_of(address).unwrap().is_empty(), "{address}");
    });
    at_most("by address, p99", "ms", within(&by_address, 990), 1.0);
}

/// What this process spent on each of the runs since, in milliseconds.
fn spent(since: f64) {
    let used = (processor(std::process::id()) - since) * 1e3 / f64::from(ROUNDS);
    plain("  the processor, each", "ms", used);
}

fn names(view: &View, people: &[Someone]) {
    let before = processor(std::process::id());
    let typed = times(ROUNDS, |round| {
        let person = &people[round as usize];
        let text = format!("{} {}", fold(&person.given), person.family.to_lowercase());
        let _ = view.search(&Search::new(&text, 10)).unwrap();
    });
    at_most(
        "two words of a name without accents, p95",
        "ms",
        within(&typed, 950),
        20.0,
    );
    spent(before);
    let before = processor(std::process::id());
    let contained = times(ROUNDS, |round| {
        let person = &people[round as usize];
        let part = fold(&person.family)
            .chars()
            .take(3 + round as usize % 3)
            .collect();
        let test = Test::Parts {
            first: None,
            any: vec![part],
            last: None,
        };
        let filter = Filter::Or(vec![
            Filter::Has(Attribute::Label, test.clone()),
            Filter::Has(Attribute::Address, test),
        ]);
        let _ = view.matching(&filter, 100, None).unwrap();
    });
    at_most(
        "contained in a name or an address, p95",
        "ms",
        within(&contained, 950),
        10.0,
    );
    spent(before);
}

/// A slip of the finger in the family name, beside the given name.
fn typos(view: &View, people: &[Someone]) {
    let (mut first, mut ten) = (0, 0);
    let slipped: Vec<String> = (0_usize..)
        .zip(people)
        .map(|(at, one)| slip(&fold(&one.family), at))
        .collect();
    let mut answers = Vec::new();
    let before = processor(std::process::id());
    let taken = times(ROUNDS, |round| {
        let at = round as usize;
        let text = format!("{} {}", slipped[at], fold(&people[at].given));
        answers.push(view.search(&Search::new(&text, 10)).unwrap());
    });
    for (person, hits) in people.iter().zip(&answers) {
        let right = |hit: &liaison_directory::Hit| {
            hit.listing.person().is_some_and(|found| {
                fold(&found.family) == fold(&person.family)
                    && fold(&found.given) == fold(&person.given)
            })
        };
        first += u32::from(hits.first().is_some_and(right));
        ten += u32::from(hits.iter().any(right));
    }
    at_most(
        "one slip in the family name, p95",
        "ms",
        within(&taken, 950),
        5.0,
    );
    spent(before);
    let share = |count: u32| f64::from(count) / f64::from(ROUNDS);
    at_least(
        "one slip, the right name among the first ten",
        "",
        share(ten),
        0.97,
    );
    at_least("one slip, the right name first", "", share(first), 0.80);
}

/// A letter left out, doubled, exchanged with the next, or another.
fn slip(name: &str, at: usize) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let place = 1 + at / 4 % (letters.len().saturating_sub(2)).max(1);
    match at % 4 {
        0 => {
            letters.remove(place);
        }
        1 => letters.insert(place, letters[place]),
        2 => letters.swap(place, (place + 1).min(name.chars().count() - 1)),
        _ => letters[place] = if letters[place] == 'e' { 'a' } else { 'e' },
    }
    letters.into_iter().collect()
}
