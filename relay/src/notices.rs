//! What a sender is told: failure, delay, arrival (RFC 3461 §5.2, RFC 3464).
//!
//! A report about a message returns nothing of it. It goes through the queue like any message,
//! from the null path, and is itself never reported on (RFC 3461 §5.2.10, RFC 5321 §4.5.5).

use std::fmt::Write as _;
use std::sync::Arc;

use liaison_mail::dsn::{Action, DeliveryReport, Heading, RecipientReport};
use liaison_mail::port::Origin;
use liaison_mail::{
    Address, Domain, EnhancedStatus, Envelope, EnvelopeId, MessageId, Notify, Recipient, Refusal,
    Return, ReversePath,
};
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::RelayError;
use crate::admission::{Sameness, hex};
use crate::queue::Stored;
use crate::queue::intake::{Intake, Stowed};
use crate::queue::lease::Claimed;

/// Who signs the reports.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    /// The relay's own name.
    pub(crate) mta: Domain,
    /// Its postmaster.
    pub(crate) postmaster: Address,
}

impl Reporter {
    /// The postmaster of the first domain served, where somebody reads (RFC 5321 §4.5.1), else
    /// of the host.
    pub(crate) fn new(hostname: &Domain, domains: &[Domain]) -> Result<Self, RelayError> {
        let domain = domains.first().unwrap_or(hostname);
        Ok(Self {
            mta: hostname.clone(),
            postmaster: Address::parse(&format!("postmaster@{domain}"))?,
        })
    }
}

/// One recipient about whom its sender is told something.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    recipient: Recipient,
    action: Action,
    refusal: Option<Refusal>,
    /// Tells two reports about one recipient apart.
    mark: (i64, u32),
}

impl Told {
    /// `None` when there is nothing to tell, or the sender asked not to hear of it (`NOTIFY`,
    /// RFC 3461 §4.1).
    pub(crate) fn of(
        claimed: &Claimed,
        action: &Option<Action>,
        refusal: Option<&Refusal>,
    ) -> Option<Self> {
        let action = (*action)?;
        wants(claimed.recipient.notify, action).then(|| Self {
            recipient: claimed.recipient.clone(),
            action,
            refusal: refusal.cloned(),
            mark: (claimed.id, claimed.attempts),
        })
    }
}

/// The reports to queue: one for each kind of news, none to a null path.
pub(crate) fn reports(
    message: &Stored,
    told: Vec<Told>,
    reporter: &Reporter,
    now: OffsetDateTime,
) -> Result<Vec<Intake>, RelayError> {
    let Some(sender) = message.envelope.from.address() else {
        return Ok(Vec::new());
    };
    let actions = [
        Action::Failed,
        Action::Delayed,
        Action::Delivered,
        Action::Relayed,
    ];
    actions
        .into_iter()
        .filter_map(|action| {
            let told: Vec<&Told> = told.iter().filter(|one| one.action == action).collect();
            (!told.is_empty()).then(|| report(message, sender, &told, reporter, now))
        })
        .collect()
}

fn wants(notify: Notify, action: Action) -> bool {
    match action {
        Action::Failed => notify.failure,
        Action::Delayed => notify.delay,
        Action::Delivered | Action::Relayed => notify.success,
    }
}

fn report(
    message: &Stored,
    sender: &Address,
    told: &[&Told],
    reporter: &Reporter,
    now: OffsetDateTime,
) -> Result<Intake, RelayError> {
    let action = told.first().map_or(Action::Failed, |one| one.action);
    let name = name(message, action, told);
    let envelope_id = EnvelopeId::parse(&name)?;
    let message_id = MessageId::parse(&format!("{name}@{}", reporter.mta))?;
    let body = DeliveryReport {
        envelope_id: message.named.then(|| message.envelope.id.clone()),
        reporting_mta: reporter.mta.clone(),
        recipients: told.iter().map(|one| recipient_report(one)).collect(),
    };
    let heading = Heading {
        from: reporter.postmaster.clone(),
        to: sender.clone(),
        message_id: message_id.clone(),
        in_reply_to: message.message_id.clone(),
        date: now,
        subject: subject(action).to_owned(),
        text: text(action, told),
    };
    let content: Arc<[u8]> = body.compose(&heading).map_err(RelayError::Report)?.into();
    Ok(Intake {
        order: None,
        sameness: Sameness::new(&Origin::Local, &name, None),
        before: None,
        origin: Origin::Local,
        envelope: Envelope {
            id: envelope_id,
            from: ReversePath::Null,
            recipients: vec![Recipient::silent(sender.clone())],
            ret: Return::Headers,
            urgency: message.envelope.urgency,
        },
        named: true,
        message_id: Some(message_id),
        trace: String::new(),
        eight_bit: !content.is_ascii(),
        require_tls: false,
        content: Stowed::Inline(content),
        accepted_at: now,
    })
}

/// Whether the message is a report that this relay made: nobody waits for news of it.
pub(crate) fn is_report(message: &Stored) -> bool {
    message.envelope.from == ReversePath::Null && message.envelope.id.as_str().starts_with(PREFIX)
}

/// How the names of our reports begin.
const PREFIX: &str = "report.";

/// The report's own name: the same whenever the same change is reported, so that no crash makes
/// two of it.
fn name(message: &Stored, action: Action, told: &[&Told]) -> String {
    let mut about = format!(
        "{}\n{:?}\n{action:?}\n",
        message.envelope.id,
        clock_of(message.accepted_at)
    );
    for one in told {
        let _ = writeln!(
            about,
            "{} {} {}",
            one.recipient.address.key(),
            one.mark.0,
            one.mark.1
        );
    }
    let hash = hex(digest(&SHA256, about.as_bytes()).as_ref());
    format!("{PREFIX}{}", &hash[..32])
}

fn clock_of(at: OffsetDateTime) -> i64 {
    liaison_base::clock::millis(at)
}

fn recipient_report(told: &Told) -> RecipientReport {
    let status = match (&told.refusal, told.action) {
        (Some(refusal), _) => refusal.status,
        // RFC 3464 §2.3.4: success is class 2.
        (None, Action::Delivered) => EnhancedStatus::DELIVERED,
        (None, _) => EnhancedStatus::new(2, 0, 0).unwrap_or(EnhancedStatus::DELIVERED),
    };
    RecipientReport {
        original: told.recipient.original.clone(),
        address: told.recipient.address.clone(),
        action: told.action,
        status,
        diagnostic: told.refusal.as_ref().map(ToString::to_string),
    }
}

/// Subjects are ASCII: [`Heading::subject`] has no other way to travel.
fn subject(action: Action) -> &'static str {
    match action {
        Action::Failed => "Message non remis",
        Action::Delayed => "Message en attente de remise",
        Action::Delivered => "Message remis",
        Action::Relayed => "Message transmis",
    }
}

fn text(action: Action, told: &[&Told]) -> String {
    let opening = match action {
        Action::Failed => {
            "Votre message n'a pas pu être remis aux destinataires ci-dessous.\n\
             Il ne leur parviendra pas : prévenez-les par un autre moyen."
        }
        Action::Delayed => {
            "Votre message n'a pas encore pu être remis aux destinataires ci-dessous.\n\
             Les essais continuent ; ne le renvoyez pas. Si c'est urgent, téléphonez."
        }
        Action::Delivered => {
            "Votre message est dans la boîte aux lettres des destinataires ci-dessous.\n\
             Cela ne dit pas que quelqu'un l'a lu."
        }
        Action::Relayed => {
            "Votre message a été transmis à un système qui ne rendra pas compte de la suite."
        }
    };
    let mut text = format!("{opening}\n\n");
    for one in told {
        let _ = write!(text, "  {}", one.recipient.address);
        if let Some(refusal) = &one.refusal {
            let _ = write!(text, "\n    ({refusal})");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn stored(from: &str) -> Stored {
        Stored {
            id: 1,
            origin: Origin::Local,
            envelope: Envelope {
                id: EnvelopeId::parse("n45.v1").unwrap(),
                from: ReversePath::parse(from).unwrap(),
                recipients: Vec::new(),
                ret: Return::Full,
                urgency: liaison_mail::Urgency::Urgent,
            },
            named: true,
            message_id: Some(MessageId::parse("n45@ch.test").unwrap()),
            trace: String::new(),
            size: 1,
            eight_bit: false,
            require_tls: false,
            accepted_at: datetime!(2026-11-22 12:00 UTC),
        }
    }

    fn told(address: &str, action: Action, refusal: Option<Refusal>) -> Told {
        Told {
            recipient: Recipient::closed_loop(Address::parse(address).unwrap()),
            action,
            refusal,
            mark: (7, 1),
        }
    }

    fn made(from: &str, told: Vec<Told>) -> Vec<Intake> {
        let domain = |text| Domain::parse(text).unwrap();
        let reporter = Reporter::new(&domain("relay.ehpad.test"), &[domain("ehpad.test")]).unwrap();
        reports(
            &stored(from),
            told,
            &reporter,
            datetime!(2026-11-22 12:00 UTC),
        )
        .unwrap()
    }

    fn content(report: &Intake) -> Arc<[u8]> {
        match &report.content {
            Stowed::Inline(content) => Arc::clone(content),
            Stowed::File { .. } => panic!("a report is small"),
        }
    }

    #[test]
    fn each_kind_of_news_is_one_report_that_admission_takes() {
        let gone = Refusal::permanent(550, EnhancedStatus::NO_SUCH_MAILBOX, "no such mailbox");
        let news = vec![
            told("a@ehpad.test", Action::Delivered, None),
            told("b@ehpad.test", Action::Failed, Some(gone)),
            told("c@ehpad.test", Action::Delivered, None),
        ];
        let reports = made("avis@ch.test", news);
        assert_eq!(reports.len(), 2);
        let read: Vec<_> = reports
            .iter()
            .map(|report| DeliveryReport::read(&content(report)).unwrap())
            .collect();
        assert_eq!(
            read[0].recipients[0].status,
            EnhancedStatus::NO_SUCH_MAILBOX
        );
        assert_eq!(read[1].recipients.len(), 2);
        assert_eq!(read[1].envelope_id.as_ref().unwrap().as_str(), "n45.v1");
        for report in &reports {
            let taken =
                crate::admission::content::check(&content(report), &ReversePath::Null).is_ok();
            assert!(taken, "{}", String::from_utf8_lossy(&content(report)));
            assert_eq!(report.envelope.from, ReversePath::Null);
            assert_eq!(report.envelope.recipients[0].notify, Notify::NEVER);
        }
    }

    #[test]
    fn a_report_is_never_reported_on() {
        let news = vec![told("a@ehpad.test", Action::Failed, None)];
        assert!(made("", news).is_empty());
    }

    #[test]
    fn the_same_change_is_always_reported_under_the_same_name() {
        let name = |attempt| {
            let mut one = told("a@ehpad.test", Action::Failed, None);
            one.mark.1 = attempt;
            made("avis@ch.test", vec![one])[0].envelope.id.clone()
        };
        assert_eq!(name(1), name(1));
        assert_ne!(name(1), name(2));
    }

    #[test]
    fn what_the_sender_did_not_ask_for_is_not_told() {
        for (notify, action, wanted) in [
            (Notify::NEVER, Action::Failed, false),
            (Notify::DEFAULT, Action::Failed, true),
            (Notify::DEFAULT, Action::Delayed, true),
            (Notify::DEFAULT, Action::Delivered, false),
            (Notify::ALL, Action::Relayed, true),
        ] {
            assert_eq!(wants(notify, action), wanted, "{notify} {action:?}");
        }
    }
}
