//! Public collections of S/MIME messages, certificates and keys: every valid one is accepted, or
//! refused for a reason of policy that stands beside its name here.
//!
//! Those that are data of other projects are read in place, from the folder that
//! `LIAISON_VECTORS` names; a test says plainly when its set is not at hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]
#![allow(
    clippy::print_stderr,
    reason = "a test says that its set is not at hand"
)]

mod at_hand;
mod ml_dsa;
mod python_vectors;
mod rfc4134;
mod rfc9216;
mod rfc9788;
mod rfc9936;
mod thunderbird;

use liaison_smime::{Identities, OpenPolicy, Opened, Opener, Refusal, TrustStore};
use time::OffsetDateTime;

fn open(
    policy: &OpenPolicy,
    mail: &[u8],
    ring: &Identities,
    trust: &TrustStore,
    at: OffsetDateTime,
) -> Result<Opened<'static>, Refusal> {
    Opener::new(policy, ring, trust).open(mail.to_vec(), at)
}

/// A mail around a bare CMS object.
fn mail(from: &str, object: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(object);
    let mut mail = format!(
        "From: {from}\r\nContent-Type: application/pkcs7-mime\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    for line in text.as_bytes().chunks(76) {
        mail.extend_from_slice(line);
        mail.extend_from_slice(b"\r\n");
    }
    mail
}

/// The octets of the first PEM block of a text, whatever its label.
fn pem(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    let block: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    base64::engine::general_purpose::STANDARD
        .decode(block)
        .unwrap()
}
