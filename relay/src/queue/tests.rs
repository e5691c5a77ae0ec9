use super::intake::Intake;
use super::steer::{Order, Selection, Warrant};
use super::*;
use crate::admission::Sameness;
use crate::notices::Reporter;
use liaison_base::clock::ManualClock;
use liaison_mail::port::OrderKey;
use liaison_mail::{Address, EnhancedStatus, Recipient, Refusal};
use liaison_store::testing::database;
use std::time::Duration;
use time::macros::datetime;

pub(super) struct Bench {
    pub(super) queue: Queue,
    pub(super) clock: ManualClock,
    _folder: tempfile::TempDir,
}

pub(super) async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "hostname = 'relay.ch.test'\nlisten = '127.0.0.1:0'\ncertificate = 'c'\nkey = 'k'\n\
         anchors = 'a'\ndatabase = '{}'\nbodies = '{}'\ndomains = ['ch.test', 'ehpad.test']\n",
        String::from(database(folder.path().join("relay.db"))),
        path("bodies")
    );
    let settings: Settings = liaison_base::config::parse(&text).unwrap();
    let clock = ManualClock::at(datetime!(2026-11-22 12:00 UTC));
    let queue = Queue::open(&settings, Arc::new(clock.clone()))
        .await
        .unwrap();
    Bench {
        queue,
        clock,
        _folder: folder,
    }
}

impl Bench {
    async fn admit(&self, id: &str, urgency: Urgency, to: &[&str]) -> Vec<Domain> {
        self.admit_in(id, (urgency, None), to).await
    }

    pub(super) async fn admit_in(
        &self,
        id: &str,
        (urgency, order): (Urgency, Option<OrderKey>),
        to: &[&str],
    ) -> Vec<Domain> {
        let recipients = to
            .iter()
            .map(|to| Recipient::closed_loop(Address::parse(to).unwrap()))
            .collect();
        let intake = Intake {
            order,
            origin: Origin::Local,
            envelope: Envelope {
                id: EnvelopeId::parse(id).unwrap(),
                from: ReversePath::parse("avis@ch.test").unwrap(),
                recipients,
                ret: Return::Headers,
                urgency,
            },
            named: true,
            message_id: None,
            sameness: Sameness::new(&Origin::Local, id, None),
            before: None,
            trace: "Received: by relay.ch.test\r\n".to_owned(),
            content: Stowed::Inline(b"sealed".as_slice().into()),
            eight_bit: false,
            require_tls: false,
            accepted_at: self.clock.now(),
        };
        self.queue.admit(intake).await.unwrap()
    }

    pub(super) async fn claim(&self) -> Vec<lease::Claimed> {
        let claimed = self.queue.claim(&ehpad(), (1, 50), self.clock.now()).await;
        claimed.unwrap()
    }

    pub(super) async fn record(
        &self,
        claimed: lease::Claimed,
        outcome: Outcome,
    ) -> record::Recorded {
        let message = self.message(claimed.message).await.unwrap();
        let reporter = Reporter::new(&ehpad(), &[]).unwrap();
        self.queue
            .record(
                message,
                vec![(claimed, outcome)],
                reporter,
                self.clock.now(),
            )
            .await
            .unwrap()
    }

    pub(super) async fn message(&self, id: i64) -> Option<Arc<Stored>> {
        let loaded = self.queue.load(&[id], false).await.unwrap();
        loaded.into_iter().next().map(|one| one.message)
    }

    async fn reports(&self) -> usize {
        let sender = Domain::parse("ch.test").unwrap();
        self.queue
            .claim(&sender, (1, 50), self.clock.now())
            .await
            .unwrap()
            .len()
    }
}

pub(super) fn ehpad() -> Domain {
    Domain::parse("ehpad.test").unwrap()
}

#[tokio::test]
async fn urgent_messages_overtake_and_the_others_keep_their_order() {
    let bench = bench().await;
    for (id, urgency) in [
        ("info", Urgency::Info),
        ("first", Urgency::Normal),
        ("second", Urgency::Normal),
        ("urgent", Urgency::Urgent),
    ] {
        assert_eq!(bench.admit(id, urgency, &["a@ehpad.test"]).await, [ehpad()]);
    }
    let mut order = Vec::new();
    for one in bench.claim().await {
        let message = bench.message(one.message).await.unwrap();
        order.push(message.envelope.id.to_string());
    }
    assert_eq!(order, ["urgent", "first", "second", "info"]);
    assert!(bench.claim().await.is_empty(), "leased twice");
}

#[tokio::test]
async fn what_was_admitted_before_is_not_admitted_again() {
    let bench = bench().await;
    let to = ["a@ehpad.test", "A@ehpad.test"];
    assert_eq!(bench.admit("n1", Urgency::Normal, &to).await, [ehpad()]);
    assert!(bench.admit("n1", Urgency::Normal, &to).await.is_empty());
    let claims = bench.claim().await;
    assert_eq!(claims.len(), 1);
    bench.record(claims[0].clone(), Outcome::Delivered).await;
    assert!(bench.admit("n1", Urgency::Normal, &to).await.is_empty());
}

#[tokio::test]
async fn a_worker_that_wakes_after_its_lease_changes_nothing() {
    let bench = bench().await;
    bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
    let frozen = bench.claim().await.remove(0);
    bench.clock.advance(Duration::from_secs(16 * 60));
    let released = bench
        .queue
        .release_expired(bench.clock.now())
        .await
        .unwrap();
    assert_eq!(released, [ehpad()]);
    let successor = bench.claim().await.remove(0);

    let gone = Refusal::permanent(550, EnhancedStatus::NO_SUCH_MAILBOX, "gone");
    let late = bench.record(frozen.clone(), Outcome::Refused(gone)).await;
    assert!(late.news.is_empty() && late.reports_to.is_empty());
    bench
        .queue
        .release(vec![frozen], bench.clock.now())
        .await
        .unwrap();
    assert!(
        bench.claim().await.is_empty(),
        "the successor's lease was broken"
    );
    let done = bench.record(successor, Outcome::Delivered).await;
    assert_eq!(done.news.len(), 1);
    assert_eq!(bench.reports().await, 1);
}

#[tokio::test]
async fn a_deferred_recipient_is_due_at_its_hour_and_not_before() {
    let bench = bench().await;
    bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
    let claimed = bench.claim().await.remove(0);
    let later = Refusal::transient(451, EnhancedStatus::TRY_LATER, "later");
    let recorded = bench.record(claimed, Outcome::Refused(later)).await;
    let due = bench.queue.next_due(&ehpad()).await.unwrap();
    assert_eq!(due.map(clock::millis), recorded.due.map(clock::millis));
    assert!(bench.claim().await.is_empty());
    bench.clock.advance(Duration::from_secs(36));
    assert_eq!(bench.claim().await.len(), 1);
    assert_eq!(bench.reports().await, 0, "nothing is told yet");
}

#[tokio::test]
async fn what_is_held_waits_for_its_release_and_what_is_cancelled_never_goes() {
    let bench = bench().await;
    bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
    bench.admit("n2", Urgency::Normal, &["b@ehpad.test"]).await;
    let envelope = |id| Selection::Envelope(EnvelopeId::parse(id).unwrap());
    let warrant = Warrant::new("ide.garde", "wrong\nward");
    let steer = |order, selection| {
        let now = bench.clock.now();
        bench.queue.steer(order, selection, &warrant, now)
    };
    let held = steer(Order::Hold, Selection::Domain(ehpad()))
        .await
        .unwrap();
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(|one| one.state == State::Held));
    assert!(bench.claim().await.is_empty());
    assert!(
        steer(Order::Retry, envelope("n1"))
            .await
            .unwrap()
            .is_empty()
    );

    let recalled = steer(Order::Cancel, envelope("n2")).await.unwrap();
    assert_eq!(recalled[0].state, State::Cancelled);
    assert!(
        steer(Order::Release, envelope("n2"))
            .await
            .unwrap()
            .is_empty()
    );
    let one = Selection::Recipient(held[0].id.min(held[1].id));
    assert_eq!(steer(Order::Release, one).await.unwrap().len(), 1);

    let claims = bench.claim().await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].recipient.address.local(), "a");
    let none = steer(Order::Cancel, envelope("n1")).await.unwrap();
    assert!(none.is_empty(), "a worker has it");
    let later = Refusal::transient(451, EnhancedStatus::TRY_LATER, "later");
    bench
        .record(claims[0].clone(), Outcome::Refused(later))
        .await;
    assert!(bench.claim().await.is_empty());
    assert_eq!(steer(Order::Retry, envelope("n1")).await.unwrap().len(), 1);
    assert_eq!(bench.claim().await.len(), 1, "due at once");
}

#[tokio::test]
async fn what_is_done_is_forgotten_when_its_time_is_over() {
    let bench = bench().await;
    bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
    bench.admit("n2", Urgency::Normal, &["b@ehpad.test"]).await;
    let mut claims = bench.claim().await;
    let (other, claimed) = (claims.remove(1).message, claims.remove(0));
    let id = claimed.message;
    bench
        .record(claimed, Outcome::Relayed { reports: true })
        .await;
    assert!(
        bench.queue.load(&[id], true).await.unwrap()[0]
            .content
            .is_none(),
        "the body of what is done is kept"
    );
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(
        bench.queue.forget_before(bench.clock.now()).await.unwrap(),
        1
    );
    assert!(bench.message(id).await.is_none());
    assert!(bench.message(other).await.is_some());
}

#[tokio::test]
async fn what_was_claimed_and_dropped_is_due_again() {
    let bench = bench().await;
    bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
    let claims = bench.claim().await;
    assert_eq!(claims.len(), 1);
    let ended = || bench.queue.release_expired(bench.clock.now());
    assert!(ended().await.unwrap().is_empty(), "somebody works on it");
    assert!(bench.claim().await.is_empty());
    drop(claims);
    let domains = ended().await.unwrap();
    assert_eq!(domains, [Domain::parse("ehpad.test").unwrap()]);
    let again = bench.claim().await;
    assert_eq!((again.len(), again[0].attempts), (1, 2));
    assert!(ended().await.unwrap().is_empty());
}
