//! Whatever happens to the messages of a line, none is carried before one that stands before it,
//! and none waits for ever.

use std::collections::HashMap;
use std::time::Duration;

use liaison_mail::port::OrderKey;
use liaison_mail::{EnhancedStatus, Refusal};
use proptest::prelude::*;

use super::lease::Claimed;
use super::steer::{Order, Selection, Warrant};
use super::tests::{Bench, bench, ehpad};
use super::*;

#[derive(Clone, Debug)]
enum Happening {
    /// One more message: of a key, or of the sender's mailbox in general.
    Admit {
        line: u8,
        urgency: i64,
    },
    Claim {
        seat: i64,
        most: i64,
    },
    /// What the worker at a seat has first in hand comes to this.
    End {
        seat: i64,
        code: u16,
    },
    Steer {
        order: u8,
        message: usize,
    },
    Pass {
        seconds: u64,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..4_u8, 0..3_i64).prop_map(|(line, urgency)| Happening::Admit { line, urgency }),
        3 => (1..4_i64, 1..6_i64).prop_map(|(seat, most)| Happening::Claim { seat, most }),
        5 => (1..4_i64, prop_oneof![Just(250), Just(250), Just(451), Just(550)])
            .prop_map(|(seat, code)| Happening::End { seat, code }),
        1 => (0..4_u8, 0..30_usize).prop_map(|(order, message)| Happening::Steer { order, message }),
        1 => (1..200_u64).prop_map(|seconds| Happening::Pass { seconds }),
    ]
}

/// What a model knows of a message.
struct Known {
    line: u8,
    urgency: i64,
    /// Waits for a worker or is in the hands of one.
    waits: bool,
    in_hand_of: Option<i64>,
}

struct Model {
    bench: Bench,
    known: Vec<Known>,
    /// In the order in which a worker carries them.
    hands: HashMap<i64, Vec<(usize, Claimed)>>,
}

impl Model {
    async fn see(&mut self, happening: Happening) {
        match happening {
            Happening::Admit { line, urgency } => self.admit(line, urgency).await,
            Happening::Claim { seat, most } => drop(self.claim(seat, most).await),
            Happening::End { seat, code } => self.end(seat, code).await,
            Happening::Steer { order, message } => self.steer(order, message).await,
            Happening::Pass { seconds } => {
                self.bench.clock.advance(Duration::from_secs(seconds));
            }
        }
    }

    /// Line 0 is that of the sender and the mailbox; the others have keys.
    async fn admit(&mut self, line: u8, urgency: i64) {
        let id = format!("n{}", self.known.len());
        let order = (line > 0).then(|| OrderKey::new([line; 32]));
        let named = Urgency::from_rank(urgency);
        self.bench
            .admit_in(&id, (named, order), &["a@ehpad.test"])
            .await;
        self.known.push(Known {
            line,
            urgency,
            waits: true,
            in_hand_of: None,
        });
    }

    /// Whether two messages stand in one line.
    fn together(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.known[one], &self.known[other]);
        one.line == other.line && (one.line > 0 || one.urgency == other.urgency)
    }

    async fn claim(&mut self, seat: i64, most: i64) -> usize {
        let queue = &self.bench.queue;
        let now = self.bench.clock.now();
        let claims = queue.claim(&ehpad(), (seat, most), now).await.unwrap();
        let count = claims.len();
        for claimed in claims {
            let message = self.bench.message(claimed.message).await.unwrap();
            let number: usize = message.envelope.id.as_str()[1..].parse().unwrap();
            for before in (0..number).filter(|before| self.together(*before, number)) {
                let before = &self.known[before];
                assert!(
                    !before.waits || before.in_hand_of == Some(seat),
                    "n{number} was claimed before one that stands before it"
                );
            }
            self.known[number].in_hand_of = Some(seat);
            let hand = self.hands.entry(seat).or_default();
            hand.push((number, claimed));
        }
        count
    }

    /// As a worker does: what stands behind one that is deferred is deferred too.
    async fn end(&mut self, seat: i64, code: u16) {
        let hand = self.hands.entry(seat).or_default();
        if hand.is_empty() {
            return;
        }
        let (number, claimed) = hand.remove(0);
        let mut ended = vec![(number, claimed)];
        if code == 451 {
            let hand = std::mem::take(hand);
            let (behind, free): (Vec<_>, Vec<_>) = hand
                .into_iter()
                .partition(|(other, _)| self.together(number, *other));
            self.hands.insert(seat, free);
            ended.extend(behind);
        }
        for (number, claimed) in ended {
            let outcome = match code {
                250 => Outcome::Relayed { reports: true },
                451 => Outcome::Refused(later()),
                _ => Outcome::Refused(Refusal::permanent(
                    550,
                    EnhancedStatus::NO_SUCH_MAILBOX,
                    "never",
                )),
            };
            self.bench.record(claimed, outcome).await;
            self.known[number].in_hand_of = None;
            self.known[number].waits = code == 451;
        }
    }

    async fn steer(&mut self, order: u8, message: usize) {
        let order = match order {
            0 => Order::Hold,
            1 => Order::Release,
            2 => Order::Retry,
            _ => Order::Cancel,
        };
        if message >= self.known.len() {
            return;
        }
        let id = EnvelopeId::parse(&format!("n{message}")).unwrap();
        let (selection, warrant) = (Selection::Envelope(id), Warrant::new("ide", ""));
        let now = self.bench.clock.now();
        let steered = self.bench.queue.steer(order, selection, &warrant, now);
        for one in steered.await.unwrap() {
            self.known[message].waits = !one.state.is_done() && one.state != State::Held;
        }
    }

    /// Everything is carried in the end.
    async fn drain(&mut self) {
        for message in 0..self.known.len() {
            self.steer(1, message).await;
        }
        for seat in 1..4 {
            while self.hands.get(&seat).is_some_and(|hand| !hand.is_empty()) {
                self.end(seat, 250).await;
            }
        }
        let hour = Duration::from_secs(3600);
        self.bench.clock.advance(hour);
        while self.claim(1, 50).await > 0 {
            while !self.hands[&1].is_empty() {
                self.end(1, 250).await;
            }
        }
        assert!(self.known.iter().all(|one| !one.waits), "somebody waits");
        let due = self.bench.queue.next_due(&ehpad()).await.unwrap();
        assert_eq!(due, None);
    }
}

fn later() -> Refusal {
    Refusal::transient(451, EnhancedStatus::TRY_LATER, "later")
}

proptest! {
    // Each step is a commit.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn a_line_keeps_its_order_whatever_happens(
        happenings in prop::collection::vec(happening(), 10..50)
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut model = Model { bench: bench().await, known: Vec::new(), hands: HashMap::new() };
            for happening in happenings {
                model.see(happening).await;
            }
            model.drain().await;
        });
    }
}

/// Admits under keys, claims everything and names it.
async fn claimed(bench: &Bench) -> Vec<(String, Claimed)> {
    let mut names = Vec::new();
    for claimed in bench.claim().await {
        let message = bench.message(claimed.message).await.unwrap();
        names.push((message.envelope.id.to_string(), claimed));
    }
    names
}

fn key(number: u8) -> Option<OrderKey> {
    Some(OrderKey::new([number; 32]))
}

#[tokio::test]
async fn an_urgent_message_takes_its_line_along_and_overtakes_the_others() {
    let bench = bench().await;
    for (id, urgency, order) in [
        ("other", Urgency::Normal, key(2)),
        ("entry", Urgency::Info, key(1)),
        ("general", Urgency::Normal, None),
        ("discharge", Urgency::Urgent, key(1)),
    ] {
        bench
            .admit_in(id, (urgency, order), &["a@ehpad.test"])
            .await;
    }
    let names: Vec<String> = claimed(&bench).await.into_iter().map(|one| one.0).collect();
    assert_eq!(names, ["entry", "discharge", "other", "general"]);
}

#[tokio::test]
async fn whoever_stands_behind_a_deferred_one_waits_with_it_and_nobody_else_does() {
    let bench = bench().await;
    let to = ["a@ehpad.test"];
    bench
        .admit_in("first", (Urgency::Normal, key(1)), &to)
        .await;
    let (_, first) = claimed(&bench).await.remove(0);
    bench.record(first, Outcome::Refused(later())).await;
    bench
        .admit_in("second", (Urgency::Urgent, key(1)), &to)
        .await;
    bench.admit_in("other", (Urgency::Info, key(2)), &to).await;
    let names: Vec<_> = claimed(&bench).await;
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].0, "other");
    let due = bench.queue.next_due(&ehpad()).await.unwrap().unwrap();
    let wait = due - bench.clock.now();
    bench.clock.advance(Duration::try_from(wait).unwrap());
    let names: Vec<String> = claimed(&bench).await.into_iter().map(|one| one.0).collect();
    assert_eq!(names, ["first", "second"]);
}
