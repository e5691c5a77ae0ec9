//! For whom an envelope is.

use crate::certificate::Certificate;

/// The recipients of one envelope.
///
/// The entries of an envelope tell everyone who gets it for whom else it was made. So a recipient
/// who is not to be seen (Bcc) has an envelope of its own, and this type has no way to put such a
/// recipient beside others:
///
/// ```
/// use liaison_smime::{Certificate, Recipients};
///
/// # fn seal_all(to: Vec<Certificate>, bcc: Vec<Certificate>) {
/// let mut envelopes = vec![Recipients::visible(to)];
/// envelopes.extend(bcc.into_iter().map(Recipients::blind));
/// // Seal the message once for each.
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Recipients {
    recipients: Vec<Certificate>,
    sender: Option<Certificate>,
    cbc_only: bool,
}

impl Recipients {
    /// Recipients who may know of one another: those of To and Cc.
    pub fn visible(recipients: impl IntoIterator<Item = Certificate>) -> Self {
        Self {
            recipients: recipients.into_iter().collect(),
            sender: None,
            cbc_only: false,
        }
    }

    /// One recipient of whom the others are not to know.
    #[must_use]
    pub fn blind(recipient: Certificate) -> Self {
        Self::visible([recipient])
    }

    /// Lets the sender open the message too, with the key of this certificate.
    #[must_use]
    pub fn and_sender(mut self, sender: Certificate) -> Self {
        self.sender = Some(sender);
        self
    }

    /// Encrypts by AES-256-CBC, which anybody can change on the way without being noticed (EFAIL):
    /// only for recipients whose client is known to read nothing better, apart from others, and
    /// only signed. Nothing chooses this by itself.
    #[must_use]
    pub fn reading_only_cbc(mut self) -> Self {
        self.cbc_only = true;
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.recipients.is_empty()
    }

    /// The recipients in the order given, then the sender.
    pub(crate) fn all(&self) -> Vec<&Certificate> {
        self.recipients.iter().chain(&self.sender).collect()
    }

    pub(crate) fn has_sender(&self) -> bool {
        self.sender.is_some()
    }

    pub(crate) fn is_cbc_only(&self) -> bool {
        self.cbc_only
    }
}
