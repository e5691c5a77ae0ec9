//! The people and programs of a site: what each may send from and which mailboxes each opens.
//!
//! Passwords are checked by [`liaison_base::login`].

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use liaison_base::clock::Clock;
use liaison_base::current::Current;
use liaison_base::login::{Denied, Login, LoginError, Logins};
use liaison_mail::Address;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

/// The accounts of a site. Copies share it.
#[derive(Clone)]
pub struct Accounts {
    table: Current<Table>,
    clock: Arc<dyn Clock>,
}

struct Table {
    logins: Logins,
    by_user: HashMap<String, Arc<Account>>,
}

impl Accounts {
    /// The accounts of the settings.
    ///
    /// # Errors
    /// [`LoginError`] names the account whose settings cannot stand.
    pub fn new(settings: Vec<AccountSettings>, clock: Arc<dyn Clock>) -> Result<Self, LoginError> {
        let table = Table::of(settings, Arc::clone(&clock))?;
        Ok(Self {
            table: Current::new(Arc::new(table)),
            clock,
        })
    }

    /// Puts other accounts in force for whoever logs in from now on; sessions stay as they are, and
    /// every password is checked again.
    ///
    /// # Errors
    /// As [`Accounts::new`]; the earlier accounts then stay.
    pub fn replace(&self, settings: Vec<AccountSettings>) -> Result<(), LoginError> {
        let table = Table::of(settings, Arc::clone(&self.clock))?;
        self.table.set(Arc::new(table));
        Ok(())
    }

    /// Every account, each once.
    pub fn all(&self) -> Vec<Arc<Account>> {
        let mut all: Vec<_> = self.table.get().by_user.values().cloned().collect();
        all.sort_by(|a, b| a.user.cmp(&b.user));
        all
    }

    /// Checks a password, as [`Logins::authenticate`].
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(
        &self,
        user: &str,
        password: Zeroizing<Vec<u8>>,
        remote: IpAddr,
    ) -> Result<Arc<Account>, Denied> {
        let table = self.table.get();
        let user = table.logins.authenticate(user, password, remote).await?;
        table.by_user.get(&user).cloned().ok_or(Denied::UnknownUser)
    }
}

impl Table {
    fn of(settings: Vec<AccountSettings>, clock: Arc<dyn Clock>) -> Result<Self, LoginError> {
        let (mut logins, mut by_user) = (Vec::new(), HashMap::new());
        for one in settings {
            logins.push(Login {
                user: one.user.clone(),
                names: vec![one.address.key()],
                password: one.password,
            });
            let account = Account {
                mailboxes: if one.mailboxes.is_empty() {
                    vec![one.address.clone()]
                } else {
                    one.mailboxes
                },
                user: one.user.clone(),
                address: one.address,
                name: one.name,
            };
            by_user.insert(one.user, Arc::new(account));
        }
        Ok(Self {
            logins: Logins::new(logins, clock)?,
            by_user,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::clock::ManualClock;
    use liaison_base::login::hash_password;
    use time::macros::datetime;

    fn settings(user: &str) -> AccountSettings {
        AccountSettings {
            user: user.to_owned(),
            address: Address::parse(&format!("{user}@ehpad.test")).unwrap(),
            password: hash_password("mot de passe é".as_bytes()).unwrap(),
            name: "IDE".to_owned(),
            mailboxes: Vec::new(),
        }
    }

    #[tokio::test]
    async fn an_account_opens_by_user_or_address_and_has_its_own_mailbox() {
        let clock = ManualClock::at(datetime!(2026-11-22 12:00 UTC));
        let accounts = Accounts::new(vec![settings("ide")], Arc::new(clock)).unwrap();
        let remote = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
        for user in ["ide", "IDE", "Ide@EHPAD.test"] {
            let password = Zeroizing::new("mot de passe é".as_bytes().to_vec());
            let account = accounts.authenticate(user, password, remote).await.unwrap();
            assert_eq!(account.mailboxes, std::slice::from_ref(&account.address));
        }
        assert_eq!(accounts.all().len(), 1);
    }

    #[test]
    fn neither_password_nor_name_is_printed() {
        let text = format!("{:?}", settings("ide"));
        assert!(!text.contains("argon2") && !text.contains("IDE"), "{text}");
    }
}
