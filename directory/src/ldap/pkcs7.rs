//! A certificate in a PKCS #7 that bears nothing else, as `userSMIMECertificate` wants it (RFC 2798
//! §2.8, RFC 5652 §5.1).

/// `id-signedData`, 1.2.840.113549.1.7.2.
const SIGNED_DATA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
];
/// `id-data`, 1.2.840.113549.1.7.1.
const DATA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
];
const SEQUENCE: u8 = 0x30;
const EMPTY_SET: [u8; 2] = [0x31, 0x00];
const CONTEXT_0: u8 = 0xa0;

/// The `ContentInfo` of a `SignedData` without content and signers, with one certificate.
pub(super) fn certificates_only(der: &[u8]) -> Vec<u8> {
    let certificates = element(CONTEXT_0, &[der]);
    let signed = element(
        SEQUENCE,
        &[
            // RFC 5652 §5.1: version 1.
            &[0x02, 0x01, 0x01],
            &EMPTY_SET,
            &element(SEQUENCE, &[&DATA]),
            &certificates,
            &EMPTY_SET,
        ],
    );
    element(SEQUENCE, &[&SIGNED_DATA, &element(CONTEXT_0, &[&signed])])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut octets = vec![tag];
    if length < 0x80 {
        octets.extend(u8::try_from(length));
    } else {
        let digits = length.to_be_bytes();
        let digits = digits
            .get(digits.iter().take_while(|digit| **digit == 0).count()..)
            .unwrap_or_default();
        octets.extend(u8::try_from(digits.len()).map(|count| 0x80 | count));
        octets.extend_from_slice(digits);
    }
    octets.extend(parts.iter().flat_map(|part| part.iter()));
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_finds_the_certificate_in_it() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("k"), folder.path().join("c"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-subj", "/CN=essai", "-outform", "DER", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let bundle = certificates_only(&std::fs::read(&certificate).unwrap());
        let mut openssl = Command::new("openssl")
            .args(["pkcs7", "-inform", "DER", "-print_certs", "-noout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(&bundle).unwrap();
        let printed = openssl.wait_with_output().unwrap();
        assert!(printed.status.success());
        let printed = String::from_utf8_lossy(&printed.stdout);
        assert!(
            printed.contains("CN = essai") || printed.contains("CN=essai"),
            "{printed}"
        );
    }
}
