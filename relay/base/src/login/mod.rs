//! Who may log in, and how the proof is checked without giving an attacker time, memory or the
//! power to lock anybody out.
//!
//! Passwords are kept as argon2id PHC strings (RFC 9106). A check costs 19 MiB and tens of
//! milliseconds, so few run at once, and a correct password is remembered for a short time as a
//! keyed digest: a client that opens five connections costs one check.

mod failures;
mod password;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

pub use password::hash_password;

use crate::clock::Clock;
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

/// Somebody who may log in.
pub struct Login {
    /// The name that logs show. Compared without case.
    pub user: String,
    /// Further names to log in with, in lower case.
    pub names: Vec<String>,
    /// The password as an argon2id PHC string, made by `liaison password hash`.
    pub password: String,
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

/// Why logins cannot be used.
#[derive(Debug, Error)]
pub enum LoginError {
    /// Two logins bear the same name.
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
    #[error("the system gives no random numbers")]
    Random,
}

/// Those who may log in. Copies share what is remembered.
#[derive(Clone)]
pub struct Logins(Arc<Inner>);

struct Inner {
    by_name: HashMap<String, Arc<Login>>,
    /// Checked for names that do not exist, so that they take as long as the others.
    nobody: String,
    checks: Semaphore,
    remembering: hmac::Key,
    remembered: Mutex<HashMap<String, Remembered>>,
    failures: Mutex<Failures>,
    clock: Arc<dyn Clock>,
}

struct Remembered {
    tag: Zeroizing<Vec<u8>>,
    until: OffsetDateTime,
}

impl Logins {
    /// Those who may log in.
    ///
    /// # Errors
    /// [`LoginError`] names the login that cannot stand.
    pub fn new(logins: Vec<Login>, clock: Arc<dyn Clock>) -> Result<Self, LoginError> {
        let mut by_name = HashMap::new();
        for login in logins {
            let user = login.user.clone();
            if user.is_empty()
                || user.len() > MAX_USER
                || user.contains(|c: char| c.is_control() || c == '*')
            {
                return Err(LoginError::User(user));
            }
            if !password::is_usable(&login.password) {
                return Err(LoginError::Password(user));
            }
            let login = Arc::new(login);
            let names = std::iter::once(user.to_lowercase()).chain(login.names.iter().cloned());
            for name in names {
                let earlier = by_name.insert(name, Arc::clone(&login));
                if earlier.is_some_and(|earlier| !Arc::ptr_eq(&earlier, &login)) {
                    return Err(LoginError::Duplicate(user));
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

    /// Checks a password and gives the user's name as it was given to [`Logins::new`]. A name that
    /// does not exist takes the work of one that does. Failures count against the remote address,
    /// so that somebody guessing elsewhere cannot keep the account's owner out.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(
        &self,
        name: &str,
        password: Zeroizing<Vec<u8>>,
        remote: IpAddr,
    ) -> Result<String, Denied> {
        let key = name.to_lowercase();
        let login = self.0.by_name.get(&key).filter(|_| name.len() <= MAX_USER);
        if let Some(login) = login
            && self.0.remembers(&login.user, &password)
        {
            return Ok(login.user.clone());
        }
        // The failure is counted before the check and forgiven after a success: otherwise many
        // attempts at once would all pass the limit.
        if !self.0.failures().count(&key, remote, self.0.clock.now()) {
            return Err(Denied::TooMany);
        }
        let hash = login
            .map_or(&self.0.nobody, |login| &login.password)
            .clone();
        let correct = self.0.check(hash, &password).await;
        match (login, correct) {
            (Some(login), Ok(true)) => {
                self.0.failures().forgive(&key, remote);
                self.0.remember(&login.user, &password);
                Ok(login.user.clone())
            }
            (_, Err(busy)) => {
                self.0.failures().forgive(&key, remote);
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

fn fill_random(octets: &mut [u8]) -> Result<(), LoginError> {
    SystemRandom::new()
        .fill(octets)
        .map_err(|_| LoginError::Random)
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
    use crate::clock::ManualClock;
    use time::macros::datetime;

    const REMOTE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn login(user: &str) -> Login {
        Login {
            user: user.to_owned(),
            names: vec![format!("{user}@ehpad.test")],
            password: hash_password("mot de passe é".as_bytes()).unwrap(),
        }
    }

    fn logins() -> (Logins, ManualClock) {
        let clock = ManualClock::at(datetime!(2026-11-22 12:00 UTC));
        let logins = Logins::new(vec![login("ide")], Arc::new(clock.clone())).unwrap();
        (logins, clock)
    }

    async fn attempt(
        logins: &Logins,
        user: &str,
        password: &str,
        remote: IpAddr,
    ) -> Result<String, Denied> {
        let password = Zeroizing::new(password.as_bytes().to_vec());
        logins.authenticate(user, password, remote).await
    }

    #[tokio::test]
    async fn the_right_password_opens_by_every_name_in_any_case() {
        let (logins, _) = logins();
        for user in ["ide", "IDE", "Ide@EHPAD.test"] {
            let name = attempt(&logins, user, "mot de passe é", REMOTE).await;
            assert_eq!(name.as_deref(), Ok("ide"));
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_for_the_log_alone() {
        let (logins, _) = logins();
        let wrong = attempt(&logins, "ide", "x", REMOTE).await.unwrap_err();
        let unknown = attempt(&logins, "nobody", "x", REMOTE).await.unwrap_err();
        assert_eq!(wrong, Denied::WrongPassword);
        assert_eq!(unknown, Denied::UnknownUser);
        assert_eq!(wrong.public(), unknown.public());
    }

    #[tokio::test]
    async fn a_password_that_only_begins_right_is_wrong() {
        let (logins, _) = logins();
        let long = format!("mot de passe é{}", "x".repeat(MAX_PASSWORD));
        for password in ["", "mot de passe", &long] {
            assert!(attempt(&logins, "ide", password, REMOTE).await.is_err());
        }
    }

    #[tokio::test]
    async fn guessing_is_slowed_at_its_own_address_only() {
        let (logins, clock) = logins();
        for _ in 0..failures::PER_ACCOUNT.burst {
            let denied = attempt(&logins, "ide", "x", REMOTE).await.unwrap_err();
            assert_eq!(denied, Denied::WrongPassword);
        }
        let denied = attempt(&logins, "ide", "x", REMOTE).await.unwrap_err();
        assert_eq!(denied, Denied::TooMany);
        assert!(denied.retry_can_help());
        attempt(&logins, "ide", "mot de passe é", ELSEWHERE)
            .await
            .unwrap();
        // A password that is remembered needs no check, so guessing cannot keep it out.
        attempt(&logins, "ide", "mot de passe é", REMOTE)
            .await
            .unwrap();
        clock.advance(Duration::from_secs(7));
        let denied = attempt(&logins, "ide", "x", REMOTE).await.unwrap_err();
        assert_eq!(denied, Denied::WrongPassword);
    }

    #[tokio::test]
    async fn a_remembered_password_is_forgotten_in_time() {
        let (logins, clock) = logins();
        attempt(&logins, "ide", "mot de passe é", REMOTE)
            .await
            .unwrap();
        assert!(logins.0.remembers("ide", "mot de passe é".as_bytes()));
        assert!(!logins.0.remembers("ide", b"other"));
        clock.advance(Duration::from_secs(601));
        assert!(!logins.0.remembers("ide", "mot de passe é".as_bytes()));
    }

    #[test]
    fn logins_that_cannot_stand_are_named() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(datetime!(2026-11-22 12:00 UTC)));
        let refused = |list| Logins::new(list, Arc::clone(&clock)).err();
        let clear = Login {
            password: "secret".to_owned(),
            ..login("ide")
        };
        assert!(matches!(refused(vec![clear]), Some(LoginError::Password(user)) if user == "ide"));
        assert!(matches!(
            refused(vec![login("ide"), login("ide")]),
            Some(LoginError::Duplicate(_))
        ));
        let star = login("a*b");
        assert!(matches!(refused(vec![star]), Some(LoginError::User(_))));
    }
}
