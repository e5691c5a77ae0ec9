//! Keys of what a site keeps: the site key, a key per mailbox wrapped by it, and a key per purpose
//! derived from it. Nothing that a database of the gateway holds about a patient is in clear.
//!
//! A stolen disk without the site key says nothing; erasing the key of a mailbox erases its mail,
//! backups included.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use liaison_mail::Address;
use liaison_store::{Schema, Store, StoreError};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{hkdf, hmac};
use sqlx::{AnyConnection, Row as _};
use thiserror::Error;
use zeroize::Zeroizing;

/// The table of wrapped mailbox keys.
pub const SCHEMA: Schema = Schema {
    component: "keys",
    migrations: &["CREATE TABLE mailbox_key (
        mailbox TEXT PRIMARY KEY,
        wrapped BLOB NOT NULL
    )"],
};

/// Octets of a root key.
const KEY_LEN: usize = 32;
/// First octet of everything sealed: the form described at [`SealingKey::seal`].
const FORM: u8 = 1;
/// Octets that sealing adds: form, nonce, tag (NIST SP 800-38D).
pub const OVERHEAD: usize = 1 + NONCE_LEN + 16;

/// Why keys cannot be used. For the operator: a peer is only told that the service is unavailable.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The site key's file cannot be read or made.
    #[error("site key {path}: {cause}; check the path and the rights of this user")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Others than the owner can read the site key.
    #[error("site key {0} can be read by others: run `chmod 600` on it and consider it leaked")]
    Exposed(PathBuf),
    /// The file is not a site key.
    #[error("site key {0} is not 32 octets long: restore it from its backup")]
    Length(PathBuf),
    /// The system gives no random numbers.
    #[error("no random numbers from the system")]
    Random,
    /// The mailbox has no key: it was never made, or it was erased.
    #[error("the mailbox has no key: it was never made here, or it was erased")]
    NoKey,
    /// Sealed content was changed, moved to another row, or sealed under another key.
    #[error("sealed content does not open: damaged, displaced, or another site key was used")]
    Damaged,
    /// The table of keys cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for KeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The one secret of a site that is in a file: 32 random octets. It wraps and derives all others,
/// so it belongs into the site's offline backup and nowhere else.
pub struct SiteKey(Zeroizing<[u8; KEY_LEN]>);

impl SiteKey {
    /// Makes a new key and its file, mode 0600, synced. An existing file is never replaced.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Random`].
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let failed = |cause| KeyError::File {
            path: path.to_owned(),
            cause,
        };
        let key = random_key()?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(key.as_slice())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)?;
        }
        Ok(Self(key))
    }

    /// Reads the key that [`SiteKey::create`] made.
    ///
    /// # Errors
    /// [`KeyError::File`]; [`KeyError::Exposed`] when group or others have any right on the file;
    /// [`KeyError::Length`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |cause| KeyError::File {
            path: path.to_owned(),
            cause,
        };
        let mut file = fs::File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if found.permissions().mode() & 0o077 != 0 {
            return Err(KeyError::Exposed(path.to_owned()));
        }
        if found.len() != KEY_LEN as u64 {
            return Err(KeyError::Length(path.to_owned()));
        }
        let mut key = Zeroizing::new([0; KEY_LEN]);
        file.read_exact(key.as_mut_slice()).map_err(failed)?;
        Ok(Self(key))
    }

    fn derive(&self, purpose: &str) -> SealingKey {
        SealingKey::derived(&self.0, &["site", purpose])
    }
}

/// Seals, opens and tags; obtained from a [`Vault`].
pub struct SealingKey {
    aead: LessSafeKey,
    tags: hmac::Key,
}

impl SealingKey {
    /// Seals `plain` with AES-256-GCM under a random 96-bit nonce. `context` names the place of
    /// the content (table and row): sealed content moved elsewhere does not open. One key seals
    /// far fewer than the 2^32 messages that random nonces allow (NIST SP 800-38D §8.3).
    ///
    /// The result is one octet of form, the nonce, the cipher text and the tag: [`OVERHEAD`]
    /// octets more than `plain`.
    ///
    /// # Errors
    /// [`KeyError::Random`] when the system gives no random numbers.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        fill_random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(OVERHEAD + plain.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .aead
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                &mut sealed[1 + NONCE_LEN..],
            )
            // AES-GCM refuses only plain texts beyond 64 GiB.
            .map_err(|_| KeyError::Damaged)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`SealingKey::seal`] sealed with the same context.
    ///
    /// # Errors
    /// [`KeyError::Damaged`] when anything differs.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (&FORM, rest) = sealed.split_first().ok_or(KeyError::Damaged)? else {
            return Err(KeyError::Damaged);
        };
        let (nonce, rest) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(KeyError::Damaged)?;
        let mut plain = rest.to_vec();
        let length = self
            .aead
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context.as_bytes()),
                &mut plain,
            )
            .map_err(|_| KeyError::Damaged)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    /// A keyed digest of 32 octets: equal values have equal tags, and a tag says nothing about
    /// its value to who lacks the key. For look-up columns.
    pub fn tag(&self, context: &str, value: &[u8]) -> Vec<u8> {
        let mut tag = hmac::Context::with_key(&self.tags);
        tag.update(&(context.len() as u64).to_be_bytes());
        tag.update(context.as_bytes());
        tag.update(value);
        tag.sign().as_ref().to_vec()
    }

    /// HKDF (RFC 5869) with one label for each of the two keys.
    fn derived(root: &[u8; KEY_LEN], labels: &[&str; 2]) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"liaison sealing 1").extract(root);
        let seal = [labels[0].as_bytes(), b"\0", labels[1].as_bytes(), b"\0seal"];
        let tag = [labels[0].as_bytes(), b"\0", labels[1].as_bytes(), b"\0tag"];
        #[expect(
            clippy::expect_used,
            reason = "HKDF refuses only more than 255 digests of output; 32 octets are asked for"
        )]
        Self {
            aead: LessSafeKey::new(UnboundKey::from(
                root.expand(&seal, &AES_256_GCM).expect("32 octets"),
            )),
            tags: hmac::Key::from(root.expand(&tag, hmac::HMAC_SHA256).expect("32 octets")),
        }
    }
}

/// Gives out keys: one per mailbox, one per purpose. Copies share it.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    site: SiteKey,
    wrapping: SealingKey,
    store: Store,
    mailboxes: RwLock<HashMap<String, Arc<SealingKey>>>,
}

impl Vault {
    /// A vault whose wrapped keys are in `store`, opened with [`SCHEMA`].
    pub fn new(site: SiteKey, store: Store) -> Self {
        Self(Arc::new(Inner {
            wrapping: site.derive("mailbox keys"),
            site,
            store,
            mailboxes: RwLock::default(),
        }))
    }

    /// The key of a purpose other than a mailbox, for example `"drafts"` or `"hospital feed"`.
    /// The same purpose always gives the same key; keep the result rather than asking often.
    pub fn purpose(&self, purpose: &str) -> Arc<SealingKey> {
        Arc::new(self.0.site.derive(purpose))
    }

    /// The key of a mailbox.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] when it was never made or was erased; [`KeyError::Damaged`] when the
    /// site key is another; [`KeyError::Store`].
    pub async fn mailbox(&self, mailbox: &Address) -> Result<Arc<SealingKey>, KeyError> {
        let name = mailbox.key();
        if let Some(key) = self.cached(&name) {
            return Ok(key);
        }
        let row = sqlx::query("SELECT wrapped FROM mailbox_key WHERE mailbox = $1")
            .bind(&name)
            .fetch_optional(self.0.store.read())
            .await?
            .ok_or(KeyError::NoKey)?;
        let wrapped: Vec<u8> = row.try_get(0)?;
        self.unwrap_and_cache(&name, &wrapped)
    }

    /// The key of a mailbox, made first if the mailbox has none.
    ///
    /// # Errors
    /// As [`Vault::mailbox`], except for [`KeyError::NoKey`].
    pub async fn provide(&self, mailbox: &Address) -> Result<Arc<SealingKey>, KeyError> {
        match self.mailbox(mailbox).await {
            Err(KeyError::NoKey) => {}
            found => return found,
        }
        let name = mailbox.key();
        let key = random_key()?;
        let wrapped = self.0.wrapping.seal(&name, key.as_slice())?;
        let row = name.clone();
        let kept = self
            .0
            .store
            .write(move |tx| Box::pin(insert_key(tx, row, wrapped)))
            .await?;
        self.unwrap_and_cache(&name, &kept)
    }

    /// Forgets the key of a mailbox for ever: whatever it sealed, here and in every backup made
    /// without the table of keys, can no longer be opened.
    ///
    /// # Errors
    /// [`KeyError::Store`] when the row stays.
    pub async fn erase(&self, mailbox: &Address) -> Result<(), KeyError> {
        let name = mailbox.key();
        let row = name.clone();
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM mailbox_key WHERE mailbox = $1")
                        .bind(row)
                        .execute(tx)
                        .await?;
                    Ok::<_, KeyError>(())
                })
            })
            .await?;
        self.0
            .mailboxes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&name);
        Ok(())
    }

    /// Seals for a mailbox, see [`SealingKey::seal`].
    ///
    /// # Errors
    /// As [`Vault::mailbox`].
    pub async fn seal(
        &self,
        mailbox: &Address,
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        self.mailbox(mailbox).await?.seal(context, plain)
    }

    /// Opens what was sealed for a mailbox.
    ///
    /// # Errors
    /// As [`Vault::mailbox`].
    pub async fn open(
        &self,
        mailbox: &Address,
        context: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        self.mailbox(mailbox).await?.open(context, sealed)
    }

    fn cached(&self, name: &str) -> Option<Arc<SealingKey>> {
        self.0
            .mailboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    fn unwrap_and_cache(&self, name: &str, wrapped: &[u8]) -> Result<Arc<SealingKey>, KeyError> {
        let root = Zeroizing::new(self.0.wrapping.open(name, wrapped)?);
        let root: &[u8; KEY_LEN] = root.as_slice().try_into().map_err(|_| KeyError::Damaged)?;
        let key = Arc::new(SealingKey::derived(root, &["mailbox", name]));
        self.0
            .mailboxes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), Arc::clone(&key));
        Ok(key)
    }
}

/// Keeps the first of two keys made at once, and answers the one that is kept.
async fn insert_key(
    tx: &mut AnyConnection,
    mailbox: String,
    wrapped: Vec<u8>,
) -> Result<Vec<u8>, KeyError> {
    sqlx::query(
        "INSERT INTO mailbox_key (mailbox, wrapped) VALUES ($1, $2)
         ON CONFLICT (mailbox) DO NOTHING",
    )
    .bind(&mailbox)
    .bind(wrapped)
    .execute(&mut *tx)
    .await?;
    let row = sqlx::query("SELECT wrapped FROM mailbox_key WHERE mailbox = $1")
        .bind(&mailbox)
        .fetch_one(tx)
        .await?;
    Ok(row.try_get(0)?)
}

fn random_key() -> Result<Zeroizing<[u8; KEY_LEN]>, KeyError> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    fill_random(key.as_mut_slice())?;
    Ok(key)
}

/// Fills `octets` from the system's generator.
pub(crate) fn fill_random(octets: &mut [u8]) -> Result<(), KeyError> {
    SystemRandom::new()
        .fill(octets)
        .map_err(|_| KeyError::Random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_store::testing::database;

    fn site(folder: &Path) -> SiteKey {
        SiteKey::create(&folder.join("site.key")).unwrap()
    }

    async fn vault(folder: &Path, site: SiteKey) -> Vault {
        let store = Store::open(database(folder.join("gateway.db")), &[SCHEMA])
            .await
            .unwrap();
        Vault::new(site, store)
    }

    #[test]
    fn a_site_key_reads_back_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.key");
        let made = SiteKey::create(&path).unwrap();
        assert_eq!(*SiteKey::load(&path).unwrap().0, *made.0);
        assert!(matches!(SiteKey::create(&path), Err(KeyError::File { .. })));
    }

    #[test]
    fn a_site_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.key");
        SiteKey::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SiteKey::load(&path), Err(KeyError::Exposed(_))));
    }

    #[test]
    fn a_file_of_another_length_is_no_site_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.key");
        site(folder.path());
        fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(SiteKey::load(&path), Err(KeyError::Length(_))));
    }

    #[test]
    fn sealed_content_opens_only_in_its_place_and_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let key = site(folder.path()).derive("drafts");
        let sealed = key.seal("draft/1", b"content").unwrap();
        assert_eq!(sealed.len(), 7 + OVERHEAD);
        assert_eq!(key.open("draft/1", &sealed).unwrap(), b"content");
        assert!(key.open("draft/2", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open("draft/1", &changed).is_err(), "octet {at}");
            assert!(key.open("draft/1", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn purposes_have_different_keys_and_tags() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let (drafts, feed) = (site.derive("drafts"), site.derive("hospital feed"));
        let sealed = drafts.seal("x", b"content").unwrap();
        assert!(feed.open("x", &sealed).is_err());
        assert_eq!(drafts.tag("a", b"v"), site.derive("drafts").tag("a", b"v"));
        assert_ne!(drafts.tag("a", b"v"), feed.tag("a", b"v"));
        assert_ne!(drafts.tag("a", b"bc"), drafts.tag("ab", b"c"));
    }

    #[tokio::test]
    async fn a_mailbox_key_survives_a_restart_and_its_erasure_erases_the_mail() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Address::parse("ide@ehpad.test").unwrap();
        let first = vault(folder.path(), site(folder.path())).await;
        assert!(matches!(
            first.mailbox(&mailbox).await,
            Err(KeyError::NoKey)
        ));
        first.provide(&mailbox).await.unwrap();
        let sealed = first.seal(&mailbox, "m/1", b"content").await.unwrap();

        let again = SiteKey::load(&folder.path().join("site.key")).unwrap();
        let second = vault(folder.path(), again).await;
        assert_eq!(
            second.open(&mailbox, "m/1", &sealed).await.unwrap(),
            b"content"
        );
        second.erase(&mailbox).await.unwrap();
        assert!(second.open(&mailbox, "m/1", &sealed).await.is_err());
        second.provide(&mailbox).await.unwrap();
        assert!(matches!(
            second.open(&mailbox, "m/1", &sealed).await,
            Err(KeyError::Damaged)
        ));
    }

    #[tokio::test]
    async fn another_site_key_opens_no_mailbox() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Address::parse("ide@ehpad.test").unwrap();
        let first = vault(folder.path(), site(folder.path())).await;
        first.provide(&mailbox).await.unwrap();
        let other = SiteKey::create(&folder.path().join("other.key")).unwrap();
        let second = vault(folder.path(), other).await;
        assert!(matches!(
            second.mailbox(&mailbox).await,
            Err(KeyError::Damaged)
        ));
    }
}
