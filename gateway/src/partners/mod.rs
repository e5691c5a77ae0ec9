//! What is known of partners: what their clients read, and which keys they use.
//!
//! It is learned from signatures that are valid and bound to their author's address, and from the
//! certificates that messages were sealed for; it decides what the next message is sealed with.
//! Nothing learned lowers the site's own floor, and a key that changes without its renewal being
//! due is not used, and not believed in silence, before a person has asked the partner by another
//! way than mail (`liaison partner confirm`).

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use liaison_base::clock::millis;
use liaison_mail::Address;
use liaison_smime::{
    AddressBinding, CapabilityMemory, Certificate, CipherChoice, CipherFloor, HoldReason,
    KeyChange, KnownKeys, PublicKeyKind, ValidSignature,
};
use liaison_store::{Schema, Store};
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use crate::GatewayError;
use crate::settings::{PartnerForm, PartnerSettings};

/// The table of partners in the gateway's database.
pub(crate) const SCHEMA: Schema = Schema {
    component: "partners",
    migrations: &[include_str!("0001_partners.sql")],
};

/// Receiving keys of one partner that are known at the same time, at most.
const SLOTS: usize = 8;

/// The partners of a site, as its database knows them and its settings treat them.
#[derive(Clone)]
pub(crate) struct Partners {
    store: Store,
    rules: Arc<[PartnerSettings]>,
}

/// What is known of one partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    capabilities: CapabilityMemory,
    /// The key of its signatures, by its address.
    signing: KnownKeys,
    /// The keys that messages were sealed for, by the number of a slot: a partner may have
    /// several certificates at once.
    receiving: KnownKeys,
}

/// How messages to a partner are made. Recipients of one envelope share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// What the partner's software wants a message to look like.
    pub form: PartnerForm,
    /// Whether its client reads nothing better than AES-CBC, and the settings let it.
    pub only_cbc: bool,
}

impl Way {
    /// The way of an envelope whose recipients were found to want different ones, since the
    /// directory led two of them to where the settings differ: what everybody reads, in the
    /// strongest cipher that any of them is owed.
    pub(crate) fn of_all(ways: impl Iterator<Item = Self> + Clone) -> Self {
        let first = ways.clone().next().unwrap_or_default();
        match ways.clone().all(|way| way.form == first.form) {
            true => Self {
                form: first.form,
                only_cbc: first.only_cbc && ways.clone().all(|way| way.only_cbc),
            },
            false => Self::default(),
        }
    }
}

/// What to seal a message for one recipient with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// For these certificates (DER).
    Seal {
        /// At least one, of those that were given.
        certificates: Vec<Vec<u8>>,
        /// How the message is made.
        way: Way,
    },
    /// Every key of the partner is another one than was known: ask before sending.
    Held(HoldReason),
    /// All it has is keys of a kind that the settings do not send to.
    NotSentTo,
}

/// A partner, for operators. Holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerState {
    /// Its address.
    pub address: String,
    /// What its client says it reads: `AES-GCM`, `AES-CBC`, or nothing known.
    pub reads: Vec<&'static str>,
    /// Since when its signing key is known.
    pub signing_since: Option<OffsetDateTime>,
    /// Since when its oldest receiving key is known.
    pub receiving_since: Option<OffsetDateTime>,
    /// Keys that were seen, and wait for a person.
    pub held: usize,
}

impl Partners {
    pub(crate) fn new(store: Store, rules: &[PartnerSettings]) -> Self {
        Self {
            store,
            rules: rules.into(),
        }
    }

    /// What the signature of a message means for what is known of its author's key, without
    /// taking note of it. `None` for a certificate of a whole domain, which is nobody's own.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub(crate) async fn signing_change(
        &self,
        signature: &ValidSignature,
        now: OffsetDateTime,
    ) -> Result<Option<KeyChange>, GatewayError> {
        let AddressBinding::Address(address) = &signature.binding else {
            return Ok(None);
        };
        let known = self.known(address).await?;
        Ok(Some(known.signing.judge(address, &signature.signer, now)))
    }

    /// Learns from the signature of a message that is filed in the same transaction.
    ///
    /// # Errors
    /// [`GatewayError`] when the database refuses.
    pub(crate) async fn learn(
        tx: &mut AnyConnection,
        signature: &ValidSignature,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let AddressBinding::Address(address) = &signature.binding else {
            return Ok(());
        };
        update(tx, address, now, |known| {
            let change = known.signing.observe(address, &signature.signer, now);
            // What is signed with a key that nobody has confirmed teaches nothing.
            if !matches!(change, KeyChange::Held(_)) {
                known.capabilities.learn(signature, now);
            }
        })
        .await
    }

    /// Chooses among the certificates of a recipient, which are trusted, and takes note of those
    /// chosen.
    ///
    /// # Errors
    /// [`GatewayError`] when the database refuses.
    pub(crate) async fn choose(
        &self,
        address: &Address,
        certificates: Vec<Vec<u8>>,
        now: OffsetDateTime,
    ) -> Result<Choice, GatewayError> {
        let name = address.to_string();
        let rule = self.rule(address);
        let read: Vec<(Certificate, Vec<u8>)> = certificates
            .into_iter()
            .filter_map(|der| Some((Certificate::from_der(&der).ok()?, der)))
            .collect();
        let read = sent_to(read, rule, |(certificate, _)| certificate.public_key_kind());
        if read.is_empty() {
            return Ok(Choice::NotSentTo);
        }
        let mut known = self.known(&name).await?;
        let before = known.clone();
        let (chosen, held) = known.choose(read, now);
        if known != before {
            let (name, chosen) = (name.clone(), chosen.clone());
            let held: Vec<Certificate> = held.iter().map(|(c, _)| c.clone()).collect();
            self.store
                .write(move |tx| {
                    Box::pin(async move {
                        update(tx, &name, now, |known| {
                            let all = chosen.into_iter().chain(held);
                            known.choose(all.map(|c| (c, Vec::new())).collect(), now);
                        })
                        .await
                    })
                })
                .await?;
        }
        let floor = match rule {
            Some(rule) if rule.cbc => CipherFloor::Cbc,
            _ => CipherFloor::Authenticated,
        };
        let cipher = known.capabilities.cipher_for(&name, floor);
        if cipher == CipherChoice::GcmUnread {
            tracing::warn!(recipient = %address, "its client says that it reads only AES-CBC, which the settings do not send: see [[gateway.partner]]");
        }
        match (chosen.is_empty(), held.first()) {
            (true, Some((_, reason))) => Ok(Choice::Held(*reason)),
            _ => Ok(Choice::Seal {
                certificates: chosen.iter().map(|c| c.der().to_vec()).collect(),
                way: Way {
                    form: rule.map(|rule| rule.form).unwrap_or_default(),
                    only_cbc: cipher == CipherChoice::Cbc,
                },
            }),
        }
    }

    /// Every partner that something is known of, by address.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub(crate) async fn all(&self) -> Result<Vec<PartnerState>, GatewayError> {
        let rows = sqlx::query("SELECT address, known FROM partner ORDER BY address")
            .fetch_all(self.store.read())
            .await?;
        rows.iter()
            .map(|row| {
                let address: String = row.try_get("address")?;
                let known = read(row.try_get("known")?)?;
                Ok(known.state(address))
            })
            .collect()
    }

    /// Makes a certificate's key a known one of its partner: a person has confirmed it.
    ///
    /// # Errors
    /// [`GatewayError`] when the database refuses.
    pub(crate) async fn confirm(
        &self,
        address: &Address,
        certificate: Certificate,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let name = address.to_string();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    update(tx, &name, now, |known| {
                        known.signing.confirm(&name, &certificate, now);
                        known.confirm_receiving(&certificate, now);
                    })
                    .await
                })
            })
            .await
    }

    /// Forgets everything of a partner. False when nothing was known.
    ///
    /// # Errors
    /// [`GatewayError`] when the database refuses.
    pub(crate) async fn forget(&self, address: &Address) -> Result<bool, GatewayError> {
        let name = folded(&address.to_string());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let done = sqlx::query("DELETE FROM partner WHERE address = $1")
                        .bind(name)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, GatewayError>(done.rows_affected() > 0)
                })
            })
            .await
    }

    async fn known(&self, address: &str) -> Result<Known, GatewayError> {
        let row = sqlx::query("SELECT known FROM partner WHERE address = $1")
            .bind(folded(address))
            .fetch_optional(self.store.read())
            .await?;
        match row {
            Some(row) => read(row.try_get("known")?),
            None => Ok(Known::default()),
        }
    }

    /// What the settings say of an address: its own entry before its domain's.
    /// Parts recipients so that each group can share an envelope: what the settings say of them is
    /// the same.
    pub(crate) fn alike<T>(
        &self,
        recipients: Vec<T>,
        address: impl Fn(&T) -> &Address,
    ) -> Vec<Vec<T>> {
        let mut groups: Vec<((PartnerForm, bool), Vec<T>)> = Vec::new();
        for recipient in recipients {
            let rule = self.rule(address(&recipient));
            let said = rule.map(|rule| (rule.form, rule.cbc)).unwrap_or_default();
            match groups.iter_mut().find(|(of, _)| *of == said) {
                Some((_, group)) => group.push(recipient),
                None => groups.push((said, vec![recipient])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    fn rule(&self, address: &Address) -> Option<&PartnerSettings> {
        let own = |rule: &&PartnerSettings| rule.address.as_ref() == Some(address);
        let domains = |rule: &&PartnerSettings| rule.domain.as_ref() == Some(address.domain());
        let mut rules = self.rules.iter();
        rules.clone().find(own).or_else(|| rules.find(domains))
    }
}

impl Known {
    /// Parts certificates into those to use and those to ask about, and takes note of both.
    fn choose(
        &mut self,
        certificates: Vec<(Certificate, Vec<u8>)>,
        now: OffsetDateTime,
    ) -> (Vec<Certificate>, Vec<(Certificate, HoldReason)>) {
        let is_first = self.receiving.state("0").is_none();
        let (mut chosen, mut held): (Vec<Certificate>, Vec<_>) = (Vec::new(), Vec::new());
        let mut renewed = Vec::new();
        for (number, (certificate, _)) in certificates.into_iter().take(SLOTS).enumerate() {
            if is_first {
                self.receiving
                    .observe(&number.to_string(), &certificate, now);
                chosen.push(certificate);
                continue;
            }
            let mut reason = HoldReason::EarlyChange;
            let mut found = None;
            for slot in self.slots() {
                match self.receiving.judge(&slot, &certificate, now) {
                    KeyChange::Same => {
                        found = Some((slot, KeyChange::Same));
                        break;
                    }
                    KeyChange::Renewed => found = Some((slot, KeyChange::Renewed)),
                    KeyChange::Held(why) => reason = why,
                    _ => {}
                }
            }
            match found {
                Some((slot, KeyChange::Same)) => {
                    self.receiving.observe(&slot, &certificate, now);
                    chosen.insert(0, certificate);
                }
                Some((slot, _)) => renewed.push((slot, certificate)),
                None => held.push((certificate, reason)),
            }
        }
        for (slot, certificate) in renewed {
            // While the old key is still in the directory it stays the known one.
            if chosen.is_empty() {
                self.receiving.observe(&slot, &certificate, now);
            }
            chosen.push(certificate);
        }
        for (certificate, _) in &held {
            self.receiving.observe("0", certificate, now);
        }
        (chosen, held)
    }

    fn slots(&self) -> Vec<String> {
        let slots = (0..SLOTS).map(|slot| slot.to_string());
        slots
            .filter(|slot| self.receiving.state(slot).is_some())
            .collect()
    }

    fn confirm_receiving(&mut self, certificate: &Certificate, now: OffsetDateTime) {
        self.receiving = KnownKeys::new();
        self.receiving.confirm("0", certificate, now);
    }

    fn state(&self, address: String) -> PartnerState {
        let reads = self
            .capabilities
            .known(&address)
            .map(|(capabilities, _)| {
                let named = [(capabilities.gcm, "AES-GCM"), (capabilities.cbc, "AES-CBC")];
                named
                    .iter()
                    .filter(|(has, _)| *has)
                    .map(|(_, n)| *n)
                    .collect()
            })
            .unwrap_or_default();
        let signing = self.signing.state(&address);
        let receiving = self.receiving.state("0");
        let held = |state: Option<(OffsetDateTime, usize)>| state.map_or(0, |(_, held)| held);
        PartnerState {
            reads,
            signing_since: signing.map(|(since, _)| since),
            receiving_since: receiving.map(|(since, _)| since),
            held: held(signing) + held(receiving),
            address,
        }
    }
}

/// The certificates whose kind of key is sent to: where the settings choose ML-KEM and the partner
/// has such a key, that one alone, since another beside it would undo what it is for; those of RSA
/// where the form of the message knows no others.
fn sent_to<T>(
    mut certificates: Vec<T>,
    rule: Option<&PartnerSettings>,
    kind: impl Fn(&T) -> PublicKeyKind,
) -> Vec<T> {
    if rule.is_some_and(|rule| rule.form == PartnerForm::Kim) {
        certificates.retain(|certificate| matches!(kind(certificate), PublicKeyKind::Rsa(_)));
        return certificates;
    }
    let ml_kem = rule.is_some_and(|rule| rule.ml_kem);
    let (post_quantum, classical): (Vec<T>, Vec<T>) =
        certificates.into_iter().partition(|certificate| {
            let kind = kind(certificate);
            matches!(kind, PublicKeyKind::MlKem768 | PublicKeyKind::MlKem1024)
        });
    match ml_kem && !post_quantum.is_empty() {
        true => post_quantum,
        false => classical,
    }
}

async fn update(
    tx: &mut AnyConnection,
    address: &str,
    now: OffsetDateTime,
    change: impl FnOnce(&mut Known),
) -> Result<(), GatewayError> {
    let address = folded(address);
    let row = sqlx::query("SELECT known FROM partner WHERE address = $1")
        .bind(&address)
        .fetch_optional(&mut *tx)
        .await?;
    let before = match row {
        Some(row) => read(row.try_get("known")?)?,
        None => Known::default(),
    };
    let mut known = before.clone();
    change(&mut known);
    if known == before {
        return Ok(());
    }
    let text = serde_json::to_string(&known)
        .map_err(|_| GatewayError::Stored("what is known of a partner"))?;
    sqlx::query(
        "INSERT INTO partner (address, known, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (address) DO UPDATE
         SET known = excluded.known, updated_at = excluded.updated_at",
    )
    .bind(address)
    .bind(text)
    .bind(millis(now))
    .execute(tx)
    .await?;
    Ok(())
}

fn read(text: String) -> Result<Known, GatewayError> {
    serde_json::from_str(&text).map_err(|_| GatewayError::Stored("what is known of a partner"))
}

/// Addresses of partners are compared without regard to case, as signatures are.
fn folded(address: &str) -> String {
    address.to_ascii_lowercase()
}
