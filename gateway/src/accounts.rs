//! Who may log in, and how the proof is checked without giving an attacker time, memory or the
//! power to lock anybody out.
//!
//! Passwords are kept as argon2id PHC strings (RFC 9106). A check costs 19 MiB and tens of
//! milliseconds, so few run at once, and a correct password is remembered for a short time as a
//! keyed digest: a mail client that opens five connections costs one check.

mod failures;
mod password;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use liaison_base::clock::Clock;
use liaison_mail::Address;
use ring::hmac;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

pub use password::hash_password;

use crate::keys::{KeyError, fill_random};
use failures::Failures;

/// Longest password taken, in octets.
pub const MAX_PASSWORD: usize = 512;
/// Longest user name taken, in octets.
pub const MAX_USER: usize = 320;

/// Checks at once; others wait.
const CHECKS: usize = 2;
/// Longest wait for a check's turn.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a correct password is remembered.
const REMEMBERED: time::Duration = time::Duration::minutes(10);
/// Most passwords remembered.
const MAX_REMEMBERED: usize = 256;
/// One account of the settings file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The name to log in with; the address is accepted too. Compared without case.
    pub user: String,
    /// The person's own address: what they may send from.
    pub address: Address,
    /// The password as an argon2id PHC string, made by `liaison password hash`.
    pub password: String,
    /// The name shown in From and in receipts.
    pub name: String,
    /// The mailboxes that the account opens, the person's own first; that one alone if absent.
    #[serde(default)]
    pub mailboxes: Vec<Address>,
}

impl fmt::Debug for AccountSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountSettings")
            .field("user", &self.user)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Somebody who proved who they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name of the settings file: the one that logs show.
    pub user: String,
    /// The person's own address.
    pub address: Address,
    /// The name shown in From and in receipts.
    pub name: String,
    /// The mailboxes that the account opens; never empty, the first is the one shown at login.
    pub mailboxes: Vec<Address>,
}

impl Account {
    /// Whether the account opens this mailbox.
    pub fn opens(&self, mailbox: &Address) -> bool {
        self.mailboxes.contains(mailbox)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.user)
    }
}

/// Why somebody is not let in. For the log; a peer is told only [`Denied::public`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// No account has this name.
    #[error("unknown user")]
    UnknownUser,
    /// The password is another.
    #[error("wrong password")]
    WrongPassword,
    /// This remote address failed too often lately; others are not affected.
    #[error("too many failures from this address")]
    TooMany,
    /// No check could run in time.
    #[error("no password check could run in time")]
    Busy,
}

impl Denied {
    /// Whether the same attempt may succeed later.
    pub fn retry_can_help(self) -> bool {
        matches!(self, Self::TooMany | Self::Busy)
    }

    /// The text for the peer: it does not say whether the account exists.
    pub fn public(self) -> &'static str {
        match self {
            Self::UnknownUser | Self::WrongPassword => "Wrong user name or password",
            Self::TooMany => "Too many failed attempts from your address, wait a minute",
            Self::Busy => "Busy, try again shortly",
        }
    }
}

/// Why the accounts of a settings file cannot be used.
#[derive(Debug, Error)]
pub enum AccountError {
    /// Two accounts would log in with the same name or address.
    #[error("account {0}: another account has the same user or address")]
    Duplicate(String),
    /// The password is not an argon2id PHC string.
    #[error("account {0}: `password` is no argon2id PHC string; make one with `password hash`")]
    Password(String),
    /// A user name that no client could send.
    #[error("account {0}: a user name has 1 to 320 octets and no control character or `*`")]
    User(String),
    /// A password could not be hashed.
    #[error("the password could not be hashed: {0}")]
    Hash(&'static str),
    /// The system gives no random numbers.
    #[error(transparent)]
    Random(#[from] KeyError),
}

/// The accounts of a site. Copies share it.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    by_name: HashMap<String, Arc<Entry>>,
    /// Checked for names that do not exist, so that they take as long as the others.
    nobody: String,
    checks: Semaphore,
    remembering: hmac::Key,
    remembered: Mutex<HashMap<String, Remembered>>,
    failures: Mutex<Failures>,
    clock: Arc<dyn Clock>,
}

struct Entry {
    account: Arc<Account>,
    password: String,
}

struct Remembered {
    tag: Zeroizing<Vec<u8>>,
    until: OffsetDateTime,
}

impl Accounts {
    /// The accounts of the settings.
    ///
    /// # Errors
    /// [`AccountError`] names the account whose settings cannot stand.
    pub fn new(
        settings: Vec<AccountSettings>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccountError> {
        let mut by_name = HashMap::new();
        for one in settings {
            let user = one.user.clone();
            if user.is_empty()
                || user.len() > MAX_USER
                || user.contains(|c: char| c.is_control() || c == '*')
            {
                return Err(AccountError::User(user));
            }
            if !password::is_usable(&one.password) {
                return Err(AccountError::Password(user));
            }
            let names = [one.user.to_lowercase(), one.address.key()];
            let entry = Arc::new(Entry {
                account: Arc::new(Account {
                    mailboxes: if one.mailboxes.is_empty() {
                        vec![one.address.clone()]
                    } else {
                        one.mailboxes
                    },
                    user: one.user,
                    address: one.address,
                    name: one.name,
                }),
                password: one.password,
            });
            for name in names {
                let earlier = by_name.insert(name, Arc::clone(&entry));
                if earlier.is_some_and(|earlier| !Arc::ptr_eq(&earlier, &entry)) {
                    return Err(AccountError::Duplicate(user));
                }
            }
        }
        let mut key = Zeroizing::new([0; 32]);
        fill_random(key.as_mut_slice())?;
        Ok(Self(Arc::new(Inner {
            by_name,
            nobody: hash_password(key.as_slice())?,
            checks: Semaphore::new(CHECKS),
            remembering: hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()),
            remembered: Mutex::default(),
            failures: Mutex::default(),
            clock,
        })))
    }

    /// Every account, each once.
    pub fn all(&self) -> Vec<Arc<Account>> {
        let mut all: Vec<_> = self.0.by_name.values().map(|e| &e.account).collect();
        all.sort_by(|a, b| a.user.cmp(&b.user));
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        all.into_iter().cloned().collect()
    }

    /// Checks a password. A name that does not exist takes the work of one that does. Failures
    /// count against the remote address, so that somebody guessing elsewhere cannot keep the
    /// account's owner out.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(
        &self,
        user: &str,
        password: Zeroizing<Vec<u8>>,
        remote: IpAddr,
    ) -> Result<Arc<Account>, Denied> {
        let name = user.to_lowercase();
        let entry = self.0.by_name.get(&name).filter(|_| user.len() <= MAX_USER);
        if let Some(entry) = entry
            && self.0.remembers(&entry.account.user, &password)
        {
            return Ok(Arc::clone(&entry.account));
        }
        // The failure is counted before the check and forgiven after a success: otherwise many
        // attempts at once would all pass the limit.
        if !self.0.failures().count(&name, remote, self.0.clock.now()) {
            return Err(Denied::TooMany);
        }
        let hash = entry
            .map_or(&self.0.nobody, |entry| &entry.password)
            .clone();
        let correct = self.0.check(hash, &password).await;
        match (entry, correct) {
            (Some(entry), Ok(true)) => {
                self.0.failures().forgive(&name, remote);
                self.0.remember(&entry.account.user, &password);
                Ok(Arc::clone(&entry.account))
            }
            (_, Err(busy)) => {
                self.0.failures().forgive(&name, remote);
                Err(busy)
            }
            (Some(_), Ok(false)) => Err(Denied::WrongPassword),
            (None, Ok(_)) => Err(Denied::UnknownUser),
        }
    }
}

impl Inner {
    /// Runs argon2 off the asynchronous threads, a few at a time. A password too long to be
    /// anybody's takes the same way and fails.
    async fn check(&self, hash: String, password: &[u8]) -> Result<bool, Denied> {
        let turn = tokio::time::timeout(PATIENCE, self.checks.acquire())
            .await
            .map_err(|_| Denied::Busy)?
            .map_err(|_| Denied::Busy)?;
        let fits = password.len() <= MAX_PASSWORD;
        let password = Zeroizing::new(password[..password.len().min(MAX_PASSWORD)].to_vec());
        let correct = tokio::task::spawn_blocking(move || password::verify(&hash, &password))
            .await
            .map_err(|_| Denied::Busy)?;
        drop(turn);
        Ok(correct && fits)
    }

    fn remembers(&self, user: &str, password: &[u8]) -> bool {
        let now = self.clock.now();
        let mut remembered = lock(&self.remembered);
        match remembered.get(user) {
            Some(entry) if entry.until <= now => {
                remembered.remove(user);
                false
            }
            Some(entry) => {
                hmac::verify(&self.remembering, &digested(user, password), &entry.tag).is_ok()
            }
            None => false,
        }
    }

    fn remember(&self, user: &str, password: &[u8]) {
        let now = self.clock.now();
        let tag = hmac::sign(&self.remembering, &digested(user, password));
        let mut remembered = lock(&self.remembered);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.retain(|_, entry| entry.until > now);
        }
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(
                user.to_owned(),
                Remembered {
                    tag: Zeroizing::new(tag.as_ref().to_vec()),
                    until: now + REMEMBERED,
                },
            );
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        lock(&self.failures)
    }
}

/// What the remembered digest covers; the NUL keeps the two apart.
fn digested(user: &str, password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut both = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    both.extend_from_slice(user.as_bytes());
    both.push(0);
    both.extend_from_slice(password);
    both
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::clock::ManualClock;
    use time::macros::datetime;

    const REMOTE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn settings(user: &str) -> AccountSettings {
        AccountSettings {
            user: user.to_owned(),
            address: Address::parse(&format!("{user}@ehpad.test")).unwrap(),
            password: hash_password("mot de passe é".as_bytes()).unwrap(),
            name: "IDE".to_owned(),
            mailboxes: Vec::new(),
        }
    }

    fn accounts() -> (Accounts, ManualClock) {
        let clock = ManualClock::at(datetime!(2026-11-22 12:00 UTC));
        let accounts = Accounts::new(vec![settings("ide")], Arc::new(clock.clone())).unwrap();
        (accounts, clock)
    }

    async fn attempt(
        accounts: &Accounts,
        user: &str,
        password: &str,
        remote: IpAddr,
    ) -> Result<Arc<Account>, Denied> {
        let password = Zeroizing::new(password.as_bytes().to_vec());
        accounts.authenticate(user, password, remote).await
    }

    #[tokio::test]
    async fn the_right_password_opens_by_user_or_address_in_any_case() {
        let (accounts, _) = accounts();
        for user in ["ide", "IDE", "Ide@EHPAD.test"] {
            let account = attempt(&accounts, user, "mot de passe é", REMOTE)
                .await
                .unwrap();
            assert_eq!(account.mailboxes, std::slice::from_ref(&account.address));
        }
        assert_eq!(accounts.all().len(), 1);
    }

    #[tokio::test]
    async fn what_is_wrong_is_for_the_log_alone() {
        let (accounts, _) = accounts();
        let wrong = attempt(&accounts, "ide", "x", REMOTE).await.unwrap_err();
        let unknown = attempt(&accounts, "nobody", "x", REMOTE).await.unwrap_err();
        assert_eq!(wrong, Denied::WrongPassword);
        assert_eq!(unknown, Denied::UnknownUser);
        assert_eq!(wrong.public(), unknown.public());
    }

    #[tokio::test]
    async fn a_password_that_only_begins_right_is_wrong() {
        let (accounts, _) = accounts();
        let long = format!("mot de passe é{}", "x".repeat(MAX_PASSWORD));
        for password in ["", "mot de passe", &long] {
            assert!(attempt(&accounts, "ide", password, REMOTE).await.is_err());
        }
    }

    #[tokio::test]
    async fn guessing_is_slowed_at_its_own_address_only() {
        let (accounts, clock) = accounts();
        for _ in 0..failures::PER_ACCOUNT.burst {
            let denied = attempt(&accounts, "ide", "x", REMOTE).await.unwrap_err();
            assert_eq!(denied, Denied::WrongPassword);
        }
        let denied = attempt(&accounts, "ide", "x", REMOTE).await.unwrap_err();
        assert_eq!(denied, Denied::TooMany);
        assert!(denied.retry_can_help());
        attempt(&accounts, "ide", "mot de passe é", ELSEWHERE)
            .await
            .unwrap();
        // A password that is remembered needs no check, so guessing cannot keep it out.
        attempt(&accounts, "ide", "mot de passe é", REMOTE)
            .await
            .unwrap();
        clock.advance(Duration::from_secs(7));
        let denied = attempt(&accounts, "ide", "x", REMOTE).await.unwrap_err();
        assert_eq!(denied, Denied::WrongPassword);
    }

    #[tokio::test]
    async fn a_remembered_password_is_forgotten_in_time() {
        let (accounts, clock) = accounts();
        attempt(&accounts, "ide", "mot de passe é", REMOTE)
            .await
            .unwrap();
        assert!(accounts.0.remembers("ide", "mot de passe é".as_bytes()));
        assert!(!accounts.0.remembers("ide", b"other"));
        clock.advance(Duration::from_secs(601));
        assert!(!accounts.0.remembers("ide", "mot de passe é".as_bytes()));
    }

    #[test]
    fn settings_that_cannot_stand_name_their_account() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(datetime!(2026-11-22 12:00 UTC)));
        let clear = AccountSettings {
            password: "secret".to_owned(),
            ..settings("ide")
        };
        let refused = |list| Accounts::new(list, Arc::clone(&clock)).err();
        assert!(matches!(
            refused(vec![clear]),
            Some(AccountError::Password(user)) if user == "ide"
        ));
        assert!(matches!(
            refused(vec![settings("ide"), settings("ide")]),
            Some(AccountError::Duplicate(_))
        ));
        let star = AccountSettings {
            user: "a*b".to_owned(),
            ..settings("ide")
        };
        assert!(matches!(refused(vec![star]), Some(AccountError::User(_))));
    }

    #[test]
    fn neither_password_nor_name_is_printed() {
        let text = format!("{:?}", settings("ide"));
        assert!(!text.contains("argon2") && !text.contains("IDE"), "{text}");
    }
}
