//! PEM texts (RFC 7468) with several blocks.

use zeroize::Zeroizing;

use crate::error::MaterialError;

/// One block of `label` around `octets`.
pub(crate) fn text(label: &str, octets: &[u8]) -> String {
    let encoded = base64_simd::STANDARD.encode_to_string(octets);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Every block of `label` in `text`, decoded. Other labels and the text between are skipped.
pub(crate) fn blocks(
    text: &str,
    label: &'static str,
) -> Result<Vec<Zeroizing<Vec<u8>>>, MaterialError> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(&begin) {
        let from = &rest[start..];
        let length = from.find(&end).ok_or(MaterialError::NoPemBlock(label))? + end.len();
        let (_, octets) = der::pem::decode_vec(&from.as_bytes()[..length])
            .map_err(|_| MaterialError::NoPemBlock(label))?;
        found.push(Zeroizing::new(octets));
        rest = &from[length..];
    }
    if found.is_empty() {
        return Err(MaterialError::NoPemBlock(label));
    }
    Ok(found)
}
