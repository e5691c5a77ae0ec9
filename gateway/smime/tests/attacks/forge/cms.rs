//! CMS objects (RFC 5652, RFC 5083, RFC 9629).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::digest;
use aws_lc_rs::hkdf;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::kem::{self, EncapsulationKey};
use aws_lc_rs::key_wrap::{AesKek, KeyWrap as _};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

use super::der::{
    algorithm, ctx, ctx_primitive, int, null, octets, oid, seq, set, set_of, tlv, utc_time,
};
use super::pki::{NOW, Person};

pub(crate) const DATA: &str = "1.2.840.113549.1.7.1";
pub(crate) const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub(crate) const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
pub(crate) const AUTH_ENVELOPED_DATA: &str = "1.2.840.113549.1.9.16.1.23";
pub(crate) const COMPRESSED_DATA: &str = "1.2.840.113549.1.9.16.1.9";

pub(crate) const AES128_GCM: &str = "2.16.840.1.101.3.4.1.6";
pub(crate) const AES256_GCM: &str = "2.16.840.1.101.3.4.1.46";
pub(crate) const AES128_CBC: &str = "2.16.840.1.101.3.4.1.2";
pub(crate) const AES256_CBC: &str = "2.16.840.1.101.3.4.1.42";
pub(crate) const AES128_WRAP: &str = "2.16.840.1.101.3.4.1.5";
pub(crate) const AES256_WRAP: &str = "2.16.840.1.101.3.4.1.45";
pub(crate) const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
pub(crate) const RSA_OAEP: &str = "1.2.840.113549.1.1.7";
pub(crate) const MGF1: &str = "1.2.840.113549.1.1.8";
pub(crate) const SHA1: &str = "1.3.14.3.2.26";
pub(crate) const MD5: &str = "1.2.840.113549.2.5";
pub(crate) const SHA256: &str = "2.16.840.1.101.3.4.2.1";
pub(crate) const SHA384: &str = "2.16.840.1.101.3.4.2.2";
pub(crate) const SHA512: &str = "2.16.840.1.101.3.4.2.3";
pub(crate) const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
pub(crate) const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub(crate) const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub(crate) const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
pub(crate) const ALGORITHM_PROTECTION: &str = "1.2.840.113549.1.9.52";

pub(crate) const KEY_256: [u8; 32] = [0x42; 32];
pub(crate) const KEY_128: [u8; 16] = [0x24; 16];
pub(crate) const NONCE: [u8; 12] = [0x11; 12];
pub(crate) const IV: [u8; 16] = [0x33; 16];

pub(crate) fn content_info(kind: &str, object: Vec<u8>) -> Vec<u8> {
    seq(&[oid(kind), ctx(0, object)])
}

// --- content ------------------------------------------------------------------------------------

/// `GCMParameters`; `icv` absent means 12.
pub(crate) fn gcm(cipher: &str, nonce: &[u8], icv: Option<u64>) -> Vec<u8> {
    let mut parameters = vec![octets(nonce)];
    parameters.extend(icv.map(int));
    seq(&[oid(cipher), seq(&parameters)])
}

pub(crate) fn cbc(cipher: &str, iv: &[u8]) -> Vec<u8> {
    seq(&[oid(cipher), octets(iv)])
}

/// Ciphertext and tag.
pub(crate) fn encrypt_gcm(key: &[u8], plain: &[u8], aad: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let cipher = if key.len() == 16 {
        &AES_128_GCM
    } else {
        &AES_256_GCM
    };
    let key = LessSafeKey::new(UnboundKey::new(cipher, key).unwrap());
    let mut ciphertext = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(NONCE);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut ciphertext)
        .unwrap();
    (ciphertext, tag.as_ref().to_vec())
}

/// AES-CBC with PKCS#7 padding under [`IV`].
pub(crate) fn encrypt_cbc(key: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = if key.len() == 16 { &AES_128 } else { &AES_256 };
    let key = UnboundCipherKey::new(cipher, key).unwrap();
    let mut ciphertext = plain.to_vec();
    PaddedBlockEncryptingKey::cbc_pkcs7(key)
        .unwrap()
        .less_safe_encrypt(
            &mut ciphertext,
            EncryptionContext::Iv128(FixedLength::from(IV)),
        )
        .unwrap();
    ciphertext
}

fn encrypted_content(cipher: Vec<u8>, ciphertext: &[u8]) -> Vec<u8> {
    seq(&[oid(DATA), cipher, ctx_primitive(0, ciphertext)])
}

/// `EnvelopedData` in its `ContentInfo`.
pub(crate) fn enveloped(recipients: &[Vec<u8>], cipher: Vec<u8>, ciphertext: &[u8]) -> Vec<u8> {
    let object = seq(&[
        int(0),
        set(recipients),
        encrypted_content(cipher, ciphertext),
    ]);
    content_info(ENVELOPED_DATA, object)
}

/// `AuthEnvelopedData` in its `ContentInfo`. `attributes` is the field as it stands, tag included.
pub(crate) fn auth_enveloped(
    recipients: &[Vec<u8>],
    cipher: Vec<u8>,
    ciphertext: &[u8],
    attributes: Option<Vec<u8>>,
    mac: &[u8],
) -> Vec<u8> {
    let mut fields = vec![
        int(0),
        set(recipients),
        encrypted_content(cipher, ciphertext),
    ];
    fields.extend(attributes);
    fields.push(octets(mac));
    content_info(AUTH_ENVELOPED_DATA, seq(&fields))
}

/// An honest AES-256-GCM envelope under [`KEY_256`].
pub(crate) fn honest_gcm(recipients: &[Vec<u8>], plain: &[u8]) -> Vec<u8> {
    let (ciphertext, tag) = encrypt_gcm(&KEY_256, plain, b"");
    let cipher = gcm(AES256_GCM, &NONCE, Some(16));
    auth_enveloped(recipients, cipher, &ciphertext, None, &tag)
}

// --- recipients ---------------------------------------------------------------------------------

/// `KeyTransRecipientInfo` of any algorithm and block.
pub(crate) fn key_transport(rid: Vec<u8>, method: Vec<u8>, block: &[u8]) -> Vec<u8> {
    seq(&[int(0), rid, method, octets(block)])
}

pub(crate) fn pkcs1(person: &Person, key: &[u8]) -> Vec<u8> {
    key_transport(person.rid(), rsa_encryption(), &pkcs1_block(person, key))
}

pub(crate) fn rsa_encryption() -> Vec<u8> {
    seq(&[oid(RSA_ENCRYPTION), null()])
}

pub(crate) fn pkcs1_block(person: &Person, key: &[u8]) -> Vec<u8> {
    let public = PublicEncryptingKey::from_der(&person.spki).unwrap();
    let public = Pkcs1PublicEncryptingKey::new(public).unwrap();
    let mut block = vec![0; public.ciphertext_size()];
    public.encrypt(key, &mut block).unwrap();
    block
}

/// RSA-OAEP with SHA-256 for both digests.
pub(crate) fn oaep(person: &Person, key: &[u8]) -> Vec<u8> {
    key_transport(
        person.rid(),
        oaep_algorithm(SHA256, SHA256),
        &oaep_block(person, key),
    )
}

pub(crate) fn oaep_algorithm(digest: &str, mask: &str) -> Vec<u8> {
    seq(&[
        oid(RSA_OAEP),
        seq(&[
            ctx(0, seq(&[oid(digest), null()])),
            ctx(1, seq(&[oid(MGF1), seq(&[oid(mask), null()])])),
        ]),
    ])
}

pub(crate) fn oaep_block(person: &Person, key: &[u8]) -> Vec<u8> {
    let public = PublicEncryptingKey::from_der(&person.spki).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut block = vec![0; public.ciphertext_size()];
    public
        .encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut block, None)
        .unwrap();
    block
}

/// What a `KEMRecipientInfo` says; each field can lie.
pub(crate) struct Kem {
    pub(crate) version: u64,
    pub(crate) kem: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) kdf: Vec<u8>,
    pub(crate) kek_octets: u64,
    pub(crate) ukm: Option<Vec<u8>>,
    pub(crate) wrap: Vec<u8>,
    pub(crate) encrypted_key: Vec<u8>,
}

impl Kem {
    /// An honest one, written apart from the code under test (RFC 9936 §2.2).
    pub(crate) fn honest(person: &Person, key: &[u8], ukm: Option<&[u8]>) -> Self {
        let (size, name, wrap, kek_octets) = match person.certificate.public_key_kind() {
            liaison_smime::PublicKeyKind::MlKem512 => (&kem::ML_KEM_512, "1", AES128_WRAP, 16),
            liaison_smime::PublicKeyKind::MlKem768 => (&kem::ML_KEM_768, "2", AES256_WRAP, 32),
            _ => (&kem::ML_KEM_1024, "3", AES256_WRAP, 32),
        };
        let public = &person.spki[person.spki.len() - public_octets(size.id())..];
        let public = EncapsulationKey::new(size, public).unwrap();
        let (ciphertext, secret) = public.encapsulate().unwrap();
        let wrap = algorithm(wrap);
        let mut info = vec![wrap.clone(), int(kek_octets)];
        info.extend(ukm.map(|ukm| ctx(0, octets(ukm))));
        let kek = hkdf_sha256(secret.as_ref(), &seq(&info), kek_octets as usize);
        Self {
            version: 0,
            kem: algorithm(&format!("2.16.840.1.101.3.4.4.{name}")),
            ciphertext: ciphertext.as_ref().to_vec(),
            kdf: algorithm("1.2.840.113549.1.9.16.3.28"),
            kek_octets,
            ukm: ukm.map(<[u8]>::to_vec),
            wrap,
            encrypted_key: wrapped(&kek, key),
        }
    }

    pub(crate) fn encode(&self, rid: Vec<u8>) -> Vec<u8> {
        let mut fields = vec![
            int(self.version),
            rid,
            self.kem.clone(),
            octets(&self.ciphertext),
            self.kdf.clone(),
            int(self.kek_octets),
        ];
        fields.extend(self.ukm.as_ref().map(|ukm| ctx(0, octets(ukm))));
        fields.push(self.wrap.clone());
        fields.push(octets(&self.encrypted_key));
        ctx(
            4,
            [oid("1.2.840.113549.1.9.16.13.3"), seq(&fields)].concat(),
        )
    }
}

fn public_octets(id: kem::AlgorithmId) -> usize {
    match id {
        kem::AlgorithmId::MlKem512 => 800,
        kem::AlgorithmId::MlKem768 => 1184,
        _ => 1568,
    }
}

fn hkdf_sha256(secret: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = vec![0; length];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"")
        .extract(secret)
        .expand(&[info], Length(length))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

/// AES key wrap.
pub(crate) fn wrapped(kek: &[u8], key: &[u8]) -> Vec<u8> {
    let cipher = if kek.len() == 16 {
        &aws_lc_rs::key_wrap::AES_128
    } else {
        &aws_lc_rs::key_wrap::AES_256
    };
    let mut out = vec![0; key.len() + 8];
    AesKek::new(cipher, kek)
        .unwrap()
        .wrap(key, &mut out)
        .unwrap();
    out
}

// --- signatures ---------------------------------------------------------------------------------

pub(crate) fn attribute(kind: &str, values: &[Vec<u8>]) -> Vec<u8> {
    seq(&[oid(kind), set(values)])
}

/// contentType, messageDigest (SHA-256) and signingTime as an honest signer writes them.
pub(crate) fn honest_attributes(content: &[u8]) -> Vec<Vec<u8>> {
    vec![
        attribute(CONTENT_TYPE, &[oid(DATA)]),
        attribute(SIGNING_TIME, &[utc_time(NOW)]),
        attribute(MESSAGE_DIGEST, &[octets(sha256(content))]),
    ]
}

pub(crate) fn sha256(content: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, content).as_ref().to_vec()
}

/// What a `SignerInfo` says, signed by a P-256 key.
pub(crate) struct Signer<'a> {
    pub(crate) person: &'a Person,
    pub(crate) digest: Vec<u8>,
    /// Attributes in the order given; `None` signs the content itself.
    pub(crate) attributes: Option<Vec<Vec<u8>>>,
    pub(crate) method: Vec<u8>,
    pub(crate) unsigned: Option<Vec<u8>>,
}

impl<'a> Signer<'a> {
    pub(crate) fn honest(person: &'a Person, content: &[u8]) -> Self {
        Self::with(person, honest_attributes(content))
    }

    pub(crate) fn with(person: &'a Person, attributes: Vec<Vec<u8>>) -> Self {
        Self {
            person,
            digest: algorithm(SHA256),
            attributes: Some(attributes),
            method: algorithm(ECDSA_SHA256),
            unsigned: None,
        }
    }

    pub(crate) fn encode(&self, content: &[u8]) -> Vec<u8> {
        let attributes = self.attributes.as_ref().map(|list| set_of(list));
        let signature = ecdsa(self.person, attributes.as_deref().unwrap_or(content));
        let mut fields = vec![int(1), self.person.rid(), self.digest.clone()];
        fields.extend(attributes.map(|mut field| {
            field[0] = 0xa0;
            field
        }));
        fields.push(self.method.clone());
        fields.push(octets(signature));
        fields.extend(self.unsigned.clone());
        seq(&fields)
    }
}

pub(crate) fn ecdsa(person: &Person, message: &[u8]) -> Vec<u8> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &person.pkcs8).unwrap();
    let signature = pair.sign(&SystemRandom::new(), message).unwrap();
    signature.as_ref().to_vec()
}

/// `SignedData` in its `ContentInfo`.
pub(crate) fn signed(
    kind: &str,
    content: Option<&[u8]>,
    certificates: &[&[u8]],
    signers: &[Vec<u8>],
) -> Vec<u8> {
    let mut encapsulated = vec![oid(kind)];
    encapsulated.extend(content.map(|content| ctx(0, octets(content))));
    let mut fields = vec![int(1), set(&[algorithm(SHA256)]), seq(&encapsulated)];
    if !certificates.is_empty() {
        fields.push(ctx(0, certificates.concat()));
    }
    fields.push(tlv(0x31, signers.concat()));
    content_info(SIGNED_DATA, seq(&fields))
}

/// An honest signature of `person`, opaque or detached.
pub(crate) fn honest_signature(person: &Person, content: &[u8], opaque: bool) -> Vec<u8> {
    signed(
        DATA,
        opaque.then_some(content),
        &[person.certificate.der()],
        &[Signer::honest(person, content).encode(content)],
    )
}

/// A MIME entity around a CMS object.
pub(crate) fn entity(object: &[u8]) -> Vec<u8> {
    let mut octets = b"Content-Type: application/pkcs7-mime; name=\"smime.p7m\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    octets.extend_from_slice(&super::base64(object));
    octets
}

/// multipart/signed around `content` and a detached signature.
pub(crate) fn multipart_signed(content: &[u8], object: &[u8]) -> Vec<u8> {
    let mut octets =
        b"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n \
        micalg=sha-256; boundary=\"limite\"\r\n\r\n--limite\r\n"
            .to_vec();
    octets.extend_from_slice(content);
    octets.extend_from_slice(
        b"\r\n--limite\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
          Content-Transfer-Encoding: base64\r\n\r\n",
    );
    octets.extend_from_slice(&super::base64(object));
    octets.extend_from_slice(b"--limite--\r\n");
    octets
}

/// What is inside the AES-256-GCM envelope of a mail, for somebody with an RSA key.
pub(crate) fn without_envelope(mail: &[u8], person: &Person) -> Vec<u8> {
    use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use base64::Engine as _;

    let text = String::from_utf8_lossy(mail);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let body: String = body.split_whitespace().collect();
    let object = base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap();
    let key = PrivateDecryptingKey::from_pkcs8(&person.pkcs8).unwrap();
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    let mut buffer = vec![0; 256];
    // OCTET STRINGs of 256 octets: the encrypted keys of RSA-2048 recipients.
    let blocks = object.windows(4).enumerate();
    let blocks = blocks.filter(|(_, head)| *head == [4, 0x82, 1, 0]);
    let cek = blocks
        .filter_map(|(at, _)| object.get(at + 4..at + 260))
        .find_map(|block| {
            let opened = key.decrypt(&OAEP_SHA256_MGF1SHA256, block, &mut buffer, None);
            opened.ok().map(|key| key.to_vec())
        })
        .unwrap();
    // The nonce and the length of the tag, then the content, [0], then the tag.
    let parameters = object
        .windows(17)
        .position(|w| w[..2] == [4, 12] && w[14..] == [2, 1, 16])
        .unwrap();
    let nonce = object[parameters + 2..parameters + 14].try_into().unwrap();
    let content = &object[parameters + 17..];
    assert_eq!(content[0], 0x80);
    let count = match content[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        long => {
            let octets = usize::from(long & 0x7f);
            let length = content[2..2 + octets].iter();
            (2 + octets, length.fold(0, |l, o| l << 8 | usize::from(*o)))
        }
    };
    let (ciphertext, rest) = content[count.0..].split_at(count.1);
    let mut sealed = [ciphertext, &rest[2..18]].concat();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &cek).unwrap());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).unwrap();
    plain.to_vec()
}
