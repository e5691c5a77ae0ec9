//! The same work with OpenSSL's CMS, as the `openssl` crate reaches it.
//!
//! The crate's safe interface has neither RSA-OAEP recipients nor MIME output, so the calls are
//! those of `openssl-sys`, and four more of the same library that it does not declare. Everything
//! is set for speed: binary content (the message has its CRLF already), one pass for the signature.
//! The signed attributes are OpenSSL's own; ours say the same, the S/MIME capabilities among them.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use foreign_types::ForeignType as _;
use openssl_sys as ffi;

use crate::people::{People, Person};

unsafe extern "C" {
    fn SMIME_write_CMS(
        out: *mut ffi::BIO,
        cms: *mut ffi::CMS_ContentInfo,
        data: *mut ffi::BIO,
        flags: c_int,
    ) -> c_int;
    fn CMS_final(
        cms: *mut ffi::CMS_ContentInfo,
        data: *mut ffi::BIO,
        content: *mut ffi::BIO,
        flags: c_uint,
    ) -> c_int;
    fn CMS_add1_recipient_cert(
        cms: *mut ffi::CMS_ContentInfo,
        recipient: *mut ffi::X509,
        flags: c_uint,
    ) -> *mut c_void;
    fn CMS_RecipientInfo_get0_pkey_ctx(info: *mut c_void) -> *mut ffi::EVP_PKEY_CTX;
}

/// Frees a BIO.
struct Bio(*mut ffi::BIO);

impl Bio {
    fn over(octets: &[u8]) -> Self {
        let length = c_int::try_from(octets.len()).expect("less than 2 GiB");
        // SAFETY: the octets outlive the BIO in every use below.
        let bio = unsafe { ffi::BIO_new_mem_buf(octets.as_ptr().cast(), length) };
        assert!(!bio.is_null(), "a BIO");
        Self(bio)
    }

    fn empty() -> Self {
        // SAFETY: makes a BIO of its own.
        let bio = unsafe { ffi::BIO_new(ffi::BIO_s_mem()) };
        assert!(!bio.is_null(), "a BIO");
        Self(bio)
    }

    fn octets(&self) -> &[u8] {
        let mut start = ptr::null_mut();
        // SAFETY: the BIO is live and in memory; what it holds lives as long.
        unsafe {
            let length = ffi::BIO_get_mem_data(self.0, &raw mut start);
            std::slice::from_raw_parts(start.cast(), usize::try_from(length).expect("a length"))
        }
    }
}

impl Drop for Bio {
    fn drop(&mut self) {
        // SAFETY: owned, and not used again.
        unsafe { ffi::BIO_free_all(self.0) }
    }
}

/// Frees a CMS object.
struct Cms(*mut ffi::CMS_ContentInfo);

impl Cms {
    fn made(cms: *mut ffi::CMS_ContentInfo) -> Self {
        assert!(!cms.is_null(), "{}", openssl::error::ErrorStack::get());
        Self(cms)
    }
}

impl Drop for Cms {
    fn drop(&mut self) {
        // SAFETY: owned, and not used again.
        unsafe { ffi::CMS_ContentInfo_free(self.0) }
    }
}

fn done(answer: c_int) {
    assert_eq!(answer, 1, "{}", openssl::error::ErrorStack::get());
}

/// What comes out of [`seal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A message, as `openssl cms -encrypt` writes it: fields, then base64 of definite lengths.
    Mime,
    /// The same in one streaming pass, with indefinite lengths: its `-stream`.
    Streamed,
    /// The bare object in DER.
    Der,
}

/// Signs (multipart/signed) and encrypts (AES-256-GCM; RSA-OAEP with SHA-256, ECDH).
pub(crate) fn seal(people: &People, outer: &[u8], message: &[u8], form: Form) -> Vec<u8> {
    let signed = sign(&people.doctor, message);
    let mut flags = ffi::CMS_BINARY | ffi::CMS_PARTIAL;
    if form == Form::Streamed {
        flags |= ffi::CMS_STREAM;
    }
    let flags_int = c_int::try_from(flags).expect("small");
    // SAFETY: every object is live; the recipients' certificates are borrowed for the calls, which
    // take references of their own.
    unsafe {
        let cipher = ffi::EVP_aes_256_gcm();
        let cms = ffi::CMS_encrypt(ptr::null_mut(), ptr::null_mut(), cipher, flags);
        let cms = Cms::made(cms);
        for home in &people.homes {
            let info = CMS_add1_recipient_cert(
                cms.0,
                home.certificate.as_ptr(),
                ffi::CMS_BINARY | ffi::CMS_KEY_PARAM,
            );
            assert!(!info.is_null(), "{}", openssl::error::ErrorStack::get());
            if home.key.rsa().is_ok() {
                let context = CMS_RecipientInfo_get0_pkey_ctx(info);
                let digest = ffi::EVP_sha256();
                done(ffi::EVP_PKEY_CTX_set_rsa_padding(
                    context,
                    ffi::RSA_PKCS1_OAEP_PADDING,
                ));
                done(ffi::EVP_PKEY_CTX_set_rsa_oaep_md(
                    context,
                    digest.cast_mut(),
                ));
            }
        }
        let content = Bio::over(&signed);
        let out = Bio::empty();
        if form != Form::Streamed {
            done(CMS_final(cms.0, content.0, ptr::null_mut(), flags));
        }
        if form == Form::Der {
            let length = ffi::i2d_CMS_ContentInfo(cms.0, ptr::null_mut());
            let mut der = vec![0u8; usize::try_from(length).expect("a length")];
            let mut end = der.as_mut_ptr();
            ffi::i2d_CMS_ContentInfo(cms.0, &raw mut end);
            return der;
        }
        let length = c_int::try_from(outer.len()).expect("a header");
        assert_eq!(ffi::BIO_write(out.0, outer.as_ptr().cast(), length), length);
        let data = if form == Form::Streamed {
            content.0
        } else {
            ptr::null_mut()
        };
        done(SMIME_write_CMS(out.0, cms.0, data, flags_int));
        out.octets().to_vec()
    }
}

fn sign(doctor: &Person, message: &[u8]) -> Vec<u8> {
    let flags = ffi::CMS_BINARY | ffi::CMS_DETACHED | ffi::CMS_STREAM;
    let content = Bio::over(message);
    let out = Bio::empty();
    // SAFETY: every object is live and borrowed for the calls.
    unsafe {
        let cms = ffi::CMS_sign(
            doctor.certificate.as_ptr(),
            doctor.key.as_ptr(),
            ptr::null_mut(),
            content.0,
            flags,
        );
        let cms = Cms::made(cms);
        let flags = c_int::try_from(flags).expect("small");
        done(SMIME_write_CMS(out.0, cms.0, content.0, flags));
    }
    out.octets().to_vec()
}

/// Decrypts a message and verifies the multipart/signed inside it; the content that was signed.
pub(crate) fn open(people: &People, home: &Person, sealed: &[u8]) -> Vec<u8> {
    let flags = ffi::CMS_BINARY;
    let sealed = Bio::over(sealed);
    let inner = Bio::empty();
    let out = Bio::empty();
    // SAFETY: every object is live; `content` is a BIO of the caller's once it is answered.
    unsafe {
        let envelope = Cms::made(ffi::SMIME_read_CMS(sealed.0, ptr::null_mut()));
        let (key, certificate) = (home.key.as_ptr(), home.certificate.as_ptr());
        done(ffi::CMS_decrypt(
            envelope.0,
            key,
            certificate,
            ptr::null_mut(),
            inner.0,
            flags,
        ));
        let mut content = ptr::null_mut();
        let signed = Cms::made(ffi::SMIME_read_CMS(inner.0, &raw mut content));
        let content = Bio(content);
        let store = people.store.as_ptr();
        done(ffi::CMS_verify(
            signed.0,
            ptr::null_mut(),
            store,
            content.0,
            out.0,
            flags,
        ));
    }
    out.octets().to_vec()
}
