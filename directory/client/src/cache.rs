//! A memory before a directory, with rules on how old an answer may be.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use liaison_mail::Domain;
use liaison_mail::port::PortFuture;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Finding, Lookup, LookupError, Query, Reason, ReasonCode, RelayEndpoint, Resolution};

/// Where a [`Client`] takes the time from.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// How long answers are remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// For how many seconds an answer that found a recipient or a relay is used without asking
    /// again. Default: 60.
    pub fresh_seconds: u32,
    /// The same for an answer that found nothing or more than one: short, because somebody is
    /// probably repairing the entry. Default: 10.
    pub unknown_seconds: u32,
    /// When the directory cannot answer: how old a remembered answer may be, in seconds, and
    /// still be used, with a warning. Only answers that found a recipient or a relay are: a
    /// message must never be refused on the word of an old answer. Default: 86400, one day.
    pub stale_seconds: u32,
    /// After a failure, for how many seconds old answers are used at once instead of waiting for
    /// the directory again. Default: 5.
    pub retry_seconds: u32,
    /// How many answers are remembered; the least recently used make room. Default: 10000.
    pub answers: u32,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            fresh_seconds: 60,
            unknown_seconds: 10,
            stale_seconds: 24 * 60 * 60,
            retry_seconds: 5,
            answers: 10_000,
        }
    }
}

/// A directory with a memory before it.
pub struct Client {
    directory: Arc<dyn Lookup>,
    clock: Clock,
    settings: CacheSettings,
    recipients: Mutex<Memory<Query, Resolution>>,
    relays: Mutex<Memory<RelayName, Option<RelayEndpoint>>>,
}

/// The two names of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum RelayName {
    Domain(Domain),
    Server(Domain),
}

impl Client {
    /// Puts a memory before `directory`.
    #[must_use]
    pub fn new(directory: Arc<dyn Lookup>, settings: CacheSettings, clock: Clock) -> Self {
        Self {
            directory,
            clock,
            recipients: Mutex::new(Memory::of(settings.answers)),
            relays: Mutex::new(Memory::of(settings.answers)),
            settings,
        }
    }

    /// Forgets every answer: the directory has just been changed by this process.
    pub fn forget(&self) {
        lock(&self.recipients).slots.clear();
        lock(&self.relays).slots.clear();
    }

    async fn relay(
        &self,
        name: RelayName,
        ask: impl Future<Output = Result<Option<RelayEndpoint>, LookupError>>,
    ) -> Result<Option<RelayEndpoint>, LookupError> {
        self.recall(&self.relays, &name, Option::is_some, ask)
            .await
            .map(|recalled| recalled.answer)
    }

    /// The answer to `question`: remembered and fresh, or asked for, or remembered and stale.
    /// `ask` is only run when it is needed.
    async fn recall<K: Hash + Eq + Clone, V: Clone>(
        &self,
        memory: &Mutex<Memory<K, V>>,
        question: &K,
        found: fn(&V) -> bool,
        ask: impl Future<Output = Result<V, LookupError>>,
    ) -> Result<Recalled<V>, LookupError> {
        let now = (self.clock)();
        let remembered = {
            let mut memory = lock(memory);
            let failed_lately = memory
                .failed_at
                .is_some_and(|at| within(at, now, self.settings.retry_seconds));
            let remembered = memory.get(question);
            if let Some((answer, at)) = &remembered {
                let found = found(answer);
                let fresh = if found {
                    self.settings.fresh_seconds
                } else {
                    self.settings.unknown_seconds
                };
                if within(*at, now, fresh) {
                    return Ok(Recalled::fresh(answer.clone()));
                }
                if failed_lately && found && within(*at, now, self.settings.stale_seconds) {
                    return Ok(Recalled::stale(answer.clone(), now - *at));
                }
            }
            remembered
        };
        match ask.await {
            Ok(answer) => {
                let mut memory = lock(memory);
                memory.failed_at = None;
                memory.put(question.clone(), answer.clone(), now);
                Ok(Recalled::fresh(answer))
            }
            Err(error) if error.is_retryable() => {
                // The wait for the directory may have been long.
                let now = (self.clock)();
                lock(memory).failed_at = Some(now);
                match remembered {
                    Some((answer, at))
                        if found(&answer) && within(at, now, self.settings.stale_seconds) =>
                    {
                        let age = now - at;
                        tracing::warn!(
                            %error,
                            age_seconds = age.whole_seconds(),
                            "the directory gives no answer; an older one is used"
                        );
                        Ok(Recalled::stale(answer, age))
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

impl Lookup for Client {
    fn resolve<'a>(&'a self, query: &'a Query) -> PortFuture<'a, Result<Resolution, LookupError>> {
        Box::pin(async move {
            let recalled = self
                .recall(
                    &self.recipients,
                    query,
                    |resolution| matches!(resolution.finding, Finding::Found(_)),
                    self.directory.resolve(query),
                )
                .await?;
            let mut resolution = recalled.answer;
            if let Some(age) = recalled.stale_for {
                resolution.reasons.push(Reason::new(
                    ReasonCode::Stale,
                    format!(
                        "The directory cannot be reached; this is its answer of {} ago.",
                        words(age)
                    ),
                ));
            }
            Ok(resolution)
        })
    }

    fn relay_of<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(self.relay(
            RelayName::Domain(domain.clone()),
            self.directory.relay_of(domain),
        ))
    }

    fn peer<'a>(
        &'a self,
        server_name: &'a str,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move {
            match Domain::parse(server_name) {
                Ok(name) => {
                    self.relay(RelayName::Server(name), self.directory.peer(server_name))
                        .await
                }
                Err(_) => Ok(None),
            }
        })
    }
}

/// An answer, and how old it is if it should have been asked for again.
struct Recalled<V> {
    answer: V,
    stale_for: Option<Duration>,
}

impl<V> Recalled<V> {
    fn fresh(answer: V) -> Self {
        Self {
            answer,
            stale_for: None,
        }
    }

    fn stale(answer: V, age: Duration) -> Self {
        Self {
            answer,
            stale_for: Some(age),
        }
    }
}

/// A bounded map from questions to answers and when they were had.
struct Memory<K, V> {
    slots: HashMap<K, Slot<V>>,
    capacity: usize,
    uses: u64,
    failed_at: Option<OffsetDateTime>,
}

struct Slot<V> {
    answer: V,
    at: OffsetDateTime,
    last_use: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Memory<K, V> {
    fn of(capacity: u32) -> Self {
        Self {
            slots: HashMap::new(),
            capacity: capacity as usize,
            uses: 0,
            failed_at: None,
        }
    }

    fn get(&mut self, question: &K) -> Option<(V, OffsetDateTime)> {
        self.uses += 1;
        let slot = self.slots.get_mut(question)?;
        slot.last_use = self.uses;
        Some((slot.answer.clone(), slot.at))
    }

    fn put(&mut self, question: K, answer: V, at: OffsetDateTime) {
        if self.capacity == 0 {
            return;
        }
        if self.slots.len() >= self.capacity && !self.slots.contains_key(&question) {
            self.make_room();
        }
        self.uses += 1;
        let last_use = self.uses;
        self.slots.insert(
            question,
            Slot {
                answer,
                at,
                last_use,
            },
        );
    }

    /// Drops the eighth part that was not used for longest, so that the search for it is seldom.
    fn make_room(&mut self) {
        let mut uses: Vec<u64> = self.slots.values().map(|slot| slot.last_use).collect();
        let (_, &mut limit, _) = uses.select_nth_unstable(self.slots.len() / 8);
        self.slots.retain(|_, slot| slot.last_use > limit);
    }
}

/// Whether what was had `at` is younger than `limit` seconds. When the clock was set back nothing
/// is known about its age, and it is not.
fn within(at: OffsetDateTime, now: OffsetDateTime, limit: u32) -> bool {
    let age = now - at;
    !age.is_negative() && age < Duration::seconds(i64::from(limit))
}

fn words(age: Duration) -> String {
    let (count, unit) = match age.whole_seconds() {
        seconds @ ..120 => (seconds, "second"),
        seconds @ 120..7200 => (seconds / 60, "minute"),
        seconds => (seconds / 3600, "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The lock also when another thread panicked while holding it: no method leaves the map between
/// two states.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::SeqCst};

    use liaison_mail::Address;
    use time::macros::datetime;

    use super::*;
    use crate::{Entry, EntryKind, Host, Mailbox, MailboxKind};

    const START: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    /// A directory that answers, is down, or refuses, and counts its questions.
    #[derive(Default)]
    struct Scripted {
        asked: AtomicU32,
        down: std::sync::atomic::AtomicBool,
        refuses: std::sync::atomic::AtomicBool,
    }

    impl Scripted {
        fn answer<T>(&self, answer: T) -> Result<T, LookupError> {
            self.asked.fetch_add(1, SeqCst);
            if self.down.load(SeqCst) {
                Err(LookupError::Unreachable("no route".to_owned()))
            } else if self.refuses.load(SeqCst) {
                Err(LookupError::Refused {
                    status: 400,
                    detail: "no".to_owned(),
                })
            } else {
                Ok(answer)
            }
        }
    }

    impl Lookup for Scripted {
        fn resolve<'a>(
            &'a self,
            query: &'a Query,
        ) -> PortFuture<'a, Result<Resolution, LookupError>> {
            Box::pin(async move { self.answer(resolution(query)) })
        }

        fn relay_of<'a>(
            &'a self,
            domain: &'a Domain,
        ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
            Box::pin(async move { self.answer(relay(domain)) })
        }

        fn peer<'a>(
            &'a self,
            server_name: &'a str,
        ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
            Box::pin(async move { self.answer(relay(&Domain::parse(server_name).unwrap())) })
        }
    }

    fn resolution(query: &Query) -> Resolution {
        let crate::By::Address(address) = &query.by else {
            panic!("the tests ask by address")
        };
        let finding = if address.local() == "nobody" {
            Finding::Unknown
        } else {
            Finding::Found(Box::new(Entry {
                kind: EntryKind::Person,
                name: "Dr ESSAI".to_owned(),
                profession: None,
                rpps: None,
                finess: None,
                organisation: None,
                mailbox: Mailbox {
                    address: address.clone(),
                    kind: MailboxKind::Per,
                    purposes: Vec::new(),
                },
                certificates: Vec::new(),
                alternates: Vec::new(),
            }))
        };
        Resolution {
            finding,
            reasons: vec![Reason::new(ReasonCode::ExactAddress, "Listed.")],
            as_of: START,
            source: "test".to_owned(),
        }
    }

    fn relay(domain: &Domain) -> Option<RelayEndpoint> {
        (domain.as_str() != "unlisted.test").then(|| RelayEndpoint {
            domain: domain.clone(),
            server_name: domain.clone(),
            host: Host::parse("127.0.0.1").unwrap(),
            port: 2525,
            serves: vec![domain.clone()],
        })
    }

    struct Bench {
        directory: Arc<Scripted>,
        seconds: Arc<AtomicI64>,
        client: Client,
    }

    fn bench(settings: CacheSettings) -> Bench {
        let directory = Arc::new(Scripted::default());
        let seconds = Arc::new(AtomicI64::new(0));
        let clock = {
            let seconds = Arc::clone(&seconds);
            Arc::new(move || START + Duration::seconds(seconds.load(SeqCst)))
        };
        let lookup: Arc<dyn Lookup> = Arc::<Scripted>::clone(&directory);
        Bench {
            client: Client::new(lookup, settings, clock),
            directory,
            seconds,
        }
    }

    fn query(local: &str) -> Query {
        Query::address(Address::parse(&format!("{local}@ch.test")).unwrap())
    }

    #[tokio::test]
    async fn a_fresh_answer_is_not_asked_for_again() {
        let b = bench(CacheSettings::default());
        b.client.resolve(&query("a")).await.unwrap();
        b.seconds.store(59, SeqCst);
        let answer = b.client.resolve(&query("A")).await.unwrap();
        assert_eq!(
            b.directory.asked.load(SeqCst),
            1,
            "case does not make another question"
        );
        assert!(!answer.has_reason(ReasonCode::Stale));
        b.seconds.store(60, SeqCst);
        b.client.resolve(&query("a")).await.unwrap();
        assert_eq!(b.directory.asked.load(SeqCst), 2);
        b.client.forget();
        b.client.resolve(&query("a")).await.unwrap();
        assert_eq!(b.directory.asked.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn an_unknown_recipient_is_asked_for_again_soon() {
        let b = bench(CacheSettings::default());
        for (second, asked) in [(0, 1), (9, 1), (10, 2)] {
            b.seconds.store(second, SeqCst);
            b.client.resolve(&query("nobody")).await.unwrap();
            assert_eq!(b.directory.asked.load(SeqCst), asked, "at {second} s");
        }
    }

    #[tokio::test]
    async fn a_stale_answer_tells_its_age_and_has_a_limit() {
        let b = bench(CacheSettings::default());
        b.client.resolve(&query("a")).await.unwrap();
        b.directory.down.store(true, SeqCst);

        b.seconds.store(3 * 3600, SeqCst);
        let answer = b.client.resolve(&query("a")).await.unwrap();
        let stale = answer.reasons.last().unwrap();
        assert_eq!(stale.code, ReasonCode::Stale);
        assert!(stale.text.contains("3 hours"), "{stale}");

        // Within the retry time the directory is not waited for.
        let asked = b.directory.asked.load(SeqCst);
        b.client.resolve(&query("a")).await.unwrap();
        assert_eq!(b.directory.asked.load(SeqCst), asked);

        b.seconds.store(24 * 3600, SeqCst);
        let error = b.client.resolve(&query("a")).await.unwrap_err();
        assert!(error.is_retryable());

        b.directory.down.store(false, SeqCst);
        let answer = b.client.resolve(&query("a")).await.unwrap();
        assert!(!answer.has_reason(ReasonCode::Stale));
    }

    #[tokio::test]
    async fn an_old_unknown_is_not_used_when_the_directory_is_down() {
        let b = bench(CacheSettings::default());
        b.client.resolve(&query("nobody")).await.unwrap();
        b.directory.down.store(true, SeqCst);
        b.seconds.store(10, SeqCst);
        assert!(
            b.client
                .resolve(&query("nobody"))
                .await
                .unwrap_err()
                .is_retryable()
        );
    }

    #[tokio::test]
    async fn a_refused_question_is_not_answered_from_memory() {
        let b = bench(CacheSettings::default());
        b.client.resolve(&query("a")).await.unwrap();
        b.directory.refuses.store(true, SeqCst);
        b.seconds.store(60, SeqCst);
        assert!(
            !b.client
                .resolve(&query("a"))
                .await
                .unwrap_err()
                .is_retryable()
        );
    }

    #[tokio::test]
    async fn relays_follow_the_same_rules() {
        let b = bench(CacheSettings::default());
        let listed = Domain::parse("ch.test").unwrap();
        let unlisted = Domain::parse("unlisted.test").unwrap();
        assert!(b.client.relay_of(&listed).await.unwrap().is_some());
        assert!(b.client.peer("CH.test").await.unwrap().is_some());
        assert_eq!(
            b.directory.asked.load(SeqCst),
            2,
            "a domain and a server name are two names"
        );
        assert!(b.client.peer("no domain").await.unwrap().is_none());
        assert!(b.client.relay_of(&unlisted).await.unwrap().is_none());
        b.directory.down.store(true, SeqCst);
        b.seconds.store(3600, SeqCst);
        assert!(b.client.relay_of(&listed).await.unwrap().is_some());
        assert!(b.client.relay_of(&unlisted).await.is_err());
    }

    #[tokio::test]
    async fn the_memory_is_bounded_and_keeps_what_is_used() {
        let b = bench(CacheSettings {
            answers: 8,
            ..CacheSettings::default()
        });
        for n in 0..100 {
            b.client.resolve(&query("often")).await.unwrap();
            b.client.resolve(&query(&format!("once{n}"))).await.unwrap();
            assert!(lock(&b.client.recipients).slots.len() <= 8);
        }
        assert_eq!(b.directory.asked.load(SeqCst), 101);
        let b = bench(CacheSettings {
            answers: 0,
            ..CacheSettings::default()
        });
        b.client.resolve(&query("a")).await.unwrap();
        b.client.resolve(&query("a")).await.unwrap();
        assert_eq!(b.directory.asked.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn after_the_clock_was_set_back_the_directory_is_asked_again() {
        let b = bench(CacheSettings::default());
        b.client.resolve(&query("a")).await.unwrap();
        b.seconds.store(-3600, SeqCst);
        assert!(b.client.resolve(&query("a")).await.is_ok());
        assert_eq!(b.directory.asked.load(SeqCst), 2);
        assert!(b.client.resolve(&query("a")).await.is_ok());
        assert_eq!(b.directory.asked.load(SeqCst), 2);
    }
}
