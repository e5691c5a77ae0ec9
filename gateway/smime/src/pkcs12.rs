//! PKCS #12 files (RFC 7292): what browsers, mail clients and authorities hand out as `.p12` or
//! `.pfx`. The integrity code is checked before anything else is read; BER is read, since NSS
//! and Thunderbird export it; DER is written.

use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::ber::{
    BerError, Element, Node, OCTET_STRING, Reader, SEQUENCE, SET, constructed, context,
    context_constructed, explicit, implicit, integer, octet_string, oid as oid_node, sequence,
};
use crate::certificate::Certificate;
use crate::error::MaterialError;
use crate::key::{Identity, PrivateKey};
use crate::oid;
use crate::pbe::{self, Passphrase};

const DEPTH: u8 = 32;
/// Octets of a file, and bags in it.
const FILE_OCTETS: usize = 4 * 1024 * 1024;
const BAGS: usize = 256;
/// `safeContentsBag` within one another.
const NESTED: u8 = 4;
const BMP_STRING: u8 = 0x1e;

/// What a file holds: keys as PKCS#8, and certificates in the file's order.
#[derive(Default)]
struct Contents {
    keys: Vec<Zeroizing<Vec<u8>>>,
    certificates: Vec<Certificate>,
    bags: usize,
}

/// Reads every key of a PKCS #12 file with its certificate and the chain found in the file.
///
/// # Errors
/// [`MaterialError::Passphrase`] if the passphrase is not the file's;
/// [`MaterialError::Pkcs12`] or [`MaterialError::Encrypted`] if it cannot be read, has no
/// integrity code, or costs too much; [`MaterialError::PrivateKey`] if a key is not of a kind
/// that this crate uses.
pub fn identities_from_pkcs12(
    file: &[u8],
    passphrase: &str,
) -> Result<Vec<Identity>, MaterialError> {
    let contents = open(file, passphrase)?;
    if contents.keys.is_empty() {
        return Err(MaterialError::Pkcs12("it holds no private key"));
    }
    contents
        .keys
        .iter()
        .map(|key| {
            let key = PrivateKey::from_pkcs8_der(key)?;
            let certificate = contents
                .certificates
                .iter()
                .find(|certificate| key.is_of(certificate))
                .ok_or(MaterialError::Pkcs12("a key has no certificate with it"))?;
            let chain = chain(certificate, &contents.certificates);
            Identity::new(certificate.clone(), chain, key)
        })
        .collect()
}

/// Reads the certificates of a PKCS #12 file, with or without keys: a partner's, or anchors.
///
/// # Errors
/// As [`identities_from_pkcs12`], but for keys.
pub fn certificates_from_pkcs12(
    file: &[u8],
    passphrase: &str,
) -> Result<Vec<Certificate>, MaterialError> {
    Ok(open(file, passphrase)?.certificates)
}

impl Identity {
    /// Writes a PKCS #12 file with the key, the certificate and its chain: PBES2 (PBKDF2 with
    /// HMAC-SHA-256, 100,000 iterations, AES-256-CBC) and a SHA-256 integrity code, which
    /// OpenSSL 1.1 and later, NSS, Java and Windows read. `name` is shown by the program that
    /// imports it.
    ///
    /// # Errors
    /// [`MaterialError::PrivateKey`] if the key is one that cannot leave the library.
    pub fn to_pkcs12(&self, name: &str, passphrase: &str) -> Result<Vec<u8>, MaterialError> {
        const FAILED: MaterialError = MaterialError::Pkcs12("the cryptographic library failed");
        let key = self.key().to_pkcs8_der()?;
        let (algorithm, shrouded) = pbe::encrypt(&key, passphrase).ok_or(FAILED)?;
        let id = self.certificate().fingerprint();
        let key_bag = sequence(vec![
            oid_node(&oid::SHROUDED_KEY_BAG),
            explicit(
                0,
                sequence(vec![
                    Node::Encoded(algorithm.into()),
                    octet_string(shrouded),
                ]),
            ),
            attributes(name, &id),
        ]);
        let certificates = std::iter::once(self.certificate()).chain(self.chain());
        let bags = certificates.enumerate().map(|(place, certificate)| {
            let mut bag = vec![
                oid_node(&oid::CERT_BAG),
                explicit(
                    0,
                    sequence(vec![
                        oid_node(&oid::X509_CERTIFICATE),
                        explicit(0, octet_string(certificate.der())),
                    ]),
                ),
            ];
            if place == 0 {
                bag.push(attributes(name, &id));
            }
            sequence(bag)
        });
        let plain = sequence(bags.collect::<Vec<_>>()).encode();
        let (algorithm, octets) = pbe::encrypt(&plain, passphrase).ok_or(FAILED)?;
        let encrypted = sequence(vec![
            integer(0),
            sequence(vec![
                oid_node(&oid::DATA),
                Node::Encoded(algorithm.into()),
                implicit(context(0), octets),
            ]),
        ]);
        let safe = sequence(vec![
            sequence(vec![oid_node(&oid::ENCRYPTED_DATA), explicit(0, encrypted)]),
            data(sequence(vec![key_bag]).encode()),
        ])
        .encode();
        let mac = pbe::mac_data(&safe, passphrase).ok_or(FAILED)?;
        let file = sequence(vec![integer(3), data(safe), Node::Encoded(mac.into())]);
        Ok(file.encode())
    }
}

/// `ContentInfo` of type data.
fn data<'a>(octets: Vec<u8>) -> Node<'a> {
    sequence(vec![
        oid_node(&oid::DATA),
        explicit(0, octet_string(octets)),
    ])
}

/// friendlyName and localKeyId, which ties a key to its certificate.
fn attributes<'a>(name: &str, id: &'a [u8]) -> Node<'a> {
    let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attribute = |kind, value| sequence(vec![oid_node(kind), constructed(SET, vec![value])]);
    crate::ber::set_of(
        SET,
        vec![
            attribute(&oid::FRIENDLY_NAME, implicit(BMP_STRING, wide)),
            attribute(&oid::LOCAL_KEY_ID, octet_string(id)),
        ],
    )
}

/// The certificates of `pool` that lead upwards from `leaf`.
fn chain(leaf: &Certificate, pool: &[Certificate]) -> Vec<Certificate> {
    let mut chain: Vec<Certificate> = Vec::new();
    let mut last = leaf.clone();
    while !last.is_self_issued() {
        let issuer = pool.iter().find(|candidate| {
            candidate.subject_name() == last.issuer_name()
                && *candidate != leaf
                && !chain.contains(candidate)
        });
        let Some(issuer) = issuer else { break };
        chain.push(issuer.clone());
        last = issuer.clone();
    }
    chain
}

fn open(file: &[u8], passphrase: &str) -> Result<Contents, MaterialError> {
    const BAD: MaterialError = MaterialError::Pkcs12("not a PKCS #12 file");
    if file.len() > FILE_OCTETS {
        return Err(MaterialError::Pkcs12("longer than 4 MiB"));
    }
    let mut passphrase = Passphrase::new(passphrase);
    let (safe, mac) = read_outer(file).map_err(|_| BAD)?;
    let mac = mac.ok_or(MaterialError::Pkcs12("it has no integrity code"))?;
    let checked = pbe::check_mac(&mac, &safe, &mut passphrase);
    // A fuzzer could not get past the integrity code.
    if !cfg!(fuzzing) {
        checked?;
    }
    let mut contents = Contents::default();
    let mut infos = Element::sequence(&safe, DEPTH).map_err(|_| BAD)?;
    while !infos.is_empty() {
        let info = infos.expect(SEQUENCE).map_err(|_| BAD)?;
        contents.read_safe(&info, &mut passphrase)?;
    }
    Ok(contents)
}

type Outer<'a> = (std::borrow::Cow<'a, [u8]>, Option<Element<'a>>);

/// `PFX`: the octets of the authenticated safe, and its integrity code.
fn read_outer(file: &[u8]) -> Result<Outer<'_>, BerError> {
    let mut outer = Element::sequence(file, DEPTH)?;
    if outer.small_integer()? != 3 {
        return Err(BerError::Value);
    }
    let mut info = outer.expect(SEQUENCE)?.children()?;
    if info.oid()? != oid::DATA {
        // Signed with a public key instead: nobody exports that.
        return Err(BerError::Value);
    }
    let mut wrapper = info.expect(context_constructed(0))?.children()?;
    let safe = wrapper.octets(OCTET_STRING)?;
    let mac = outer.optional(SEQUENCE)?;
    outer.finish()?;
    Ok((safe, mac))
}

impl Contents {
    /// One `ContentInfo` of the authenticated safe.
    fn read_safe(
        &mut self,
        info: &Element<'_>,
        passphrase: &mut Passphrase,
    ) -> Result<(), MaterialError> {
        const BAD: MaterialError = MaterialError::Pkcs12("a malformed safe");
        let opened = (|| {
            let mut inner = info.children()?;
            let kind = inner.oid()?;
            let mut wrapper = inner.expect(context_constructed(0))?.children()?;
            if kind == oid::DATA {
                return Ok(Ok(Zeroizing::new(
                    wrapper.octets(OCTET_STRING)?.into_owned(),
                )));
            }
            if kind != oid::ENCRYPTED_DATA {
                return Err(BerError::Value);
            }
            let mut data = wrapper.expect(SEQUENCE)?.children()?;
            data.small_integer()?;
            let mut content = data.expect(SEQUENCE)?.children()?;
            content.oid()?;
            let algorithm = Algorithm::read(content.expect(SEQUENCE)?)?;
            let ciphertext = content.octets(context(0))?;
            Ok(pbe::decrypt(&algorithm, &ciphertext, passphrase))
        })();
        let plain = opened.map_err(|_: BerError| BAD)??;
        let bags = Element::sequence(&plain, DEPTH);
        self.read_bags(bags.map_err(|_| BAD)?, passphrase, NESTED)
    }

    fn read_bags(
        &mut self,
        mut bags: Reader<'_>,
        passphrase: &mut Passphrase,
        nested: u8,
    ) -> Result<(), MaterialError> {
        const BAD: MaterialError = MaterialError::Pkcs12("a malformed bag");
        while !bags.is_empty() {
            self.bags += 1;
            if self.bags > BAGS {
                return Err(MaterialError::Pkcs12("more than 256 bags"));
            }
            let read = (|| {
                let mut bag = bags.expect(SEQUENCE)?.children()?;
                let kind = bag.oid()?;
                let value = bag.expect(context_constructed(0))?.children()?.any()?;
                Ok((kind, value))
            })();
            let (kind, value) = read.map_err(|_: BerError| BAD)?;
            match kind {
                oid::KEY_BAG => self.keys.push(Zeroizing::new(value.raw.to_vec())),
                oid::SHROUDED_KEY_BAG => self.keys.push(unshroud(&value, passphrase)?),
                oid::CERT_BAG => self.certificates.extend(read_certificate(&value)?),
                oid::SAFE_CONTENTS_BAG => {
                    let nested = nested
                        .checked_sub(1)
                        .ok_or(MaterialError::Pkcs12("safes nested too deeply"))?;
                    let inner = value.children().map_err(|_| BAD)?;
                    self.read_bags(inner, passphrase, nested)?;
                }
                // Lists and secrets: nothing here uses them.
                _ => {}
            }
        }
        Ok(())
    }
}

/// The PKCS#8 of an `EncryptedPrivateKeyInfo` (RFC 5958 §3).
pub(crate) fn unshroud(
    value: &Element<'_>,
    passphrase: &mut Passphrase,
) -> Result<Zeroizing<Vec<u8>>, MaterialError> {
    let read = (|| {
        let mut inner = value.children()?;
        let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let ciphertext = inner.octets(OCTET_STRING)?;
        inner.finish()?;
        Ok((algorithm, ciphertext))
    })();
    let (algorithm, ciphertext) =
        read.map_err(|_: BerError| MaterialError::PrivateKey("not an encrypted PKCS#8 key"))?;
    Ok(pbe::decrypt(&algorithm, &ciphertext, passphrase)?)
}

/// The certificate of a `CertBag`; `None` if it is of another kind (SDSI).
fn read_certificate(value: &Element<'_>) -> Result<Option<Certificate>, MaterialError> {
    let read = (|| {
        let mut inner = value.children()?;
        if inner.oid()? != oid::X509_CERTIFICATE {
            return Ok(None);
        }
        let mut wrapper = inner.expect(context_constructed(0))?.children()?;
        wrapper.octets(OCTET_STRING).map(Some)
    })();
    let octets =
        read.map_err(|_: BerError| MaterialError::Pkcs12("a malformed certificate bag"))?;
    octets
        .map(|octets| Certificate::from_der(&octets))
        .transpose()
}
