//! What a message is worth: one verdict, and the message as its reader will see it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_mail::{Address, MessageId, header};
use liaison_smime::{
    AddressBinding, KeyChange, Opened, Revocation, SignatureVerdict, ValidSignature,
};
use mail_parser::MessageParser;

use crate::GatewayError;
use crate::tracking::ReceiptToken;

/// Header fields of this prefix are ours alone: what a sender put there is removed.
const OURS: &str = "X-Liaison-";
/// The request for a receipt (RFC 8098 §2.1). The gateway answers it, so that no mail client asks
/// a clinician about it, and none answers somebody whom nothing proves.
const RECEIPT: &str = "Disposition-Notification-To";

/// The verdict of a message whose author, key and headers all agree.
pub(super) const VERIFIED: &str = "verified";

/// An opened message with its verdict.
pub(super) struct Judged {
    /// What the mailbox shows.
    pub(super) message: Vec<u8>,
    /// The address that a valid signature binds; `None` when nothing proves who wrote.
    pub(super) author: Option<Address>,
    /// A word for the log.
    pub(super) verdict: &'static str,
    /// The receipt that the author asks for, when it may be given.
    pub(super) receipt: Option<ReceiptToken>,
    /// The signature, if it is valid.
    pub(super) signature: Option<ValidSignature>,
}

/// Judges an opened message. The verdict stands in the header field `X-Liaison-Verification` for
/// programs and in `X-Liaison-Note`, in French, for people; one that is not *verified* also stands
/// at the head of the subject, where every client shows it; so does a key that changed without
/// its renewal being due (`change`), until a person has confirmed it.
pub(super) fn judge(
    mut opened: Opened<'_>,
    recipient: &Address,
    change: Option<KeyChange>,
) -> Result<Judged, GatewayError> {
    let signature = match opened.signature() {
        SignatureVerdict::Valid(valid) => Some(valid.clone()),
        _ => None,
    };
    let (author, mut words, mut warning) = match opened.signature() {
        SignatureVerdict::Valid(valid) => {
            let author = match &valid.binding {
                AddressBinding::Address(address) => Address::parse(address).ok(),
                // A certificate of the whole domain vouches for the From that it signed.
                _ => opened
                    .from_address()
                    .and_then(|from| Address::parse(from).ok()),
            };
            let revocation = match &valid.revocation {
                Revocation::Good { .. } => "certificat non révoqué",
                _ => "révocation non vérifiable, liste absente ou périmée",
            };
            (author, format!("signature vérifiée ; {revocation}"), None)
        }
        SignatureVerdict::Unsigned => (
            None,
            "message non signé : l'auteur n'est pas prouvé".to_owned(),
            Some("NON SIGNÉ"),
        ),
        _ => (
            None,
            "signature non valable : l'auteur n'est pas prouvé".to_owned(),
            Some("SIGNATURE NON VÉRIFIÉE"),
        ),
    };
    let is_held = matches!(change, Some(KeyChange::Held(_)));
    if is_held {
        words.push_str(
            " ; la clé de signature de l'auteur a changé sans renouvellement attendu : \
             vérifiez auprès de lui, par téléphone",
        );
        warning = warning.or(Some("CLÉ CHANGÉE"));
    } else if change == Some(KeyChange::Renewed) {
        words.push_str(" ; l'auteur a renouvelé sa clé de signature");
    }
    let verdict = match (&author, opened.headers().findings.is_empty()) {
        (Some(_), _) if is_held => "key changed",
        (Some(_), true) => VERIFIED,
        (Some(_), false) => "outer header differs",
        (None, _) => "not verified",
    };
    if !opened.headers().findings.is_empty() {
        words.push_str(" ; l'en-tête extérieur a été modifié en route");
        warning = warning.or(Some("EN-TÊTE MODIFIÉ"));
    }
    let readable = opened
        .readable()
        .into_vec()
        .map_err(|_| GatewayError::Stored("the message could not be read again"))?;
    if !names(&readable, recipient) {
        words.push_str(" ; vous n'êtes pas nommé parmi les destinataires");
    }
    let receipt = author
        .as_ref()
        .filter(|_| warning.is_none())
        .and_then(|author| receipt_asked(&readable, author));
    Ok(Judged {
        message: marked(&readable, (verdict, &words), warning),
        author,
        verdict,
        receipt,
        signature,
    })
}

/// Whether `To` or `Cc` shows the recipient.
fn names(message: &[u8], recipient: &Address) -> bool {
    MessageParser::default()
        .parse_headers(message)
        .is_some_and(|parsed| {
            [parsed.to(), parsed.cc()]
                .into_iter()
                .flatten()
                .flat_map(mail_parser::Address::iter)
                .filter_map(|addr| Address::parse(addr.address()?).ok())
                .any(|address| address == *recipient)
        })
}

/// A receipt is given only to the author itself (RFC 8098 §2.1), for a message with an identifier.
fn receipt_asked(message: &[u8], author: &Address) -> Option<ReceiptToken> {
    let (head, _) = header::split(message);
    let wanted = head.value(RECEIPT)?;
    let wanted = wanted.trim_start_matches('<').trim_end_matches('>');
    (Address::parse(wanted).ok()? == *author).then_some(())?;
    Some(ReceiptToken {
        to: author.clone(),
        message_id: MessageId::parse(&head.value("Message-ID")?).ok()?,
    })
}

/// The message with our fields on top, foreign fields of our prefix removed, and the warning at
/// the head of the subject.
fn marked(message: &[u8], (verdict, words): (&str, &str), warning: Option<&str>) -> Vec<u8> {
    let (head, body) = header::split(message);
    let mut marked = Vec::with_capacity(message.len() + 300);
    let note = encoded(words);
    marked.extend_from_slice(
        format!("X-Liaison-Verification: {verdict}\r\nX-Liaison-Note: {note}\r\n").as_bytes(),
    );
    if let (Some(warning), 0) = (warning, head.count("Subject")) {
        marked.extend_from_slice(
            format!("Subject: {}\r\n", encoded(&format!("[{warning}]"))).as_bytes(),
        );
    }
    for field in head.fields() {
        let prefix = field.name.get(..OURS.len()).unwrap_or_default();
        if prefix.eq_ignore_ascii_case(OURS) || field.is(RECEIPT) {
            continue;
        }
        marked.extend_from_slice(field.name.as_bytes());
        marked.push(b':');
        if let Some(warning) = warning.filter(|_| field.is("Subject")) {
            // White space between two encoded-words is dropped by readers (RFC 2047 §6.2), so a
            // space goes inside ours when the subject begins with another.
            let space = match field.raw_value.trim_ascii_start().starts_with(b"=?") {
                true => " ",
                false => "",
            };
            let warning = encoded(&format!("[{warning}]{space}"));
            marked.extend_from_slice(format!(" {warning}\r\n").as_bytes());
            if !field.raw_value.starts_with(b" ") && !field.raw_value.starts_with(b"\t") {
                marked.push(b' ');
            }
        }
        marked.extend_from_slice(field.raw_value);
        marked.extend_from_slice(b"\r\n");
    }
    marked.extend_from_slice(b"\r\n");
    marked.extend_from_slice(body);
    marked
}

/// RFC 2047 encoded-words of at most 75 characters, folded.
pub(super) fn encoded(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // 45 octets become 60 of base64, which with the frame stays under 75.
        let end = rest.floor_char_boundary(45);
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(&rest[..end])));
        rest = &rest[end..];
    }
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use liaison_smime::{
        HoldReason, Identities, OpenPolicy, Opener, Recipients, SealPolicy, Sealer, TrustStore,
    };
    use time::macros::datetime;

    use super::*;
    use crate::partners::tests::{self, PARTNER};

    const MESSAGE: &[u8] = b"From: a@x.test\r\nX-LIAISON-Verification: signature OK\r\nSubject:\tBonjour\r\nMessage-ID: <m@x.test>\r\nDisposition-Notification-To: <a@x.test>\r\nTo: b@y.test\r\n\r\nbody";

    #[test]
    fn a_sender_cannot_write_our_verdict() {
        let marked = marked(MESSAGE, ("verified", "signature vérifiée"), None);
        let (head, body) = header::split(&marked);
        assert_eq!(head.count("X-Liaison-Verification"), 1);
        assert_eq!(
            head.value("X-Liaison-Verification").as_deref(),
            Some("verified")
        );
        assert_eq!(head.value("Subject").as_deref(), Some("Bonjour"));
        assert_eq!(head.count(RECEIPT), 0, "the client would ask the reader");
        assert_eq!(body, b"body");
    }

    #[test]
    fn a_warning_stands_at_the_head_of_the_subject() {
        let marked = marked(
            MESSAGE,
            ("not verified", "non"),
            Some("SIGNATURE NON VÉRIFIÉE"),
        );
        let parsed = MessageParser::default().parse(&marked).unwrap();
        assert_eq!(parsed.subject(), Some("[SIGNATURE NON VÉRIFIÉE] Bonjour"));
        let bare = super::marked(
            b"From: a@x.test\r\n\r\n",
            ("not verified", "non"),
            Some("NON SIGNÉ"),
        );
        let parsed = MessageParser::default().parse(&bare).unwrap();
        assert_eq!(parsed.subject(), Some("[NON SIGNÉ]"));
    }

    /// A message that the partner sealed to itself, opened by whom it may concern.
    fn judged(recipient: &str, change: Option<KeyChange>) -> Judged {
        let now = datetime!(2026-11-22 12:00 UTC);
        let authority = tests::authority("Autorité");
        let author = tests::person(&authority, PARTNER, now);
        let letter = format!(
            "From: {PARTNER}\r\nTo: {PARTNER}\r\nSubject: s\r\nMessage-ID: <m@ehpad.test>\r\n\
             Disposition-Notification-To: {PARTNER}\r\n\r\nx\r\n"
        );
        let recipients = Recipients::blind(author.certificate().clone());
        let sealed = Sealer::new(SealPolicy::default())
            .sign_with(&author)
            .seal_to_vec(letter.as_bytes(), &recipients, now)
            .unwrap();
        let trust = TrustStore::new().with_anchor(authority.certificate().clone());
        let (policy, ring) = (OpenPolicy::default(), Identities::new().with(author));
        let opened = Opener::new(&policy, &ring, &trust).open(&sealed, now);
        judge(opened.unwrap(), &Address::parse(recipient).unwrap(), change).unwrap()
    }

    fn note(judged: &Judged) -> String {
        let parsed = MessageParser::default().parse(&judged.message).unwrap();
        let note = parsed.header_raw("X-Liaison-Note").unwrap();
        // The field is not one that the parser decodes; Subject is.
        let as_subject = format!("Subject:{note}\r\n\r\n");
        let parsed = MessageParser::default().parse(as_subject.as_bytes());
        parsed.unwrap().subject().unwrap().to_owned()
    }

    /// A true signature over a message to one person, sealed again for another (surreptitious
    /// forwarding): valid, and the reader is told that it was not for them.
    #[test]
    fn a_message_for_somebody_else_is_told_from_ones_own() {
        let own = judged(PARTNER, None);
        assert_eq!(own.verdict, "verified");
        assert!(!note(&own).contains("destinataires"), "{}", note(&own));
        let other = judged("autre@ehpad.test", None);
        assert!(other.signature.is_some());
        assert!(
            note(&other).contains("vous n'êtes pas nommé parmi les destinataires"),
            "{}",
            note(&other)
        );
    }

    #[test]
    fn a_key_that_changed_is_shown_and_answers_nothing() {
        let renewed = judged(PARTNER, Some(KeyChange::Renewed));
        assert_eq!(renewed.verdict, "verified");
        assert!(note(&renewed).contains("renouvelé"));
        assert!(renewed.receipt.is_some());
        let changed = judged(PARTNER, Some(KeyChange::Held(HoldReason::EarlyChange)));
        assert_eq!(changed.verdict, "key changed");
        assert!(note(&changed).contains("a changé"), "{}", note(&changed));
        assert!(
            changed.receipt.is_none(),
            "no receipt before somebody asked"
        );
        let parsed = MessageParser::default().parse(&changed.message).unwrap();
        assert_eq!(parsed.subject(), Some("[CLÉ CHANGÉE] s"));
    }

    #[test]
    fn a_receipt_goes_to_the_author_and_to_nobody_else() {
        let author = Address::parse("a@x.test").unwrap();
        let token = receipt_asked(MESSAGE, &author).unwrap();
        assert_eq!(token.message_id.as_str(), "m@x.test");
        let other = Address::parse("other@x.test").unwrap();
        assert!(receipt_asked(MESSAGE, &other).is_none());
    }
}
