//! The bounds that a hostile message meets before anything is allocated for it.

/// Upper bounds on what one message may make this crate do.
///
/// Every bound is checked before memory is taken or a signature is computed for the thing it
/// bounds. The defaults suit a mail gateway; lower them freely, raise them with care.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of the whole message, base64 included. Default 64 MiB.
    pub message_octets: usize,
    /// Octets of one header section. Default 256 KiB.
    pub header_octets: usize,
    /// Header fields in one header section. Default 1000.
    pub header_fields: usize,
    /// CMS layers (an envelope, a signature) inside one another. Default 4.
    pub layers: usize,
    /// Nested ASN.1 values, constructed strings included. Default 32.
    pub asn1_depth: u8,
    /// Octets of one CMS object beside its content: recipients, certificates, attributes. They are
    /// held in memory; the content is not. Default 1 MiB.
    pub cms_octets: usize,
    /// `RecipientInfo` entries of one envelope. Default 512.
    pub recipients: usize,
    /// `SignerInfo` entries of one signature. Default 8.
    pub signers: usize,
    /// Certificates carried by one signature. Default 32.
    pub certificates: usize,
    /// Octets of one certificate. Default 64 KiB.
    pub certificate_octets: usize,
    /// Attributes of one signer or envelope. Default 64.
    pub attributes: usize,
    /// Certificates of one path, leaf and anchor included. Default 8.
    pub path_length: usize,
    /// Signatures checked while searching one path, CRLs included. Default 64.
    pub path_signatures: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: 64 * 1024 * 1024,
            header_octets: 256 * 1024,
            header_fields: 1000,
            layers: 4,
            asn1_depth: 32,
            cms_octets: 1024 * 1024,
            recipients: 512,
            signers: 8,
            certificates: 32,
            certificate_octets: 64 * 1024,
            attributes: 64,
            path_length: 8,
            path_signatures: 64,
        }
    }
}
