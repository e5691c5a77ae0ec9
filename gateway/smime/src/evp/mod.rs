//! The few operations of the cryptographic library that its safe interface (`aws-lc-rs`) lacks:
//!
//! - `aead`: authenticated ciphers a chunk at a time, with tags of 12 to 16 octets: a message of
//!   any size in constant memory. AES in counter mode with GHASH in safe code does it at about
//!   half of the speed;
//! - `rsa_oaep`: OAEP with one digest for the label and another for the mask, as Java's defaults
//!   send it;
//! - `key_wrap`: AES-192 key unwrap, which OpenSSL uses with AES-192 content;
//! - `ml_kem`: the expanded private key of an ML-KEM seed;
//! - `wiped`: buffers of content, wiped at the speed of memory;
//! - `old_cipher`: triple DES and RC2, for keys in old PKCS #12 files and for nothing else.
//!
//! This is the only module of the workspace with `unsafe` code. Each function checks, before it
//! calls the library, every length that the library takes on trust.
#![allow(
    unsafe_code,
    reason = "aws-lc-rs has no streaming AEAD, no OAEP with two digests, no AES-192 key wrap, no \
              ML-KEM key from a seed, and none of the ciphers of old key exports"
)]

mod aead;
mod key_wrap;
mod ml_kem;
mod old_cipher;
mod rsa_oaep;
mod wiped;

pub(crate) use aead::{Aead, AeadStream};
pub(crate) use key_wrap::aes192_unwrap;
pub(crate) use ml_kem::expand_ml_kem_seed;
pub(crate) use old_cipher::{OldCipher, decrypt_old_cbc};
pub(crate) use rsa_oaep::RsaOaepKey;
pub(crate) use wiped::Wiped;
